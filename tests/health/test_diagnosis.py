"""From facts to causes: each cause is named where it is, and its consequences are not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from ipaddress import IPv4Network

import pytest

from health.causes import ABOUT, Cause
from health.diagnosis import ask_clouds, diagnose
from health.facts import Cloud, IkeSa, NameAnswer, Ping, Route, Router, Rule, Silent
from tests.health.sound import NONE, Sound

LINK = "tokyo-osaka"
Spoil = Callable[[Sound], None]


def named(sound: Sound) -> list[tuple[Cause, str]]:
    return [(one.cause, one.place) for one in diagnose(sound.stack, sound.facts)]


def router(sound: Sound, name: str) -> Router:
    found = sound.facts[name].router
    assert isinstance(found, Router)
    return found


def broken(layer: str, then: Spoil) -> Spoil:
    """The link carries nothing from a layer on, the clouds have been asked, and something is wrong besides."""

    def spoil(sound: Sound) -> None:
        sound.break_link(LINK, layer)
        sound.clouds()
        then(sound)

    return spoil


def together(*spoils: Spoil) -> Spoil:
    def spoil(sound: Sound) -> None:
        for one in spoils:
            one(sound)

    return spoil


def off(sound: Sound) -> None:
    sound.break_link(LINK, "tunnel")
    sound.spoil("osaka", router=Silent("unreachable", "203.0.113.52 cannot be reached by SSH"), linux=None)


def cloud_off(sound: Sound) -> None:
    off(sound)
    sound.spoil("osaka", cloud=Cloud(error="osaka: no answer"))


def tunnel_down(sound: Sound) -> None:
    (interface, tunnel), *_ = router(sound, "osaka").tunnels.items()
    sound.spoil_router("osaka", tunnels={interface: dataclasses.replace(tunnel, up=False)})
    sound.break_link(LINK, "tunnel")


def log(*last: str) -> Spoil:
    """What charon noted of the link last, before something else of another link."""
    noted = (
        f"06[IKE] <{LINK}|2> received TS_UNACCEPTABLE notify",
        *(f"06[IKE] <{LINK}|{number}> {text}" for number, text in enumerate(last, 3)),
        "<other|1> NO_PROPOSAL_CHOSEN",
    )
    return lambda sound: sound.spoil_router("tokyo", log=noted)


def childless(sound: Sound) -> None:
    for name in ("tokyo", "osaka"):
        sound.spoil_router(name, associations=(IkeSa(name=LINK, state="ESTABLISHED"),))


def drops_first(chain: str) -> Spoil:
    rule = f"set firewall ipv4 {chain} filter rule 7"
    return lambda sound: sound.change("osaka", extra=f"{rule} action 'drop'\n{rule} protocol 'all'")


def answers(**by_server: NameAnswer | None) -> Spoil:
    return together(*(lambda sound, name=name: sound.spoil_linux(name, names=by_server) for name in ("tokyo", "osaka")))


stale_serial = answers(tokyo=NameAnswer(7, "192.168.10.7"), osaka=NameAnswer(5, "192.168.10.7"))
silent_server = answers(tokyo=NameAnswer(7, "192.168.10.7"), osaka=None)
OSAKA, LINK_AT_OSAKA, WHOLE_LINK = "osaka", f"link {LINK} at osaka", f"link {LINK}"
#: of another protocol, and from elsewhere
OTHER_RULES = (Rule(protocol="tcp", remote=None), Rule(protocol="", remote=IPv4Network("198.51.100.0/24")))
CASES: list[tuple[str, Spoil, Cause, str]] = [
    ("the site is gone", cloud_off, Cause.CLOUD_UNREACHABLE, OSAKA),
    ("no SSH, but the tunnel answers",
     lambda sound: sound.spoil("osaka", router=Silent("unreachable", "no SSH"), linux=None), Cause.ROUTER_UNREACHABLE, OSAKA),
    ("the router is off", off, Cause.PEER_UNREACHABLE, OSAKA),
    ("another host key",
     lambda sound: sound.spoil("osaka", router=Silent("host key", "another"), linux=None), Cause.HOST_KEY_CHANGED, OSAKA),
    ("another host key of the VM",
     lambda sound: sound.spoil("osaka", linux=Silent("host key", "another")), Cause.HOST_KEY_CHANGED, OSAKA),
    ("the tunnel is not in the configuration",
     together(lambda sound: sound.change("osaka", without="interfaces tunnel"), lambda sound: sound.break_link(LINK, "tunnel")),
     Cause.TUNNEL_CHANGED, LINK_AT_OSAKA),
    ("the interface is down", tunnel_down, Cause.TUNNEL_CHANGED, LINK_AT_OSAKA),
    ("another MSS", lambda sound: sound.change("osaka", without="adjust-mss"), Cause.TUNNEL_CHANGED, LINK_AT_OSAKA),
    ("a rule of the link is missing",
     broken("lan", lambda sound: sound.change("osaka", without="forward filter rule 1000")), Cause.ROUTER_FIREWALL, LINK_AT_OSAKA),
    ("a rule of the base is missing",
     broken("ike", lambda sound: sound.change("osaka", without="input filter rule 110")), Cause.ROUTER_FIREWALL, OSAKA),
    ("an operator drops IPIP", broken("tunnel", drops_first("input")), Cause.ROUTER_FIREWALL, OSAKA),
    ("an operator drops what is forwarded", broken("lan", drops_first("forward")), Cause.ROUTER_FIREWALL, OSAKA),
    ("no rule for IPIP", broken("tunnel", lambda sound: sound.cloud("osaka", eth0_rules=OTHER_RULES)), Cause.IPIP_BLOCKED, LINK_AT_OSAKA),
    ("IPIP does not arrive", broken("tunnel", lambda _: None), Cause.IPIP_LOST, WHOLE_LINK),
    ("the keys differ", broken("ike", lambda sound: sound.spoil_router("osaka", key_digests={LINK: "other"})),
     Cause.WRONG_PSK, WHOLE_LINK),
    ("charon has another key", broken("ike", log("received AUTHENTICATION_FAILED notify error")), Cause.WRONG_PSK, WHOLE_LINK),
    ("another cipher", broken("ike", lambda sound: sound.change("osaka", without="ike-group tokyo-osaka proposal 1 encryption")),
     Cause.PROPOSALS_DIFFER, LINK_AT_OSAKA),
    ("charon has another cipher", broken("ike", log("received NO_PROPOSAL_CHOSEN notify error")),
     Cause.PROPOSALS_DIFFER, WHOLE_LINK),
    ("another prefix", broken("ike", lambda sound: sound.change("osaka", without="tunnel 0 remote prefix")),
     Cause.SELECTORS_DIFFER, LINK_AT_OSAKA),
    ("charon has other prefixes",
     broken("esp", together(childless, log("received TS_UNACCEPTABLE notify"))),
     Cause.SELECTORS_DIFFER, WHOLE_LINK),
    ("charon had another cipher, until the two agreed",
     broken("ike", log("received NO_PROPOSAL_CHOSEN notify error", f"CHILD_SA {LINK}-tunnel-0{{2}} established with SPIs")),
     Cause.IKE_DOWN, WHOLE_LINK),
    ("no IKE for no reason", broken("ike", lambda _: None), Cause.IKE_DOWN, WHOLE_LINK),
    ("no ESP for no reason", broken("esp", childless), Cause.ESP_DOWN, WHOLE_LINK),
    ("ESP carries nothing", broken("esp", lambda _: None), Cause.STALE_IKE, WHOLE_LINK),
    ("the VM does not answer",
     together(lambda sound: sound.break_link(LINK, "lan"), lambda sound: sound.spoil("osaka", linux=Silent("unreachable", "no SSH"))),
     Cause.LINUX_UNREACHABLE, OSAKA),
    ("no route", broken("lan", together(lambda sound: sound.cloud("osaka", routes=()),
                                       lambda sound: sound.spoil_linux("osaka", routes={"tokyo": Route("192.168.20.1")}))),
     Cause.NO_ROUTE, LINK_AT_OSAKA),
    ("the VM refuses", broken("lan", lambda sound: sound.spoil_linux("osaka", routes={"tokyo": Route("", "unreachable")})),
     Cause.NO_ROUTE, LINK_AT_OSAKA),
    ("anti-spoofing", broken("lan", lambda sound: sound.cloud("osaka", address_pairs=())), Cause.ANTI_SPOOFING, LINK_AT_OSAKA),
    ("the LAN's group", broken("lan", lambda sound: sound.cloud("osaka", linux_rules=OTHER_RULES)), Cause.LAN_GROUP_BLOCKS, LINK_AT_OSAKA),
    ("lost for no reason", broken("lan", lambda _: None), Cause.LAN_LOST, WHOLE_LINK),
    ("large packets are lost", lambda sound: sound.spoil_linux("tokyo", mtus={"osaka": 1300}), Cause.MTU_BLACK_HOLE, WHOLE_LINK),
    ("pings are lost", lambda sound: sound.spoil_linux("tokyo", pings={"osaka": Ping(10, 7, 4.0)}, mtus={"osaka": 900}),
     Cause.HIGH_LOSS, WHOLE_LINK),
    ("the VM's clock", together(stale_serial, lambda sound: sound.spoil_linux("osaka", clock=-400)), Cause.CLOCK_WRONG, OSAKA),
    ("the router's clock", lambda sound: sound.spoil_router("osaka", clock=61), Cause.CLOCK_WRONG, OSAKA),
    ("no name server", silent_server, Cause.DNS_SILENT, OSAKA),
    ("an old serial", stale_serial, Cause.DNS_STALE, OSAKA),
    ("another primary",
     answers(tokyo=NameAnswer(7, "192.168.10.7"), osaka=NameAnswer(7, "192.168.20.7")),
     Cause.DNS_STALE, OSAKA),
    ("another line", lambda sound: sound.change("osaka", without="dead-peer-detection"), Cause.CHANGED_BY_HAND, LINK_AT_OSAKA),
]  # fmt: skip


@pytest.fixture
def sound() -> Sound:
    return Sound("tokyo", "osaka")


def test_a_sound_stack_has_no_findings(sound: Sound) -> None:
    assert named(sound) == []
    sound.clouds()
    assert named(sound) == []


@pytest.mark.parametrize(("spoil", "cause", "place"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_cause_is_named_and_no_consequence(sound: Sound, spoil: Spoil, cause: Cause, place: str) -> None:
    spoil(sound)
    assert named(sound) == [(cause, place)]
    assert all(one.evidence for one in diagnose(sound.stack, sound.facts))


def test_every_cause_can_be_named() -> None:
    assert {case[2] for case in CASES} == set(Cause) == set(ABOUT)


def test_the_shortest_ways_to_each_cause_do_not_hide_what_is_elsewhere(sound: Sound) -> None:
    """Two faults that have nothing to do with each other are both named."""
    sound = Sound("tokyo", "osaka", "nagoya")
    sound.spoil_router("osaka", key_digests={LINK: "other", "osaka-nagoya": "5e884898"})
    sound.break_link(LINK, "ike")
    sound.break_link("tokyo-nagoya", "lan")
    sound.cloud("nagoya", address_pairs=(IPv4Network("192.168.20.0/24"),))
    assert named(sound) == [(Cause.WRONG_PSK, WHOLE_LINK), (Cause.ANTI_SPOOFING, "link tokyo-nagoya at nagoya")]


def test_a_router_that_is_gone_is_one_cause_for_all_its_links() -> None:
    sound = Sound("tokyo", "osaka", "nagoya")
    sound.spoil("osaka", router=Silent("unreachable", "no SSH"), linux=None)
    for name in (LINK, "osaka-nagoya"):
        for end, _ in next(link for link in sound.stack.links if link.name == name).directions():
            found = sound.facts[end.site].router
            if isinstance(found, Router):
                sound.spoil_router(end.site, tunnel_pings={**found.tunnel_pings, name: NONE})
    assert named(sound) == [(Cause.PEER_UNREACHABLE, "osaka")]


def test_a_cloud_that_only_gives_no_answer_does_not_hide_why_the_link_is_down(sound: Sound) -> None:
    sound.break_link(LINK, "tunnel")
    sound.cloud("tokyo")
    sound.spoil("osaka", cloud=Cloud(error="osaka: no answer"))
    assert named(sound) == [(Cause.IPIP_LOST, WHOLE_LINK), (Cause.CLOUD_UNREACHABLE, "osaka")]
    assert "what the cloud of osaka lets through is not known" in str(diagnose(sound.stack, sound.facts)[0].evidence)


def test_pings_that_only_the_routers_do_not_answer_are_no_failure(sound: Sound) -> None:
    for name in ("tokyo", "osaka"):
        sound.spoil_router(name, tunnel_pings={LINK: NONE}, lan_pings={LINK: NONE})
    assert named(sound) == []


def test_one_act_by_hand_is_named_once_after_what_tells_most(sound: Sound) -> None:
    sound.change("osaka", without="dead-peer-detection")
    sound.change("osaka", without="tunnel 0 remote prefix")
    (found,) = diagnose(sound.stack, sound.facts)
    assert (found.cause, len(found.evidence)) == (Cause.SELECTORS_DIFFER, 3)
    assert "+ set vpn ipsec ike-group tokyo-osaka dead-peer-detection interval 5" in found.evidence


def test_a_harmless_change_does_not_hide_why_the_link_is_down(sound: Sound) -> None:
    sound.change("osaka", without="interfaces tunnel tun1 description")
    sound.break_link(LINK, "tunnel")
    assert named(sound) == [(Cause.IPIP_LOST, WHOLE_LINK), (Cause.TUNNEL_CHANGED, LINK_AT_OSAKA)]


def test_neutrons_route_is_as_good_as_the_vms(sound: Sound) -> None:
    """A VM that does not know DHCP's routes sends to the Neutron router; only the cloud can tell whether that is wrong."""
    sound.break_link(LINK, "lan")
    sound.spoil_linux("osaka", routes={"tokyo": Route("192.168.20.1")})
    assert named(sound) == [(Cause.NO_ROUTE, LINK_AT_OSAKA)]
    sound.clouds()
    assert named(sound) == [(Cause.LAN_LOST, WHOLE_LINK)]


