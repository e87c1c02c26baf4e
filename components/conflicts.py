"""Faults that join several values of a configuration, each of which is good by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import chain, combinations

from components.dns_conflicts import record_conflicts, server_conflicts
from components.errors import choices
from components.numbers import highest_number
from components.settings import EVERY_SITE, Settings
from components.topology import Topology, topology


def conflicts(settings: Settings, numbers: Mapping[str, int], transits: Mapping[str, IPv4Network]) -> Iterator[str]:
    """Every conflict; a kind that would only follow from another one's is left out."""
    yield from admin_conflicts(settings)
    # the default transit networks come from the numbers, and a hub needs links that can be made
    yield from list(number_conflicts(settings, numbers)) or overlaps(settings, transits)
    unlinked = list(link_conflicts(settings))
    yield from unlinked or topology_conflicts(settings)
    yield from link_name_conflicts(settings)
    if settings.dns:
        yield from record_conflicts(settings, settings.dns)
        if not unlinked:
            yield from server_conflicts(settings, settings.dns, numbers, topology(settings))


def admin_conflicts(settings: Settings) -> Iterator[str]:
    for name, site in settings.sites.items():
        if not site.admin_cidrs:
            yield (
                f"sites.{name}.adminCidrs: none given, here or in siteDefaults; VyOS is configured over SSH, "
                "so name the network that `pulumi` runs in, like 198.51.100.7/32"
            )


def number_conflicts(settings: Settings, numbers: Mapping[str, int]) -> Iterator[str]:
    highest = highest_number(settings.tunnel_range)
    if highest < 2:
        yield (
            f"tunnelRange: '{settings.tunnel_range}' has no room for a link, which takes a /30; "
            "take a shorter prefix length, like /16"
        )
        return
    if len(numbers) > highest:
        yield (
            f"tunnelRange: '{settings.tunnel_range}' has room for the links of {highest} sites, and there are "
            f"{len(numbers)}; take a shorter prefix length, or fewer sites"
        )
        return
    free = (number for number in range(1, highest + 1) if number not in numbers.values())
    owners: dict[int, str] = {}
    for name, number in sorted(numbers.items()):
        if number > highest:
            yield (
                f"sites.{name}.number: {number} is too high for the tunnel range {settings.tunnel_range}; "
                f"take one from 1 to {highest}, or a larger tunnelRange"
            )
        elif number in owners:
            given = settings.sites[name].number and settings.sites[owners[number]].number
            made = "" if given else " (numbers that are not given are made from the names)"
            yield (
                f"sites.{name}.number: {number} is also {owners[number]}'s{made}; "
                f"set the newer site's to one that is free, like {next(free)}"
            )
        owners.setdefault(number, name)


def overlaps(settings: Settings, transits: Mapping[str, IPv4Network]) -> Iterator[str]:
    """Prefixes that routers could not tell apart."""
    prefixes = [("tunnelRange", settings.tunnel_range)]
    for name, site in sorted(settings.sites.items()):
        prefixes += [(f"sites.{name}.lan", site.lan), (f"sites.{name}.transit", transits[name])]
    for (one, first), (other, second) in combinations(prefixes, 2):
        if first.overlaps(second):
            yield f"{other}: '{second}' overlaps {one} ({first}); take a prefix that is nowhere else in use"


def link_conflicts(settings: Settings) -> Iterator[str]:
    """Entries of `links` that cannot be made."""
    seen: dict[tuple[str, ...], int] = {}
    for index, link in enumerate(settings.links):
        for name in link.ends:
            if name not in settings.sites and name != EVERY_SITE:
                yield f"links.{index}.ends: {name!r} is not a site; {choices(name, settings.sites)}"
        one, other = link.ends
        first = seen.setdefault(tuple(sorted(link.ends)), index)
        if one == other != EVERY_SITE:
            yield f"links.{index}.ends: {one!r} is linked with itself; name two sites"
        elif first != index:
            yield f"links.{index}.ends: {one} and {other} are linked by links.{first} already; remove one"


def topology_conflicts(settings: Settings) -> Iterator[str]:
    linked = topology(settings)
    return chain(rotation_conflicts(settings, linked), hub_conflicts(linked))


def rotation_conflicts(settings: Settings, linked: Topology) -> Iterator[str]:
    for (one, other), indexes in linked.entries.items():
        first, last = indexes[0], indexes[-1]
        was, now = settings.links[first].key_rotation, settings.links[last].key_rotation
        if was != now:
            yield (
                f"links.{last}.keyRotation: {now} for {one} and {other}, and {was} in links.{first}; "
                f"add an entry with the ends {one} and {other} and the one that counts"
            )


def hub_conflicts(linked: Topology) -> Iterator[str]:
    hubs = sorted(linked.hubs)
    for hub in hubs:
        if not linked.neighbours[hub]:
            yield f"sites.{hub}.hub: true, and no link ends at {hub}; add links to it, or remove hub"
    for one, other in combinations(hubs, 2):
        spokes = sorted(linked.neighbours[one] & linked.neighbours[other])
        both = [f"{a} and {b}" for a, b in combinations(spokes, 2) if b not in linked.neighbours[a]]
        if both:
            yield (
                f"sites.{other}.hub: {one} and {other} would both pass on between {both[0]}; "
                "link these two, or take hub from one of the hubs"
            )
        if other in linked.neighbours[one]:
            here, there = linked.passed_on(one, other), linked.passed_on(other, one)
            if here and there:
                yield (
                    f"sites.{other}.hub: the hubs {one} and {other} are linked, {here[0]} is only {one}'s and "
                    f"{there[0]} only {other}'s; packets pass one hub, not two, so remove that link, "
                    "or hub from one of them"
                )


def link_name_conflicts(settings: Settings) -> Iterator[str]:
    """Pairs of sites, linked or not yet, that would have one name."""
    pairs: dict[str, frozenset[str]] = {}
    for pair in map(frozenset, combinations(sorted(settings.sites), 2)):
        for name in {"-".join(sorted(pair)), "-".join(sorted(pair, reverse=True))}:
            if pairs.setdefault(name, pair) != pair:
                yield (
                    f"sites: the names {', '.join(sorted(pair | pairs[name]))} give two links the name {name!r}; "
                    "rename one without a hyphen"
                )
