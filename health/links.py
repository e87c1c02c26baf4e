"""Why a link carries nothing, or less than it should: a step for each layer, routers first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from health.causes import Cause, Layer
from health.changes import own_drops
from health.facts import Cloud, Link, Linux, Route, Stack
from health.findings import Facts, Finding, explained, routers

#: the part of the pings from which on their loss is a finding
HIGH_LOSS = 0.1
#: Neutron's words for IP in IP in a security group's rule; "ipip" is another protocol for its iptables driver
IPIP = ("4", "ipencap")
#: what charon notes of a refusal
ERRORS = {
    "AUTHENTICATION_FAILED": Cause.WRONG_PSK,
    "MAC mismatched": Cause.WRONG_PSK,
    "TS_UNACCEPTABLE": Cause.SELECTORS_DIFFER,
    "NO_PROPOSAL_CHOSEN": Cause.PROPOSALS_DIFFER,
}


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
    log = noted(link, facts)
    yield Finding(told_by(log) or Cause.IKE_DOWN, (*evidence, *log), link=link.name)


def told_by(log: Iterable[str]) -> Cause | None:
    """What the errors mean with which the other end refuses (RFC 7296, 3.10.1)."""
    text = "\n".join(log)
    return next((cause for error, cause in ERRORS.items() if error in text), None)


def noted(link: Link, facts: Facts) -> tuple[str, ...]:
    """What each router's charon noted last of the link: a refusal, or that the two have agreed since then."""
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
        log = noted(link, facts)
        yield Finding(told_by(log) or Cause.ESP_DOWN, (*evidence, *log), link=link.name)
        return
    pings = [router.lan_pings[link.name] for _, _, router in ends if link.name in router.lan_pings]
    if pings and not any(ping.received for ping in pings) and not carries(link, facts):
        counters = tuple(
            f"{site}: {sum(one.packets_out for one in pairs)} packets out, {sum(one.packets_in for one in pairs)} in"
            for site, pairs in children.items()
        )
        causes = list(drops(stack, link, facts, "input", Layer.ESP))
        yield from (causes or [Finding(Cause.STALE_IKE, counters, link=link.name)])


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


def cloud_of(facts: Facts, site: str) -> Cloud | None:
    """What a site's cloud says, if it was asked and answered."""
    cloud = facts[site].cloud
    return cloud if cloud and not cloud.error else None


STEPS = (ipip, ike, esp, lan, path)
