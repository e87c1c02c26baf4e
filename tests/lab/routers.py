"""What tests ask the lab's routers and Linux VMs."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.machines import Machines, Result
from tests.lab.conftest import Stack

ENDS = [("tokyo", "osaka"), ("osaka", "tokyo")]
#: what an operator has on Tokyo's router beside the program's lines
OPERATORS_OWN = (
    "set firewall ipv4 input filter rule 50 action 'accept'",
    "set firewall ipv4 input filter rule 50 description 'monitoring of the operator'",
    "set firewall ipv4 input filter rule 50 inbound-interface name 'eth1'",
    "set interfaces dummy dum9 address '198.51.100.9/32'",
    "set protocols static route 198.51.100.0/24 next-hop 192.168.10.1",
)


def poll(ready: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something holds; AssertionError when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.5)


def ping(machines: Machines, stack: Stack, site: str, peer: str, options: str = "-c 3 -i 0.2 -W 2") -> Result:
    """From a site's Linux VM to the other's."""
    target = stack.outputs()["sites"][peer]["linuxAddress"]
    return machines.run(site, "linux", f"ping -n {options} {target}", check=False)


def commands(machines: Machines, site: str) -> str:
    """A router's whole configuration."""
    return machines.run(site, "router", "/opt/vyatta/bin/vyatta-op-cmd-wrapper show configuration commands").stdout


def associations(machines: Machines, site: str) -> str:
    return machines.run(site, "router", "sudo swanctl --list-sas").stdout
