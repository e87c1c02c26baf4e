"""A running site: a container over the layers, thrown away when it stops."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lab import network
from lab.openstack.layers import INSIDE, container
from lab.sites import Site
from toolchain.paths import key, remove, state


@dataclass(frozen=True)
class RunningSite:
    """A site and the directory of its container."""

    site: Site

    @property
    def directory(self) -> Path:
        return state("lab", "sites", self.site.name)

    @property
    def root(self) -> str:
        """Where the container mounts its root; an argument of the processes that start it, and of no other."""
        return str(self.directory / "root")

    @property
    def logs(self) -> Path:
        return self.directory / "upper/var/log"

    def passwords(self) -> dict[str, str]:
        """The site's own passwords of `admin` and of the tenant `demo`."""
        return dict(json.loads((self.directory / "upper/etc/lab/site.json").read_text())["passwords"])

    def identity(self) -> str:
        """Another text each time the site is started afresh."""
        return key(self.directory / "upper/etc/lab/site.json")

    def start(self, layers: list[Path]) -> None:
        """Start a fresh site in namespaces of its own."""
        self.stop()
        own = self.directory / "upper/etc/lab"
        own.mkdir(parents=True)
        about = {
            "address": self.site.api_address,
            "region": self.site.region,
            "passwords": {user: secrets.token_urlsafe(18) for user in ("admin", "demo")},
        }
        with os.fdopen(os.open(own / "site.json", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(about, file)
        self.switch_on(layers)

    def switch_on(self, layers: list[Path]) -> None:
        """Start the site as it was when it was switched off."""
        network.make_site(self.site)
        command = container(self.site.name, self.directory, layers, [*INSIDE, "site"])
        with (self.directory / "console.log").open("wb") as console:
            subprocess.run(  # it outlives this process, and is nobody's child
                ["setsid", "--fork", "nsenter", f"--net=/run/netns/{self.site.namespace}", *command],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )

    def outer(self) -> psutil.Process | None:
        """The process outside whose end ends the container. Looked for, as an `up` may be killed at any time."""
        mine = [process for process in psutil.process_iter(["cmdline"]) if self.root in (process.info["cmdline"] or ())]
        return min(mine, key=lambda process: process.create_time(), default=None)

    def init(self) -> psutil.Process | None:
        """The container's PID 1."""
        outer = self.outer()
        children = outer.children() if outer else []
        return children[0] if children else None

    def switch_off(self) -> None:
        """End every process of the site at once, its VMs among them, as if its power had failed; its disks stay."""
        outer, init = self.outer(), self.init()
        for process in (init, outer):
            if process:
                process.send_signal(signal.SIGKILL)  # the kernel ends the rest of the PID namespace with its PID 1
        psutil.wait_procs([process for process in (init, outer) if process], timeout=30)
        network.remove_site(self.site)

    def stop(self) -> None:
        """End the site and remove its directory. Harmless when it does not run."""
        self.switch_off()
        deadline = time.monotonic() + 10
        while self.directory.exists():
            try:
                remove(self.directory)
            except OSError:  # the last processes of the namespace still write
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def services(self) -> dict[str, dict[str, Any]]:
        """Each service: whether it runs, and how often it was started again."""
        init = self.init()
        if not init:
            return {}
        try:
            return dict(json.loads(Path(f"/proc/{init.pid}/root/run/lab-services.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def memory(self) -> int:
        """Bytes that the site's processes hold in memory, shared pages shared out."""
        outer = self.outer()
        processes = [outer, *outer.children(recursive=True)] if outer else []
        total = 0
        for process in processes:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        return total

    def log(self, service: str, lines: int = 40) -> str:
        """The end of a service's logs: its own file and what it printed."""
        files = [self.logs / "lab" / f"{service}.log", *sorted(self.logs.glob(f"*/{service}*.log"))]
        tails = [
            f"== {file.relative_to(self.logs)}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
            for file in dict.fromkeys(files)
            if file.exists()
        ]
        return "\n".join(tails) or f"no log of {service}; there are: {', '.join(sorted(self.services()))}"
