"""From facts to causes. Pure.

Looked at layer by layer: a failure that something at the same or a lower layer explains is not named again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from health.causes import ABOUT, Cause, Layer
from health.changes import change, own_drops, tunnel_differs
from health.facts import Cloud, End, Link, Linux, NameAnswer, Route, Router, Silent, SiteFacts, Stack

#: seconds that a clock may be off; from so many on a server refuses a signed update (RFC 8945's fudge)
CLOCK_SECONDS, TSIG_SECONDS = 60, 300
#: the part of the pings from which on their loss is a finding
HIGH_LOSS = 0.1
#: Neutron's words for IP in IP in a security group's rule; "ipip" is another protocol for its iptables driver
IPIP = ("4", "ipencap")
Facts = Mapping[str, SiteFacts]


@dataclass(frozen=True)
class Finding:
    """A cause, where it is, and what shows it."""

    cause: Cause
    evidence: tuple[str, ...]
    site: str = ""
    link: str = ""
    #: from which layer on it explains failures; without it, the cause's own
    layer: Layer | None = None

    @property
    def place(self) -> str:
        """The link, the site, or both."""
        link = f"link {self.link}" if self.link else ""
        return " at ".join(word for word in (link, self.site) if word)

    def explains(self, link: Link, layer: Layer) -> bool:
        """Whether a failure of the link at a layer is a consequence."""
        own = ABOUT[self.cause].layer if self.layer is None else self.layer
        return own <= layer and (self.link == link.name or (not self.link and self.site in link.sites))


def diagnose(stack: Stack, facts: Facts) -> list[Finding]:
    """All causes that the facts show, the lowest layer first. Sites that are lost have no facts."""
    found: list[Finding] = []
    links = [link for link in stack.links if not stack.is_lost(link)]
    found += machines(stack, facts, links)
    found += configurations(stack, facts, links)
    found += clocks(facts)
    for link in links:
        for step in (ipip, ike, esp, lan, path):
            found += [one for one in step(stack, link, facts, found) if one not in found]
    found += names(stack, facts, links, found)
    return sorted(found, key=lambda one: ABOUT[one.cause].layer if one.layer is None else one.layer)


def explained(found: Iterable[Finding], link: Link, layer: Layer) -> bool:
    return any(one.explains(link, layer) for one in found)


def ask_clouds(found: Iterable[Finding], stack: Stack) -> set[str]:
    """The sites whose clouds may know more about what was found."""
    links = {link.name: link.sites for link in stack.links}
    unclear = [one for one in found if ABOUT[one.cause].ask_cloud]
    return {site for one in unclear for site in (links[one.link] if one.link else {one.site})}


def routers(link: Link, facts: Facts) -> Iterator[tuple[End, End, Router]]:
    """The link's ends whose routers can be asked, each with its peer's end."""
    for end, peer in link.directions():
        router = facts[end.site].router
        if isinstance(router, Router):
            yield end, peer, router


def cloud_of(facts: Facts, site: str) -> Cloud | None:
    """What a site's cloud says, if it was asked and answered."""
    cloud = facts[site].cloud
    return cloud if cloud and not cloud.error else None


def machines(stack: Stack, facts: Facts, links: list[Link]) -> Iterator[Finding]:
    """Clouds, routers and Linux VMs that do not answer."""
    for name, site in facts.items():
        router, linux, cloud = site.router, site.linux, site.cloud
        texts = [one.text for one in (router, linux) if isinstance(one, Silent)]
        if cloud and cloud.error:
            gone = isinstance(router, Silent) and router.why == "unreachable"
            # a cloud that only gives no answer stops no packets
            yield Finding(Cause.CLOUD_UNREACHABLE, (cloud.error, *texts), name, layer=None if gone else Layer.NOTHING)
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


def ipip(stack: Stack, link: Link, facts: Facts, found: list[Finding]) -> Iterator[Finding]:
    """Do the routers answer each other in the tunnel?"""
    asked = [(end, peer, router) for end, peer, router in routers(link, facts) if link.name in router.tunnel_pings]
    if not asked or any(router.tunnel_pings[link.name].received for _, _, router in asked) or carries(link, facts):
        return
    if explained(found, link, Layer.TUNNEL):
        return
    silence = tuple(f"{peer.tunnel_address} does not answer {end.site}'s router" for end, peer, _ in asked)
    yield from (
        list(ipip_groups(stack, link, facts))
        or list(drops(stack, link, facts, "input", Layer.TUNNEL))
        or [Finding(Cause.IPIP_LOST, (*silence, *unasked(link, facts)), link=link.name)]
    )


def carries(link: Link, facts: Facts) -> bool:
    """Whether a Linux VM got an answer from the other one."""
    linux = [(facts[end.site].linux, peer.site) for end, peer in link.directions()]
    return any(isinstance(one, Linux) and peer in one.pings and one.pings[peer].received for one, peer in linux)


