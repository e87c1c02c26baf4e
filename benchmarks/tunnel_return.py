"""How soon a tunnel is back, for several dead peer detections: `python -m benchmarks.tunnel_return`, after `make up`.

Osaka's router is rebooted, then Osaka is cut off the internet for a while. Seconds are counted from the moment that the
router answers by SSH again, or the way is there again, to the first answer to a ping between the LANs. At the end the
routers have their own configuration again.
"""

from __future__ import annotations

import sys
from functools import partial

from rich.console import Console
from rich.table import Table

from lab import stack
from lab.machines import Machines, configure, machines
from lab.returning import after_cut, after_reboot, reaches
from lab.sites import INTERNET

GROUP = "vpn ipsec ike-group tokyo-osaka dead-peer-detection"
#: interval in seconds and action; None is no detection at all
DETECTIONS = ((5, "restart"), (30, "restart"), (5, "trap"), None)
#: seconds; strongSwan gives a silent peer up after 165 s
CUTS = (20, 240)


def main(cuts: tuple[int, ...]) -> None:
    """Measure and print."""
    inside = stack.prepare()
    outputs = stack.outputs(inside)
    osaka = outputs["sites"]["osaka"]
    table = Table("detection", "router rebooted", *(f"cut for {seconds} s" for seconds in cuts))
    with machines(outputs, INTERNET) as at:
        passes = partial(reaches, at, "tokyo", osaka["linuxAddress"])
        for detection in DETECTIONS:
            for site in stack.SITES:
                set_detection(at, site, detection)
            took = [after_reboot(at, "osaka", osaka["floatingIp"], passes)]
            took += [after_cut("osaka", seconds, passes) for seconds in cuts]
            name = f"{detection[0]} s, {detection[1]}" if detection else "none"
            table.add_row(name, *(f"{seconds:.1f} s" for seconds in took))
            Console(stderr=True).print(name, *(f"{seconds:.1f}" for seconds in took))
    Console().print(table)
    stack.quietly(inside, "up", "--yes", "--skip-preview")


def set_detection(at: Machines, site: str, detection: tuple[int, str] | None) -> None:
    """As an operator would, by hand."""
    lines = [f"delete {GROUP}"]
    if detection:
        lines += [f"set {GROUP} interval {detection[0]}", f"set {GROUP} action {detection[1]}"]
    configure(at, site, *lines)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or CUTS)
