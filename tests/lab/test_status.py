"""`make status` on the running stack: each cause is produced on purpose, seen with its name and place, and undone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from health.__main__ import look
from health.report import Report
from health.stack import Known, known
from lab.clouds import as_tenant
from lab.machines import Machines, configure
from lab.network import inside
from lab.returning import reaches
from lab.sites import INTERNET, SITES
from tests.lab.conftest import Stack
from tests.lab.routers import commands, poll
from toolchain.paths import REPO

pytestmark = pytest.mark.lab
LINK = "tokyo-osaka"
#: seconds within which a sound stack is looked at, on a busy machine; alone it takes half
LIMIT = 20


class Lab:
    """The running stack, its machines, and what the tests change on them."""

    def __init__(self, running: Stack, machines: Machines) -> None:
        self.stack, self.machines = running, machines
        exported = json.loads(running.pulumi("stack", "export"))
        self.outputs = running.outputs()
        self.known: Known = known(self.outputs, exported)

    def look(self) -> Report:
        """As `python -m health` does, without asking Pulumi again."""
        return inside(lambda: asyncio.run(look(self.known)))

    def router(self, command: str, site: str = "osaka") -> str:
        return self.machines.run(site, "router", f"sudo {command}").stdout

    def linux(self, command: str, site: str = "osaka") -> str:
        return self.machines.run(site, "linux", f"sudo {command}").stdout

    def agree_anew(self) -> None:
        """Have the routers forget their associations; they ask for new ones by themselves."""
        self.terminate(f"--ike {LINK}")

    def terminate(self, what: str) -> None:
        """End associations at both ends, without waiting for the peer."""
        for site in ("osaka", "tokyo"):
            self.machines.run(site, "router", f"sudo swanctl --terminate {what} --force --timeout 1", check=False)

    def sound(self) -> bool:
        """Whether packets pass both ways; an association that was refused once is asked for again."""
        for site, peer in (("tokyo", "osaka"), ("osaka", "tokyo")):
            target = self.outputs["sites"][peer]["linuxAddress"]
            if not reaches(self.machines, site, target):
                self.machines.run(
                    "osaka", "router", f"sudo swanctl --initiate --child {LINK}-tunnel-0 --timeout 3", check=False
                )
                return False
        return True

    def port(self, role: str, site: str = "osaka") -> str:
        return self.known.clouds[site].ids[f"Port {role}"]


@pytest.fixture(scope="module")
def lab_stack(running: Stack) -> Iterator[Lab]:
    machines = Machines(running.outputs(), INTERNET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", running.environment["OS_CLIENT_CONFIG_FILE"])
        yield Lab(running, machines)
    machines.close()


def named(report: Report) -> list[tuple[str, str]]:
    return [(one.cause.value, one.place) for one in report.found]


Trouble = Callable[[Lab], AbstractContextManager[None]]


def trouble(do: Callable[[Lab], Iterator[None]]) -> Trouble:
    return contextlib.contextmanager(do)


def lines(*changed: str, back: tuple[str, ...]) -> Trouble:
    """Lines of Osaka's router are changed by hand, and the routers have to agree anew."""

    @trouble
    def change(lab: Lab) -> Iterator[None]:
        configure(lab.machines, "osaka", *changed)
        lab.agree_anew()
        try:
            yield
        finally:
            configure(lab.machines, "osaka", *back)
            lab.agree_anew()

    return change


@trouble
def wrong_key(lab: Lab) -> Iterator[None]:
    (own,) = re.findall(rf"psk {LINK} secret '(.*)'", commands(lab.machines, "osaka"))
    key = f"set vpn ipsec authentication psk {LINK} secret"
    with lines(f"{key} {'c' * 64}", back=(f"{key} {own}",))(lab):
        yield


IKE_CIPHER = f"set vpn ipsec ike-group {LINK} proposal 1 encryption"
other_proposal = lines(f"{IKE_CIPHER} aes128gcm128", back=(f"{IKE_CIPHER} aes256gcm128",))
PREFIX = f"vpn ipsec site-to-site peer {LINK} tunnel 0 remote prefix"
other_prefix = lines(
    f"delete {PREFIX} 192.168.10.0/24",
    f"set {PREFIX} 192.168.99.0/24",
    back=(f"delete {PREFIX} 192.168.99.0/24", f"set {PREFIX} 192.168.10.0/24"),
)


