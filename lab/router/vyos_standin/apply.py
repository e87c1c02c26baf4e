"""Makes the system follow the configuration: a function for each kind of part that VyOS commits on its own.

Each is called only for a part whose lines differ, with the part's path; what is there may be new, changed or gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import render, verify
from .config import Config, Path
from .system import System

SWANCTL_CONF = "/etc/swanctl/conf.d/vyos.conf"
CHARON_CONF = "/etc/strongswan.d/charon-vyos.conf"


class Part(NamedTuple):
    """A node that VyOS commits on its own; `each_tag`: each of its tags on its own."""

    path: Path
    verify: Callable[[Config, Path], Iterator[str]]
    apply: Callable[[System, Config, Config, Path], None]
    each_tag: bool = False

    def paths(self, *configs: Config) -> list[Path]:
        """The paths of what is committed on its own, as far as it is in one of the configurations."""
        if not self.each_tag:
            return [self.path]
        tags = dict.fromkeys(tag for config in configs for tag in config.names(*self.path))
        return [(*self.path, tag) for tag in tags]


def host_name(system: System, old: Config, new: Config, at: Path) -> None:
    name = new.value(*at, default="vyos")
    system.run("hostname", name)
    system.write("/etc/hostname", f"{name}\n")
    system.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n")  # sudo looks its own host up


def name_server(system: System, old: Config, new: Config, at: Path) -> None:
    system.write("/etc/resolv.conf", "".join(f"nameserver {server}\n" for server in new.names(*at)))


def ssh(system: System, old: Config, new: Config, at: Path) -> None:
    """The SSH server, which the image has already set up as the nodes that the schema takes ask for."""
    if new.has(at):
        system.start_ssh()
    else:
        system.stop_ssh()


def ethernet(system: System, old: Config, new: Config, at: Path) -> None:
    """An Ethernet or loopback interface. Its DHCP client sets the MTU where no `mtu` does, as VyOS's."""
    name = at[-1]
    dhcp_before, dhcp = ("dhcp" in config.names(*at, "address") for config in (old, new))
    if not dhcp and (dhcp_before or not old.has(at)):  # the image's init starts a client of its own
        system.stop_dhcp(name)
    mtu = new.value(*at, "mtu") if not new.has((*at, "dhcp-options", "mtu")) else ""
    link(system, old, new, at, mtu=mtu or ("1500" if old.has((*at, "mtu")) else ""))
    if dhcp and not dhcp_before:
        system.start_dhcp(name)
    elif dhcp and old.has((*at, "mtu")) and not mtu:
        system.renew_dhcp(name)


def dummy(system: System, old: Config, new: Config, at: Path) -> None:
    if not new.has(at):
        system.run("ip", "link", "del", at[-1])
        return
    if not old.has(at):
        system.run("ip", "link", "add", at[-1], "type", "dummy")
    link(system, old, new, at, mtu=new.value(*at, "mtu", default="1500"))


def tunnel(system: System, old: Config, new: Config, at: Path) -> None:
    """A tunnel; only another encapsulation, source or remote makes the interface anew."""
    name = at[-1]
    ends = ("encapsulation", "source-address", "remote")
    before, after = ([config.value(*at, node) for node in ends] for config in (old, new))
    fresh = before != after
    if old.has(at) and fresh:
        system.run("ip", "link", "del", name)
    if new.has(at):
        if fresh:
            kind, local, remote = after
            system.run("ip", "link", "add", name, "type", kind, "local", local, "remote", remote, "ttl", "64")
        link(system, Config() if fresh else old, new, at, mtu=new.value(*at, "mtu", default="1476"))
    if render.mss_table(old) != render.mss_table(new):
        system.pipe(["nft", "-f", "-"], render.mss_table(new))


def link(system: System, old: Config, new: Config, at: Path, mtu: str) -> None:
    """An interface's MTU (left alone if empty), state and static addresses."""
    name = at[-1]
    before, after = (set(config.names(*at, "address")) - {"dhcp"} for config in (old, new))
    if at[1] != "loopback":
        state = "down" if new.has((*at, "disable")) else "up"
        system.run("ip", "link", "set", name, *(("mtu", mtu) if mtu else ()), state)
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


def static(system: System, old: Config, new: Config, at: Path) -> None:
    before, after = routes(old), routes(new)
    for key in sorted(before.keys() - after.keys()):
        system.run("ip", "route", "del", *before[key], check=False)  # gone with its interface
    for key in sorted(after.keys() - before.keys()):
        system.run("ip", "route", "replace", *after[key])


def firewall(system: System, old: Config, new: Config, at: Path) -> None:
    system.pipe(["nft", "-f", "-"], render.filter_table(new))


def nat(system: System, old: Config, new: Config, at: Path) -> None:
    system.pipe(["nft", "-f", "-"], render.nat_table(new))


def ipsec(system: System, old: Config, new: Config, at: Path) -> None:
    """Load the connections; charon leaves those alone that are as they were."""
    system.write(SWANCTL_CONF, render.swanctl(new), mode=0o600)
    if not new.has(at):
        system.stop_charon()
        return
    if new.has((*at, "site-to-site", "peer")) or system.charon_runs():
        system.write(CHARON_CONF, render.charon(new))
        system.start_charon()
        peers = (*at, "site-to-site", "peer")
        for peer in set(old.names(*peers)) - set(new.names(*peers)):
            system.run("swanctl", "--terminate", "--ike", peer, "--force", "--timeout", "1", check=False)
        system.run("swanctl", "--load-all", "--noprompt")


# By VyOS's priorities: what is first is committed first, and stays when a later one fails.
PARTS = (
    Part(("system", "host-name"), verify.nothing, host_name),
    Part(("nat",), verify.nat, nat),
    Part(("interfaces", "dummy"), verify.ethernet, dummy, each_tag=True),
    Part(("interfaces", "loopback"), verify.nothing, ethernet, each_tag=True),
    Part(("interfaces", "ethernet"), verify.ethernet, ethernet, each_tag=True),
    Part(("interfaces", "tunnel"), verify.tunnel, tunnel, each_tag=True),
    Part(("system", "name-server"), verify.nothing, name_server),
    Part(("protocols", "static"), verify.nothing, static),
    Part(("firewall",), verify.firewall, firewall),
    Part(("vpn", "ipsec"), verify.ipsec, ipsec),
    Part(("service", "ssh"), verify.nothing, ssh),
)
