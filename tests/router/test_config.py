"""What the schema takes and refuses, and what a configuration keeps, prints and reads back."""

from __future__ import annotations

import shlex

import pytest

from lab.router.vyos_standin.config import Config, comparison, difference, parse_boot
from lab.router.vyos_standin.schema import Refused
from tests.router.conftest import config_of, router_lines

INVALID_VALUE = "  Invalid value\n  Value validation failed"
NEEDS_VALUE = "  The specified configuration node requires a value"
PEER = "vpn ipsec site-to-site peer osaka"

REFUSED = [
    ("bogus", "  Configuration path: [bogus] is not valid"),
    ("interfaces bogus", "  Configuration path: interfaces [bogus] is not valid"),
    ("interfaces tunnel tun0 bogus 1", "  Configuration path: interfaces tunnel tun0 [bogus] is not valid"),
    (
        "service ssh disable-host-validation yes",
        "  Configuration path: service ssh disable-host-validation [yes] is not valid",
    ),
    ("system host-name a1 b", "  Configuration path: system host-name a1 [b] is not valid"),
    ("", "  Need to specify the config node to set"),
    ("system host-name", NEEDS_VALUE),
    ("interfaces tunnel", NEEDS_VALUE),
    ("system host-name -x", INVALID_VALUE),
    ("interfaces tunnel tun", INVALID_VALUE),
    ("interfaces tunnel tun0 mtu 67", INVALID_VALUE),
    ("interfaces tunnel tun0 mtu 16001", INVALID_VALUE),
    ("interfaces tunnel tun0 address 10.0.0.1", INVALID_VALUE),
    ("interfaces tunnel tun0 address 10.0.0.0/30", INVALID_VALUE),
    ("interfaces tunnel tun0 address 10.0.0.3/30", INVALID_VALUE),
    ("interfaces tunnel tun0 address 10.0.0.1/255.255.255.0", INVALID_VALUE),
    ("interfaces tunnel tun0 address dhcp", INVALID_VALUE),
    ("interfaces tunnel tun0 encapsulation ip-in-ip", INVALID_VALUE),
    ("interfaces tunnel tun0 ip adjust-mss 535", INVALID_VALUE),
    ("protocols static route 192.168.1.1/24 blackhole", INVALID_VALUE),
    ("protocols static route 192.168.0.0/24 blackhole distance 256", INVALID_VALUE),
    (f"{PEER}.jp local-address 10.0.0.1", INVALID_VALUE),
    (f"{PEER} connection-type start", INVALID_VALUE),
    ("vpn ipsec ike-group g proposal 1 encryption aes256gcm", INVALID_VALUE),
    ("vpn ipsec ike-group g dead-peer-detection interval 1", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1000000 action accept", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 action allow", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 inbound-interface name tun*1", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 destination port 0", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 destination port 2-1", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 protocol ip-in-ip", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 icmp type-name ping", INVALID_VALUE),
    ("firewall ipv4 input filter rule 1 state old", INVALID_VALUE),
    (
        "firewall ipv4 input filter rule 1 state established enable",
        "  Configuration path: firewall ipv4 input filter rule 1 state established [enable] is not valid",
    ),
    (
        "firewall ipv4 input filter rule 1 ipsec match-ipsec-in",
        "  Configuration path: firewall ipv4 input filter rule 1 ipsec [match-ipsec-in] is not valid",
    ),
    (
        'vpn ipsec authentication psk p secret "it\'s"',
        '  Cannot use the "\'" (single quote) character in a value string',
    ),
    ('system host-name "two\nlines"', INVALID_VALUE),
    ('vpn ipsec authentication psk p secret "two\nlines"', INVALID_VALUE),
]


@pytest.mark.parametrize(("line", "text"), REFUSED)
def test_set_refuses(line: str, text: str) -> None:
    config = Config()
    with pytest.raises(Refused) as refusal:
        config.set(shlex.split(line))
    assert str(refusal.value) == text
    assert config == Config()


@pytest.mark.parametrize("line", router_lines())
def test_what_the_program_renders_is_taken(line: str) -> None:
    assert config_of(line).commands() == [line]


def test_commands_are_the_lines_that_were_set(router: Config) -> None:
    assert sorted(router.commands()) == sorted(router_lines())


def test_tags_and_rules_are_in_natural_order() -> None:
    config = config_of("interfaces tunnel tun10", "interfaces tunnel tun9", "interfaces ethernet eth0 mtu 1450")
    assert config.commands() == [
        "set interfaces ethernet eth0 mtu '1450'",
        "set interfaces tunnel tun9",
        "set interfaces tunnel tun10",
    ]


def test_a_single_value_is_replaced_and_many_are_added_to() -> None:
    config = config_of(
        "system host-name aa", "system host-name bb", "system name-server 192.0.2.1", "system name-server 192.0.2.2"
    )
    assert config.names("system", "host-name") == ["bb"]
    assert config.names("system", "name-server") == ["192.0.2.1", "192.0.2.2"]


def test_set_tells_whether_something_is_new() -> None:
    config = Config()
    assert config.set(["interfaces", "tunnel", "tun0", "mtu", "1400"])
    assert not config.set(["interfaces", "tunnel", "tun0", "mtu", "1400"])
    assert not config.set(["interfaces", "tunnel", "tun0"])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("interfaces tunnel tun0", ["interfaces"]),  # the last tag takes `tunnel` with it, not the plain node above
        ("interfaces tunnel", ["interfaces"]),
        ("interfaces tunnel tun0 address 10.0.0.1/30", ["interfaces tunnel tun0 mtu '1400'"]),  # the last value
        ("interfaces tunnel tun0 mtu", ["interfaces tunnel tun0 address '10.0.0.1/30'"]),
        ("interfaces", []),
    ],
)
def test_delete_leaves_what_vyos_leaves(line: str, left: list[str]) -> None:
    config = config_of("interfaces tunnel tun0 mtu 1400", "interfaces tunnel tun0 address 10.0.0.1/30")
    assert config.delete(line.split())
    assert config.commands() == [f"set {path}" for path in left]


