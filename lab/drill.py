"""`make drill`: loses Tokyo's name service, its router and then all of it, and measures how long clients get no answer.

The clients are VMs made for the drill, which know of the name servers by DHCP alone. Each asks every 100 ms.
"""

from __future__ import annotations

import contextlib
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import asyncssh
from rich.console import Console
from rich.table import Table

from components.render import linux_user_data
from lab import clouds, control, stack
from lab.machines import Machines
from lab.network import inside
from lab.returning import reaches, wait_until
from lab.sites import INTERNET
from toolchain.build import BuildFailed
from toolchain.paths import locked, state

LOST, SURVIVOR = "tokyo", "osaka"
#: seconds: asked before the fault, and after it; the longest that a client may be without an answer, with the resolver
#: as it is, and with the options that the stack's outputs name
BEFORE, AFTER, LIMIT, TUNED_LIMIT = 2, 12, 15.0, 5.0
#: seconds that a question may still be under way when no more are asked
LAST_ANSWER = 6
# asks every 100 ms, whatever becomes of the questions before, and notes when each answer came
ASK = """exec 9<> <(:)
until [ $SECONDS -ge {seconds} ]; do
  {{ getent ahostsv4 {name} > /dev/null && echo $EPOCHREALTIME; }} &
  read -rt 0.1 -u 9
done
wait
echo $EPOCHREALTIME
"""


@dataclass(frozen=True)
class Asker:
    """A client's way to ask: from which site's VM, in which order of servers, with which options of resolv.conf."""

    site: str
    backwards: bool
    options: str

    @property
    def order(self) -> str:
        return f"{LOST} first" if self.site == LOST or self.backwards else f"{self.site} first"

    @property
    def limit(self) -> float:
        return TUNED_LIMIT if self.options else LIMIT

    @property
    def notes(self) -> str:
        """A file on the VM."""
        return f"/tmp/answers-{'backwards' if self.backwards else 'forwards'}-{'tuned' if self.options else 'plain'}"

    def command(self) -> str:
        """Starts asking, by a script from standard input, and leaves it alone."""
        turned = "tac /etc/resolv.conf > /tmp/backwards; mount --bind /tmp/backwards /etc/resolv.conf; "
        ask = f"{turned if self.backwards else ''}exec bash {self.notes}.sh"
        return (
            f"cat > {self.notes}.sh; sudo RES_OPTIONS='{self.options}' setsid -f "
            f"unshare -m bash -c '{ask}' > {self.notes} 2> /dev/null < /dev/null"
        )


@dataclass(frozen=True)
class Outage:
    """The longest that a client was without an answer, and how long the lost site took to come back, in seconds."""

    fault: str
    asker: Asker
    seconds: float
    back: float


def longest_gap(times: list[float]) -> float:
    """The longest time between one answer and the next; the last of the times is the end of asking."""
    return max((later - earlier for earlier, later in pairwise(times)), default=float("inf"))


class Drill:
    """A running stack with a client at both sites."""

    def __init__(self, outputs: Mapping[str, Any], clients: Mapping[str, Mapping[str, str]]) -> None:
        """`clients`: by site, the client's `linuxAddress` and `linuxHostKey`."""
        self.sites = outputs["sites"]
        self.options = str(outputs["dns"]["resolverOptions"])
        self.name = f"{SURVIVOR}-linux.{outputs['dns']['domain']}"
        reached = {f"client of {site}": {**self.sites[site], **about} for site, about in clients.items()}
        self.clients = list(reached)
        keys = outputs["sshPrivateKeys"]
        self.at = Machines(
            {
                "sites": {**self.sites, **reached},
                "sshPrivateKeys": {**keys, **{f"client of {site}": keys[site] for site in clients}},
            },
            INTERNET,
        )

    def wait_for_clients(self) -> None:
        """Wait until the clients have booted."""
        for client in self.clients:
            wait_until(partial(self.answers, client))

    def answers(self, client: str) -> bool:
        try:
            return not self.at.run(client, "linux", "true").status
        except (OSError, asyncssh.Error):
            return False

    def service(self) -> list[Outage]:
        """Tokyo's name server is stopped; one that was killed would be started again at once."""
        stop, start = "sudo systemctl stop knot", "sudo systemctl start knot"
        return self.measure(
            "name service",
            lambda: self.at.run(LOST, "linux", stop),
            lambda: self.at.run(LOST, "linux", start),
            LOST,
        )

    def router(self) -> list[Outage]:
        """Tokyo's router is off from one moment to the next."""
        off = "sudo sh -c '(sleep 0.5; echo o > /proc/sysrq-trigger) > /dev/null 2>&1 &'"
        return self.measure("router", lambda: self.at.run(LOST, "router", off), start_router, LOST, SURVIVOR)

    def site(self, meanwhile: Callable[[], object] = lambda: None) -> list[Outage]:
        """The whole of Tokyo loses its power, and has it again after `meanwhile`."""

        def restore() -> None:
            meanwhile()
            control.switch_on([LOST])

        return self.measure("whole site", lambda: control.switch_off([LOST]), restore, SURVIVOR)

    def measure(
        self, fault: str, strike: Callable[[], object], restore: Callable[[], object], *sites: str
    ) -> list[Outage]:
        """Let the clients at some sites ask, strike meanwhile, restore, and read what they noted."""
        askers = [
            Asker(site, backwards, options)
            for site in sites
            # the survivor's own server is first there, and answers: worse off is who has the lost one first
            for backwards in ((False, True) if site == SURVIVOR else (False,))
            for options in ("", self.options)
        ]
        script = ASK.format(seconds=BEFORE + AFTER, name=self.name)
        for asker in askers:
            self.at.run(f"client of {asker.site}", "linux", asker.command(), stdin=script)
        time.sleep(BEFORE)
        strike()
        time.sleep(AFTER + LAST_ANSWER)
        restore()
        for site in (LOST, f"client of {LOST}"):
            self.at.forget(site, "router")
        back = wait_until(partial(reaches, self.at, SURVIVOR, self.sites[LOST]["linuxAddress"]))
        return [Outage(fault, asker, self.noted(asker), back) for asker in askers]

    def noted(self, asker: Asker) -> float:
        said = self.at.run(f"client of {asker.site}", "linux", f"cat {asker.notes}")
        *answers, end = map(float, said.stdout.split())
        return longest_gap([*sorted(answers), end])


