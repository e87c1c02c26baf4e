"""The main job on two real OpenStacks, from the first preview on. The tests run in this order."""

from __future__ import annotations

import re

import pytest

from lab.clouds import as_tenant
from lab.machines import Machines
from lab.network import inside
from tests.lab.capture import Capture
from tests.lab.conftest import Stack
from tests.lab.routers import ENDS, associations, commands, ping, poll

pytestmark = pytest.mark.lab
LINK_MTU = 1374  # over Neutron's VXLAN networks of 1450
HEADERS = 28  # IPv4 and ICMP
PATTERN = "76706e636f6e6e656374"  # "vpnconnect" in hexadecimal, for ping's payload


def test_first_preview_shows_the_configuration_with_placeholders(tokyo_osaka: Stack) -> None:
    shown = tokyo_osaka.pulumi("preview", "--diff")
    assert "set interfaces tunnel tun2 remote '<floating IP of osaka>'" in shown
    assert "set interfaces tunnel tun1 remote '<floating IP of tokyo>'" in shown
    assert "set vpn ipsec site-to-site peer tokyo-osaka tunnel 0 remote prefix '192.168.20.0/24'" in shown


def test_a_flavor_that_a_cloud_does_not_have_is_found_before_anything_is_made(tokyo_osaka: Stack) -> None:
    defaults = tokyo_osaka.configuration("siteDefaults")
    tokyo_osaka.configure(siteDefaults={**defaults, "vyosFlavor": "m9.none"})
    try:
        shown = tokyo_osaka.pulumi("up", "--yes", "--skip-preview", status=1)
    finally:
        tokyo_osaka.configure(siteDefaults=defaults)
    for site in ("tokyo", "osaka"):
        assert f"sites.{site}.vyosFlavor: the cloud '{site}' has no flavor 'm9.none'" in shown
    made = {one["type"] for one in tokyo_osaka.resources()}
    assert not [kind for kind in made if kind.startswith(("openstack:", "vyos:"))], made


def test_up_verifies_from_both_ends(running: Stack) -> None:
    link = running.outputs()["links"]["tokyo-osaka"]
    assert link["mtu"] == LINK_MTU
    assert link["tunnelAddresses"] == {"tokyo": "10.255.0.1", "osaka": "10.255.0.2"}
    assert all(re.fullmatch(r"3 of 3 pings answered, [\d.]+ ms", seen) for seen in link["verified"].values())


def test_nothing_changes_the_second_time(running: Stack) -> None:
    running.up("--expect-no-changes")


@pytest.mark.parametrize(("site", "peer"), ENDS)
def test_ike_and_esp_are_what_was_configured(running: Stack, machines: Machines, site: str, peer: str) -> None:
    found = associations(machines, site)
    own, other = (running.outputs()["links"]["tokyo-osaka"]["tunnelAddresses"][name] for name in (site, peer))
    assert "ESTABLISHED, IKEv2" in found
    assert "AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384" in found
    assert f"local  '{own}' @ {own}[" in found
    assert f"remote '{other}' @ {other}[" in found
    assert re.search(r"INSTALLED, TUNNEL, ESP:AES_GCM_16-256", found)
    lans = [running.outputs()["sites"][name]["lan"] for name in (site, peer)]
    assert re.search(rf"local  {lans[0]}\s+remote {lans[1]}", found)


@pytest.mark.parametrize(("site", "peer"), ENDS)
def test_lan_reaches_lan(running: Stack, machines: Machines, site: str, peer: str) -> None:
    assert "3 received" in ping(machines, running, site, peer).stdout


def test_tcp_is_exchanged(running: Stack, machines: Machines) -> None:
    from lab.demonstration import exchange

    assert exchange(machines, running.outputs()["sites"]["osaka"]["linuxAddress"]) == "hello from osaka-linux"


def test_wire_carries_only_esp_in_ipip_between_the_floating_ips(running: Stack, machines: Machines) -> None:
    addresses = [running.outputs()["sites"][site]["floatingIp"] for site in ("tokyo", "osaka")]
    with Capture(addresses) as wire:
        answered = ping(machines, running, "tokyo", "osaka", f"-c 10 -i 0.2 -W 2 -p {PATTERN}")
    assert "10 received" in answered.stdout
    packets = wire.packets()
    assert {packet.protocol for packet in packets} == {4}
    for source, target in (addresses, addresses[::-1]):
        assert sum((one.source, one.target, one.inner_protocol) == (source, target, 50) for one in packets) >= 10
    inner = {packet.inner_protocol for packet in packets}
    assert inner <= {50, 17}, "only ESP, and IKE's own UDP"
    assert not any(bytes.fromhex(PATTERN) in packet.data for packet in packets)


