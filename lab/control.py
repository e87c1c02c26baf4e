"""Up, down, status: what the lab's commands do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from lab import clouds, network
from lab.files import write_whole
from lab.guests import images as guest_images
from lab.openstack import layers
from lab.openstack.site import RunningSite
from lab.sites import DEFAULT, INTERNET, PREFIX, SITES
from toolchain.build import BuildFailed, Tools, everything
from toolchain.environment import environment
from toolchain.paths import locked, state

console = Console(stderr=True, highlight=False)
_started = time.monotonic()


def say(text: str) -> None:
    """A line of progress, with the seconds since the start."""
    console.print(f"[dim]{time.monotonic() - _started:6.1f} s[/dim]  {text}")


def build() -> Tools:
    """Everything that is built once: tools, OpenStack's root, guest images; what is independent at the same time."""
    require_root()
    with ThreadPoolExecutor() as pool:
        tools, root = pool.submit(everything, say), pool.submit(layers.base, say)
        guest_images(say)
        root.result()
        layers.images(say)
        return tools.result()


def up(names: list[str]) -> None:
    """Start the sites that do not run yet, all at once, and wait until they can be used."""
    require_root()
    sites = [RunningSite(SITES[name]) for name in names or DEFAULT]
    refuse_beside_another()
    with locked(state("lab.lock")):
        stack = layers.images(say)
        real_vyos = guest_images(say).real_vyos
        state("lab").mkdir(parents=True, exist_ok=True)
        network.make_internet()
        ready = [one for one in sites_that_run() if one.site.name in read_complete()]
        missing = [one for one in sites if one not in ready]
        for one in missing:
            say(f"{one.site.name}: starting Keystone, Glance, Placement, Nova, Neutron …")
            one.start(stack)

        in_threads(lambda one: finish(one, real_vyos), missing)
        write_complete([*ready, *missing])
        clouds.write_clouds([*ready, *missing])
        for one in sites:
            if one in ready:
                say(f"{one.site.name}: runs already")
        report_restarts(sites)


def finish(one: RunningSite, real_vyos: bool) -> None:
    """Wait until a site can be used. Moves the calling thread."""
    network.enter(INTERNET)
    clouds.set_up(one, real_vyos)
    say(f"{one.site.name}: ready")


def switch_off(names: Iterable[str]) -> None:
    """Lose sites as by a power failure: clouds, networks and VMs at once. `switch_on` brings back what they had."""
    require_running()
    for name in names:
        RunningSite(SITES[name]).switch_off()
        say(f"{name}: off")


def switch_on(names: Iterable[str]) -> None:
    """Bring sites back that were switched off, the VMs that ran included, and wait until the clouds can be used."""
    require_running()
    sites = [RunningSite(SITES[name]) for name in names]
    for one in sites:
        if one.outer() or not one.directory.exists():
            raise BuildFailed(f"{one.site.name}: it is not off; `python -m lab up` starts a new one")
        one.switch_on(layers.images(say))
    in_threads(lambda one: finish(one, guest_images(say).real_vyos), sites)


def read_complete() -> set[str]:
    """The names of the sites that an `up` has finished; one that was killed has left its sites out."""
    file = state("lab", "complete")
    return set(file.read_text().split()) if file.exists() else set()


def write_complete(sites: list[RunningSite]) -> None:
    write_whole(state("lab", "complete"), " ".join(one.site.name for one in sites))


def in_threads(work: Callable[[RunningSite], None], items: list[RunningSite]) -> None:
    """Run work for all items at once, in threads of its own: one that has entered a namespace serves nothing else."""
    with ThreadPoolExecutor(max_workers=max(len(items), 1)) as pool:
        list(pool.map(work, items))


