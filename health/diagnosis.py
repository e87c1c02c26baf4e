"""From facts to causes. Pure.

Looked at layer by layer: a failure that something at the same or a lower layer explains is not named again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from health.causes import ABOUT, Cause, Layer
from health.changes import change, tunnel_differs
from health.facts import Link, Linux, Router, Silent, Stack
from health.findings import Facts, Finding, routers
from health.links import STEPS
from health.names import names

#: seconds that a clock may be off
CLOCK_SECONDS = 60


def diagnose(stack: Stack, facts: Facts) -> list[Finding]:
    """All causes that the facts show, the lowest layer first. Sites that are lost have no facts."""
    found: list[Finding] = []
    links = [link for link in stack.links if not stack.is_lost(link)]
    found += machines(stack, facts, links)
    found += configurations(stack, facts, links)
    found += clocks(facts)
    for link in links:
        for step in STEPS:
            found += [one for one in step(stack, link, facts, found) if one not in found]
    found += names(stack, facts, links, found)
    return sorted(found, key=lambda one: ABOUT[one.cause].layer if one.layer is None else one.layer)


def ask_clouds(found: Iterable[Finding], stack: Stack) -> set[str]:
    """The sites whose clouds may know more about what was found."""
    links = {link.name: link.sites for link in stack.links}
    unclear = [one for one in found if ABOUT[one.cause].ask_cloud]
    return {site for one in unclear for site in (links[one.link] if one.link else {one.site})}


def machines(stack: Stack, facts: Facts, links: list[Link]) -> Iterator[Finding]:
    """Clouds, routers and Linux VMs that do not answer."""
    for name, site in facts.items():
        router, linux, cloud = site.router, site.linux, site.cloud
        texts = [one.text for one in (router, linux) if isinstance(one, Silent)]
        if cloud and cloud.error:
            gone = isinstance(router, Silent) and router.why == "unreachable"
            # a cloud that only gives no answer stops no packets
            yield Finding(
                Cause.CLOUD_UNREACHABLE,
                (cloud.error, *(texts if gone else ())),
                name,
                layer=None if gone else Layer.NOTHING,
            )
            if gone:
                continue
        if isinstance(router, Silent):
            if router.why == "host key":
                yield Finding(Cause.HOST_KEY_CHANGED, (router.text,), name)
                continue
            status = (f"Nova says: {cloud.router_status}",) if cloud and cloud.router_status else ()
            seen, asked = seen_by_peers(name, facts, links)
            cause = Cause.PEER_UNREACHABLE if asked and not seen else Cause.ROUTER_UNREACHABLE
            peers = (f"answers in the tunnel to {', '.join(seen)}",) if seen else ()
            silent = (f"answers in no tunnel to {', '.join(asked)}",) if asked and not seen else ()
            yield Finding(cause, (router.text, *status, *peers, *silent), name)
        elif isinstance(linux, Silent):
            cause = Cause.HOST_KEY_CHANGED if linux.why == "host key" else Cause.LINUX_UNREACHABLE
            yield Finding(cause, (f"the Linux VM: {linux.text}",), name, layer=Layer.LAN)


def seen_by_peers(site: str, facts: Facts, links: list[Link]) -> tuple[list[str], list[str]]:
    """The peers that the site's router answers to in their tunnels, and all that could be asked."""
    asked = {
        end.site: router.tunnel_pings[link.name].received > 0
        for link in links
        for end, peer, router in routers(link, facts)
        if peer.site == site and link.name in router.tunnel_pings
    }
    return [name for name, seen in asked.items() if seen], list(asked)


def configurations(stack: Stack, facts: Facts, links: list[Link]) -> Iterator[Finding]:
    """Where routers differ from what was applied, and where two ends have different keys."""
    for name, site in facts.items():
        if isinstance(site.router, Router) and (changed := change(site.router.lines, stack.sites[name].base)):
            yield Finding(changed.cause, changed.shown, name, layer=changed.layer)
    for link in links:
        digests = []
        for end, _, router in routers(link, facts):
            changed = change(router.lines, end.part)
            if changed:
                yield Finding(changed.cause, changed.shown, end.site, link.name, changed.layer)
            # a difference of the lines shows in the system too
            elif differs := tuple(tunnel_differs(end, router.tunnels.get(end.interface))):
                yield Finding(Cause.TUNNEL_CHANGED, differs, end.site, link.name)
            digests.append(router.key_digests.get(link.name))
        if len(digests) == 2 and digests[0] != digests[1]:
            missing = "one of the routers has none" if None in digests else "the SHA-256 sums of the active keys differ"
            yield Finding(Cause.WRONG_PSK, (missing,), link=link.name)


def clocks(facts: Facts) -> Iterator[Finding]:
    for name, site in facts.items():
        for title, machine in (("the router", site.router), ("the Linux VM", site.linux)):
            if isinstance(machine, Router | Linux) and abs(machine.clock) > CLOCK_SECONDS:
                sense = "ahead" if machine.clock > 0 else "behind"
                yield Finding(Cause.CLOCK_WRONG, (f"{title}'s clock is {abs(machine.clock):.0f} s {sense}",), name)
