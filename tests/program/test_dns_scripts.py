"""The scripts, on real name servers: what is in the zones after changes, swaps and losses, at every server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from components import dns_render
from components.dns_plan import DnsPlan
from components.plan import make_plan
from components.settings import parse_settings
from tests.guests.name_servers import Machines, Refused, machines, missing
from tests.program.conftest import CLOUDS, configuration

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
SITES = ("tokyo", "osaka", "nagoya")
WWW = {"name": "www", "type": "A", "values": ["192.168.10.50", "192.168.20.50"]}
EVERY_TYPE: list[dict[str, Any]] = [
    {"name": "@", "type": "MX", "values": ["10 mail"]},
    {"name": "v6", "type": "AAAA", "values": ["::ffff:1.2.3.4", "2001:db8:0:0:1::1"]},
    {"name": "t", "type": "TXT", "values": ['it\'s; a "text" \\ é', "x" * 600]},
    {"name": "c", "type": "CAA", "values": ['0 issue "ca.example"']},
    {"name": "_sip._tcp", "type": "SRV", "values": ["0 5 5060 sip.elsewhere.example."]},
    {"name": "s", "type": "SSHFP", "values": ["4 2 " + "ab" * 32]},
    {"name": "*.apps", "type": "CNAME", "values": ["www"]},
    {"name": "192.168.10.50", "type": "PTR", "values": ["www"]},
]


def plan(primary: str = "tokyo", *records: dict[str, Any], lost: str = "") -> DnsPlan:
    raw = configuration(*SITES)
    raw["dns"] = {"domain": "corp.example", "primary": primary, "records": list(records)}
    if lost:
        raw["sites"][lost]["lost"] = True
    made = make_plan(parse_settings(raw, CLOUDS)).dns
    assert made
    return made


ADDRESSES = {site: server.address for site, server in plan().servers.items()}


@pytest.fixture
def at() -> Iterator[Machines]:
    with machines(ADDRESSES) as made:
        yield made


def serials(at: Machines) -> set[str]:
    """The serials of the domain that the servers have."""
    return {at.ask(address, "corp.example", "SOA")[0].split()[2] for address in ADDRESSES.values()}


def eventually(at: Machines, site: str, name: str, expected: list[str]) -> None:
    """What a server answers within the time that a secondary takes to follow."""
    deadline = time.monotonic() + 10
    while (found := at.ask(ADDRESSES[site], name)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def change_alone(at: Machines, site: str) -> None:
    """Change the zone of a former primary that does not know of the present one, to a higher serial than that one's."""
    soa = at.ask(ADDRESSES[site], "corp.example", "SOA")[0].split()
    soa[2] = "2000000000"
    change = f"zone-begin corp.example\nzone-set corp.example @ 300 SOA {' '.join(soa)}\nzone-commit corp.example"
    at.run(site, f"knotc <<'END'\n{change}\nEND")
    at.update(plan(), site, "add stale 60 A 192.0.2.3")
    assert at.ask(ADDRESSES[site], "stale.corp.example") == ["192.0.2.3"]


def test_all_servers_have_all_records_of_every_type(at: Machines) -> None:
    dns = plan("tokyo", WWW, *EVERY_TYPE)
    at.up(dns)
    for address in ADDRESSES.values():
        assert at.ask(address, "www.corp.example") == ["192.168.10.50", "192.168.20.50"]
        assert at.ask(address, "corp.example", "MX") == ["10 mail.corp.example."]
        assert at.ask(address, "v6.corp.example", "AAAA") == ["2001:db8::1:0:0:1", "::ffff:1.2.3.4"]
        texts = at.ask(address, "t.corp.example", "TXT")
        assert texts == [r'"it' + r"""'s; a \"text\" \\ \195\169""" + '"', f'"{"x" * 255}" "{"x" * 255}" "{"x" * 90}"']
        assert at.ask(address, "_sip._tcp.corp.example", "SRV") == ["0 5 5060 sip.elsewhere.example."]
        assert at.ask(address, "all.apps.corp.example")[1:] == ["192.168.20.50", "www.corp.example."]
        assert at.ask(address, "50.10.168.192.in-addr.arpa", "PTR") == ["www.corp.example."]
        assert at.ask(address, "osaka-vyos.corp.example") == ["192.168.20.254"]
        assert at.ask(address, "253.30.168.192.in-addr.arpa", "PTR") == ["nagoya-linux.corp.example."]
        assert len(at.ask(address, "20.168.192.in-addr.arpa", "NS")) == 3
    before = serials(at)
    assert len(before) == 1
    at.up(dns)
    assert serials(at) == before, "nothing has changed, and nothing was committed"
    # without the key nobody is told a whole zone, nor may change one
    assert "NOTAUTH" in "".join(refused(at, f"kdig @{ADDRESSES['osaka']} corp.example AXFR"))
    refused(
        at,
        f"printf 'server {ADDRESSES['tokyo']}\\nzone corp.example\\nupdate add x.corp.example. 60 A 192.0.2.1\\nsend\\n' | knsupdate",
    )


