"""What tests ask the lab's routers and Linux VMs."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.machines import Machines, Result
from tests.lab.conftest import Stack

ENDS = [("tokyo", "osaka"), ("osaka", "tokyo")]


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


def configure(machines: Machines, site: str, *lines: str) -> None:
    """What an operator types on a router in configuration mode, committed and saved."""
    script = "\n".join(
        ["source /opt/vyatta/etc/functions/script-template", "configure", *lines, "commit", "save", "exit discard"]
    )
    said = machines.run(site, "router", "sg vyattacfg -c 'vbash -s'", stdin=script).stdout
    assert "ailed" not in said, said