@trouble
def rule_gone(lab: Lab) -> Iterator[None]:
    rule = re.findall(r"set (firewall ipv4 forward filter rule 1000 .*)", commands(lab.machines, "osaka"))
    assert rule
    configure(lab.machines, "osaka", "delete firewall ipv4 forward filter rule 1000")
    try:
        yield
    finally:
        configure(lab.machines, "osaka", *(f"set {line}" for line in rule))


@trouble
def tunnel_down(lab: Lab) -> Iterator[None]:
    lab.router("ip link set tun1 down")
    try:
        yield
    finally:
        lab.router("ip link set tun1 up")
        lab.agree_anew()


@trouble
def keys_lost(lab: Lab) -> Iterator[None]:
    """The kernel has no ESP keys any more, which charon does not know."""
    lab.router("ip xfrm state flush")
    try:
        yield
    finally:
        lab.agree_anew()


@trouble
def no_route(lab: Lab) -> Iterator[None]:
    lab.linux("ip route replace unreachable 192.168.10.0/24")
    try:
        yield
    finally:
        lab.linux("ip route replace 192.168.10.0/24 via 192.168.20.254")


def until_dead(lab: Lab) -> None:
    """The cloud's agents need a moment."""
    target = lab.outputs["sites"]["osaka"]["linuxAddress"]
    ping = f"ping -n -c 2 -i 0.2 -W 0.5 {target}"
    poll(lambda: lab.machines.run("tokyo", "linux", ping, check=False).status, 20, "no ping")


@trouble
def no_address_pairs(lab: Lab) -> Iterator[None]:
    pairs = inside(lambda: set_port(lab.port("eth1"), allowed_address_pairs=[]))
    try:
        until_dead(lab)
        yield
    finally:
        inside(lambda: set_port(lab.port("eth1"), allowed_address_pairs=pairs))


def set_port(port: str, **values: object) -> object:
    """Change a port of Osaka's as its owner; the former value."""
    (name,) = values
    with as_tenant("osaka") as cloud:
        before: object = getattr(cloud.network.get_port(port), name.replace("security_groups", "security_group_ids"))
        cloud.network.update_port(port, **values)
        return before


def other_group(role: str, *egress: str) -> Trouble:
    """A port of Osaka's is in a group of the owner's own, which lets in nothing but SSH."""

    @trouble
    def change(lab: Lab) -> Iterator[None]:
        def make() -> str:
            with as_tenant("osaka") as cloud:
                group = cloud.network.create_security_group(name="test-status")
                for rule in cloud.network.security_group_rules(security_group_id=group.id):
                    cloud.network.delete_security_group_rule(rule)
                for direction, protocol in (("ingress", "tcp"), *(("egress", one) for one in egress)):
                    cloud.network.create_security_group_rule(
                        security_group_id=group.id, direction=direction, protocol=protocol, ether_type="IPv4"
                    )
                return str(group.id)

        group = inside(make)
        before = inside(lambda: set_port(lab.port(role), security_groups=[group]))
        try:
            until_dead(lab)
            yield
        finally:

            def undo() -> None:
                set_port(lab.port(role), security_groups=before)
                with as_tenant("osaka") as cloud:
                    cloud.network.delete_security_group(group)

            inside(undo)

    return change


def in_clients_namespace(*command: str) -> None:
    subprocess.run(["ip", "netns", "exec", INTERNET, *command], check=True)


@trouble
def provider_drops_ipip(lab: Lab) -> Iterator[None]:
    for words in (
        "add table bridge test_status",
        "add chain bridge test_status forward { type filter hook forward priority 0; }",
        "add rule bridge test_status forward ip protocol 4 drop",
    ):
        in_clients_namespace("nft", words)
    try:
        yield
    finally:
        in_clients_namespace("nft", "delete table bridge test_status")


def packet_filter(rule: str, hook: str = "forward") -> Trouble:
    """Osaka's router loses some of what it forwards, or of what comes to itself, without a word."""

    @trouble
    def change(lab: Lab) -> Iterator[None]:
        for words in ("add table ip test_status", f"'add chain ip test_status lost {{ type filter hook {hook} priority -300; }}'",
                      f"add rule ip test_status lost {rule} drop"):  # fmt: skip
            lab.router(f"nft {words}")
        try:
            yield
        finally:
            lab.router("nft delete table ip test_status")

    return change