def test_only_causes_that_the_cloud_may_know_more_of_ask_it(sound: Sound) -> None:
    assert ask_clouds(diagnose(sound.stack, sound.facts), sound.stack) == set()
    sound.spoil_router("osaka", key_digests={LINK: "other"})
    assert ask_clouds(diagnose(sound.stack, sound.facts), sound.stack) == set()
    sound = Sound("tokyo", "osaka")
    sound.break_link(LINK, "tunnel")
    assert ask_clouds(diagnose(sound.stack, sound.facts), sound.stack) == {"tokyo", "osaka"}
    off(sound)
    assert ask_clouds(diagnose(sound.stack, sound.facts), sound.stack) == {"osaka"}


def test_lost_sites_are_no_findings(sound: Sound) -> None:
    sites = {**sound.stack.sites, "osaka": dataclasses.replace(sound.stack.sites["osaka"], lost=True)}
    sound.stack = dataclasses.replace(sound.stack, sites=sites, dns=None)
    sound.break_link(LINK, "tunnel")
    del sound.facts["osaka"]
    assert named(sound) == []


def test_no_key_is_shown(sound: Sound) -> None:
    key = "c" * 64
    sound.spoil_router("osaka", key_digests={LINK: key})
    sound.change("osaka", extra=f"set vpn ipsec authentication psk tokyo-osaka secret '{key}'")
    found = diagnose(sound.stack, sound.facts)
    assert found
    assert key not in str(found)
    assert key not in repr(sound.facts["osaka"]).replace(str(router(sound, "osaka").lines), "")


def test_an_operators_own_lines_are_no_findings(sound: Sound) -> None:
    drops_first("input")(sound)
    sound.change("osaka", extra="set interfaces dummy dum9 address '198.51.100.9/32'")
    assert named(sound) == []
