"""Where the time of a `pulumi up` went, from the engine's log of events."""

from __future__ import annotations

import json
from pathlib import Path

# the type of a resource, by how it begins, and the phase it counts to; the first that fits
PHASES = (
    ("openstack:compute/instance", "servers until ACTIVE"),
    ("openstack:compute", "networks, ports, floating IPs, keys"),
    ("openstack:networking", "networks, ports, floating IPs, keys"),
    ("vyos:index:HostKey", "networks, ports, floating IPs, keys"),
    ("vpn-connect:index:VpnSite$vyos:index:Configuration", "routers booted and reached by SSH"),
    ("vpn-connect:index:VpnLink$vyos:index:Configuration", "links configured"),
    ("vpn-connect:index:LinkCheck$vyos:index:Check", "traffic verified"),
)


def resource_phases(events: Path) -> dict[str, tuple[float, float]]:
    """Each phase's first start and last end, in seconds since the engine's first event, ordered by start.

    Empty when there is no log; phases in which nothing was made or changed are left out.
    """
    found: dict[str, tuple[float, float]] = {}
    first: float | None = None
    started: dict[str, float] = {}
    lines = events.read_text().splitlines() if events.exists() else []
    for event in map(json.loads, lines):
        first = event["timestamp"] if first is None else first
        now = event["timestamp"] - first
        for kind, when in (("resourcePreEvent", "start"), ("resOutputsEvent", "end")):
            about = event.get(kind, {}).get("metadata")
            if not about or about["op"] == "same":
                continue
            if when == "start":
                started[about["urn"]] = now
            elif name := phase_of(about["urn"]):
                begin, end = found.get(name, (now, now))
                found[name] = (min(begin, started.get(about["urn"], now)), max(end, now))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def phase_of(urn: str) -> str | None:
    """The phase that a resource counts to; its type may stand below its parents' types."""
    types = urn.split("::")[2]
    for beginning, phase in PHASES:
        if types.startswith(beginning) or f"${beginning}" in types:
            return phase
    return None
