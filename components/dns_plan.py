"""The internal DNS with everything decided: which sites serve it, which zones, which records. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from components.addresses import linux_address
from components.dns_records import Record, configured, full_name, of_machines, reverse_zones
from components.fields import MOST_NAME_SERVERS
from components.settings import DnsSettings, Settings
from components.topology import Topology

#: a resolver's options (resolv.conf), so that it turns to the next server after a second instead of five
RESOLVER_OPTIONS = "timeout:1 attempts:2"


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """A site's name server, on its Linux VM."""

    site: str
    address: IPv4Address
    #: whether the site is lost: then its server stays as it was, and no other one knows it
    lost: bool
    #: its name, with the domain and a dot at its end
    name: str
    #: where it asks for names that are in none of its zones; without one, it refuses them
    upstream: IPv4Address | None
    #: the other servers that it reaches, by site: they change zones with it
    peers: Mapping[str, IPv4Address]


@dataclass(frozen=True, kw_only=True)
class DnsPlan:
    """What all servers have in common, and the servers by site."""

    domain: str
    #: the site where records are changed
    primary: str
    #: seconds
    ttl: int
    #: the domain and the reverse zones, each with a dot at its end
    zones: tuple[str, ...]
    #: what the program owns, the zones' name servers among it
    records: tuple[Record, ...]
    servers: Mapping[str, ServerPlan]


def make_dns(settings: Settings, dns: DnsSettings, numbers: Mapping[str, int], linked: Topology) -> DnsPlan:
    """The plan for settings without conflicts."""
    lans = {name: site.lan for name, site in sorted(settings.sites.items())}
    reverse = {zone for lan in lans.values() for zone in reverse_zones(lan)}
    zones = (f"{dns.domain}.", *sorted(reverse))
    servers = {
        name: ServerPlan(
            site=name,
            address=linux_address(site.lan),
            lost=site.lost,
            name=full_name(f"{name}-linux", dns.domain),
            upstream=next(iter(site.dns_servers), None),
            peers={
                peer: linux_address(lans[peer])
                for peer in sorted(linked.reachable(name))
                if not settings.sites[peer].lost
            },
        )
        for name, site in sorted(settings.sites.items())
    }
    there = [server.name for server in servers.values() if not server.lost]
    served = (Record(zone, zone, "NS", name, dns.ttl) for zone in zones for name in there)
    return DnsPlan(
        domain=dns.domain,
        primary=primary_of(settings, dns, numbers),
        ttl=dns.ttl,
        zones=zones,
        records=tuple(sorted([*served, *of_machines(lans, dns.domain, dns.ttl), *configured(dns, lans.values())])),
        servers=servers,
    )


def primary_of(settings: Settings, dns: DnsSettings, numbers: Mapping[str, int]) -> str:
    """The site that is named, else the one with the lowest number that is not lost, if there is one."""
    there = [name for name, site in settings.sites.items() if not site.lost]
    return dns.primary or min(there, key=numbers.__getitem__, default="")


def name_servers(
    name: str, settings: Settings, numbers: Mapping[str, int], linked: Topology
) -> tuple[IPv4Address, ...]:
    """What DHCP hands out at a site: its own server, then those of the sites that it reaches, near numbers first."""
    others = sorted(linked.reachable(name), key=lambda other: (abs(numbers[other] - numbers[name]), numbers[other]))
    there = [name, *(other for other in others if not settings.sites[other].lost)]
    return tuple(linux_address(settings.sites[one].lan) for one in there)[:MOST_NAME_SERVERS]
