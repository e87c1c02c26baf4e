"""Every fault of the internal DNS's configuration is named with its field, its value and the fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.errors import ConfigurationError
from components.plan import make_plan
from components.settings import parse_settings
from tests.program.conftest import CLOUDS, configuration

NO_DOMAIN = "is not a domain; write one like corp.example, of at most 200 lower-case letters, digits, hyphens and dots"
NO_RECORD = (
    "cannot name a record; write what stands before the domain, in lower-case letters, digits, '-', '_' and dots, like "
    "www, '*' as its first part for all names, or '@' for the domain itself"
)
NO_TTL = "is not a time to live; take a whole number of seconds from 1 to 2147483647"
Change = Callable[[dict[str, Any]], Any]


def dns(**keys: Any) -> Change:
    """A change to a DNS with other keys; None takes one away."""

    def change(raw: dict[str, Any]) -> None:
        given = {"domain": "corp.example", **keys}
        raw["dns"] = {key: value for key, value in given.items() if value is not None}

    return change


def records(*found: dict[str, Any]) -> Change:
    return dns(records=list(found))


def record(name: str, kind: str, *values: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "values": list(values), **keys}


def both(*changes: Change) -> Change:
    """Several changes."""
    return lambda raw: [change(raw) for change in changes]


def lost(*names: str) -> Change:
    return lambda raw: [raw["sites"][name].update(lost=True) for name in names]


FAULTS: dict[str, tuple[Change, str]] = {
    "no object": (
        lambda raw: raw.update(dns="corp.example"),
        "dns: 'corp.example' is not an object; write keys and values below it",
    ),
    "no domain": (dns(domain=None, ttl=60), "dns.domain: missing; add it (what the names end with, like corp.example)"),
    "unknown key": (
        dns(zone="corp.example"),
        "dns.zone: no such key; there are domain, primary, records, ttl",
    ),
    "domain with a blank": (dns(domain="corp example"), f"dns.domain: 'corp example' {NO_DOMAIN}"),
    "domain with a dot at its end": (dns(domain="corp.example."), f"dns.domain: 'corp.example.' {NO_DOMAIN}"),
    "domain in capitals": (dns(domain="Corp.example"), f"dns.domain: 'Corp.example' {NO_DOMAIN}"),
    "domain with an empty part": (dns(domain="corp..example"), f"dns.domain: 'corp..example' {NO_DOMAIN}"),
    "domain with a hyphen first": (dns(domain="-corp.example"), f"dns.domain: '-corp.example' {NO_DOMAIN}"),
    "domain with a new line": (dns(domain="corp.example\n"), f"dns.domain: 'corp.example\\n' {NO_DOMAIN}"),
    "domain that is an address": (dns(domain="192.168.10.1"), f"dns.domain: '192.168.10.1' {NO_DOMAIN}"),
    "domain as a number": (dns(domain=7), f"dns.domain: 7 {NO_DOMAIN}"),
    "domain with a long part": (
        dns(domain="x" * 64 + ".example"),
        f"dns.domain: '{'x' * 64}.example' {NO_DOMAIN}",
    ),
    "unknown primary": (
        dns(primary="tokio"),
        "dns.primary: 'tokio' is not a site; there are osaka, tokyo (did you mean tokyo?)",
    ),
    "lost primary": (
        both(dns(primary="tokyo"), lost("tokyo")),
        "dns.primary: 'tokyo' is lost; name a site that answers: there are osaka",
    ),
    "every site lost": (
        both(dns(), lost("tokyo", "osaka")),
        "dns: every site is lost, and none can serve it; take lost from one, or remove dns",
    ),
    "primary that is not reached": (
        both(dns(primary="tokyo"), lambda raw: raw.update(links=[])),
        "dns.primary: 'tokyo' is not reached from osaka, which takes its records from there; link osaka with it, or name "
        "a site that every other one reaches",
    ),
    "ttl 0": (dns(ttl=0), f"dns.ttl: 0 {NO_TTL}"),
    "ttl as text": (dns(ttl="300"), f"dns.ttl: '300' {NO_TTL}"),
    "ttl of a record too long": (
        records(record("www", "A", "192.168.10.50", ttl=2**31)),
        f"dns.records.0.ttl: 2147483648 {NO_TTL}",
    ),
    "records as an object": (dns(records={"www": "A"}), "dns.records: an object with www in it is not a list; write one like [a, b]"),
    "record without a name": (
        records({"type": "A", "values": ["192.168.10.50"]}),
        "dns.records.0.name: missing; add it (what stands before the domain, like www, or '@' for the domain itself)",
    ),
    "record without a type": (
        records({"name": "www", "values": ["192.168.10.50"]}),
        "dns.records.0.type: missing; add it (like A, CNAME or TXT)",
    ),
    "record without values": (
        records({"name": "www", "type": "A"}),
        "dns.records.0.values: missing; add it (a list of what the name has, like [192.168.10.50])",
    ),
    "record with no value": (
        records(record("www", "A")),
        "dns.records.0.values: [] is empty; add a value, or remove it",
    ),
    "record with one value beside a list": (
        records({"name": "www", "type": "A", "values": "192.168.10.50"}),
        "dns.records.0.values: '192.168.10.50' is not a list; write one like [a, b]",
    ),
    "value as a number": (
        records({"name": "n", "type": "TXT", "values": [7]}),
        "dns.records.0.values.0: 7 is not a text; write it in quotes",
    ),
    "value twice": (
        records(record("www", "A", "192.168.10.50", "192.168.10.50")),
        "dns.records.0.values: ['192.168.10.50', '192.168.10.50'] has 192.168.10.50 twice; remove one",
    ),
    "unknown key of a record": (
        records(record("www", "A", "192.168.10.50", value="x")),
        "dns.records.0.value: no such key; there are name, ttl, type, values (did you mean values?)",
    ),
    "unknown type": (
        records(record("www", "NS", "ns")),
        "dns.records.0.type: 'NS' is not one of the choices; write 'A', 'AAAA', 'CAA', 'CNAME', 'MX', 'PTR', 'SRV', 'SSHFP' "
        "or 'TXT'",
    ),
    "absolute name": (
        records(record("www.corp.example.", "A", "192.168.10.50")),
        f"dns.records.0.name: 'www.corp.example.' {NO_RECORD}",
    ),
    "name with a quote": (records(record("o'hara", "A", "192.168.10.50")), f'dns.records.0.name: "o\'hara" {NO_RECORD}'),
    "star that is not first": (records(record("a.*", "A", "192.168.10.50")), f"dns.records.0.name: 'a.*' {NO_RECORD}"),
    "name with the domain too long": (
        both(records(record(".".join(["x" * 60] * 3), "A", "192.168.10.50")),
             lambda raw: raw["dns"].update(domain=".".join(["y" * 60] * 2))),
        f"dns.records.0.name: '{'.'.join(['x' * 60] * 3)[:79]}… is too long before {'.'.join(['y' * 60] * 2)}; a whole "
        "name has at most 253 characters",
    ),
    "address": (
        records(record("www", "A", "192.168.10.50", "192.168.10.500")),
        "dns.records.0.values.1: '192.168.10.500' is nothing for A; write one like 192.168.10.50",
    ),
    "IPv6 address": (
        records(record("www", "AAAA", "192.168.10.50")),
        "dns.records.0.values.0: '192.168.10.50' is nothing for AAAA; write one like 2001:db8::50",
    ),
    "mail server without a preference": (
        records(record("@", "MX", "mail")),
        "dns.records.0.values.0: 'mail' is nothing for MX; write one like 10 mail",
    ),
    "service without a port": (
        records(record("_sip._tcp", "SRV", "0 5 sip")),
        "dns.records.0.values.0: '0 5 sip' is nothing for SRV; write one like 0 5 5060 sip",
    ),
    "alias of two words": (
        records(record("www", "CNAME", "a b")),
        "dns.records.0.values.0: 'a b' is nothing for CNAME; write one like www",
    ),
    "alias with two names": (
        records(record("www", "CNAME", "a", "b")),
        "dns.records.0.values: ['a', 'b'] has 2 names; CNAME takes one",
    ),
    "alias of the domain": (
        records(record("@", "CNAME", "www")),
        "dns.records.0.type: the domain itself cannot have a CNAME record; take A",
    ),
    "alias beside an address": (
        records(record("www", "A", "192.168.10.50"), record("www", "CNAME", "web")),
        "dns.records.1.type: CNAME for www, which has others in dns.records.0; a name has either",
    ),
    "same name and type twice": (
        records(record("www", "A", "192.168.10.50"), record("www", "A", "192.168.10.51")),
        "dns.records.1: www has A records in dns.records.0 already; put the values into one list",
    ),
    "name of a VM": (
        records(record("tokyo-linux", "A", "192.168.10.50")),
        "dns.records.0.name: 'tokyo-linux' is the name of a VM of the stack, which has its own record; take another name",
    ),
    "alias with the name of a router": (
        records(record("osaka-vyos", "CNAME", "www")),
        "dns.records.0.name: 'osaka-vyos' is the name of a VM of the stack, which has its own record; take another name",
    ),
    "the program's own name": (
        records(record("_vpn-connect", "TXT", "x")),
        "dns.records.0.name: '_vpn-connect' is what the program keeps its own notes in; take another name",
    ),
    "PTR of a VM": (
        records(record("192.168.10.254", "PTR", "router")),
        "dns.records.0.name: '192.168.10.254' is a VM's of the stack, which has its own; take another address",
    ),
    "PTR of a name": (
        records(record("50.10", "PTR", "www")),
        "dns.records.0.name: '50.10' is not an address in a site's LAN; write one like 192.168.10.50",
    ),
    "PTR of an address elsewhere": (
        records(record("192.168.99.50", "PTR", "www")),
        "dns.records.0.name: '192.168.99.50' is not an address in a site's LAN; write one like 192.168.10.50",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_named_with_field_value_and_fix(pair: dict[str, Any], case: str) -> None:
    change, expected = FAULTS[case]
    change(pair)
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(pair, CLOUDS))
    assert str(caught.value) == expected


def test_all_faults_are_reported_together(pair: dict[str, Any]) -> None:
    pair["dns"] = {
        "domain": "corp.example",
        "primary": "kobe",
        "records": [record("www", "A", "x", "y"), record("www", "CNAME", "a", "b"), record("@", "PTR", "a")],
    }
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(pair, CLOUDS))
    assert [fault.split(": ")[0] for fault in caught.value.faults] == [
        "dns.records.0.values.0",
        "dns.records.0.values.1",
        "dns.records.2.name",
        "dns.records.1.type",
        "dns.records.1.values",
        "dns.primary",
    ]


def test_what_is_good_is_taken(pair: dict[str, Any]) -> None:
    records(
        record("@", "A", "192.168.10.50"),
        record("@", "MX", "10 mail", "20 mail.elsewhere.example."),
        record("*.apps", "CNAME", "www"),
        record("_sip._tcp.voice", "SRV", "0 5 5060 sip"),
        record("tokyo-linux", "TXT", "a VM may have other records beside its address"),
        record("192.168.20.50", "PTR", "www", ttl=1),
        record("1", "AAAA", "2001:db8::50"),
    )(pair)
    assert make_plan(parse_settings(pair, CLOUDS)).dns


def test_a_primary_may_be_reached_through_a_hub() -> None:
    raw = configuration("tokyo", "osaka", "nagoya") | {"links": [{"ends": ["tokyo", "*"]}]}
    raw["dns"] = {"domain": "corp.example", "primary": "osaka"}
    with pytest.raises(ConfigurationError, match=r"^dns\.primary: 'osaka' is not reached from nagoya"):
        make_plan(parse_settings(raw, CLOUDS))
    raw["sites"]["tokyo"]["hub"] = True
    assert make_plan(parse_settings(raw, CLOUDS)).dns