def refused(at: Machines, command: str) -> str:
    with pytest.raises(Refused) as failed:
        at.run("tokyo", command)
    return str(failed.value)


def test_the_programs_records_follow_the_configuration_and_others_stay(at: Machines) -> None:
    at.up(plan("tokyo", WWW))
    at.update(plan(), "tokyo", "add printer 60 A 192.168.10.9")
    at.update(plan(), "tokyo", "add www 300 A 192.168.10.51")
    at.update(plan(), "tokyo", "delete tokyo-vyos A")
    with pytest.raises(Refused):
        at.update(plan(), "osaka", "add elsewhere 60 A 192.168.10.9")
    at.up(
        plan(
            "tokyo",
            {**WWW, "values": ["192.168.20.50"], "ttl": 60},
            {"name": "new", "type": "A", "values": ["192.0.2.1"]},
        )
    )
    for address in ADDRESSES.values():
        assert at.ask(address, "printer.corp.example") == ["192.168.10.9"]
        assert at.ask(address, "www.corp.example") == ["192.168.10.51", "192.168.20.50"]
        assert at.ask(address, "tokyo-vyos.corp.example") == ["192.168.10.254"], "what was ours is back"
        assert at.ask(address, "new.corp.example") == ["192.0.2.1"]
    at.up(plan("tokyo"))
    assert at.ask(ADDRESSES["osaka"], "new.corp.example") == []
    assert at.ask(ADDRESSES["osaka"], "printer.corp.example") == ["192.168.10.9"]


def test_a_swap_of_the_primary_loses_nothing(at: Machines) -> None:
    at.up(plan("tokyo", WWW))
    at.update(plan(), "tokyo", "add first 60 A 192.0.2.1")
    at.up(plan("osaka", WWW))
    assert len(serials(at)) == 1
    at.update(plan("osaka"), "osaka", "add second 60 A 192.0.2.2")
    eventually(at, "tokyo", "second.corp.example", ["192.0.2.2"])
    # the new primary knows which records are the program's
    at.up(plan("osaka"))
    at.up(plan("tokyo"))
    for address in ADDRESSES.values():
        assert at.ask(address, "www.corp.example") == []
        assert at.ask(address, "first.corp.example") == ["192.0.2.1"]
        assert at.ask(address, "second.corp.example") == ["192.0.2.2"]


@pytest.mark.thorough
def test_a_lost_primary_is_replaced_and_comes_back(at: Machines) -> None:
    at.up(plan("tokyo"))
    # Osaka misses a change that Nagoya has got
    at.run("osaka", "systemctl stop knot")
    at.update(plan(), "tokyo", "add late 60 A 192.0.2.1")
    eventually(at, "nagoya", "late.corp.example", ["192.0.2.1"])
    at.run("tokyo", "systemctl stop knot")
    at.run("osaka", "systemctl start knot")
    at.up(plan("osaka", lost="tokyo"))
    assert at.ask(ADDRESSES["osaka"], "late.corp.example") == ["192.0.2.1"]
    assert "tokyo-linux.corp.example." not in at.ask(ADDRESSES["nagoya"], "corp.example", "NS")
    at.update(plan("osaka"), "osaka", "add meanwhile 60 A 192.0.2.2")
    at.run("tokyo", "systemctl start knot")
    change_alone(at, "tokyo")
    assert at.ask(ADDRESSES["osaka"], "stale.corp.example") == []
    at.up(plan("osaka"))
    at.up(plan("tokyo"))
    for address in ADDRESSES.values():
        assert at.ask(address, "meanwhile.corp.example") == ["192.0.2.2"]
        assert at.ask(address, "late.corp.example") == ["192.0.2.1"]
        assert at.ask(address, "stale.corp.example") == []