@trouble
def deaf_to_ike(lab: Lab) -> Iterator[None]:
    """Osaka does not hear Tokyo's IKE, nor what Tokyo answers."""
    try:
        with packet_filter("udp dport '{ 500, 4500 }'", "input")(lab):
            yield
    finally:
        lab.agree_anew()


@trouble
def no_ike(lab: Lab) -> Iterator[None]:
    with deaf_to_ike(lab):
        lab.agree_anew()
        yield


@trouble
def no_esp(lab: Lab) -> Iterator[None]:
    """The ESP pair is gone, and the routers do not get to agree on another."""
    with deaf_to_ike(lab):
        lab.terminate(f"--child {LINK}-tunnel-0")
        yield


@trouble
def vm_ignores(lab: Lab) -> Iterator[None]:
    """What a firewall on the VM itself does, for example."""
    lab.linux("sysctl -q net.ipv4.icmp_echo_ignore_all=1")
    try:
        yield
    finally:
        lab.linux("sysctl -q net.ipv4.icmp_echo_ignore_all=0")


@trouble
def harmless_change(lab: Lab) -> Iterator[None]:
    configure(lab.machines, "osaka", "delete service ssh disable-host-validation")
    try:
        yield
    finally:
        configure(lab.machines, "osaka", "set service ssh disable-host-validation")


@trouble
def clock_ahead(lab: Lab) -> Iterator[None]:
    lab.linux("date -s @$(($(date +%s) + 120))", "tokyo")
    try:
        yield
    finally:
        lab.linux("date -s @$(($(date +%s) - 120))", "tokyo")


@trouble
def no_ssh(lab: Lab) -> Iterator[None]:
    rule = "firewall ipv4 input filter rule 60"
    configure(lab.machines, "osaka", f"set {rule} action drop", f"set {rule} protocol tcp",
              f"set {rule} destination port 22", f"set {rule} state new")  # fmt: skip
    try:
        yield
    finally:  # the connection from before goes on
        configure(lab.machines, "osaka", f"delete {rule}")


@trouble
def other_host_key(lab: Lab) -> Iterator[None]:
    key = "/etc/ssh/ssh_host_ed25519_key"
    restart = "sudo pkill -HUP -o sshd"
    lab.router(f"cp {key} /run/true_key && sudo rm {key} && sudo ssh-keygen -q -t ed25519 -N '' -f {key} && {restart}")
    time.sleep(1)
    try:
        yield
    finally:
        lab.router(f"mv /run/true_key {key} && {restart}")
        time.sleep(1)


def paused(name: str) -> Trouble:
    """A VM of Osaka's stands still."""

    @trouble
    def change(lab: Lab) -> Iterator[None]:
        def act(action: str, status: str) -> None:
            with as_tenant("osaka") as cloud:
                server = cloud.compute.find_server(name, ignore_missing=False)
                getattr(cloud.compute, f"{action}_server")(server)
                cloud.compute.wait_for_server(server, status=status, interval=1, wait=30)

        inside(lambda: act("pause", "PAUSED"))
        try:
            yield
        finally:
            inside(lambda: act("unpause", "ACTIVE"))

    return change


@trouble
def site_gone(lab: Lab) -> Iterator[None]:
    way = f"{SITES['osaka'].api_address}/32"
    with paused("osaka-vyos")(lab):
        in_clients_namespace("ip", "route", "add", "unreachable", way)
        try:
            yield
        finally:
            in_clients_namespace("ip", "route", "del", "unreachable", way)


@trouble
def what_breaks_nothing(lab: Lab) -> Iterator[None]:
    """Three at once: none explains another."""
    with clock_ahead(lab), harmless_change(lab), packet_filter("ip length '>' 1300")(lab):
        yield


@trouble
def name_server_stopped(lab: Lab) -> Iterator[None]:
    lab.linux("pkill -STOP knotd")
    try:
        yield
    finally:
        lab.linux("pkill -CONT knotd")


@trouble
def zone_behind(lab: Lab) -> Iterator[None]:
    """Osaka's server takes no updates, and the zone gets one."""
    assert lab.known.stack.dns
    zone = lab.known.stack.dns.domain
    lab.linux(f"knotc --blocking zone-freeze {zone}")  # not while it still asks for an update
    try:
        change_zone(lab, f"zone-set {zone} test-status 60 TXT x")
        yield
    finally:
        change_zone(lab, f"zone-unset {zone} test-status")
        lab.linux(f"knotc zone-thaw {zone}")
        lab.linux(f"knotc zone-refresh {zone}")


