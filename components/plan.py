"""From settings to what every router and link gets: addresses, interface names, prefixes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from components import addresses
from components.conflicts import conflicts
from components.dns_plan import DnsPlan, make_dns, name_servers
from components.errors import refuse
from components.numbers import default_number, default_transit, tunnel_network
from components.settings import Settings, SiteSettings
from components.topology import Pair, Topology, topology


@dataclass(frozen=True, kw_only=True)
class SitePlan:
    """A site with everything decided: the arguments of `VpnSite`."""

    name: str
    #: tells the site apart in tunnel addresses and interface names
    number: int
    cloud: str
    lan: IPv4Network
    transit: IPv4Network
    #: the LANs that the site's links lead to, directly or through a hub: what VyOS forwards into the LAN
    remote_lans: tuple[IPv4Network, ...]
    #: prefixes that may be source addresses behind VyOS's port on the LAN (Neutron's allowed address pairs)
    address_pairs: tuple[IPv4Network, ...]
    external_network: str | None
    #: whether linked sites without a link of their own reach each other through this one
    hub: bool
    #: whether the cloud does not answer any more: what the stack has there is left as it was
    lost: bool
    vyos_version: Literal["1.4", "1.5", "rolling"]
    #: where the router's SSH host key comes from
    vyos_host_key: Literal["cloud-init", "first-contact"]
    vyos_image: str
    vyos_flavor: str
    vyos_user: str
    linux_image: str
    linux_flavor: str
    linux_user: str
    #: what the configuration names, and what DHCP hands out: the same, unless the stack has a DNS of its own
    dns_servers: tuple[IPv4Address, ...]
    name_servers: tuple[IPv4Address, ...]
    admin_cidrs: tuple[IPv4Network, ...]

    @property
    def vyos_lan_address(self) -> IPv4Address:
        """VyOS's address on the LAN."""
        return addresses.vyos_address(self.lan)

    @property
    def linux_address(self) -> IPv4Address:
        """The Linux VM's address on the LAN."""
        return addresses.linux_address(self.lan)

    @property
    def lan_pool(self) -> tuple[IPv4Address, IPv4Address]:
        """The first and the last address for other VMs."""
        return addresses.vm_pool(self.lan)


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
    #: the LANs that IPsec joins, the site's own and the peer's first; at a hub, those that it passes on to the peer as
    #: well. Every packet that comes out of this tunnel is from a remote to a local prefix
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
    dns: DnsPlan | None


def make_plan(settings: Settings) -> Plan:
    """Decide all that does not depend on a cloud's answer; ConfigurationError with every fault if it cannot be."""
    numbers = {
        name: site.number or default_number(name, settings.tunnel_range) for name, site in settings.sites.items()
    }
    transits = {name: site.transit or default_transit(numbers[name]) for name, site in settings.sites.items()}
    refuse(conflicts(settings, numbers, transits))
    linked = topology(settings)
    links = sorted((make_link(settings, numbers, linked, pair) for pair in linked.entries), key=lambda link: link.name)
    sites = []
    for name, site in sorted(settings.sites.items()):
        servers = name_servers(name, settings, numbers, linked) if settings.dns else site.dns_servers
        sites.append(make_site(name, site, numbers[name], transits[name], links, servers))
    dns = make_dns(settings, settings.dns, numbers, linked) if settings.dns else None
    return Plan(tuple(sites), tuple(links), dns)


def make_site(
    name: str,
    site: SiteSettings,
    number: int,
    transit: IPv4Network,
    links: Sequence[LinkPlan],
    servers: tuple[IPv4Address, ...],
) -> SitePlan:
    ends = [end for link in links for end in link.ends if end.site == name]
    remote = tuple(sorted({lan for end in ends for lan in end.remote_prefixes}))
    shared = site.model_dump(exclude={"number", "transit", "anti_spoofing"})
    return SitePlan(
        name=name,
        number=number,
        transit=transit,
        remote_lans=remote,
        name_servers=servers,
        **shared,
        address_pairs=remote if site.anti_spoofing == "strict" else (IPv4Network("0.0.0.0/0"),),
    )


def make_link(settings: Settings, numbers: Mapping[str, int], linked: Topology, pair: Pair) -> LinkPlan:
    first, second = sorted(pair, key=numbers.__getitem__)
    tunnel = tunnel_network(settings.tunnel_range, numbers[first], numbers[second])
    addresses = {first: tunnel.network_address + 1, second: tunnel.network_address + 2}

    def lans_behind(site: str, peer: str) -> tuple[IPv4Network, ...]:
        return tuple(settings.sites[name].lan for name in (site, *linked.passed_on(site, peer)))

    def end(site: str, peer: str) -> EndPlan:
        return EndPlan(
            site=site,
            peer=peer,
            peer_number=numbers[peer],
            interface=f"tun{numbers[peer]}",
            tunnel_address=addresses[site],
            peer_tunnel_address=addresses[peer],
            local_prefixes=lans_behind(site, peer),
            remote_prefixes=lans_behind(peer, site),
        )

    return LinkPlan(
        name=f"{first}-{second}",
        tunnel=tunnel,
        key_rotation=settings.links[linked.entries[pair][0]].key_rotation,
        ends=(end(first, second), end(second, first)),
    )