@pytest.mark.thorough
def test_a_former_primary_with_old_zones_has_to_follow_before_it_leads(at: Machines) -> None:
    at.up(plan("tokyo"))
    at.run(
        "tokyo",
        "systemctl stop knot; cp -a /var/lib/knot /before; cp -p /etc/knot/knot.conf /before.conf; systemctl start knot",
    )
    at.up(plan("osaka"))
    at.update(plan("osaka"), "osaka", "add meanwhile 60 A 192.0.2.2")
    eventually(at, "nagoya", "meanwhile.corp.example", ["192.0.2.2"])
    at.run(
        "tokyo",
        "systemctl stop knot; rm -r /var/lib/knot; mv /before /var/lib/knot; mv /before.conf /etc/knot/knot.conf; systemctl start knot",
    )
    change_alone(at, "tokyo")
    with pytest.raises(Refused, match=r"tokyo was the primary before, .* those of osaka: set dns\.primary: osaka"):
        at.up(plan("tokyo"))
    for primary in ("osaka", "tokyo"):
        at.up(plan(primary))
        for address in ADDRESSES.values():
            assert at.ask(address, "meanwhile.corp.example") == ["192.0.2.2"]
            assert at.ask(address, "stale.corp.example") == []


@pytest.mark.thorough
def test_a_machine_made_anew_gets_its_zones_from_the_others(at: Machines) -> None:
    at.up(plan("tokyo"))
    at.update(plan(), "tokyo", "add printer 60 A 192.168.10.9")
    eventually(at, "osaka", "printer.corp.example", ["192.168.10.9"])
    for site in ("tokyo", "osaka"):
        at.run(site, "systemctl disable --now knot; rm -rf /var/lib/knot/* /etc/knot/*")
        at.apply(plan("tokyo"), site)
        eventually(at, site, "printer.corp.example", ["192.168.10.9"])


def test_a_change_that_knotd_refuses_changes_nothing(at: Machines) -> None:
    at.up(plan("tokyo"))
    at.update(plan(), "tokyo", "add taken 60 A 192.168.10.9")
    before = at.ask(ADDRESSES["tokyo"], "corp.example", "SOA")
    alias = {"name": "taken", "type": "CNAME", "values": ["www"]}
    at.run("tokyo", "knotc zone-begin corp.example")  # what a run that was cut leaves
    with pytest.raises(Refused, match=r"(?s)knotd refuses a change of the zones: .*another record exists beside CNAME"):
        at.apply(plan("tokyo", WWW, alias), "tokyo")
    assert at.ask(ADDRESSES["tokyo"], "www.corp.example") == []
    at.up(plan("tokyo"))
    assert at.ask(ADDRESSES["tokyo"], "corp.example", "SOA") == before


@pytest.mark.thorough
def test_a_peer_that_does_not_answer_is_named(at: Machines) -> None:
    at.up(plan("tokyo"))
    at.run("tokyo", "systemctl stop knot")
    text = r"the name server of tokyo \(192\.168\.10\.253\) does not answer osaka's\. .*sites\.tokyo\.lost: true"
    with pytest.raises(Refused, match=text):
        at.apply(plan("osaka"), "osaka", waiting=1)
    # it has stayed what it was
    assert "master: tokyo" in at.run("osaka", "cat /etc/knot/knot.conf")
    at.up(plan("osaka", lost="tokyo"))


def test_names_that_are_not_the_stacks_are_asked_upstream(at: Machines) -> None:
    def alone(site: str, domain: str, *servers: str) -> DnsPlan:
        raw = configuration(site) | {"dns": {"domain": domain}}
        raw["sites"][site]["dnsServers"] = list(servers)
        made = make_plan(parse_settings(raw, CLOUDS)).dns
        assert made
        return made

    at.up(alone("nagoya", "elsewhere.example"))
    at.up(alone("tokyo", "corp.example", str(ADDRESSES["nagoya"])))
    assert at.ask(ADDRESSES["tokyo"], "nagoya-linux.elsewhere.example") == ["192.168.30.253"]
    assert at.ask(ADDRESSES["tokyo"], "nagoya-linux.elsewhere.example", options="+tcp") == ["192.168.30.253"]
    assert at.ask(ADDRESSES["tokyo"], "none.corp.example") == []
    at.up(alone("tokyo", "corp.example"))
    assert at.ask(ADDRESSES["tokyo"], "nagoya-linux.elsewhere.example") == []


@pytest.mark.thorough
def test_the_service_leaves_nothing_but_its_packages(at: Machines) -> None:
    at.up(plan("tokyo"))
    at.run("osaka", dns_render.remove(plan(), plan().servers["osaka"]))
    assert at.run("osaka", "systemctl is-active knot; systemctl is-enabled knot; ls /etc/knot /var/lib/knot; cat /etc/resolv.conf", 0).split() == [
        "inactive", "disabled", "/etc/knot:", "/var/lib/knot:"
    ]  # fmt: skip
