"""The questions for name servers, and their answers, in DNS's own format. Pure."""

from __future__ import annotations

import base64
import binascii

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A

from health.facts import Dns, NameAnswer


def escaped_queries(zone: Dns) -> list[str]:
    """The questions for the zone's serial and for its name servers' addresses, each as `printf` takes bytes."""
    made = [dns.message.make_query(zone.domain, kind, id=0x7670, flags=0) for kind in ("SOA", "NS")]
    return ["".join(f"\\x{byte:02x}" for byte in one.to_wire()) for one in made]


def answer(text: str) -> NameAnswer | None:
    """The answers to both, a line of base64 each; None unless the server answered as one that has the zone."""
    try:
        messages = [dns.message.from_wire(base64.b64decode(line, validate=True)) for line in text.split()]
    except (binascii.Error, dns.exception.DNSException):
        return None
    records = [(rrset.name, record) for one in messages for rrset in (*one.answer, *one.additional) for record in rrset]
    starts = [record for _, record in records if isinstance(record, dns.rdtypes.ANY.SOA.SOA)]
    addresses = {name: str(record) for name, record in records if isinstance(record, dns.rdtypes.IN.A.A)}
    if not starts:
        return None
    primary = starts[0].mname
    return NameAnswer(starts[0].serial, addresses.get(primary, primary.to_text(omit_final_dot=True)))
