"""What an operator fears of a router's configuration does not happen: on the lab's routers, with the stack running."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lab.machines import Machines, configure
from lab.network import inside
from tests.lab.capture import Capture
from tests.lab.conftest import Stack
from tests.lab.routers import OPERATORS_OWN, associations, commands, ping
from toolchain.paths import state

pytestmark = pytest.mark.lab


def psk(machines: Machines, site: str) -> str:
    (found,) = re.findall(r"psk tokyo-osaka secret '(.*)'", commands(machines, site))
    return str(found)


def test_an_operators_own_lines_are_no_drift(running: Stack, machines: Machines) -> None:
    configure(machines, "tokyo", *OPERATORS_OWN)
    running.pulumi("preview", "--expect-no-changes")


def test_drift_is_shown_line_by_line_and_repaired(running: Stack, machines: Machines) -> None:
    configure(
        machines, "osaka",
        "set interfaces tunnel tun1 ip adjust-mss 1000",
        "delete vpn ipsec esp-group tokyo-osaka lifetime",
        "set firewall ipv4 forward filter rule 1000 log",
    )  # fmt: skip
    shown = running.pulumi("preview", "--diff")
    for line in (
        "- set interfaces tunnel tun1 ip adjust-mss 1000",
        "+ set interfaces tunnel tun1 ip adjust-mss 1334",
        "+ set vpn ipsec esp-group tokyo-osaka lifetime 3600",
        "- set firewall ipv4 forward filter rule 1000 log",
    ):
        assert line in shown, shown
    assert re.search(r"~ 1 to update|1 changed|~ vyos:index:Configuration", shown), shown
    repaired = running.up()
    assert re.findall(r"(\S+) updated \(", repaired) == ["tokyo-osaka-osaka"], repaired
    after = commands(machines, "osaka")
    assert "set interfaces tunnel tun1 ip adjust-mss '1334'" in after
    assert "rule 1000 log" not in after
    running.pulumi("preview", "--expect-no-changes")


def test_a_key_changed_by_hand_is_drift_and_neither_key_is_shown(running: Stack, machines: Machines) -> None:
    own = psk(machines, "osaka")
    configure(machines, "osaka", f"set vpn ipsec authentication psk tokyo-osaka secret {'c' * 64}")
    shown = running.pulumi("preview", "--diff")
    assert "- set vpn ipsec authentication psk tokyo-osaka secret <secret>" in shown
    assert own not in shown
    assert "c" * 64 not in shown
    running.up()
    assert psk(machines, "osaka") == own


def test_an_unreachable_router_is_a_warning_and_no_change(running: Stack, machines: Machines) -> None:
    configure(machines, "osaka", "set firewall ipv4 input filter rule 60 action drop",
              "set firewall ipv4 input filter rule 60 protocol tcp",
              "set firewall ipv4 input filter rule 60 destination port 22",
              "set firewall ipv4 input filter rule 60 state new")  # fmt: skip
    try:
        shown = running.pulumi("preview", "--expect-no-changes")
        assert re.search(r"whether it was changed on the router is not known: \S+ cannot be reached by SSH", shown), (
            shown
        )
    finally:  # the connection from before goes on
        configure(machines, "osaka", "delete firewall ipv4 input filter rule 60")


def test_rotation_changes_the_key_on_both_ends_and_nothing_else(running: Stack, machines: Machines) -> None:
    before, servers = psk(machines, "tokyo"), {
        name: running.resource("Instance", name)["id"] for name in ("tokyo-vyos", "osaka-vyos", "tokyo-linux")
    }  # fmt: skip
    sas = associations(machines, "tokyo")
    running.configure(links=[{"ends": ["tokyo", "osaka"], "keyRotation": 2}])
    shown = running.up()
    changed = set(re.findall(r"(\S+) (?:creat|updat|delet|replac)ed \(", shown))
    assert changed == {
        "tokyo-osaka-psk", "tokyo-osaka-tokyo", "tokyo-osaka-osaka", "tokyo-osaka-check-tokyo", "tokyo-osaka-check-osaka"
    }  # fmt: skip
    assert before != psk(machines, "tokyo") == psk(machines, "osaka")
    assert servers == {name: running.resource("Instance", name)["id"] for name in servers}
    spis = re.findall(r"[0-9a-f]{16}_[ir]", sas)
    assert "ESTABLISHED" in associations(machines, "tokyo")
    assert spis
    assert not [spi for spi in spis if spi in associations(machines, "tokyo")], "the ends have authenticated anew"
    running.pulumi("preview", "--expect-no-changes")


def test_operators_lines_have_survived_so_far(running: Stack, machines: Machines) -> None:
    assert set(OPERATORS_OWN) <= set(commands(machines, "tokyo").replace("next-hop '", "next-hop ").splitlines())


def test_another_host_key_ends_it_before_anything_is_sent(running: Stack, machines: Machines) -> None:
    """The router's key is replaced: somebody else seems to answer at its address."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    machines.run(
        "osaka",
        "router",
        f"sudo cp {key} /run/true_key && sudo rm {key} && sudo ssh-keygen -q -t ed25519 -N '' -f {key}",
    )
    restart = "sudo pkill -HUP -o sshd"
    machines.run("osaka", "router", restart)
    try:
        time.sleep(2)
        before = commands(machines, "osaka")
        running.configure(links=[{"ends": ["tokyo", "osaka"], "keyRotation": 3}])
        shown = running.pulumi("up", "--yes", "--skip-preview", status=1)
        assert "answers with another host key than the router's" in shown
        assert "nothing was sent" in shown
        assert commands(machines, "osaka") == before
    finally:
        machines.run("osaka", "router", f"sudo mv /run/true_key {key} && {restart}")
        time.sleep(2)
    running.up()
    assert psk(machines, "tokyo") == psk(machines, "osaka")


