"""What a stack has and what its machines and clouds say: the input of the diagnosis. Plain values, no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Literal

from vyos_provider.lines import Line, Part

NOTHING = Part(())


@dataclass(frozen=True, kw_only=True)
class Site:
    """A site as the stack has it."""

    name: str
    #: its cloud is known not to answer any more: nothing is asked there
    lost: bool = False
    lan: str = ""
    floating_ip: str = ""
    vyos_lan_address: str = ""
    linux_address: str = ""
    #: the router's own configuration, as it was applied last
    base: Part = NOTHING


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a link, with its configuration as it was applied last."""

    site: str
    tunnel_address: str
    part: Part = NOTHING

    @property
    def interface(self) -> str:
        """The tunnel interface."""
        return next((line[2] for line in self.part.lines if line[:2] == ("interfaces", "tunnel")), "")

    def value(self, *path: str) -> str:
        """A value of the tunnel interface, by the nodes below it."""
        at = ("interfaces", "tunnel", self.interface, *path)
        return next((line[-1] for line in self.part.lines if line[:-1] == at), "")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link as the stack has it."""

    name: str
    ends: tuple[End, End]
    #: bytes that a packet between the LANs may have
    mtu: int

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(end.site for end in self.ends)

    def directions(self) -> tuple[tuple[End, End], tuple[End, End]]:
        """Each end with its peer."""
        return (self.ends[0], self.ends[1]), (self.ends[1], self.ends[0])


@dataclass(frozen=True, kw_only=True)
class Dns:
    """The stack's name servers, by their sites."""

    domain: str
    primary: str
    servers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All that is to be looked at."""

    sites: Mapping[str, Site]
    links: tuple[Link, ...]
    dns: Dns | None = None

    def is_lost(self, link: Link) -> bool:
        """Whether one end's cloud is known not to answer any more."""
        return any(self.sites[name].lost for name in link.sites)


@dataclass(frozen=True)
class Ping:
    """Some pings; the mean time of an answer in milliseconds, if there was one."""

    sent: int
    received: int
    milliseconds: float | None = None

    @property
    def loss(self) -> float:
        """From 0 to 1."""
        return 1 - self.received / self.sent if self.sent else 1.0


@dataclass(frozen=True, kw_only=True)
class ChildSa:
    """An ESP pair of strongSwan's; times in seconds."""

    state: str
    spi_in: str = ""
    spi_out: str = ""
    packets_in: int = 0
    packets_out: int = 0
    age: int | None = None
    rekey_in: int | None = None


@dataclass(frozen=True, kw_only=True)
class IkeSa:
    """An IKE association of strongSwan's, by its connection's name, which is the link's; times in seconds."""

    name: str
    state: str
    age: int | None = None
    rekey_in: int | None = None
    children: tuple[ChildSa, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """A tunnel interface of the kernel's."""

    up: bool
    mtu: int
    addresses: tuple[str, ...]
    local: str
    remote: str


@dataclass(frozen=True, kw_only=True)
class Router:
    """What a router says. The pings are by the names of links: inside the tunnel, and from LAN to LAN through IPsec."""

    #: seconds that its clock is ahead of the one here
    clock: float
    lines: tuple[Line, ...]
    #: the SHA-256 of each active pre-shared key, by its link
    key_digests: Mapping[str, str] = field(default_factory=dict, repr=False)
    tunnels: Mapping[str, Tunnel] = field(default_factory=dict)
    associations: tuple[IkeSa, ...] = ()
    #: what charon noted lately of refusals and agreements, the last at the end
    log: tuple[str, ...] = ()
    tunnel_pings: Mapping[str, Ping] = field(default_factory=dict)
    lan_pings: Mapping[str, Ping] = field(default_factory=dict)

    def association(self, link: str) -> IkeSa | None:
        """The link's IKE association, an established one first."""
        own = [one for one in self.associations if one.name == link]
        return next((one for one in own if one.state == "ESTABLISHED"), own[0] if own else None)

    def children(self, link: str) -> list[ChildSa]:
        """The link's installed ESP pairs, the newest first; both ends' start at once may leave some."""
        own = [child for one in self.associations if one.name == link for child in one.children]
        return sorted((child for child in own if child.state == "INSTALLED"), key=lambda child: child.age or 0)


@dataclass(frozen=True)
class Route:
    """How a VM sends to another LAN: the next hop, empty without one, or the system's words that it cannot."""

    gateway: str
    refusal: str = ""


@dataclass(frozen=True)
class NameAnswer:
    """A name server's word on the zone: its serial, and the address of the server that it takes for the primary."""

    serial: int
    primary: str


@dataclass(frozen=True, kw_only=True)
class Linux:
    """What a Linux VM says of the sites at the links' other ends, by their names."""

    clock: float
    routes: Mapping[str, Route] = field(default_factory=dict)
    pings: Mapping[str, Ping] = field(default_factory=dict)
    #: bytes that a packet may have; 0 when not even a small one arrives
    mtus: Mapping[str, int] = field(default_factory=dict)
    #: by the server's site; None without an answer
    names: Mapping[str, NameAnswer | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Silent:
    """A machine that could not be asked."""

    why: Literal["unreachable", "host key"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An ingress rule of a security group; None and an empty protocol stand for any."""

    protocol: str
    remote: IPv4Network | None

    def admits(self, protocols: tuple[str, ...], source: IPv4Network) -> bool:
        """Whether it lets all of `source` in; the first of `protocols` that is written counts."""
        return self.protocol in ("", *protocols) and (self.remote is None or source.subnet_of(self.remote))


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """What a site's cloud says; `error` in the place of all else when it does not answer."""

    error: str = ""
    #: Nova's word on the router's VM
    router_status: str = ""
    #: the rules for what comes to the router's eth0 and to the Linux VM
    eth0_rules: tuple[Rule, ...] = ()
    linux_rules: tuple[Rule, ...] = ()
    #: sources that the router may forward into the LAN
    address_pairs: tuple[IPv4Network, ...] = ()
    #: (destination, next hop) of the Neutron router, and of what DHCP hands out
    routes: tuple[tuple[str, str], ...] = ()
    dhcp_routes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SiteFacts:
    """All that was found out at a site; None for what was not asked."""

    router: Router | Silent
    linux: Linux | Silent | None = None
    cloud: Cloud | None = None