def change_zone(lab: Lab, command: str) -> None:
    """Change the zone at its primary."""
    zone = command.split()[1]
    for words in (f"zone-begin {zone}", command, f"zone-commit {zone}"):
        lab.linux(f"knotc {words}", "tokyo")


AT_OSAKA, WHOLE_LINK = f"link {LINK} at osaka", f"link {LINK}"
CASES: list[tuple[Trouble, list[tuple[str, str]]]] = [
    (what_breaks_nothing,
     [("MTU black hole", WHOLE_LINK), ("clock wrong", "tokyo"), ("changed by hand", "osaka")]),
    (packet_filter("icmp type echo-request ip length 84 numgen inc mod 3 0"), [("high loss", WHOLE_LINK)]),
    (rule_gone, [("router's firewall blocks", AT_OSAKA)]),
    (no_route, [("no route in the LAN", AT_OSAKA)]),
    (vm_ignores, [("lost in the LAN", WHOLE_LINK)]),
    (no_address_pairs, [("anti-spoofing drops", AT_OSAKA)]),
    (other_group("linux", "tcp", "udp", "icmp"), [("security group of the LAN blocks", AT_OSAKA)]),
    (paused("osaka-linux"), [("Linux VM unreachable", "osaka")]),
    (other_host_key, [("host key changed", "osaka")]),
    (no_ssh, [("router unreachable", "osaka")]),
    (paused("osaka-vyos"), [("peer unreachable", "osaka")]),
    (site_gone, [("cloud API unreachable", "osaka")]),
    (provider_drops_ipip, [("IPIP lost on the way", WHOLE_LINK)]),
    (other_group("eth0", "tcp", "udp"), [("IPIP blocked by a security group", AT_OSAKA)]),
    (zone_behind, [("DNS stale", "osaka")]),
    (name_server_stopped, [("DNS server does not answer", "osaka")]),
    (keys_lost, [("stale IKE", WHOLE_LINK)]),
    (wrong_key, [("wrong PSK", WHOLE_LINK)]),
    (other_proposal, [("proposal mismatch", AT_OSAKA)]),
    (no_ike, [("no IKE", WHOLE_LINK)]),
    (no_esp, [("no ESP", WHOLE_LINK)]),
    (other_prefix, [("selectors mismatch", AT_OSAKA)]),
    (tunnel_down, [("tunnel interface changed", AT_OSAKA)]),
]  # fmt: skip


def test_a_sound_stack(lab_stack: Lab) -> None:
    """The command itself, as an operator calls it: all is well, soon, and no secret is shown."""
    poll(lab_stack.sound, 60, "the link")
    started = time.monotonic()
    done = subprocess.run(
        ["ip", "netns", "exec", INTERNET, sys.executable, "-m", "health", "--json"],
        env=lab_stack.stack.environment,
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < LIMIT
    report = json.loads(done.stdout)
    assert report["findings"] == []
    (link,) = report["links"]
    assert (link["name"], link["state"], link["mtu"]) == (LINK, "up", 1374)
    for end in link["ends"]:
        assert (end["tunnel"], end["ike"], end["esp"], end["mtu"]) == (True, "ESTABLISHED", "INSTALLED", 1374)
        assert end["loss"] <= 0.1
        assert end["milliseconds"] > 0
        assert min(end["packets_in"], end["packets_out"]) > 10
        assert min(end["ike_age"], end["esp_age"]) >= 0
        assert 0 < end["esp_rekey_in"] < 3600 < end["ike_rekey_in"] < 28800
    (key,) = set(re.findall(rf"psk {LINK} secret '(.*)'", commands(lab_stack.machines, "osaka")))
    assert key not in done.stdout + done.stderr
    assert not [one for one in lab_stack.outputs["sshPrivateKeys"].values() if one[40:80] in done.stdout + done.stderr]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[case[1][0][0] for case in CASES])
def test_a_cause_is_named_where_it_is_and_no_consequence(
    lab_stack: Lab, make: Trouble, expected: list[tuple[str, str]]
) -> None:
    poll(lab_stack.sound, 30, "the link is sound before")
    with make(lab_stack):
        report = lab_stack.look()
        assert named(report) == expected, report.found
        assert all(one.evidence for one in report.found)


def test_all_is_well_again(lab_stack: Lab) -> None:
    poll(lab_stack.sound, 60, "the link")
    assert named(lab_stack.look()) == []
    lab_stack.stack.pulumi("preview", "--expect-no-changes")