def test_plaintext_from_a_spoofed_peer_does_not_come_through(running: Stack, machines: Machines) -> None:
    sites = running.outputs()["sites"]
    tokyo, osaka = sites["tokyo"], sites["osaka"]

    def heard(send: object) -> str:
        """What a UDP listener on Tokyo's Linux VM hears while something is sent to it."""
        with ThreadPoolExecutor() as pool:
            listener = pool.submit(machines.run, "tokyo", "linux", "timeout 6 nc -u -l 9999 || true", timeout=30)
            time.sleep(2)
            assert callable(send)
            send()
            return listener.result().stdout

    def spoof() -> None:
        inside(
            lambda: send_ipip(osaka["floatingIp"], tokyo["floatingIp"], osaka["linuxAddress"], tokyo["linuxAddress"])
        )

    def honest() -> None:
        machines.run("osaka", "linux", f"echo honest | nc -u -w 1 {tokyo['linuxAddress']} 9999", check=False)

    assert "honest" in heard(honest)
    received = "cat /sys/class/net/tun2/statistics/rx_packets"
    before = int(machines.run("tokyo", "router", received).stdout)
    assert heard(spoof) == ""
    assert int(machines.run("tokyo", "router", received).stdout) >= before + 5, "it came as far as the tunnel"


def test_lan_traffic_goes_into_ipsec_or_nowhere(running: Stack, machines: Machines) -> None:
    """strongSwan can lose its own route to a LAN; and while it is down, nothing may leave in plain."""
    addresses = [running.outputs()["sites"][site]["floatingIp"] for site in ("tokyo", "osaka")]
    machines.run("tokyo", "router", "sudo ip route flush table 220")
    with Capture(addresses) as wire:
        assert "3 received" in ping(machines, running, "tokyo", "osaka").stdout
        machines.run("tokyo", "router", "sudo swanctl --terminate --force --ike tokyo-osaka; sudo pkill charon")
        try:
            assert "0 received" in ping(machines, running, "tokyo", "osaka", "-c 3 -i 0.2 -W 1").stdout
        finally:
            # a commit starts it again
            configure(machines, "tokyo", "set vpn ipsec ike-group tokyo-osaka lifetime 28799")
            running.up()
    assert "3 received" in ping(machines, running, "tokyo", "osaka").stdout
    assert {one.inner_protocol for one in wire.packets() if one.protocol == 4} >= {50}
    lans = [one for one in wire.packets() if one.protocol == 4 and one.inner_protocol == 1 and b"\xc0\xa8" in one.data[20:40]]
    assert not lans, "a packet from LAN to LAN in plain"