def unasked(link: Link, facts: Facts) -> tuple[str, ...]:
    """What is not known, since a cloud did not answer."""
    silent = [site for site in sorted(link.sites) if (cloud := facts[site].cloud) and cloud.error]
    return tuple(f"what the cloud of {site} lets through is not known: it does not answer" for site in silent)


def ipip_groups(stack: Stack, link: Link, facts: Facts) -> Iterator[Finding]:
    for end, peer in link.directions():
        cloud, address = cloud_of(facts, end.site), IPv4Network(stack.sites[peer.site].floating_ip)
        if cloud and not any(rule.admits(IPIP, address) for rule in cloud.eth0_rules):
            lacks = f"the security group of eth0's port has no ingress rule for protocol 4 from {address}"
            yield Finding(Cause.IPIP_BLOCKED, (lacks,), end.site, link.name)


def drops(stack: Stack, link: Link, facts: Facts, chain: str, layer: Layer) -> Iterator[Finding]:
    """Rules of an operator's own that may be what drops the link's packets."""
    for end, _, router in routers(link, facts):
        ends = [one for other in stack.links for one in other.ends if one.site == end.site]
        parts = [stack.sites[end.site].base, *(one.part for one in ends)]
        if shown := tuple(own_drops(router, parts, chain)):
            yield Finding(Cause.ROUTER_FIREWALL, ("an operator's own rule:", *shown), end.site, layer=layer)


def ike(stack: Stack, link: Link, facts: Facts, found: list[Finding]) -> Iterator[Finding]:
    """Have the routers authenticated each other?"""
    states = {}
    for end, _, router in routers(link, facts):
        association = router.association(link.name)
        states[end.site] = association.state if association else "none"
    if not states or set(states.values()) == {"ESTABLISHED"} or explained(found, link, Layer.IKE):
        return
    evidence = tuple(f"{site}: IKE {state}" for site, state in states.items())
    log, cause = noted(link, facts), Cause.IKE_DOWN
    if any("AUTHENTICATION_FAILED" in line or "MAC mismatched" in line for line in log):
        cause = Cause.WRONG_PSK
    elif any("NO_PROPOSAL_CHOSEN" in line for line in log):
        cause = Cause.PROPOSALS_DIFFER
    yield Finding(cause, (*evidence, *log), link=link.name)


def noted(link: Link, facts: Facts) -> tuple[str, ...]:
    """The last failure that each router's charon noted of the link."""
    return tuple(
        f"{end.site}: {lines[-1]}"
        for end, _, router in routers(link, facts)
        if (lines := [line for line in router.log if f"<{link.name}|" in line])
    )


def esp(stack: Stack, link: Link, facts: Facts, found: list[Finding]) -> Iterator[Finding]:
    """Is there an ESP pair at both ends, and does it carry packets from router to router?"""
    if explained(found, link, Layer.ESP):
        return
    ends = list(routers(link, facts))
    children = {end.site: router.children(link.name) for end, _, router in ends}
    if lacking := [site for site, pairs in children.items() if not pairs]:
        evidence = tuple(f"{site}: IKE is established, no ESP pair is installed" for site in lacking)
        log, cause = noted(link, facts), Cause.ESP_DOWN
        if any("TS_UNACCEPTABLE" in line for line in log):
            cause = Cause.SELECTORS_DIFFER
        elif any("NO_PROPOSAL_CHOSEN" in line for line in log):
            cause = Cause.PROPOSALS_DIFFER
        yield Finding(cause, (*evidence, *log), link=link.name)
        return
    pings = [router.lan_pings[link.name] for _, _, router in ends if link.name in router.lan_pings]
    if pings and not any(ping.received for ping in pings) and not carries(link, facts):
        counters = tuple(
            f"{site}: {sum(one.packets_out for one in pairs)} packets out, {sum(one.packets_in for one in pairs)} in"
            for site, pairs in children.items()
        )
        routeless = tuple(
            f"{end.site}: strongSwan has no route to {lan}"
            for end, peer, router in ends
            if (lan := stack.sites[peer.site].lan) not in router.ipsec_routes
        )
        causes = list(drops(stack, link, facts, "input", Layer.ESP))
        yield from (causes or [Finding(Cause.STALE_IKE, (*counters, *routeless), link=link.name)])


def lan(stack: Stack, link: Link, facts: Facts, found: list[Finding]) -> Iterator[Finding]:
    """Do the Linux VMs answer each other?"""
    asked = [
        (end.site, peer.site, linux.pings[peer.site])
        for end, peer in link.directions()
        if isinstance(linux := facts[end.site].linux, Linux) and peer.site in linux.pings
    ]
    dead = [(site, peer) for site, peer, ping in asked if not ping.received]
    if not dead or explained(found, link, Layer.LAN):
        return
    silence = tuple(f"{peer}'s Linux VM does not answer {site}'s" for site, peer in dead)
    causes: list[Finding] = []
    for end, peer in link.directions():
        causes += no_route(stack, link, end.site, peer.site, facts)
        causes += admitted(stack, link, end.site, peer.site, facts)
    yield from (
        causes
        or list(drops(stack, link, facts, "forward", Layer.LAN))
        or [Finding(Cause.LAN_LOST, (*silence, *unasked(link, facts)), link=link.name)]
    )