def down(names: Iterable[str] = ()) -> None:
    """Stop sites, by default all; with the last one goes the rest: no process, mount, namespace or interface stays."""
    require_root()
    with locked(state("lab.lock")):
        for name in names or SITES:
            RunningSite(SITES[name]).stop()
        refuse_beside_another()
        left = [one for one in sites_that_run() if one.site.name in read_complete()]
        if left:
            write_complete(left)
            clouds.write_clouds(left)
            return
        for name in network.namespaces():
            end_processes_in(name)
            network.remove(name)
        for file in ("complete", "clouds.yaml", "admin-clouds.yaml"):
            state("lab", file).unlink(missing_ok=True)


def refuse_beside_another() -> None:
    """There is one lab on a machine: BuildFailed when one with another state directory runs."""
    own = {RunningSite(site).root for site in SITES.values()}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        for root, word in pairwise(words):
            # a layer that is built, or another use of the container, is no lab
            is_site = word.endswith("lab/openstack/container.sh") and Path(root).parent.parent.name == "sites"
            if is_site and root not in own:
                raise BuildFailed(
                    f"another lab runs from {Path(root).parent}: stop that one, or use its VPN_CONNECT_STATE"
                )


def sites_that_run() -> list[RunningSite]:
    return [one for one in map(RunningSite, SITES.values()) if one.outer() is not None]


def end_processes_in(namespace: str) -> None:
    """End what still runs in a namespace of the lab, such as a shell that somebody has left open."""
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout
    for pid in map(int, listed.split()):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 15)


def status() -> int:
    """Print each site's services and memory; 1 when a service is not running."""
    table = Table("site", "service", "state", "started again", "memory")
    healthy = True
    for one in map(RunningSite, SITES.values()):
        services = one.services()
        for number, (name, about) in enumerate(sorted(services.items())):
            healthy &= about["running"]
            memory = f"{one.memory() / 2**30:.1f} GiB" if number == 0 else ""
            table.add_row(
                one.site.name if number == 0 else "",
                name,
                "running" if about["running"] else "[red]down[/red]",
                str(about["restarts"] or ""),
                memory,
            )
    if table.row_count:
        Console().print(table)
    else:
        print("no site runs; start the lab with: python -m lab up")
    report_restarts(sites_that_run())
    return 0 if healthy else 1


def report_restarts(running: list[RunningSite]) -> None:
    """Show the end of the log of every service that has died."""
    for one in running:
        for name, about in one.services().items():
            if about["restarts"]:
                console.print(f"[red]{one.site.name}: {name} has died {about['restarts']} times[/red]")
                console.print(one.log(name, lines=10), markup=False)


def client_environment() -> dict[str, str]:
    """The whole environment of a command in the client namespace."""
    return {**os.environ, **environment(), "OS_CLIENT_CONFIG_FILE": str(clouds.clouds_yaml())}


def execute(command: list[str], inside: dict[str, str] | None = None) -> int:
    """Run a command where both clouds can be reached, by default in the client environment; its exit status.

    An interrupt from the terminal is the command's own to handle: Pulumi, killed at work, forgets what it made.
    """
    require_running()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(
            ["ip", "netns", "exec", INTERNET, *command],
            env=inside or client_environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def require_running() -> None:
    if INTERNET not in network.namespaces() or not clouds.clouds_yaml().exists():
        raise BuildFailed("the lab does not run; start it with: python -m lab up")


def identities(names: Iterable[str]) -> list[str]:
    """A text for each site that is another after the site was stopped and started afresh."""
    require_running()
    return [RunningSite(SITES[name]).identity() for name in names]


def require_root() -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        raise BuildFailed("the lab makes namespaces and mounts: run it as root, on Linux")


@contextlib.contextmanager
def phase(budget: dict[str, float], name: str) -> Iterator[None]:
    """Add what a block takes, in seconds, to a time budget."""
    started = time.monotonic()
    try:
        yield
    finally:
        budget[name] = time.monotonic() - started


__all__ = ["PREFIX", "build", "down", "execute", "phase", "say", "status", "up"]
