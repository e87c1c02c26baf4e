"""Whether the name servers answer, and the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from health.causes import Cause, Layer
from health.facts import Link, Linux, NameAnswer, Stack
from health.findings import Facts, Finding, explained

#: seconds by which a clock may be off before a server refuses a signed update (RFC 8945's fudge)
TSIG_SECONDS = 300


def names(stack: Stack, facts: Facts, links: list[Link], found: list[Finding]) -> Iterator[Finding]:
    """Do all name servers answer, and the same?"""
    if stack.dns is None:
        return
    answers = {
        (site, server): answer
        for site, about in facts.items()
        if isinstance(about.linux, Linux)
        for server, answer in about.linux.names.items()
    }
    broken = {site for link in links if explained(found, link, Layer.LAN) for site in link.sites}
    for server, address in stack.dns.servers.items():
        silent = [site for site, asked in answers if asked == server and answers[site, asked] is None]
        silent = [site for site in silent if site == server or not {site, server} & broken]
        if silent:
            by_whom = f"{address} does not answer {', '.join(silent)}"
            yield Finding(Cause.DNS_SILENT, (by_whom,), server)
    yield from stale(stack, {server: one for (_, server), one in answers.items() if one}, facts, broken)


def stale(stack: Stack, answers: Mapping[str, NameAnswer], facts: Facts, broken: set[str]) -> Iterator[Finding]:
    """What the servers that answer say: the primary's serial counts. A wrong clock or a broken link explains more."""
    assert stack.dns
    primary = stack.dns.servers[stack.dns.primary]
    newest = answers.get(stack.dns.primary)
    for server, answer in answers.items():
        linux = facts[server].linux if server in facts else None
        if isinstance(linux, Linux) and abs(linux.clock) >= TSIG_SECONDS:
            continue
        if answer.primary != primary:
            other = f"{server}'s server takes {answer.primary or 'nobody'} for the primary, the stack {primary}"
            yield Finding(Cause.DNS_STALE, (other,), server)
        elif newest and answer.serial != newest.serial and server not in broken:
            other = f"serial {answer.serial} at {server}, {newest.serial} at the primary in {stack.dns.primary}"
            yield Finding(Cause.DNS_STALE, (other,), server)
