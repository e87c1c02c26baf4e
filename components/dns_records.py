"""DNS records as a zone has them, and the zones that they belong to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from components.addresses import linux_address, vyos_address
from components.settings import DnsSettings, RecordSettings

LONGEST_TEXT = 255  # bytes of one text in a TXT record (RFC 1035); a longer one is split
#: what a value of each type looks like
EXAMPLES = {
    "A": "192.168.10.50",
    "AAAA": "2001:db8::50",
    "CAA": '0 issue "ca.example"',
    "CNAME": "www",
    "MX": "10 mail",
    "PTR": "www",
    "SRV": "0 5 5060 sip",
    "SSHFP": "4 2 and 64 hexadecimal digits",
    "TXT": "any text",
}


class BadValue(ValueError):
    """A value that a record of its type cannot have."""


@dataclass(frozen=True, order=True)
class Record:
    """One record. Names end with a dot; `ttl` is in seconds."""

    zone: str
    owner: str
    type: str
    value: str
    ttl: int

    def __str__(self) -> str:
        return f"{self.zone} {self.owner} {self.ttl} {self.type} {self.value}"


def machines(site: str, lan: IPv4Network) -> dict[str, IPv4Address]:
    """The VMs that the stack makes at a site: their host names, which are their names in the DNS too."""
    return {f"{site}-linux": linux_address(lan), f"{site}-vyos": vyos_address(lan)}


def reverse_zone(address: IPv4Address, lan: IPv4Network) -> str:
    """The zone for an address's name: of the LAN, up to the next octet that all its addresses share."""
    octets = max(lan.prefixlen // 8, 1)
    return ".".join([*reversed(str(address).split(".")[:octets]), "in-addr.arpa."])


def reverse_zones(lan: IPv4Network) -> set[str]:
    """One, except for a LAN that is larger than /8."""
    return {reverse_zone(address, lan) for address in (lan.network_address, lan.broadcast_address)}


def full_name(name: str, domain: str) -> str:
    """A relative name with all that follows, "@" being the domain."""
    return f"{domain}." if name == "@" else f"{name}.{domain}."


def value_text(kind: str, value: str, domain: str) -> str:
    """A value as a zone has it; BadValue if a record of this type cannot have it."""
    try:
        if kind == "TXT":
            data = value.encode()
            parts = [data[start : start + LONGEST_TEXT] for start in range(0, len(data), LONGEST_TEXT)]
            text = TXT(dns.rdataclass.IN, dns.rdatatype.TXT, parts or [b""]).to_text()
        elif not value.isprintable():
            raise BadValue("has a character that cannot be printed")
        else:
            origin = dns.name.from_text(domain)
            text = dns.rdata.from_text("IN", kind, value, origin=origin, relativize=False).to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise BadValue(str(error)) from error
    # it goes into single quotes
    return text.replace("'", "\\039")


def lan_of(address: str, lans: Iterable[IPv4Network]) -> IPv4Network | None:
    """The LAN that an address is in; None for what is no address or in none."""
    try:
        parsed = IPv4Address(address)
    except ValueError:
        return None
    return next((lan for lan in lans if parsed in lan), None)


def configured(settings: DnsSettings, lans: Collection[IPv4Network]) -> Iterator[Record]:
    """The configuration's records."""
    for record in settings.records:
        zone, owner = place(record, settings.domain, lans)
        ttl = record.ttl or settings.ttl
        for value in record.values:
            yield Record(zone, owner, record.type, value_text(record.type, value, settings.domain), ttl)


def place(record: RecordSettings, domain: str, lans: Collection[IPv4Network]) -> tuple[str, str]:
    """The zone and the owner of a configured record; of a PTR record whose address is in one of the LANs."""
    if record.type == "PTR" and (lan := lan_of(record.name, lans)):
        address = IPv4Address(record.name)
        return reverse_zone(address, lan), f"{address.reverse_pointer}."
    return f"{domain}.", full_name(record.name, domain)


def of_machines(lans: Mapping[str, IPv4Network], domain: str, ttl: int) -> Iterator[Record]:
    """The names and the addresses of the stack's VMs. `lans`: by site."""
    for site, lan in lans.items():
        for name, address in machines(site, lan).items():
            owner = full_name(name, domain)
            yield Record(f"{domain}.", owner, "A", str(address), ttl)
            yield Record(reverse_zone(address, lan), f"{address.reverse_pointer}.", "PTR", owner, ttl)
