"""How long a tunnel takes to come back after a router, or the way between two routers, was away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial

from pyroute2 import NetNS

from lab.machines import Machines
from lab.network import inside
from lab.sites import INTERNET

POLL = 0.1  # seconds
PATIENCE = 400.0  # seconds; strongSwan alone may take three minutes to see that a peer is gone


def after_reboot(at: Machines, site: str, floating_ip: str, passes: Callable[[], bool]) -> float:
    """Reboot a site's router; seconds from its first answer by SSH until traffic passes again."""
    at.run(site, "router", "sudo sh -c '(sleep 0.3; echo b > /proc/sysrq-trigger) > /dev/null 2>&1 &'")
    time.sleep(2)
    at.forget(site, "router")
    inside(partial(wait_until, partial(answers_ssh, floating_ip)))
    return wait_until(passes)


def after_cut(site: str, seconds: float, passes: Callable[[], bool]) -> float:
    """Cut a site off the internet for so many seconds; seconds from its return until traffic passes again."""
    set_link(site, "down")
    time.sleep(seconds)
    set_link(site, "up")
    return wait_until(passes)


def set_link(site: str, state: str) -> None:
    """The site's way to the internet, "up" or "down"; its APIs can be reached all the same."""
    with NetNS(INTERNET) as internet:
        internet.link("set", index=internet.link_lookup(ifname=f"p-{site}")[0], state=state)


def reaches(at: Machines, site: str, address: str) -> bool:
    """Whether a site's Linux VM gets an answer to a ping."""
    return not at.run(site, "linux", f"ping -n -c 1 -W 1 {address}", check=False).status


def answers_ssh(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait_until(ready: Callable[[], bool]) -> float:
    """Seconds until something holds; TimeoutError when it does not for too long."""
    started = time.monotonic()
    while not ready():
        if time.monotonic() - started > PATIENCE:
            raise TimeoutError(f"not within {PATIENCE:.0f} s")
        time.sleep(POLL)
    return time.monotonic() - started
