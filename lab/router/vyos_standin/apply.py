"""Makes the system follow the configuration: one function for each part that VyOS commits on its own, in VyOS's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import render, verify
from .config import Config, Path
from .system import System

SWANCTL_CONF = "/etc/swanctl/conf.d/vyos.conf"


@dataclass(frozen=True)
class Part:
    """A subtree that is verified and applied as one; `title` is the path in VyOS's failure message."""

    title: str
    prefixes: tuple[Path, ...]
    verify: Callable[[Config], Iterator[str]]
    apply: Callable[[System, Config, Config], None]


def nothing_to_verify(config: Config) -> Iterator[str]:
    yield from ()


def system_node(system: System, old: Config, new: Config) -> None:
    name = new.value("system", "host-name", default="vyos")
    system.run("hostname", name)
    system.write("/etc/hostname", f"{name}\n")
    system.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n")  # sudo looks its own host up
    servers = new.names("system", "name-server")
    if servers:
        system.write("/etc/resolv.conf", "".join(f"nameserver {server}\n" for server in servers))


def ssh(system: System, old: Config, new: Config) -> None:
    """The image's SSH server is already what the nodes that the schema takes ask for."""


def ethernet(system: System, old: Config, new: Config) -> None:
    for kind in ("ethernet", "dummy", "loopback"):
        for name in {*old.names("interfaces", kind), *new.names("interfaces", kind)}:
            at = ("interfaces", kind, name)
            if old.part([at]) == new.part([at]):
                continue
            if kind == "dummy" and not new.has(at):
                system.run("ip", "link", "del", name)
                continue
            if kind == "dummy" and not old.has(at):
                system.run("ip", "link", "add", name, "type", "dummy")
            before, after = set(old.names(*at, "address")), set(new.names(*at, "address"))
            if "dhcp" in before - after:
                system.stop_dhcp(name)
            link(system, name, new, at, before - {"dhcp"}, after - {"dhcp"})
            if "dhcp" in after:
                system.start_dhcp(name)


def tunnel(system: System, old: Config, new: Config) -> None:
    for name in {*old.names("interfaces", "tunnel"), *new.names("interfaces", "tunnel")}:
        at = ("interfaces", "tunnel", name)
        if old.part([at]) == new.part([at]):
            continue
        ends = [[config.value(*at, node) for node in ("encapsulation", "source-address", "remote")] for config in (old, new)]
        fresh = ends[0] != ends[1]
        if old.has(at) and fresh:
            system.run("ip", "link", "del", name)
        if new.has(at):
            if fresh:
                kind, local, remote = ends[1]
                system.run("ip", "link", "add", name, "type", kind, "local", local, "remote", remote, "ttl", "64")
            before = set() if fresh else set(old.names(*at, "address"))
            link(system, name, new, at, before, set(new.names(*at, "address")), default_mtu="1476")
    system.pipe(["nft", "-f", "-"], render.ruleset(new))  # adjust-mss


def link(system: System, name: str, config: Config, at: Path, before: set[str], after: set[str], default_mtu: str = "1500") -> None:
    """An interface's MTU, state and static addresses."""
    if at[1] != "loopback":
        system.run("ip", "link", "set", name, "mtu", config.value(*at, "mtu", default=default_mtu),
                   "down" if config.has((*at, "disable")) else "up")
    for address in sorted(before - after):
        system.run("ip", "addr", "del", address, "dev", name)
    for address in sorted(after - before):
        system.run("ip", "addr", "replace", address, "dev", name)


def routes(config: Config) -> dict[str, list[str]]:
    """`ip route` arguments of every static route, by a text that tells them apart."""
    found = {}
    for prefix in config.names("protocols", "static", "route"):
        at = ("protocols", "static", "route", prefix)
        if config.has((*at, "blackhole")):
            metric = config.value(*at, "blackhole", "distance", default="1")
            found[f"blackhole {prefix} {metric}"] = ["blackhole", prefix, "metric", metric]
        for node, word in (("next-hop", "via"), ("interface", "dev")):
            for target in config.names(*at, node):
                metric = config.value(*at, node, target, "distance", default="1")
                found[f"{prefix} {word} {target} {metric}"] = [prefix, word, target, "metric", metric]
    return found


def static(system: System, old: Config, new: Config) -> None:
    before, after = routes(old), routes(new)
    for key in before.keys() - after.keys():
        system.run("ip", "route", "del", *before[key], check=False)  # gone with its interface
    for key in after.keys() - before.keys():
        system.run("ip", "route", "replace", *after[key])


def packet_filter(system: System, old: Config, new: Config) -> None:
    system.pipe(["nft", "-f", "-"], render.ruleset(new))


def ipsec(system: System, old: Config, new: Config) -> None:
    """Load the connections; security associations of those that went or changed are ended, policies with them."""
    before = {peer: list(render.connection(old, peer)) for peer in old.names("vpn", "ipsec", "site-to-site", "peer")}
    after = {peer: list(render.connection(new, peer)) for peer in new.names("vpn", "ipsec", "site-to-site", "peer")}
    if not after and not system.charon_runs():
        return
    install = "no" if new.has(("vpn", "ipsec", "options", "disable-route-autoinstall")) else "yes"
    system.write("/etc/strongswan.d/charon-vyos.conf", f"charon {{\n  install_routes = {install}\n}}\n")
    system.write(SWANCTL_CONF, render.swanctl(new), mode=0o600)
    system.start_charon()
    for peer in before:
        if before[peer] != after.get(peer):
            system.run("swanctl", "--terminate", "--ike", peer, "--timeout", "3", check=False)
    system.run("swanctl", "--load-all", "--noprompt")


# By VyOS's priorities: what is first is committed first, and stays when a later one fails.
PARTS = (
    Part("nat", (("nat",),), verify.source_nat, packet_filter),
    Part("interfaces ethernet", (("interfaces", "ethernet"), ("interfaces", "dummy"), ("interfaces", "loopback")),
         verify.ethernets, ethernet),
    Part("firewall", (("firewall",),), verify.firewall, packet_filter),
    Part("interfaces tunnel", (("interfaces", "tunnel"),), verify.tunnels, tunnel),
    Part("system", (("system",),), nothing_to_verify, system_node),
    Part("protocols static", (("protocols", "static"),), verify.static_routes, static),
    Part("vpn ipsec", (("vpn", "ipsec"),), verify.ipsec, ipsec),
    Part("service ssh", (("service", "ssh"),), nothing_to_verify, ssh),
)
