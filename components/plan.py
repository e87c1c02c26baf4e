"""From settings to what every router and link gets: addresses, interface names, prefixes. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Literal

from components.errors import ConfigurationError
from components.settings import EVERY_SITE, LinkSettings, Settings, SiteSettings

TRANSIT_RANGE = IPv4Network("172.31.0.0/16")
HIGHEST_NUMBER = 254  # the transit default has the number as its third byte


@dataclass(frozen=True, kw_only=True)
class SitePlan:
    """A site with everything decided: the arguments of `VpnSite`."""

    name: str
    #: tells the site apart in tunnel addresses and interface names
    number: int
    cloud: str
    lan: IPv4Network
    transit: IPv4Network
    #: the LANs on the other ends of the site's links: what VyOS forwards into the LAN
    remote_lans: tuple[IPv4Network, ...]
    #: prefixes that may be source addresses behind VyOS's port on the LAN (Neutron's allowed address pairs)
    address_pairs: tuple[IPv4Network, ...]
    external_network: str | None
    #: whether sites linked with this one reach each other through it
    hub: bool
    vyos_version: Literal["1.4", "1.5", "rolling"]
    #: where the router's SSH host key comes from
    vyos_host_key: Literal["cloud-init", "first-contact"]
    vyos_image: str
    vyos_flavor: str
    vyos_user: str
    linux_image: str
    linux_flavor: str
    linux_user: str
    dns_servers: tuple[IPv4Address, ...]
    admin_cidrs: tuple[IPv4Network, ...]

    @property
    def vyos_lan_address(self) -> IPv4Address:
        """VyOS's address on the LAN: the last one, where no DHCP pool reaches."""
        return self.lan.broadcast_address - 1

    @property
    def lan_pool(self) -> tuple[IPv4Address, IPv4Address]:
        """The first and the last address for VMs, between the Neutron router's and VyOS's."""
        return self.lan.network_address + 2, self.vyos_lan_address - 1


@dataclass(frozen=True, kw_only=True)
class EndPlan:
    """One end of a link, as its router sees it."""

    site: str
    peer: str
    #: the peer's site number, from 1 to 254
    peer_number: int
    #: the tunnel interface, named after the peer's number
    interface: str
    #: this end's and the other's address in the tunnel, which are the IKE identities as well
    tunnel_address: IPv4Address
    peer_tunnel_address: IPv4Address
    local_prefixes: tuple[IPv4Network, ...]
    remote_prefixes: tuple[IPv4Network, ...]


@dataclass(frozen=True, kw_only=True)
class LinkPlan:
    """A link: its /30 and its two ends, the one with the lower number first."""

    name: str
    tunnel: IPv4Network
    #: another number, another pre-shared key
    key_rotation: int
    ends: tuple[EndPlan, EndPlan]


@dataclass(frozen=True)
class Plan:
    """All sites and links, ordered by name."""

    sites: tuple[SitePlan, ...]
    links: tuple[LinkPlan, ...]


def make_plan(settings: Settings) -> Plan:
    """Decide all that does not depend on a cloud's answer; ConfigurationError with every fault if it cannot be."""
    numbers = {
        name: site.number or default_number(name, settings.tunnel_range) for name, site in settings.sites.items()
    }
    transits = {name: site.transit or default_transit(numbers[name]) for name, site in settings.sites.items()}
    faults = list(number_faults(settings, numbers)) or list(overlap_faults(settings, transits))
    faults += link_faults(settings)
    if faults:
        raise ConfigurationError(faults)
    rotations = key_rotations(settings)
    links = sorted(
        (make_link(settings, numbers, *pair, rotation) for pair, rotation in rotations.items()),
        key=lambda link: link.name,
    )
    return Plan(
        tuple(
            make_site(name, site, numbers[name], transits[name], links) for name, site in sorted(settings.sites.items())
        ),
        tuple(links),
    )


def key_rotations(settings: Settings) -> dict[tuple[str, str], int]:
    """The linked pairs of sites, each with its key's rotation; an entry with fewer EVERY_SITE in it wins."""
    rotations = {}
    for link in sorted(settings.links, key=lambda link: link.ends.count(EVERY_SITE), reverse=True):
        for one, other in pairs_of(link, settings.sites):
            rotations[min(one, other), max(one, other)] = link.key_rotation
    return rotations


