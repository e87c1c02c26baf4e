"""Which lines are a part's own, what differs, and the commands between."""

from __future__ import annotations

import pytest

from vyos_provider.lines import (
    Difference,
    Line,
    Part,
    commands,
    difference,
    hidden,
    parse,
    restoring,
    with_key,
    without_secrets,
    written,
)

TUNNEL = ("interfaces", "tunnel", "tun3")
PSK = ("vpn", "ipsec", "authentication", "psk", "osaka")


def lines(text: str) -> tuple[Line, ...]:
    """Lines without their `set`."""
    return parse("\n".join(f"set {line.strip()}" for line in text.strip().splitlines()))


def changes(active: str, wanted: str, *nodes: Line) -> list[str]:
    """The commands from active lines to wanted ones."""
    part = Part(lines(wanted), nodes)
    return commands(difference(lines(active), part), part)


def played(active: tuple[Line, ...], typed: list[str]) -> set[Line]:
    """What a router has after commands, as far as `delete` and a multi leaf go."""
    now = set(active)
    for command in typed:
        (path,) = parse("set " + command.partition(" ")[2])
        if command.startswith("delete "):
            now = {line for line in now if line[: len(path)] != path}
        else:
            now.add(path)
    return now


def test_parse_takes_quotes_off_and_leaves_out_what_is_no_line() -> None:
    text = """
# a comment
set interfaces tunnel tun3 description 'to "Osaka", 2 hops'
set service ssh
  indented
delete system host-name
set vpn ipsec authentication psk osaka secret "$PSK"
"""
    assert parse(text) == (
        (*TUNNEL, "description", 'to "Osaka", 2 hops'),
        ("service", "ssh"),
        (*PSK, "secret", "$PSK"),
    )


def test_parse_lives_with_quotes_that_do_not_match() -> None:
    assert parse("set system banner it's\nset service ssh") == (("system", "banner", "it's"), ("service", "ssh"))


def test_the_key_takes_its_place_as_a_whole_word_only() -> None:
    found = with_key(parse("set a secret \"$PSK\"\nset a description 'no $PSK here'"), "00ff")
    assert found == (("a", "secret", "00ff"), ("a", "description", "no $PSK here"))


def test_difference() -> None:
    active = lines("""
        interfaces tunnel tun3 mtu 1400
        interfaces tunnel tun3 encapsulation ipip
        interfaces tunnel tun30 encapsulation gre
        system host-name before""")
    part = Part(lines("interfaces tunnel tun3 encapsulation ipip\nsystem host-name tokyo"), (TUNNEL,))
    found = difference(active, part)
    assert found == Difference(
        missing=lines("system host-name tokyo"), surplus=lines("interfaces tunnel tun3 mtu 1400")
    )
    assert found.shown() == ["- set interfaces tunnel tun3 mtu 1400", "+ set system host-name tokyo"]
    assert not difference(part.lines, part)


def test_a_node_that_holds_nothing_wanted_goes_as_a_whole() -> None:
    assert changes(
        "interfaces tunnel tun3 mtu 1400\ninterfaces tunnel tun3 ip adjust-mss 1300\ninterfaces tunnel tun3 encapsulation gre",
        "interfaces tunnel tun3 encapsulation ipip",
        TUNNEL,
    ) == [
        "delete interfaces tunnel tun3 mtu",
        "delete interfaces tunnel tun3 ip",
        "delete interfaces tunnel tun3 encapsulation gre",
        "set interfaces tunnel tun3 encapsulation ipip",
    ]


def test_a_part_without_lines_goes_by_its_nodes() -> None:
    active = "interfaces tunnel tun3 mtu 1400\ninterfaces tunnel tun3 encapsulation ipip\nvpn ipsec interface eth0"
    assert changes(active, "", TUNNEL, ("vpn",)) == ["delete interfaces tunnel tun3", "delete vpn"]
    assert changes("", "", TUNNEL) == []


def test_one_value_of_several_goes_alone() -> None:
    before = f"{' '.join(PSK)} id 10.0.0.1\n{' '.join(PSK)} id 10.0.0.9"
    assert changes(before, f"{' '.join(PSK)} id 10.0.0.1", PSK) == [f"delete {' '.join(PSK)} id 10.0.0.9"]