def no_route(stack: Stack, link: Link, site: str, peer: str, facts: Facts) -> Iterator[Finding]:
    """Whether the site's VM sends to the peer's LAN in no way that leads to VyOS."""
    linux, cloud = facts[site].linux, cloud_of(facts, site)
    hop, remote = stack.sites[site].vyos_lan_address, stack.sites[peer].lan
    route = linux.routes.get(peer, Route(hop)) if isinstance(linux, Linux) else Route(hop)
    by_neutron = cloud is not None and (remote, hop) in cloud.routes
    if route.gateway == hop or (route.gateway and by_neutron):
        return
    evidence = [f"the VM sends to {remote} by {route.gateway or route.refusal}, not by VyOS ({hop})"]
    if cloud and (remote, hop) not in cloud.dhcp_routes:
        evidence.append("DHCP hands out no such route: the subnet has none")
    if cloud and not by_neutron:
        evidence.append("the Neutron router has no such route")
    yield Finding(Cause.NO_ROUTE, tuple(evidence), site, link.name)


def admitted(stack: Stack, link: Link, site: str, peer: str, facts: Facts) -> Iterator[Finding]:
    """Whether the site's cloud lets the peer's LAN pass from VyOS to the VM."""
    cloud, remote = cloud_of(facts, site), IPv4Network(stack.sites[peer].lan)
    if cloud is None:
        return
    if not any(remote.subnet_of(pair) for pair in cloud.address_pairs):
        lacks = f"the allowed address pairs of VyOS's eth1 port lack {remote}"
        yield Finding(Cause.ANTI_SPOOFING, (lacks,), site, link.name)
    if not any(rule.admits((), remote) for rule in cloud.linux_rules):
        lacks = f"the security group of the Linux VM's port has no ingress rule for {remote}"
        yield Finding(Cause.LAN_GROUP_BLOCKS, (lacks,), site, link.name)


def path(stack: Stack, link: Link, facts: Facts, found: list[Finding]) -> Iterator[Finding]:
    """Do all packets arrive, the large ones too?"""
    losses, sizes = [], []
    for end, peer in link.directions():
        linux = facts[end.site].linux
        ping = linux.pings.get(peer.site) if isinstance(linux, Linux) else None
        if ping is None or not ping.received or not isinstance(linux, Linux):
            continue
        if ping.loss > HIGH_LOSS:
            losses.append(f"from {end.site} to {peer.site}: {ping.sent - ping.received} of {ping.sent} pings lost")
        if (size := linux.mtus.get(peer.site, link.mtu)) < link.mtu:
            sizes.append(f"from {end.site} to {peer.site}: {size} bytes arrive, the link's MTU is {link.mtu}")
    if explained(found, link, Layer.PATH):
        return
    if losses:
        yield Finding(Cause.HIGH_LOSS, tuple(losses), link=link.name)
    elif sizes:  # where packets get lost anyway, a large one's loss says nothing
        yield Finding(Cause.MTU_BLACK_HOLE, tuple(sizes), link=link.name)


def names(stack: Stack, facts: Facts, links: list[Link], found: list[Finding]) -> Iterator[Finding]:
    """Do all name servers answer, and the same?"""
    if stack.dns is None:
        return
    answers = {
        (site, server): answer
        for site, about in facts.items()
        if isinstance(about.linux, Linux)
        for server, answer in about.linux.names.items()
    }
    broken = {site for link in links if explained(found, link, Layer.LAN) for site in link.sites}
    for server, address in stack.dns.servers.items():
        silent = [site for site, asked in answers if asked == server and answers[site, asked] is None]
        silent = [site for site in silent if site == server or not {site, server} & broken]
        if silent:
            by_whom = f"{address} does not answer {', '.join(silent)}"
            yield Finding(Cause.DNS_SILENT, (by_whom,), server)
    yield from stale(stack, {server: one for (_, server), one in answers.items() if one}, facts, broken)


def stale(stack: Stack, answers: Mapping[str, NameAnswer], facts: Facts, broken: set[str]) -> Iterator[Finding]:
    """What the servers that answer say: the primary's serial counts. A wrong clock or a broken link explains more."""
    assert stack.dns
    primary = stack.dns.servers[stack.dns.primary]
    newest = answers.get(stack.dns.primary)
    for server, answer in answers.items():
        linux = facts[server].linux if server in facts else None
        if isinstance(linux, Linux) and abs(linux.clock) >= TSIG_SECONDS:
            continue
        if answer.primary != primary:
            other = f"{server}'s server takes {answer.primary or 'nobody'} for the primary, the stack {primary}"
            yield Finding(Cause.DNS_STALE, (other,), server)
        elif newest and answer.serial != newest.serial and server not in broken:
            other = f"serial {answer.serial} at {server}, {newest.serial} at the primary in {stack.dns.primary}"
            yield Finding(Cause.DNS_STALE, (other,), server)
