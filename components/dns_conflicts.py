"""Faults of the internal DNS that join several values of a configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dns.exception
import dns.name

from components.dns_plan import primary_of
from components.dns_records import EXAMPLES, BadValue, full_name, lan_of, machines, place, value_text
from components.errors import choices, shown
from components.settings import DnsSettings, RecordSettings, Settings
from components.topology import Topology

#: has a TXT record that tells since when a zone's primary is the primary, and by which list its records were made
NOTES = "_vpn-connect"


def server_conflicts(
    settings: Settings, dns: DnsSettings, numbers: Mapping[str, int], linked: Topology
) -> Iterator[str]:
    """A primary that cannot be one."""
    there = [name for name, site in settings.sites.items() if not site.lost]
    primary = primary_of(settings, dns, numbers)
    if not there:
        yield "dns: every site is lost, and none can serve it; take lost from one, or remove dns"
    elif primary not in settings.sites:
        yield f"dns.primary: {primary!r} is not a site; {choices(primary, settings.sites)}"
    elif primary not in there:
        yield f"dns.primary: {primary!r} is lost; name a site that answers: {choices(primary, there)}"
    else:
        for name in sorted(set(there) - linked.reachable(primary) - {primary}):
            yield (
                f"dns.primary: {primary!r} is not reached from {name}, which takes its records from there; "
                f"link {name} with it, or name a site that every other one reaches"
            )


def record_conflicts(settings: Settings, dns: DnsSettings) -> Iterator[str]:
    """Records that a zone cannot have, alone or beside others."""
    lans = {name: site.lan for name, site in settings.sites.items()}
    taken = {name for site, lan in lans.items() for name in machines(site, lan)}
    addresses = {str(address) for site, lan in lans.items() for address in machines(site, lan).values()}
    seen: dict[tuple[str, str], int] = {}
    for index, record in enumerate(dns.records):
        where = f"dns.records.{index}"
        yield from name_conflicts(where, record, dns.domain)
        yield from value_conflicts(where, record, dns.domain)
        if record.name in taken and record.type in ("A", "CNAME"):
            yield (
                f"{where}.name: {record.name!r} is the name of a VM of the stack, which has its own record; "
                "take another name"
            )
        if record.name == NOTES:
            yield f"{where}.name: {record.name!r} is what the program keeps its own notes in; take another name"
        if record.type == "PTR" and record.name in addresses:
            yield f"{where}.name: {record.name!r} is a VM's of the stack, which has its own; take another address"
        if record.type == "PTR" and not lan_of(record.name, lans.values()):
            yield f"{where}.name: {record.name!r} is not an address in a site's LAN; write one like 192.168.10.50"
        key = (record.name, record.type)
        if key in seen:
            yield (
                f"{where}: {record.name} has {record.type} records in dns.records.{seen[key]} already; "
                "put the values into one list"
            )
        seen.setdefault(key, index)
    yield from alias_conflicts(settings, dns)


def name_conflicts(where: str, record: RecordSettings, domain: str) -> Iterator[str]:
    try:
        dns.name.from_text(full_name(record.name, domain))
    except dns.exception.DNSException:
        yield f"{where}.name: {shown(record.name)} is too long before {domain}; a whole name has at most 253 characters"


def value_conflicts(where: str, record: RecordSettings, domain: str) -> Iterator[str]:
    for number, value in enumerate(record.values):
        try:
            value_text(record.type, value, domain)
        except BadValue:
            example = EXAMPLES[record.type]
            yield f"{where}.values.{number}: {shown(value)} is nothing for {record.type}; write one like {example}"


def alias_conflicts(settings: Settings, dns: DnsSettings) -> Iterator[str]:
    """A name with a CNAME record has that one record and no other (RFC 1034)."""
    lans = [site.lan for site in settings.sites.values()]
    for index, record in enumerate(dns.records):
        if record.type != "CNAME":
            continue
        owner = place(record, dns.domain, lans)
        beside = [
            other
            for other, one in enumerate(dns.records)
            if one.type != "CNAME" and place(one, dns.domain, lans) == owner
        ]
        if record.name == "@":
            yield f"dns.records.{index}.type: the domain itself cannot have a CNAME record; take A"
        elif beside:
            yield (
                f"dns.records.{index}.type: CNAME for {record.name}, which has others in dns.records.{beside[0]}; "
                "a name has either"
            )
        if len(record.values) > 1:
            yield f"dns.records.{index}.values: {shown(record.values)} has {len(record.values)} names; CNAME takes one"
