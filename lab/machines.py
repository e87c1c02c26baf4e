"""Commands on the machines of a running stack: the routers by their floating IPs, the Linux VMs by a jump over them.

For the demonstration and the end-to-end tests. Everything runs in the lab's client namespace, the only place from
which the floating IPs can be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import asyncssh
from pyroute2 import netns

Role = Literal["router", "linux"]
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What a command on a machine left: its exit status, standard output and standard error."""

    status: int
    stdout: str
    stderr: str


class CommandFailed(RuntimeError):
    """A command ended with a status other than 0."""


class Machines:
    """SSH connections to a stack's machines, opened on first use and kept until `close`.

    `outputs` are the stack's outputs in plain, its secrets included; connections start in the network `namespace`.
    """

    def __init__(self, outputs: Mapping[str, Any], namespace: str) -> None:
        self._sites: Mapping[str, Any] = outputs["sites"]
        self._keys: Mapping[str, str] = outputs["sshPrivateKeys"]
        self._open: dict[tuple[str, Role], asyncssh.SSHClientConnection] = {}
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(namespace, started), daemon=True)
        self._thread.start()
        started.wait()

    def run(
        self, site: str, role: Role, command: str, *, stdin: str = "", check: bool = True, timeout: float = 60
    ) -> Result:
        """Run a shell command; `timeout` is in seconds. CommandFailed unless it ends with 0 or `check` is off."""
        result = self._wait(self._run(site, role, command, stdin, timeout))
        if check and result.status != 0:
            raise CommandFailed(
                f"{role} of {site}: status {result.status} from {command!r}:\n{result.stderr or result.stdout}"
            )
        return result

    def forget(self, site: str, role: Role) -> None:
        """Drop the connection to a machine that went away, so that the next command opens a new one.

        What goes over a router goes with it.
        """
        roles: tuple[Role, ...] = ("linux", "router") if role == "router" else (role,)
        for one in roles:
            if connection := self._open.pop((site, one), None):
                self._wait(end(connection))

    def close(self) -> None:
        """Close every connection and end the thread that holds them."""
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self, namespace: str, started: threading.Event) -> None:
        netns.setns(namespace)  # for this thread alone: the sockets it opens belong to the namespace
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(started.set)
        self._loop.run_forever()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _run(self, site: str, role: Role, command: str, stdin: str, timeout: float) -> Result:
        connection = await self._connect(site, role)
        done = await asyncio.wait_for(connection.run(command, input=stdin), timeout)
        return Result(done.exit_status if done.exit_status is not None else -1, str(done.stdout), str(done.stderr))

    async def _end(self) -> None:
        for connection in reversed(self._open.values()):  # what goes over a jump before the jump
            await end(connection)

    async def _connect(self, site: str, role: Role) -> asyncssh.SSHClientConnection:
        if (site, role) not in self._open:
            about = self._sites[site]
            jump = await self._connect(site, "router") if role == "linux" else ()
            host = about["linuxAddress"] if role == "linux" else about["floatingIp"]
            host_key = asyncssh.import_public_key(about[f"{role}HostKey"])
            self._open[site, role] = await asyncssh.connect(
                host,
                username=about[f"{role}User"],
                client_keys=[asyncssh.import_private_key(self._keys[site])],
                known_hosts=([host_key], [], []),
                server_host_key_algs=[host_key.get_algorithm()],
                config=None,
                agent_path=None,
                tunnel=jump,
            )
        return self._open[site, role]


def configure(machines: Machines, site: str, *lines: str) -> None:
    """What an operator types on a router in configuration mode, committed and saved.

    CommandFailed when VyOS refuses it.
    """
    script = "\n".join(
        ["source /opt/vyatta/etc/functions/script-template", "configure", *lines, "commit", "save", "exit discard"]
    )
    said = machines.run(site, "router", "sg vyattacfg -c 'vbash -s'", stdin=script).stdout
    if "ailed" in said:  # VyOS's shell ends with 0 even then
        raise CommandFailed(f"router of {site}: {said}")


async def end(connection: asyncssh.SSHClientConnection) -> None:
    """Drop a connection, whether its other side still answers or not."""
    connection.abort()
    await connection.wait_closed()


@contextlib.contextmanager
def machines(outputs: Mapping[str, Any], namespace: str) -> Iterator[Machines]:
    """`Machines` that are closed at the end of a with block."""
    opened = Machines(outputs, namespace)
    try:
        yield opened
    finally:
        opened.close()
