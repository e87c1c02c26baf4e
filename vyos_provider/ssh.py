"""SSH to routers: one connection kept for all that a run does on a router, host keys pinned, and VyOS's shell on it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncssh

from vyos_provider.lines import Line, parse

#: seconds; a router that boots takes some tries, each cut short
DIAL_TIMEOUT, FIRST_DELAY, LONGEST_DELAY = 5.0, 0.2, 2.0
#: seconds that an SSH connection may be silent before it counts as lost
KEEPALIVE_SECONDS, KEEPALIVES = 5, 4
#: seconds that one command may take; a commit of VyOS is the longest
COMMAND_SECONDS = 180.0
END = "\x1e"
#: held on the router by whoever changes its configuration
LOCK = "/tmp/vpn-connect.lock"
OPERATIONAL = "/opt/vyatta/bin/vyatta-op-cmd-wrapper"


class RouterError(Exception):
    """Something on the way to or on the router went wrong; the text is for the user and holds no secret."""


class Unreachable(RouterError):
    """The router does not answer, or no longer."""


class WrongHostKey(RouterError):
    """What answers has another host key than the router."""


@dataclass(frozen=True)
class Access:
    """How a router is reached."""

    host: str
    user: str
    private_key: str = field(repr=False)
    #: the router's public host key, as in known_hosts without the name
    host_key: str
    port: int = 22


async def connect(
    access: Access, patience: float, tunnel: asyncssh.SSHClientConnection | None = None
) -> asyncssh.SSHClientConnection:
    """A new connection, through `tunnel` where one is given.

    Tries for `patience` seconds; a wrong host key ends it at once, before anything is sent.
    """
    deadline, delay = asyncio.get_running_loop().time() + patience, FIRST_DELAY
    pinned = asyncssh.import_public_key(access.host_key)
    while True:
        left = deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(DIAL_TIMEOUT, max(left, 1.0))):
                return await asyncssh.connect(
                    access.host,
                    access.port,
                    tunnel=tunnel or (),
                    username=access.user,
                    client_keys=[asyncssh.import_private_key(access.private_key)],
                    known_hosts=([pinned], [], []),
                    # of several keys of the host, the one that is pinned
                    server_host_key_algs=[pinned.get_algorithm()],
                    config=None,
                    agent_path=None,
                    keepalive_interval=KEEPALIVE_SECONDS,
                    keepalive_count_max=KEEPALIVES,
                )
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise WrongHostKey(
                f"{access.host} answers with another host key than the router's ({pinned.get_fingerprint()}); nothing "
                "was sent. Somebody else answers there, or its image does not take the key from cloud-init: then set "
                "vyosHostKey: first-contact"
            ) from error
        except asyncssh.PermissionDenied as error:
            reason = f"it refuses the user {access.user!r} or the key"
            cause: Exception = error
        except (OSError, asyncssh.Error, TimeoutError) as error:
            reason, cause = str(error) or type(error).__name__, error
        if asyncio.get_running_loop().time() + delay >= deadline:
            raise Unreachable(f"{access.host} cannot be reached by SSH: {reason}") from cause
        await asyncio.sleep(delay)
        delay = min(delay * 1.5, LONGEST_DELAY)


async def host_key(host: str, patience: float, port: int = 22) -> str:
    """The ed25519 host key that a router shows at the first contact; it is not authenticated."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                key = await asyncssh.get_server_host_key(host, port, config=None)
            if key:
                return key.export_public_key().decode().strip()
            reason = "it shows no host key"
        except (OSError, asyncssh.Error, TimeoutError) as error:
            reason = str(error) or type(error).__name__
        if asyncio.get_running_loop().time() >= deadline:
            raise Unreachable(f"{host} cannot be reached by SSH: {reason}")
        await asyncio.sleep(1)


async def run(connection: asyncssh.SSHClientConnection, script: str) -> str:
    """Run a script in the user's shell; what it prints, or RouterError with what it writes when it fails."""
    try:
        done = await connection.run(script, errors="replace", timeout=COMMAND_SECONDS)
    except (OSError, asyncssh.Error) as error:
        raise Unreachable("the SSH session ended") from error
    except TimeoutError as error:
        raise Unreachable(f"no answer for {COMMAND_SECONDS:.0f} s") from error
    if done.exit_status != 0:
        raise RouterError(f"{done.stdout!s}{done.stderr!s}".strip() or f"exit status {done.exit_status}")
    return str(done.stdout).strip()