def pairs_of(link: LinkSettings, sites: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of sites that a link of the settings stands for."""
    first, second = (list(sites) if end == EVERY_SITE else [end] for end in link.ends)
    return [(one, other) for one in first for other in second if one != other]


def make_site(name: str, site: SiteSettings, number: int, transit: IPv4Network, links: list[LinkPlan]) -> SitePlan:
    ends = [end for link in links for end in link.ends if end.site == name]
    remote = tuple(sorted({lan for end in ends for lan in end.remote_prefixes}))
    shared = site.model_dump(exclude={"number", "transit", "anti_spoofing"})
    return SitePlan(
        name=name,
        number=number,
        transit=transit,
        remote_lans=remote,
        **shared,
        address_pairs=remote if site.anti_spoofing == "strict" else (IPv4Network("0.0.0.0/0"),),
    )


def make_link(settings: Settings, numbers: dict[str, int], one: str, other: str, rotation: int) -> LinkPlan:
    first, second = sorted((one, other), key=numbers.__getitem__)
    tunnel = tunnel_network(settings.tunnel_range, numbers[first], numbers[second])
    addresses = {first: tunnel.network_address + 1, second: tunnel.network_address + 2}

    def end(site: str, peer: str) -> EndPlan:
        return EndPlan(
            site=site,
            peer=peer,
            peer_number=numbers[peer],
            interface=f"tun{numbers[peer]}",
            tunnel_address=addresses[site],
            peer_tunnel_address=addresses[peer],
            local_prefixes=(settings.sites[site].lan,),
            remote_prefixes=(settings.sites[peer].lan,),
        )

    return LinkPlan(
        name=f"{first}-{second}", tunnel=tunnel, key_rotation=rotation, ends=(end(first, second), end(second, first))
    )


def tunnel_network(tunnel_range: IPv4Network, lower: int, higher: int) -> IPv4Network:
    """The /30 of a pair of numbers. Pairs are counted by the higher number first, so that no other site matters."""
    index = (higher - 1) * (higher - 2) // 2 + lower - 1
    return IPv4Network((int(tunnel_range.network_address) + 4 * index, 30))


def highest_number(tunnel_range: IPv4Network) -> int:
    """The highest site number whose links all fit into the tunnel range; below 2 when there is not room for one."""
    networks = tunnel_range.num_addresses // 4
    highest = 1
    while highest < HIGHEST_NUMBER and (highest + 1) * highest // 2 <= networks:
        highest += 1
    return highest


def default_number(name: str, tunnel_range: IPv4Network) -> int:
    """A number made from the site's name alone: it stays when sites come and go."""
    return 1 + zlib.crc32(name.encode()) % highest_number(tunnel_range)


def default_transit(number: int) -> IPv4Network:
    return IPv4Network((int(TRANSIT_RANGE.network_address) + 256 * min(number, HIGHEST_NUMBER), 28))


def number_faults(settings: Settings, numbers: dict[str, int]) -> Iterator[str]:
    highest = highest_number(settings.tunnel_range)
    if highest < 2:
        yield (
            f"tunnelRange: '{settings.tunnel_range}' has no room for a link, which takes a /30; "
            "take a shorter prefix length, like /16"
        )
        return
    for name, number in sorted(numbers.items()):
        if number > highest:
            yield (
                f"sites.{name}.number: {number} is too high for the tunnel range {settings.tunnel_range}; "
                f"take one from 1 to {highest}, or a larger tunnelRange"
            )
    for one, other in combinations(sorted(numbers), 2):
        if numbers[one] == numbers[other]:
            free = next(number for number in range(1, HIGHEST_NUMBER + 2) if number not in numbers.values())
            given = settings.sites[one].number and settings.sites[other].number
            made = "" if given else " (numbers that are not given are made from the names)"
            yield (
                f"sites.{other}.number: {numbers[other]} is also {one}'s{made}; set it to one that is free, like {free}"
            )


def overlap_faults(settings: Settings, transits: dict[str, IPv4Network]) -> Iterator[str]:
    """Prefixes that routers could not tell apart."""
    prefixes = [("tunnelRange", settings.tunnel_range)]
    for name, site in sorted(settings.sites.items()):
        prefixes += [(f"sites.{name}.lan", site.lan), (f"sites.{name}.transit", transits[name])]
    for (one, first), (other, second) in combinations(prefixes, 2):
        if first.overlaps(second):
            yield f"{other}: '{second}' overlaps {one} ({first}); take a prefix that is nowhere else in use"


def link_faults(settings: Settings) -> Iterator[str]:
    seen: dict[frozenset[str], int] = {}
    for index, link in enumerate(settings.links):
        for name in link.ends:
            if name not in settings.sites and name != EVERY_SITE:
                yield f"links.{index}.ends: {name!r} is not a site; there are {', '.join(sorted(settings.sites))}"
        pair = frozenset(link.ends)
        if EVERY_SITE in pair:
            continue
        if len(pair) == 1:
            yield f"links.{index}.ends: {link.ends[0]!r} is linked with itself; name two sites"
        elif pair in seen:
            yield f"links.{index}.ends: {' and '.join(link.ends)} are linked by links.{seen[pair]} already; remove one"
        seen.setdefault(pair, index)
    names: dict[str, frozenset[str]] = {}
    for pair in map(frozenset, combinations(sorted(settings.sites), 2)):
        for name in {"-".join(sorted(pair)), "-".join(sorted(pair, reverse=True))}:
            if names.setdefault(name, pair) != pair:
                yield (
                    f"sites: the names {', '.join(sorted(pair | names[name]))} give two links the name {name!r}; "
                    "rename one without a hyphen"
                )
