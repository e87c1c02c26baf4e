"""What the daemons are given: swanctl.conf as a whole, and rulesets that the real nft takes."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from lab.router.vyos_standin import render
from lab.router.vyos_standin.config import Config
from tests.router.conftest import SECRET, config_of

SWANCTL = f"""connections {{
    tokyo-osaka {{
        proposals = aes256gcm128-sha384-prfsha384-ecp384
        version = 2
        local_addrs = LOCAL
        remote_addrs = REMOTE
        dpd_timeout = 120
        dpd_delay = 5
        rekey_time = 28800s
        mobike = yes
        keyingtries = 0
        local {{
            id = "LOCAL"
            auth = psk
        }}
        remote {{
            id = "REMOTE"
            auth = psk
        }}
        children {{
            tokyo-osaka-tunnel-0 {{
                esp_proposals = aes256gcm128-sha384-ecp384
                life_time = 3600s
                local_ts = 192.168.10.0/24
                remote_ts = 192.168.20.0/24
                mode = tunnel
                start_action = start
                dpd_action = restart
                close_action = start
            }}
        }}
    }}
}}
secrets {{
    ike-tokyo-osaka {{
        id-0 = "LOCAL"
        id-1 = "REMOTE"
        secret = "{SECRET}"
    }}
}}
"""
ODD_RULES = (
    "firewall group address-group PEERS address 203.0.113.1",
    "firewall group address-group PEERS address 203.0.113.5-203.0.113.9",
    "firewall group network-group LANS network 192.168.0.0/16",
    "firewall group network-group NONE description empty",
    "firewall global-options state-policy established action accept",
    "firewall global-options state-policy invalid action drop",
    "firewall ipv4 input filter default-action drop",
    "firewall ipv4 input filter rule 10 action accept",
    "firewall ipv4 input filter rule 10 protocol udp",
    "firewall ipv4 input filter rule 10 destination port 500,4500,6000-6010",
    "firewall ipv4 input filter rule 10 source port !22",
    "firewall ipv4 input filter rule 20 action reject",
    "firewall ipv4 input filter rule 20 protocol tcp_udp",
    "firewall ipv4 input filter rule 20 destination port 53",
    "firewall ipv4 input filter rule 20 log",
    "firewall ipv4 input filter rule 30 action drop",
    "firewall ipv4 input filter rule 30 protocol !esp",
    "firewall ipv4 input filter rule 30 source group address-group !PEERS",
    "firewall ipv4 input filter rule 30 ipsec match-none",
    "firewall ipv4 input filter rule 40 action accept",
    "firewall ipv4 input filter rule 40 state established",
    "firewall ipv4 input filter rule 40 state related",
    "firewall ipv4 input filter rule 40 inbound-interface name '!eth0'",
    "firewall ipv4 input filter rule 50 action accept",
    "firewall ipv4 input filter rule 50 protocol ipip",
    "firewall ipv4 input filter rule 60 action accept",
    "firewall ipv4 input filter rule 60 protocol ipencap",
    "firewall ipv4 input filter rule 70 action drop",
    "firewall ipv4 input filter rule 70 protocol 4",
    "firewall ipv4 input filter rule 70 log",
    "firewall ipv4 input filter rule 80 action accept",
    "firewall ipv4 input filter rule 80 protocol icmp",
    "firewall ipv4 input filter rule 80 icmp type-name echo-request",
    "firewall ipv4 input filter rule 90 action accept",
    "firewall ipv4 input filter rule 90 icmp type 3",
    "firewall ipv4 input filter rule 90 icmp code 4",
    "firewall ipv4 input filter default-log",
    "firewall global-options state-policy related log",
    "firewall ipv4 forward filter rule 10 action continue",
    "firewall ipv4 forward filter rule 10 source address 192.0.2.1-192.0.2.9",
    "firewall ipv4 forward filter rule 20 action return",
    "firewall ipv4 forward filter rule 20 destination address '!192.0.2.0/24'",
    "firewall ipv4 forward filter rule 30 action drop",
    "firewall ipv4 forward filter rule 30 disable",
    "firewall ipv4 forward filter rule 40 action accept",
    "firewall ipv4 forward filter rule 40 destination group network-group LANS",
    "firewall ipv4 output filter rule 10 action accept",
    "firewall ipv4 output filter rule 10 outbound-interface name tun*",
    "nat source rule 10 exclude",
    "nat source rule 10 destination address 192.168.20.0/24",
    "nat source rule 20 outbound-interface name eth0",
    "nat source rule 20 protocol tcp",
    "nat source rule 20 destination port 80",
    "nat source rule 20 translation address masquerade",
    "nat source rule 30 translation address 203.0.113.9",
    "interfaces tunnel tun0 ip adjust-mss 1334",
    "interfaces tunnel tun1 ip adjust-mss clamp-mss-to-pmtu",
)


def test_swanctl_of_a_link(router: Config) -> None:
    peer = ("vpn", "ipsec", "site-to-site", "peer", "tokyo-osaka")
    expected = SWANCTL.replace("LOCAL", router.value(*peer, "local-address")).replace(
        "REMOTE", router.value(*peer, "remote-address")
    )
    assert render.swanctl(router) == expected


def test_swanctl_with_vyos_defaults() -> None:
    config = config_of(
        "vpn ipsec ike-group g proposal 1",
        "vpn ipsec esp-group e proposal 1",
        "vpn ipsec site-to-site peer p ike-group g",
        "vpn ipsec site-to-site peer p default-esp-group e",
        "vpn ipsec site-to-site peer p tunnel 0",
        "vpn ipsec site-to-site peer p local-address any",
    )
    lines = [line.strip() for line in render.swanctl(config).splitlines()]
    assert {
        "proposals = aes128-sha1-modp1024",
        "version = 0",
        "local_addrs = %any",
        "remote_addrs = %any",
        'id = "%any"',
        "esp_proposals = aes128-sha1-modp1024",
        "local_ts = dynamic",
        "start_action = start",
        "close_action = none",
    } <= set(lines)
    assert not any(line.startswith("dpd_") for line in lines)


@pytest.mark.parametrize(
    ("kind", "start", "tries"),
    [("initiate", "start", "keyingtries = 0"), ("respond", "trap", "keyingtries = 1"), ("none", "none", "keyingtries")],
)
def test_connection_type(router: Config, kind: str, start: str, tries: str) -> None:
    router.set(["vpn", "ipsec", "site-to-site", "peer", "tokyo-osaka", "connection-type", kind])
    text = render.swanctl(router)
    assert f"start_action = {start}\n" in text
    assert (tries in text) == (kind != "none")


@pytest.mark.parametrize(
    ("pfs", "proposal"),
    [
        ("disable", "aes256gcm128-sha384"),
        ("enable", "aes256gcm128-sha384-ecp384"),
        ("dh-group31", "aes256gcm128-sha384-curve25519"),
    ],
)
def test_forward_secrecy(router: Config, pfs: str, proposal: str) -> None:
    router.set(["vpn", "ipsec", "esp-group", "tokyo-osaka", "pfs", pfs])
    assert f"esp_proposals = {proposal}\n" in render.swanctl(router)


def test_routes_are_charons_unless_the_configuration_says_no(router: Config) -> None:
    assert "install_routes = yes" in render.charon(router)
    router.set(["vpn", "ipsec", "options", "disable-route-autoinstall"])
    assert "install_routes = no" in render.charon(router)


def chain(text: str, name: str) -> list[str]:
    """The rules of a chain."""
    return [line.strip() for line in text.split(f"chain {name} {{\n")[1].split("\n  }")[0].splitlines()]


def test_rules_are_in_order_and_end_with_the_default() -> None:
    rules = chain(render.filter_table(config_of(*ODD_RULES)), "VYOS_INPUT_filter")
    assert [line.split()[0] for line in rules[:4]] == ["type", "iifname", "iifname", "jump"]
    assert [line.rsplit('"', 2)[1] for line in rules[4:-1]] == [f"ipv4-INP-filter-{n}0" for n in range(1, 10)]
    assert rules[-1] == 'counter log prefix "[ipv4-INP-filter-default-D]" drop comment "INP-filter default-action drop"'


def test_every_rule_counts() -> None:
    text = render.filter_table(config_of(*ODD_RULES))
    rules = [line for hook in ("INPUT", "FORWARD", "OUTPUT") for line in chain(text, f"VYOS_{hook}_filter")]
    assert all("counter" in line for line in rules if "comment" in line)
    assert len([line for line in rules if "comment" in line]) == 9 + 3 + 1 + 3


def test_states_pass_only_where_the_configuration_says_so() -> None:
    """Plaintext in a tunnel that belongs to a known connection meets the rules before the one for known connections."""
    lines = (
        "firewall ipv4 input filter default-action drop",
        "firewall ipv4 input filter rule 20 action accept",
        "firewall ipv4 input filter rule 20 state established",
        "firewall ipv4 input filter rule 10 action drop",
        "firewall ipv4 input filter rule 10 inbound-interface name tun*",
    )
    rules = chain(render.filter_table(config_of(*lines)), "VYOS_INPUT_filter")
    assert rules[3:] == [
        'iifname "tun*" counter drop comment "ipv4-INP-filter-10"',
        'ct state { established } counter accept comment "ipv4-INP-filter-20"',
        'counter drop comment "INP-filter default-action drop"',
    ]


def test_the_state_policy_comes_before_all_rules_and_needs_an_action_to_act() -> None:
    text = render.filter_table(config_of(*ODD_RULES))
    assert chain(text, "VYOS_STATE_POLICY") == [
        "ct state established counter accept",
        "ct state invalid counter drop",
        'ct state related log prefix "[STATE-POLICY-REL-A]" counter',
        "return",
    ]
    assert text.index("chain VYOS_STATE_POLICY") < text.index("jump VYOS_STATE_POLICY")
    assert "STATE_POLICY" not in render.filter_table(config_of("firewall ipv4 input filter default-action drop"))


def test_wildcards_protocols_and_ipsec() -> None:
    text = render.filter_table(config_of(*ODD_RULES))
    assert 'oifname "tun*" counter accept' in text
    assert 'iifname != "eth0" ct state { established, related } counter accept' in text
    assert "meta l4proto != esp ip saddr != @A_PEERS meta ipsec missing counter drop" in text
    assert "meta l4proto 94 counter accept" in text  # 'ipip' is not IP in IP,
    assert "meta l4proto 4 counter accept" in text  # 'ipencap' is
    assert 'meta l4proto 4 log prefix "[ipv4-INP-filter-70-D]" counter drop' in text
    assert "meta l4proto icmp icmp type echo-request counter accept" in text
    assert "icmp code 4 icmp type 3 counter accept" in text
    assert "ipv4-FWD-filter-30" not in text  # disabled


def test_a_hook_without_configuration_has_no_chain() -> None:
    assert "filter {" not in render.filter_table(config_of("firewall group network-group G")).replace(
        "vyos_filter {", ""
    )


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
@pytest.mark.parametrize("table", [render.filter_table, render.nat_table, render.mss_table])
@pytest.mark.parametrize("lines", [(), ODD_RULES, None], ids=["empty", "odd", "router"])
def test_the_real_nft_takes_it(table: object, lines: tuple[str, ...] | None, router: Config) -> None:
    assert callable(table)
    text = table(router if lines is None else config_of(*lines))
    done = subprocess.run(["unshare", "--net", "nft", "-c", "-f", "-"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), text