def test_a_tag_named_like_a_node_goes_as_any_other() -> None:
    config = config_of("vpn ipsec authentication psk id secret x")
    assert config.delete(["vpn", "ipsec", "authentication", "psk", "id"])
    assert config.commands() == ["set vpn ipsec authentication"]


def test_delete_of_what_is_not_there() -> None:
    config = config_of("system host-name aa")
    assert not config.delete(["interfaces", "tunnel", "tun0"])
    assert not config.delete(["system", "host-name", "bb"])
    assert not config.delete(["interfaces", "tunnel", "nonsense"])  # VyOS checks values only in `set`
    with pytest.raises(Refused, match=r"Configuration path: system \[bogus\] is not valid"):
        config.delete(["system", "bogus"])


def test_delete_and_set_again_is_no_change(router: Config) -> None:
    before = router.copy()
    for owned in ("interfaces tunnel", "protocols static", "vpn ipsec", "firewall", "interfaces ethernet eth1"):
        assert router.delete(owned.split())
    assert router != before
    for line in router_lines():
        router.set(shlex.split(line)[1:])
    assert router == before


def test_boot_file_round_trip(router: Config) -> None:
    router.set(["interfaces", "ethernet", "eth0", "description", 'a "quoted" \\ { } // word'])
    router.delete(["vpn", "ipsec", "site-to-site", "peer", "tokyo-osaka"])  # leaves an empty node
    assert parse_boot(router.boot_text()) == router


def test_boot_file_as_vyos_writes_it() -> None:
    config = config_of(
        "interfaces tunnel tun0 mtu 1400",
        "interfaces tunnel tun0 address 10.0.0.1/30",
        "service ssh disable-host-validation",
    )
    assert config.boot_text() == (
        'interfaces {\n    tunnel tun0 {\n        address "10.0.0.1/30"\n        mtu "1400"\n    }\n}\n'
        "service {\n    ssh {\n        disable-host-validation\n    }\n}\n"
    )


@pytest.mark.parametrize("text", ["interfaces {\n", "}\n", "interfaces {\n}\n}\n"])
def test_boot_file_with_wrong_braces(text: str) -> None:
    with pytest.raises((ValueError, Refused)):
        parse_boot(text)


def test_boot_file_comments() -> None:
    assert parse_boot("/* made by hand */\n// vyos-config-version\nsystem {\n host-name aa\n}\n") == config_of(
        "system host-name aa"
    )


def test_compare_shows_what_goes_and_comes_below_the_node_above() -> None:
    """VyOS's own form, see `show_diff` in vyos1x-config."""
    old = config_of(
        "system host-name aa",
        "system name-server 192.0.2.1",
        "system name-server 192.0.2.2",
        "interfaces tunnel tun0 mtu 1400",
        "service ssh disable-host-validation",
    )
    new = config_of(
        "system host-name bb",
        "system name-server 192.0.2.2",
        "system name-server 192.0.2.3",
        "interfaces tunnel tun0 mtu 1400",
        "interfaces tunnel tun1 address 10.0.0.1/30",
        "interfaces tunnel tun1 mtu 1300",
        "service ssh",
        "protocols static",
    )
    assert comparison(old, new) == [
        "[interfaces tunnel]",
        "+ tun1 {",
        '+     address "10.0.0.1/30"',
        '+     mtu "1300"',
        "+ }",
        "[service ssh]",
        "- disable-host-validation",
        "[system]",
        '- host-name "aa"',
        '+ host-name "bb"',
        '- name-server "192.0.2.1"',
        '+ name-server "192.0.2.3"',
        "[]",
        "+ protocols {",
        "+     static {",
        "+     }",
        "+ }",
    ]
    assert comparison(old, old) == []


def test_compare_commands_shows_what_leads_from_one_to_the_other() -> None:
    old = config_of("system host-name aa", "interfaces tunnel tun0 mtu 1400", "service ssh")
    new = config_of("system host-name bb", "interfaces tunnel tun0", "service ssh disable-host-validation")
    assert difference(old, new) == [
        "delete interfaces tunnel tun0 mtu '1400'",
        "delete system host-name 'aa'",
        "set service ssh disable-host-validation",
        "set system host-name 'bb'",
    ]
    assert difference(old, old) == []


def test_a_merge_keeps_what_others_changed() -> None:
    base = config_of("system host-name aa", "system name-server 192.0.2.1", "interfaces dummy dum0 mtu 1400")
    session, running = base.copy(), base.copy()
    session.set(["system", "host-name", "bb"])
    session.delete(["interfaces", "dummy", "dum0"])
    running.set(["system", "name-server", "192.0.2.2"])
    assert running.changed(base, session).commands() == [
        "set interfaces",
        "set system host-name 'bb'",
        "set system name-server '192.0.2.1'",
        "set system name-server '192.0.2.2'",
    ]
