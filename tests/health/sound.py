"""A sound stack of two or three sites as its machines would describe it; tests spoil a part of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any

from components import render
from components.plan import EndPlan, LinkPlan, make_plan
from components.settings import parse_settings
from health.facts import (
    ChildSa,
    Cloud,
    Dns,
    End,
    IkeSa,
    Link,
    Linux,
    NameAnswer,
    Ping,
    Route,
    Router,
    Rule,
    Site,
    SiteFacts,
    Stack,
    Tunnel,
)
from tests.program.conftest import CLOUDS, configuration
from vyos_provider.lines import Part, is_secret, parse

ALL, NONE = Ping(10, 10, 4.0), Ping(10, 0)
MTU = 1374


def linux_address(name: str) -> str:
    return f"192.168.{10 * CLOUDS.index(name) + 10}.7"


def floating_ip(name: str) -> str:
    return f"203.0.113.{51 + CLOUDS.index(name)}"


class Sound:
    """The stack, and facts that can be spoiled."""

    def __init__(self, *names: str) -> None:
        plan = make_plan(parse_settings(configuration(*names), CLOUDS))
        self.parts: dict[str, list[Part]] = {}
        sites = {}
        for site in plan.sites:
            base = part(render.base_lines(site, "1450"), render.base_nodes)
            self.parts[site.name] = [base]
            sites[site.name] = Site(
                name=site.name,
                lan=str(site.lan),
                floating_ip=floating_ip(site.name),
                vyos_lan_address=str(site.vyos_lan_address),
                linux_address=linux_address(site.name),
                base=base,
            )
        links = []
        for link in plan.links:
            first, second = (self.end(link, end) for end in link.ends)
            links.append(Link(name=link.name, ends=(first, second), mtu=MTU))
        servers = {name: linux_address(name) for name in names}
        self.stack = Stack(
            sites=sites, links=tuple(links), dns=Dns(domain="vpn.internal", primary=names[0], servers=servers)
        )
        self.facts = {name: SiteFacts(router=self.router(name), linux=self.linux(name)) for name in names}

    def end(self, link: LinkPlan, end: EndPlan) -> End:
        underlay = render.Underlay(
            source_address="172.31.0.5", remote=floating_ip(end.peer), tunnel_mtu="1430", mss="1334"
        )
        found = part(render.link_lines(link, end, underlay), lambda _: render.link_nodes(link, end))
        self.parts[end.site].append(found)
        return End(site=end.site, tunnel_address=str(end.tunnel_address), part=found)

    def own(self, name: str) -> list[tuple[Link, End, End]]:
        """The site's links with its end and the peer's."""
        return [(link, end, peer) for link in self.stack.links for end, peer in link.directions() if end.site == name]

    def router(self, name: str) -> Router:
        links = [link.name for link, _, _ in self.own(name)]
        child = ChildSa(state="INSTALLED", packets_in=5, packets_out=5, age=60, rekey_in=3000)
        return Router(
            clock=0.4,
            lines=tuple(line for part in self.parts[name] for line in part.lines if not is_secret(line)),
            key_digests=dict.fromkeys(links, "5e884898"),
            tunnels={
                end.interface: Tunnel(
                    up=True,
                    mtu=1430,
                    addresses=(end.value("address"),),
                    local=end.value("source-address"),
                    remote=end.value("remote"),
                )
                for _, end, _ in self.own(name)
            },
            associations=tuple(
                IkeSa(name=link, state="ESTABLISHED", age=60, rekey_in=20000, children=(child,)) for link in links
            ),
            tunnel_pings=dict.fromkeys(links, ALL),
            lan_pings=dict.fromkeys(links, ALL),
        )

    def linux(self, name: str) -> Linux:
        peers = [peer.site for _, _, peer in self.own(name)]
        assert self.stack.dns
        return Linux(
            clock=-0.3,
            routes=dict.fromkeys(peers, Route(self.stack.sites[name].vyos_lan_address)),
            pings=dict.fromkeys(peers, ALL),
            mtus=dict.fromkeys(peers, MTU),
            names=dict.fromkeys(self.stack.dns.servers, NameAnswer(7, linux_address(self.stack.dns.primary))),
        )

    def cloud(self, name: str, **other: Any) -> None:
        """The site's cloud is asked, and is as it should be but for `other`."""
        peers = [peer.site for _, _, peer in self.own(name)]
        lans = tuple(IPv4Network(self.stack.sites[peer].lan) for peer in peers)
        routes = tuple((str(lan), self.stack.sites[name].vyos_lan_address) for lan in lans)
        sound = Cloud(
            router_status="ACTIVE",
            eth0_rules=tuple(Rule(protocol="4", remote=IPv4Network(floating_ip(peer))) for peer in peers),
            linux_rules=tuple(Rule(protocol="", remote=lan) for lan in lans),
            address_pairs=lans,
            routes=routes,
            dhcp_routes=routes,
        )
        self.spoil(name, cloud=dataclasses.replace(sound, **other))

    def clouds(self) -> None:
        """All clouds are asked."""
        for name in self.facts:
            self.cloud(name)

    def spoil(self, name: str, **parts: Any) -> None:
        self.facts[name] = dataclasses.replace(self.facts[name], **parts)

    def spoil_router(self, name: str, **other: Any) -> None:
        router = self.facts[name].router
        assert isinstance(router, Router)
        self.spoil(name, router=dataclasses.replace(router, **other))

    def spoil_linux(self, name: str, **other: Any) -> None:
        linux = self.facts[name].linux
        assert isinstance(linux, Linux)
        self.spoil(name, linux=dataclasses.replace(linux, **other))

    def change(self, name: str, *, without: str = "\0", extra: str = "") -> None:
        """Lines are taken off a router by hand, those with the text `without`, and others set."""
        router = self.facts[name].router
        assert isinstance(router, Router)
        kept = tuple(line for line in router.lines if without not in " ".join(line))
        self.spoil_router(name, lines=(*kept, *parse(extra)))

    def break_link(self, name: str, layer: str) -> None:
        """Nothing passes from a layer on: "tunnel", "ike", "esp" or "lan"."""
        (link,) = [one for one in self.stack.links if one.name == name]
        for end, peer in link.directions():
            router, linux = self.facts[end.site].router, self.facts[end.site].linux
            assert isinstance(router, Router)
            if layer == "tunnel":
                self.spoil_router(end.site, tunnel_pings={**router.tunnel_pings, name: NONE})
            if layer in ("tunnel", "ike"):
                left = tuple(one for one in router.associations if one.name != name)
                self.spoil_router(end.site, associations=left)
            if layer in ("tunnel", "ike", "esp"):
                self.spoil_router(end.site, lan_pings={**router.lan_pings, name: NONE})
            if isinstance(linux, Linux):
                self.spoil_linux(
                    end.site,
                    pings=with_value(linux.pings, peer.site, NONE),
                    mtus=with_value(linux.mtus, peer.site, 0),
                    names=with_value(linux.names, peer.site, None),
                )


def with_value(values: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**values, name: value}


def part(text: str, nodes: Callable[[str], list[str]]) -> Part:
    return Part(parse(text), tuple(tuple(node.split()) for node in nodes(text)))
