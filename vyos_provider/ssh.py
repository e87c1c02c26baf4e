"""SSH to routers: one connection kept for all that a run does on a router, host keys pinned, and VyOS's shell on it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import asyncssh

from vyos_provider.lines import Line, parse

#: seconds; a router that boots takes some tries, each cut short
DIAL_TIMEOUT, FIRST_DELAY, LONGEST_DELAY = 5.0, 0.2, 2.0
#: seconds that an SSH connection may be silent before it counts as lost, and that a process may take to start on it
KEEPALIVE_SECONDS, KEEPALIVES, START_SECONDS = 5, 4, 15.0
#: seconds that one command may take; a commit of VyOS is the longest
COMMAND_SECONDS = 180.0
#: seconds without a command after which a shell on the router ends, and its lock with it: nobody feeds it any more, and
#: the router's SSH server may not notice that for hours
IDLE_SECONDS = 60
#: ends a command, and an answer
END = "\x1e"
#: held on the router by whoever changes its configuration
LOCK = "/tmp/vpn-connect.lock"
SHOW = "/opt/vyatta/bin/vyatta-op-cmd-wrapper show configuration commands"


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
    try:
        pinned = asyncssh.import_public_key(access.host_key)
        private = asyncssh.import_private_key(access.private_key)
    except asyncssh.KeyImportError as error:
        raise RouterError(f"the keys for {access.host} are not as SSH writes them: {error}") from error
    while True:
        left = deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(DIAL_TIMEOUT, max(left, 1.0))):
                return await asyncssh.connect(
                    access.host,
                    access.port,
                    tunnel=tunnel or (),
                    username=access.user,
                    client_keys=[private],
                    known_hosts=([pinned], [], []),
                    # of several keys of the host, the one that is pinned
                    server_host_key_algs=[name.decode() for name in pinned.sig_algorithms],
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
    """The host key that a router shows at the first contact; it is not authenticated."""
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


async def run(
    connection: asyncssh.SSHClientConnection, script: str, stdin: str = "", seconds: float = COMMAND_SECONDS
) -> str:
    """Run a script in the user's shell; what it prints, or RouterError with what it writes when it fails."""
    try:
        # not asyncssh's own timeout: before Python 3.12 it loses a cancellation that comes with the answer
        async with asyncio.timeout(seconds):
            done = await connection.run(script, input=stdin, errors="replace")
    except TimeoutError as error:
        raise Unreachable(f"no answer for {seconds:.0f} s") from error
    except (OSError, asyncssh.Error) as error:
        raise Unreachable("the SSH session ended") from error
    if done.exit_status is None:  # what had come so far is given without a word
        raise Unreachable("the SSH session ended")
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
        # takes whole commands only: of one that a lost connection has cut short, nothing is carried out
        self._unsent = (
            f"while IFS= read -r -d $'\\036' -t {IDLE_SECONDS} command; do eval \"$command\"; done; builtin exit\n"
        )

    async def run(self, command: str, answer: str = "", seconds: float = COMMAND_SECONDS) -> Answer:
        """One command. `answer`: what a question of its is answered with; `seconds`: it may take so long."""
        return (await self.run_all([command], answer, seconds))[0]

    async def run_all(
        self, commands: Sequence[str], answer: str = "", seconds: float = COMMAND_SECONDS
    ) -> list[Answer]:
        """Commands one after another, sent at once; each one's answer."""
        source = f"<<< '{answer}'" if answer else "< /dev/null"
        sent = [f"{{ {command}\n}} 2>&1 {source}; printf '\\036%d\\036' $?{END}" for command in commands]
        try:
            async with asyncio.timeout(seconds):
                self.process.stdin.write(self._unsent + "".join(sent))
                self._unsent = ""
                return [await self._answer() for _ in commands]
        except TimeoutError as error:
            raise Unreachable(f"the router has not answered for {seconds:.0f} s") from error
        except (OSError, asyncssh.Error, asyncio.IncompleteReadError) as error:
            raise Unreachable("the SSH session ended") from error

    async def _answer(self) -> Answer:
        text = await self.process.stdout.readuntil(END)
        status = await self.process.stdout.readuntil(END)
        return Answer(int(status.removesuffix(END)), text.removesuffix(END).strip("\n"))


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

    def read_ahead(self, patience: float) -> None:
        """Begin to read the lines, for whoever asks for them next. A failure is theirs to see."""
        if self._read is None:
            self._read = asyncio.create_task(self._read_lines(patience))
            self._read.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def lines(self, patience: float) -> tuple[Line, ...]:
        """The active lines, read once in a run; `forget` after each change."""
        self.read_ahead(patience)
        assert self._read
        return await asyncio.shield(self._read)

    async def _read_lines(self, patience: float) -> tuple[Line, ...]:
        connection = await self.connection(patience)
        try:
            return parse(await run(connection, SHOW))
        except RouterError as error:
            raise RouterError(f"{self.access.host}: {error}") from error

    def forget(self) -> None:
        """The lines have changed, or may have."""
        self._read = None

    @contextlib.asynccontextmanager
    async def shell(self, patience: float, lock_seconds: int) -> AsyncIterator[Shell]:
        """VyOS's shell, with the router's lock held until it is left."""
        process = await self._process("exec sg vyattacfg -c 'exec vbash -s'", patience)  # a commit needs the group
        try:
            shell = Shell(process)
            # VyOS's functions before the lock is waited for: a router that has none is no VyOS
            said = await shell.run("source /opt/vyatta/etc/functions/script-template; type configure > /dev/null")
            if said.status:
                raise RouterError(f"this is no VyOS: {said.text}")
            said = await shell.run(
                f"exec 9> {LOCK} && flock -w {lock_seconds} 9", seconds=lock_seconds + COMMAND_SECONDS
            )
            if said.status:
                held = f"another session has held {LOCK} on the router for {lock_seconds} s"
                raise RouterError(said.text or held)
            yield shell
        finally:
            process.close()

    async def _process(self, command: str, patience: float) -> asyncssh.SSHClientProcess[str]:
        """A command that reads its standard input, on a new connection if the kept one turns out to be dead."""
        while True:
            kept = self._connection
            connection = await self.connection(patience)
            try:
                async with asyncio.timeout(START_SECONDS):
                    return await connection.create_process(command, errors="replace")
            except (OSError, asyncssh.Error) as error:
                connection.abort()
                if self._connection is connection:
                    self._connection = None
                if connection is not kept:
                    raise Unreachable("the SSH session ended") from error

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
