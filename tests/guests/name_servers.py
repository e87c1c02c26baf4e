"""Real name servers for tests: three machines, each the lab's Linux guest in a directory, in one network of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from components import dns_render
from components.dns_plan import DnsPlan
from lab.guests.build import HERE, packages
from toolchain.paths import cache
from vyos_provider.resources import sequence, writing

SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PATIENCE = 120  # seconds for each script
#: the machines' trees over the packages, and their addresses; all in namespaces that end with the shell
SETUP = """
guest=$1 root=$2; shift 2
mount -t tmpfs tmpfs /mnt
mount -t proc proc /proc
ip link set lo up
for machine in "$@"; do
  at=/mnt/${machine%=*}
  ip address add "${machine#*=}/32" dev lo
  mkdir -p "$at"/{upper,work,root}
  mount -t overlay overlay -o "lowerdir=$guest:$root,upperdir=$at/upper,workdir=$at/work" "$at/root"
  mount -t tmpfs run "$at/root/run"
  mount -t tmpfs tmp "$at/root/tmp"
  mount --rbind /dev "$at/root/dev"
  mount -t proc proc "$at/root/proc"
  rm -f "$at/root/etc/systemd/system/multi-user.target.wants/knot.service"
  : > "$at/root/etc/resolv.conf"
done
echo ready
exec sleep infinity
"""


class Refused(Exception):
    """A script failed; the text is what it said."""


class Machines:
    """The machines by their sites' names."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, site: str, script: str, status: int = 0) -> str:
        """What a script prints; Refused when it ends with another status."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "--net", "--mount", "--pid", "chroot", f"/mnt/{site}/root", "bash", "-s"],
            input=script,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
        )
        if done.returncode != status:
            raise Refused(done.stdout)
        return done.stdout

    def apply(self, dns: DnsPlan, site: str, waiting: int = 30) -> None:
        """What the provider does on a site's machine. `waiting`: seconds that it waits for its peers."""
        server = dns.servers[site]
        number = str(server.address).split(".")[2]
        # they share a network: each has a loopback address of its own
        files = {
            path: [line.replace("127.0.0.1@", f"127.0.0.{number}@") for line in lines]
            for path, lines in dns_render.files(dns, server).items()
        }
        steps = {
            "prepare": dns_render.prepare(dns, server).replace("fetch_newer 30", f"fetch_newer {waiting}"),
            "write": writing({"files": files, "secrets": {"TSIG_KEY": SECRET}}, []),
            "apply": dns_render.apply(dns, server),
        }
        self.run(site, sequence(steps))

    def up(self, dns: DnsPlan) -> None:
        """All machines that are not lost, the primary last."""
        for site in sorted(dns.servers, key=lambda one: one == dns.primary):
            if not dns.servers[site].lost:
                self.apply(dns, site)

    def update(self, dns: DnsPlan, site: str, change: str, status: int = 0) -> None:
        """A dynamic update of the domain, with the key, at a site's server."""
        lines = [
            f"server {dns.servers[site].address}",
            f"zone {dns.domain}",
            f"origin {dns.domain}",
            f"update {change}",
            "send",
        ]
        key = f"/tmp/key; echo hmac-sha256:{dns_render.KEY_NAME}:{SECRET} > /tmp/key"
        self.run(site, f"{key}\nknsupdate -k /tmp/key <<'END'\n" + "\n".join(lines) + "\nEND\n", status)

    def ask(self, address: IPv4Address, name: str, kind: str = "A", options: str = "") -> list[str]:
        """A server's answers, sorted."""
        said = self.run("tokyo", f"kdig +short +timeout=1 +retry=0 {options} @{address} {name} {kind}")
        return sorted(line for line in said.splitlines() if line and not line.startswith(";;"))


@contextmanager
def machines(addresses: Mapping[str, IPv4Address]) -> Iterator[Machines]:
    """The machines with these addresses."""
    names = [f"{site}={address}" for site, address in addresses.items()]
    holder = subprocess.Popen(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-ec", SETUP, "setup",
         str(HERE / "linux"), str(packages("linux", lambda _: None)), *names],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        (child,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        yield Machines(int(child))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]


def missing() -> str:
    """Why there can be no machines here; nothing when there can. In CI the packages are fetched if they have to be."""
    if os.geteuid() or sys.platform != "linux":
        return "needs root on Linux"
    built = list(cache("lab", "guests").glob("linux-packages-*/root/usr/sbin/knotd"))
    return "" if built or os.environ.get("CI") == "true" else "the lab's Linux packages have not been fetched"