def send_ipip(outer_source: str, outer_target: str, source: str, target: str) -> None:
    """Send plaintext UDP inside IPIP, as somebody who can spoof the peer's address."""
    payload = b"spoofed\n"
    udp = struct.pack("!HHHH", 9999, 9999, 8 + len(payload), 0) + payload
    inner = ip_header(source, target, 17, len(udp)) + udp
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(5):
            raw.sendto(ip_header(outer_source, outer_target, 4, len(inner)) + inner, (outer_target, 0))


def ip_header(source: str, target: str, protocol: int, payload: int) -> bytes:
    """An IPv4 header with its checksum."""
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + payload,
        0,
        0,
        64,
        protocol,
        0,
        socket.inet_aton(source),
        socket.inet_aton(target),
    )
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + header[12:]


class Watch:
    """The command lines of all processes of this machine, sampled for as long as a with block lasts."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.over = threading.Event()

    def __enter__(self) -> Watch:
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        return self

    def sample(self) -> None:
        while not self.over.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                self.seen.add(" ".join(process.info["cmdline"] or ()))

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def test_no_secret_leaks_anywhere(running: Stack, machines: Machines, tmp_path: Path) -> None:
    """Every secret there is, searched for wherever one could have got to, around a rotation and a failing update."""
    events = tmp_path / "events.json"
    running.configure(links=[{"ends": ["tokyo", "osaka"], "keyRotation": 4}])
    running.pulumi("preview", "--diff")
    processes = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $p; echo; done"
    with Watch() as watch, ThreadPoolExecutor() as pool:
        running.environment["PULUMI_DEBUG_COMMANDS"] = "true"  # or there is no --event-log
        up = pool.submit(running.up, "--event-log", str(events))
        on_routers = []
        while not up.done():
            on_routers += [machines.run(site, "router", processes, check=False).stdout for site in ("tokyo", "osaka")]
        up.result()
    outputs = running.outputs()
    keys = list(outputs["sshPrivateKeys"].values())
    secrets = {psk(machines, "tokyo")}
    for text in keys:
        secrets |= {line for line in text.splitlines()[1:-1] if len(line) > 20}
    for site in ("tokyo", "osaka"):
        host_key = machines.run(site, "router", "sudo cat /etc/ssh/ssh_host_ed25519_key").stdout
        secrets |= {line for line in host_key.splitlines()[1:-1] if len(line) > 20}
    # the first line of an ed25519 key in OpenSSH's format is the same for all
    secrets = {one for one in secrets if not one.startswith("b3BlbnNzaC1rZXktdjEAAAAA")}
    assert len(secrets) > 8
    left_on_routers = [
        machines.run(
            site, "router",
            "sudo grep -rlsIE '" + "|".join(re.escape(one) for one in secrets) + "' /tmp /home /root /var/tmp /var/log /run /dev/shm /etc || true",
            timeout=120,
        ).stdout
        for site in ("tokyo", "osaka")
    ]  # fmt: skip
    backend = [path.read_text(errors="replace") for path in state("pulumi").rglob("*") if path.is_file()]
    places = {
        "printed": running.printed,
        "state files": backend,
        "event log": [events.read_text()],
        "process arguments here": list(watch.seen),
        "process arguments on the routers": on_routers,
    }
    assert len(backend) > 2
    assert any("pulumi" in line for line in watch.seen)
    assert any("sshd" in text for text in on_routers)
    for place, texts in places.items():
        assert not [one for one in secrets if any(one in text for text in texts)], place
    own = {"/etc/ssh/ssh_host_ed25519_key", "/etc/swanctl/conf.d/vyos.conf"}
    found = {line for text in left_on_routers for line in text.splitlines()}
    assert {path for path in found if path not in own and not path.startswith("/run/cloud")} == set()


def test_user_data_is_a_secret_of_the_state(running: Stack) -> None:
    assert "vyos_config_commands" not in running.pulumi("stack", "export")