@dataclass
class Answer:
    """What VyOS's shell said to a command."""

    status: int
    text: str

    @property
    def failed(self) -> bool:
        """Whether it failed. VyOS's `set` and `commit` end with 0 even then: only their texts tell."""
        return bool(re.search(r"failed|is not valid|temporarily locked", self.text, re.IGNORECASE))


class Shell:
    """VyOS's shell on a router, fed by standard input: nothing of a command stands in a process's arguments."""

    def __init__(self, process: asyncssh.SSHClientProcess[str]) -> None:
        self.process = process

    async def run(self, command: str, answer: str = "") -> Answer:
        """One command. `answer`: what a question of its is answered with."""
        return (await self.run_all([command], answer))[0]

    async def run_all(self, commands: list[str], answer: str = "") -> list[Answer]:
        """Commands one after another, sent at once; each one's answer."""
        source = f"<<< '{answer}'" if answer else "< /dev/null"
        sent = [f"{{ {command}\n}} 2>&1 {source}; printf '\\036%d\\n' \"$?\"\n" for command in commands]
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                self.process.stdin.write("".join(sent))
                return [await self.answer() for _ in commands]
        except TimeoutError as error:
            raise Unreachable(f"the router has not answered for {COMMAND_SECONDS:.0f} s") from error
        except (OSError, asyncssh.Error, asyncio.IncompleteReadError) as error:
            raise Unreachable("the SSH session ended") from error

    async def answer(self) -> Answer:
        text = await self.process.stdout.readuntil(END)
        status = await self.process.stdout.readline()
        if not status.strip().isdigit():
            raise Unreachable("the SSH session ended")
        return Answer(int(status), text.removesuffix(END).strip("\n"))


class Router:
    """One router in one run: its connection, and its lines as they were when the run first asked."""

    def __init__(self, access: Access) -> None:
        self.access = access
        #: one change at a time; other runs are held off on the router itself
        self.turn = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._read: asyncio.Task[tuple[Line, ...]] | None = None

    async def connection(self, patience: float) -> asyncssh.SSHClientConnection:
        """The kept connection, made anew when it is lost."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self.access, patience)
            return self._connection

    async def lines(self, patience: float) -> tuple[Line, ...]:
        """The active lines, read once in a run; `forget` after each change."""
        if self._read is None:
            self._read = asyncio.create_task(self._read_lines(patience))
        return await asyncio.shield(self._read)

    async def _read_lines(self, patience: float) -> tuple[Line, ...]:
        connection = await self.connection(patience)
        try:
            done = await connection.run(f"{OPERATIONAL} show configuration commands", timeout=COMMAND_SECONDS)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise Unreachable(f"{self.access.host}: the SSH session ended") from error
        if done.exit_status != 0:
            raise RouterError(f"{self.access.host}: `show configuration commands` failed: {done.stderr!s}")
        return parse(str(done.stdout))

    def forget(self) -> None:
        """The lines have changed, or may have."""
        self._read = None

    @contextlib.asynccontextmanager
    async def shell(self, patience: float, lock_seconds: int) -> AsyncIterator[Shell]:
        """VyOS's shell, with the router's lock held until it is left."""
        connection = await self.connection(patience)
        try:
            # a commit needs the group
            process = await connection.create_process("exec sg vyattacfg -c 'exec vbash -s'", errors="replace")
        except (OSError, asyncssh.Error) as error:
            raise Unreachable("the SSH session ended") from error
        shell = Shell(process)
        try:
            start = await shell.run_all(
                [f"exec 9> {LOCK}; flock -w {lock_seconds} 9", "source /opt/vyatta/etc/functions/script-template"]
            )
            if start[0].status:
                raise RouterError(f"another session has held {LOCK} on the router for {lock_seconds} s")
            yield shell
        finally:
            process.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
