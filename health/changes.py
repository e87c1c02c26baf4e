"""How a router differs from what was applied last, and which causes the differences are. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from health.causes import Cause, Layer
from health.facts import End, Router, Tunnel
from vyos_provider.lines import Line, Part, difference, hidden, is_secret

#: lines that a finding shows
SHOWN = 8
#: what the lines of a path are for: the cause, and the layer from which on their difference explains a failure
KINDS = (
    (r"interfaces tunnel \S+ (description|ip adjust-mss|mtu)", Cause.TUNNEL_CHANGED, Layer.PATH),
    (r"interfaces tunnel", Cause.TUNNEL_CHANGED, Layer.TUNNEL),
    (r"interfaces ethernet eth0 address", Cause.CHANGED_BY_HAND, Layer.TUNNEL),
    (r"interfaces ethernet \S+ (address|mtu)", Cause.CHANGED_BY_HAND, Layer.LAN),
    (r"firewall ipv4 \w+ filter rule \d+ (description|log)", Cause.CHANGED_BY_HAND, Layer.NOTHING),
    (r"firewall ipv4 forward", Cause.ROUTER_FIREWALL, Layer.LAN),
    (r"firewall", Cause.ROUTER_FIREWALL, Layer.TUNNEL),
    (r"vpn ipsec (ike|esp)-group \S+ (dead-peer-detection|close-action)", Cause.CHANGED_BY_HAND, Layer.IKE),
    (r"vpn ipsec ike-group", Cause.PROPOSALS_DIFFER, Layer.IKE),
    # without a first ESP pair IKE ends as well
    (r"vpn ipsec esp-group", Cause.PROPOSALS_DIFFER, Layer.IKE),
    (r"vpn ipsec site-to-site peer \S+ tunnel \d+ (local|remote)", Cause.SELECTORS_DIFFER, Layer.IKE),
    (r"protocols static route|interfaces dummy", Cause.CHANGED_BY_HAND, Layer.ESP),
    (r"vpn ipsec", Cause.CHANGED_BY_HAND, Layer.IKE),
    (r"", Cause.CHANGED_BY_HAND, Layer.NOTHING),
)


@dataclass(frozen=True)
class Change:
    """What differs in a part, as a preview shows it: named after the lowest layer that has a name of its own."""

    cause: Cause
    layer: Layer
    shown: tuple[str, ...]


def change(active: Iterable[Line], part: Part) -> Change | None:
    """How the router's lines differ from a part's. Keys are left out: their digests are compared."""
    applied = Part(tuple(line for line in part.lines if not is_secret(line)), part.nodes)
    found = difference([line for line in active if not is_secret(line)], applied)
    if not found:
        return None
    kinds = [kind(line) for line in (*found.surplus, *found.missing)]
    cause, _ = min(kinds, key=lambda one: (one[0] is Cause.CHANGED_BY_HAND, one[1]))
    shown = found.shown()
    more = [f"and {len(shown) - SHOWN} lines more"] if len(shown) > SHOWN else []
    return Change(cause, min(layer for _, layer in kinds), (*shown[:SHOWN], *more))


def kind(line: Line) -> tuple[Cause, Layer]:
    path = " ".join(line)
    return next((cause, layer) for pattern, cause, layer in KINDS if re.match(pattern, path))


def tunnel_differs(end: End, tunnel: Tunnel | None) -> Iterator[str]:
    """How the kernel's interface is not what was applied."""
    if tunnel is None:
        yield f"there is no interface {end.interface}"
        return
    if not tunnel.up:
        yield f"{end.interface} is down"
    for name, applied, active in (
        ("source-address", end.value("source-address"), tunnel.local),
        ("remote", end.value("remote"), tunnel.remote),
        ("mtu", end.value("mtu"), str(tunnel.mtu)),
    ):
        if applied != active:
            yield f"{end.interface}: {name} {applied} was applied, {active} is active"
    if (address := end.value("address")) not in tunnel.addresses:
        yield f"{end.interface}: address {address} was applied, {', '.join(tunnel.addresses) or 'none'} is active"


def own_drops(router: Router, parts: Iterable[Part], chain: str) -> Iterator[str]:
    """Rules of the chain that somebody else has set, and that drop or reject."""
    at = ("firewall", "ipv4", chain, "filter", "rule")
    applied = {line[:6] for part in parts for line in part.lines if line[:5] == at}
    for line in router.lines:
        rule, drops = line[:6], line[6:] in (("action", "drop"), ("action", "reject"))
        if line[:5] == at and drops and rule not in applied and (*rule, "disable") not in router.lines:
            yield hidden(line)
