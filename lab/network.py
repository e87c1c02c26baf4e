"""The lab's network namespaces: a client namespace that is also the internet between the sites, and one for each site.

Nothing is added to the machine's own network: every link has both ends in namespaces of the lab.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pyroute2 import NetNS, netns

from lab.sites import INTERNET, PREFIX, PROVIDER_GATEWAY, PROVIDER_NETWORK, Site

BRIDGE = "internet"
T = TypeVar("T")


def make_internet() -> None:
    """The client namespace with the bridge that the sites' provider networks meet on."""
    if INTERNET in netns.listnetns():
        return
    netns.create(INTERNET)
    with NetNS(INTERNET) as ip:
        ip.link("set", index=1, state="up")
        ip.link("add", ifname=BRIDGE, kind="bridge")
        bridge = ip.link_lookup(ifname=BRIDGE)[0]
        ip.addr("add", index=bridge, address=PROVIDER_GATEWAY, prefixlen=int(PROVIDER_NETWORK.split("/")[1]))
        ip.link("set", index=bridge, state="up")


def make_site(site: Site) -> None:
    """A site's namespace with its provider interface (prov0) and its management interface (mgmt0)."""
    netns.create(site.namespace)
    with NetNS(INTERNET) as internet, NetNS(site.namespace) as inside:
        for own, other in (("prov0", f"p-{site.name}"), ("mgmt0", f"m-{site.name}")):
            internet.link("add", ifname=other, kind="veth", peer={"ifname": own, "net_ns_fd": site.namespace})
            index = internet.link_lookup(ifname=other)[0]
            if own == "prov0":
                internet.link("set", index=index, master=internet.link_lookup(ifname=BRIDGE)[0])
            else:
                internet.addr("add", index=index, address=site.client_address, prefixlen=24)
            internet.link("set", index=index, state="up")
            inner = inside.link_lookup(ifname=own)[0]
            if own == "mgmt0":
                inside.addr("add", index=inner, address=site.api_address, prefixlen=24)
            inside.link("set", index=inner, state="up")


def remove_site(site: Site) -> None:
    """Remove a site's namespace. Its links go first: a namespace's own removal is asynchronous."""
    if INTERNET in netns.listnetns():
        with NetNS(INTERNET) as internet:
            for name in (f"p-{site.name}", f"m-{site.name}"):
                for index in internet.link_lookup(ifname=name):
                    internet.link("del", index=index)
    remove(site.namespace)


def remove(namespace: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        netns.remove(namespace)


def namespaces() -> list[str]:
    """The lab's namespaces that exist."""
    return sorted(name for name in netns.listnetns() if name.startswith(PREFIX))


def inside(work: Callable[[], T]) -> T:
    """Call `work` where the clouds can be reached, in a thread that ends with it; its result, or its exception."""

    def run() -> T:
        enter(INTERNET)
        return work()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run).result()


def enter(namespace: str) -> None:
    """Move the calling thread into a namespace."""
    netns.setns(namespace)


__all__ = ["BRIDGE", "enter", "inside", "make_internet", "make_site", "namespaces", "remove", "remove_site"]
