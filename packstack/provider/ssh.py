"""SSH to a host: scripts run as root, fed by standard input, on one connection that is made anew when lost."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass

import asyncssh

from vyos_provider.ssh import Access, RouterError, Unreachable, WrongHostKey, connect

#: seconds to wait for a host: at first, where it should be up; and when it was lost on the way, as when it restarts its
#: network
PATIENCE, RETURN_PATIENCE = 30.0, 600.0
#: seconds that a script may take that only looks, and one that installs packages
LOOK_SECONDS, WORK_SECONDS = 300.0, 7200.0
#: characters of a failed script's output that an error shows, the last ones
LONGEST_OUTPUT = 3000


class HostError(RouterError):
    """Something on the way to or on the host went wrong; the text is for the user and holds no secret."""


class Lost(HostError):
    """The host does not answer any more."""


@dataclass(frozen=True)
class Done:
    """What a script printed, and how it ended."""

    status: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")

    @property
    def said(self) -> str:
        """All that it wrote, the end of it, for an error."""
        text = (self.output + self.errors).decode(errors="replace").strip()
        return text if len(text) <= LONGEST_OUTPUT else f"…{text[-LONGEST_OUTPUT:]}"


class Host:
    """A host, as root."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._connecting = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None

    async def look(self, script: str, patience: float = PATIENCE) -> Done:
        """Run a script that may be run twice: once more if a kept connection turns out to be dead."""
        told, kept = f"{{\n{script}\n}} < /dev/null\n", self._connection
        try:
            return await self._run("bash -s", told, patience, LOOK_SECONDS)
        except Lost:
            if kept is None:
                raise
            return await self._run("bash -s", told, patience, LOOK_SECONDS)

    async def must(self, script: str, what: str, patience: float = PATIENCE) -> str:
        """The output of a script as `look` runs it; HostError with what it wrote when it fails."""
        return self._well(await self.look(f"set -eu\n{script}", patience), what)

    async def work(self, script: str, what: str) -> None:
        """Run a script to its end, which it reaches though the connection is lost; HostError when it fails.

        What it prints goes to a file first: a closed pipe would end it in the middle of a transaction.
        """
        told = f"""umask 022
log=$(mktemp)
( set -eu
{script}
) > "$log" 2>&1 < /dev/null
status=$?
tail -c {LONGEST_OUTPUT} "$log"
rm -f "$log"
exit $status
"""
        self._well(await self._run("bash -s", told, PATIENCE, WORK_SECONDS), what)

    async def put(self, path: str, text: str) -> None:
        """Put a file in place at once, for root's eyes only."""
        await self.feed(f'umask 077; cat > "{path}.new" && mv "{path}.new" "{path}"', text, f"write {path}")

    async def feed(self, command: str, text: str, what: str) -> str:
        """Run a command with a text as its standard input; what it prints, or HostError."""
        return self._well(await self._run(f"sh -c {shlex.quote(command)}", text, PATIENCE, LOOK_SECONDS), what)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()

    def _well(self, done: Done, what: str) -> str:
        """What a script printed that has ended well; HostError with what it wrote when it has not."""
        if done.status:
            raise HostError(f"{self.access.host}: {what}: {done.said or f'exit status {done.status}'}")
        return done.text

    async def _run(self, command: str, text: str, patience: float, seconds: float) -> Done:
        connection = await self._connected(patience)
        if self.access.user != "root":
            command = f"sudo -n -H {command}"
        try:
            async with asyncio.timeout(seconds):
                done = await connection.run(command, input=text.encode(), encoding=None)
        except TimeoutError as error:
            raise HostError(f"{self.access.host}: no answer for {seconds:.0f} s") from error
        except (OSError, asyncssh.Error) as error:
            connection.abort()
            raise Lost(f"{self.access.host}: the SSH session ended") from error
        if done.exit_status is None:
            connection.abort()
            raise Lost(f"{self.access.host}: the SSH session ended")
        return Done(done.exit_status, whole(done.stdout), whole(done.stderr))

    async def _connected(self, patience: float) -> asyncssh.SSHClientConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                try:
                    self._connection = await connect(self.access, patience)
                except WrongHostKey as error:
                    raise HostError(
                        f"{self.access.host} answers with another host key than hostKey has; nothing was sent. "
                        "Compare with /etc/ssh/ssh_host_*_key.pub on the host's console"
                    ) from error
                except Unreachable as error:
                    raise Lost(str(error)) from error
            return self._connection


class Hosts:
    """The hosts of a run, one for each way to reach one."""

    def __init__(self) -> None:
        self._known: dict[Access, Host] = {}

    def of(self, access: Access) -> Host:
        return self._known.setdefault(access, Host(access))

    async def close(self) -> None:
        """Close every connection."""
        for host in self._known.values():
            await host.close()


def whole(output: object) -> bytes:
    """What a process wrote, when no encoding was asked for."""
    return output if isinstance(output, bytes) else b""