def test_no_node_above_an_owned_one_is_deleted() -> None:
    """Though nothing wanted lies there: it is not the part's."""
    rule = ("firewall", "ipv4", "input", "filter", "rule", "110")
    active = "firewall ipv4 input filter rule 110 action accept\nfirewall ipv4 input filter rule 500 action drop"
    assert changes(active, "", rule) == ["delete firewall ipv4 input filter rule 110"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (("firewall", "name", "tun*"), "firewall name 'tun*'"),
        (("a", "description", "two words"), "a description 'two words'"),
        (("a", "description", ""), "a description ''"),
        (("a", "description", "$(reboot)"), "a description '$(reboot)'"),
        (("a", "description", "x; reboot"), "a description 'x; reboot'"),
        (("a", "description", "it's"), """a description 'it'"'"'s'"""),
        (("a", "address", "!10.0.0.0/8"), "a address '!10.0.0.0/8'"),
        (("a", "address", "10.0.0.1/30"), "a address 10.0.0.1/30"),
    ],
)
def test_what_the_shell_could_misread_is_quoted(line: Line, text: str) -> None:
    assert written(line) == text
    assert parse(f"set {text}") == (line,)


OPERATORS = (
    "system host-name before\ninterfaces ethernet eth0 address dhcp\ninterfaces ethernet eth0 address 10.1.0.1/24"
)


@pytest.mark.parametrize(
    "now",
    [
        "interfaces tunnel tun3 remote 192.0.2.2\ninterfaces tunnel tun3 encapsulation ipip",
        "system host-name tokyo",
        "interfaces ethernet eth0 address 10.2.0.1/24",
        "",
    ],
)
def test_restoring_brings_back_exactly_the_parts_lines(now: str) -> None:
    """However far a commit has come; an operator's value beside stays, also one that came in meanwhile."""
    part = Part(
        lines("""
        interfaces tunnel tun3 encapsulation ipip
        interfaces tunnel tun3 remote 192.0.2.2
        interfaces ethernet eth0 address 10.2.0.1/24
        system host-name tokyo"""),
        (TUNNEL,),
    )
    before = lines("interfaces tunnel tun3 encapsulation gre\ninterfaces tunnel tun3 mtu 1400\n" + OPERATORS)
    kept = () if "host-name" in now else lines("system host-name before")
    active = (*lines("interfaces ethernet eth0 address dhcp\ninterfaces ethernet eth0 address 10.1.0.1/24"), *kept)
    active = (*active, *lines(now), *lines("service ssh\nsystem name-server 192.0.2.53"))
    after = played(active, restoring(before, active, part))
    assert after == {*before, *lines("service ssh\nsystem name-server 192.0.2.53")}
    assert restoring(before, tuple(after), part) == []


def test_restoring_a_node_that_was_not_there() -> None:
    part = Part(lines("interfaces tunnel tun3 mtu 1400"), (TUNNEL,))
    assert restoring((), part.lines, part) == ["delete interfaces tunnel tun3"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ((*PSK, "secret", "hunter2"), "set vpn ipsec authentication psk osaka secret <secret>"),
        (("a", "encrypted-password", "$6$x y"), "set a encrypted-password <secret>"),
        (("a", "plaintext-password", "x"), "set a plaintext-password <secret>"),
        (("pki", "certificate", "c", "private", "key", "x"), "set pki certificate c private key <secret>"),
        (
            ("a", "peer", "p", "authentication", "mode", "pre-shared-secret"),
            "set a peer p authentication mode pre-shared-secret",
        ),
        (("secret",), "set secret"),
    ],
)
def test_secrets_are_hidden(line: Line, shown: str) -> None:
    assert hidden(line) == shown
    assert Difference(missing=(line,), surplus=(line,)).shown() == [f"- {shown}", f"+ {shown}"]


def test_secrets_are_taken_out_of_texts() -> None:
    known = ((*PSK, "secret", "hunter2"), (*PSK, "secret", "hunter2longer"), ("a", "key", "1"), ("a", "mtu", "1400"))
    assert without_secrets("hunter2longer, hunter2: 1, 1400", known) == "<secret>, <secret>: 1, 1400"