def start_router() -> None:
    """Start Tokyo's router when the cloud has seen that it is off."""

    def work() -> None:
        with clouds.as_tenant(LOST) as cloud:
            server = cloud.compute.find_server(f"{LOST}-vyos", ignore_missing=False)
            cloud.compute.wait_for_server(server, status="SHUTOFF", wait=60)
            cloud.compute.start_server(server.id)
            cloud.compute.wait_for_server(server, status="ACTIVE", wait=60)

    inside(work)


@contextlib.contextmanager
def clients() -> Iterator[dict[str, dict[str, str]]]:
    """A VM at each site, beside the site's Linux VM and like it, for as long as a with block lasts."""
    sites = (LOST, SURVIVOR)
    with ThreadPoolExecutor() as pool:
        try:
            made = pool.map(lambda site: inside(partial(make_client, site)), sites)
            yield dict(zip(sites, made, strict=True))
        finally:
            list(pool.map(lambda site: inside(partial(remove_client, site)), sites))


def client_name(site: str) -> str:
    return f"{site}-drill-client"


def make_client(site: str) -> dict[str, str]:
    """Make the VM, and its port with the LAN's security group; its address and its host key."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = key.export_public_key().decode().strip()
    remove_client(site)
    with clouds.as_tenant(site) as cloud:
        model = cloud.compute.find_server(f"{site}-linux", ignore_missing=False)
        like = next(iter(cloud.network.ports(device_id=model.id)))
        port = cloud.network.create_port(
            name=client_name(site), network_id=like.network_id, security_group_ids=like.security_group_ids
        )
        server = cloud.compute.create_server(
            name=client_name(site),
            image_id=cloud.image.find_image("linux", ignore_missing=False).id,
            flavor_id=cloud.compute.find_flavor("linux", ignore_missing=False).id,
            key_name=model.key_name,
            networks=[{"port": port.id}],
            user_data=b64encode(linux_user_data(key.export_private_key().decode(), public).encode()).decode(),
        )
        cloud.compute.wait_for_server(server, wait=120)
        return {"linuxAddress": port.fixed_ips[0]["ip_address"], "linuxHostKey": public}


def remove_client(site: str) -> None:
    with clouds.as_tenant(site) as cloud:
        cloud.delete_server(client_name(site), wait=True)
        for port in cloud.network.ports(name=client_name(site)):
            cloud.network.delete_port(port)


def report(outages: list[Outage]) -> bool:
    """Print what was measured; whether every client was within its limit."""
    table = Table("lost", "client at", "name servers", "resolver", "s without an answer", "at most", "s until back")
    for column in table.columns[4:]:
        column.justify = "right"
    for one in outages:
        table.add_row(
            f"{LOST}'s {one.fault}",
            one.asker.site,
            one.asker.order,
            one.asker.options or "as it is",
            f"{one.seconds:.1f}",
            f"{one.asker.limit:.0f}",
            f"{one.back:.1f}",
        )
    Console(width=120).print(table)
    return all(one.seconds <= one.asker.limit for one in outages)


def main() -> int:
    """The whole drill; 1 when a client waited longer than it should."""
    try:
        with locked(state("stack.lock")):
            outputs = stack.outputs(stack.prepare())
            if not outputs.get("dns"):
                raise BuildFailed("the stack has no internal DNS, or was not made yet: `make up` makes it")
            with clients() as made:
                drill = Drill(outputs, made)
                drill.wait_for_clients()
                try:
                    return 0 if report([*drill.service(), *drill.router(), *drill.site()]) else 1
                finally:
                    drill.at.close()
    except (BuildFailed, RuntimeError, TimeoutError) as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
