"""Which sites are linked, and what a hub passes on between those that are not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from components.settings import EVERY_SITE, LinkSettings, Settings

Pair = tuple[str, str]


@dataclass(frozen=True)
class Topology:
    """The linked sites, by name."""

    #: the pairs, each in the names' order, with the entries of `links` that name it most exactly
    entries: Mapping[Pair, tuple[int, ...]]
    neighbours: Mapping[str, Set[str]]
    hubs: Set[str]

    def passed_on(self, hub: str, site: str) -> list[str]:
        """The sites that `site` reaches through its neighbour `hub`: linked with the hub, and not with `site`."""
        if hub not in self.hubs:
            return []
        return sorted(self.neighbours[hub] - self.neighbours[site] - {site})

    def reachable(self, site: str) -> set[str]:
        """The sites that `site` reaches, by a link of its own or through a hub."""
        through = {one for neighbour in self.neighbours[site] for one in self.passed_on(neighbour, site)}
        return set(self.neighbours[site]) | through


def topology(settings: Settings) -> Topology:
    """Read the links of settings whose ends are all sites."""
    named: dict[Pair, list[int]] = {}
    by_exactness = sorted(enumerate(settings.links), key=lambda entry: stars(entry[1]))
    for index, link in by_exactness:
        for one, other in pairs_of(link, settings.sites):
            indexes = named.setdefault((min(one, other), max(one, other)), [index])
            if index not in indexes and stars(settings.links[indexes[0]]) == stars(link):
                indexes.append(index)
    entries = {pair: tuple(indexes) for pair, indexes in sorted(named.items())}
    neighbours = {name: {one for pair in entries if name in pair for one in pair} - {name} for name in settings.sites}
    return Topology(entries, neighbours, {name for name, site in settings.sites.items() if site.hub})


def stars(link: LinkSettings) -> int:
    """How many ends of a link stand for all sites."""
    return link.ends.count(EVERY_SITE)


def pairs_of(link: LinkSettings, sites: Iterable[str]) -> list[Pair]:
    """The pairs of sites that a link of the settings stands for."""
    first, second = (list(sites) if end == EVERY_SITE else [end] for end in link.ends)
    return [(one, other) for one in first for other in second if one != other]