def test_capture_would_see_plaintext(running: Stack, machines: Machines) -> None:
    """The negative of the test before: the routers' own ping in the tunnel is not encrypted, and it is seen."""
    addresses = [running.outputs()["sites"][site]["floatingIp"] for site in ("tokyo", "osaka")]
    with Capture(addresses) as wire:
        machines.run("tokyo", "router", f"ping -n -c 2 -p {PATTERN} -I 10.255.0.1 10.255.0.2")
    assert any(bytes.fromhex(PATTERN) in packet.data for packet in wire.packets())


@pytest.mark.parametrize(("site", "peer"), ENDS)
def test_a_packet_of_the_links_mtu_passes_and_one_byte_more_is_refused(
    running: Stack, machines: Machines, site: str, peer: str
) -> None:
    most = LINK_MTU - HEADERS
    assert "2 received" in ping(machines, running, site, peer, f"-M do -c 2 -W 2 -s {most}").stdout
    refused = ping(machines, running, site, peer, f"-M do -c 2 -W 2 -s {most + 1}")
    assert refused.status != 0
    assert re.search(
        rf"[Ff]rag(mentation)? needed.*mtu ?= ?{LINK_MTU}|message too long, mtu[=:] ?{LINK_MTU}",
        refused.stdout + refused.stderr,
    )


@pytest.mark.parametrize(("site", "peer"), ENDS)
def test_route_comes_by_dhcp_and_stands_on_the_neutron_router_too(
    running: Stack, machines: Machines, site: str, peer: str
) -> None:
    about = running.outputs()["sites"]
    lan, hop = about[peer]["lan"], about[site]["vyosLanAddress"]
    assert f"{lan} via {hop}" in machines.run(site, "linux", "ip route").stdout
    machines.run(site, "linux", f"sudo ip route del {lan}")
    try:
        assert "3 received" in ping(machines, running, site, peer).stdout
    finally:
        machines.run(site, "linux", f"sudo ip route add {lan} via {hop}")


def test_address_pairs_are_what_lets_packets_through(running: Stack, machines: Machines) -> None:
    def set_pairs(pairs: list[dict[str, str]]) -> list[dict[str, str]]:
        """Give the port other pairs; what it had before."""
        with as_tenant("osaka") as cloud:
            (port,) = [one for one in cloud.network.ports() if one.name.startswith("osaka-eth1")]
            before = list(port.allowed_address_pairs)
            cloud.network.update_port(port.id, allowed_address_pairs=pairs)
            return before

    pairs = inside(lambda: set_pairs([]))
    assert [pair["ip_address"] for pair in pairs] == ["192.168.10.0/24"]
    poll(
        lambda: "0 received" in ping(machines, running, "tokyo", "osaka", "-c 1 -W 1").stdout, 30, "dropped as spoofed"
    )
    inside(lambda: set_pairs(pairs))
    poll(lambda: "1 received" in ping(machines, running, "tokyo", "osaka", "-c 1 -W 1").stdout, 30, "passing again")


def test_no_secret_is_in_the_state_or_in_what_was_printed(running: Stack, machines: Machines) -> None:
    secrets = re.findall(r"psk \S+ secret '(.*)'", commands(machines, "tokyo"))
    assert len(secrets) == 1
    assert len(secrets[0]) == 64
    assert secrets == re.findall(r"psk \S+ secret '(.*)'", commands(machines, "osaka"))
    keys = [line for key in running.outputs()["sshPrivateKeys"].values() for line in key.splitlines()[1:-1]]
    visible = "\n".join([*running.printed, running.pulumi("stack", "export")])
    assert "tokyo-osaka" in visible
    assert not [secret for secret in [*secrets, *keys] if secret in visible]


def test_another_linux_vm_changes_nothing_of_the_link(running: Stack, machines: Machines) -> None:
    before = {site: re.findall(r"#\d+, ESTABLISHED.*\n.*\n.*", associations(machines, site)) for site, _ in ENDS}
    shown = running.up("--target-replace", running.urn("Instance", "osaka-linux"), "--target-dependents")
    machines.forget("osaka", "linux")
    assert {
        site: re.findall(r"#\d+, ESTABLISHED.*\n.*\n.*", associations(machines, site)) for site, _ in ENDS
    } == before
    changed = re.findall(r"(\S+) (?:creat|updat|delet|replac)ed \(", shown)
    assert "osaka-linux" in changed
    assert {name for name in changed if name.startswith("tokyo-osaka-")} <= {
        "tokyo-osaka-check-tokyo",
        "tokyo-osaka-check-osaka",
    }
    assert "3 received" in ping(machines, running, "tokyo", "osaka").stdout
