"""A router behind SSH on loopback: the lab's stand-in for VyOS on a system that only notes, with bash as its shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from lab.router.vyos_standin.config import parse_boot
from tests.router import recorder
from tests.router.recorder import Recorder
from toolchain.paths import REPO
from vyos_provider import apply
from vyos_provider.ssh import END, Access, Router

FILES = REPO / "lab/router/files"
#: what stands in for programs of the router, in a directory before the others on PATH
PROGRAMS = {
    "sg": 'shift 2; exec sh -c "$1"',
    "vbash": 'exec bash "$@"',
    "sudo": '[ "$1" != -n ] || shift; exec "$@"',
    "swanctl": 'cat "$ROUTER/sas"',
    "ping": 'grep -q "$6" "$ROUTER/answering"',
    "ip": 'cat "$ROUTER/addresses"',
}
Hook = Callable[[str], None]


@dataclass
class VyosHost:
    """The router, and what it has seen."""

    directory: Path
    environment: dict[str, str]
    system: Recorder
    host_key: asyncssh.SSHKey
    #: the user's
    private_key: str
    port: int = 0
    logins: int = 0
    #: each command that a shell was given by its standard input
    typed: list[str] = field(default_factory=list)
    #: each command that a connection was opened for
    commands: list[str] = field(default_factory=list)
    #: while false, nobody is let in
    open: bool = True
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    #: called with each command of both kinds before and right after the router gets it; may cut
    before: Hook | None = None
    after: Hook | None = None
    #: a lost connection is not noticed: its shells go on waiting
    numb: bool = False
    children: list[asyncio.subprocess.Process] = field(default_factory=list)
    #: how many shells there are, and there were at once
    shells: int = 0
    most_shells: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def access(self, host_key: asyncssh.SSHKey | None = None) -> Access:
        """How to get there; by default with its true host key."""
        public = (host_key or self.host_key).export_public_key().decode().strip()
        return Access("127.0.0.1", "vyos", self.private_key, public, self.port)

    def connection(self) -> dict[str, object]:
        """The same as a resource's input."""
        access = self.access()
        return {
            "host": access.host,
            "user": access.user,
            "privateKey": access.private_key,
            "hostKey": access.host_key,
            "port": float(self.port),
        }

    def here(self, text: str) -> str:
        """A text for the router with its paths made this directory's."""
        for path in ("/opt/vyatta/etc/functions", "/opt/vyatta/bin"):
            text = text.replace(path, str(self.directory))
        return text.replace("/tmp/vpn-connect", f"{self.directory}/vpn-connect")

    def says(self, sas: str = "", addresses: str = "", answering: str = "") -> None:
        """What the router's programs show."""
        for name, text in (("sas", sas), ("addresses", addresses), ("answering", answering)):
            (self.directory / name).write_text(text)

    def bash(self, *lines: str) -> str:
        """What VyOS's shell prints."""
        script = "\n".join([f"source {self.directory}/script-template", *lines])
        done = subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
        )
        return done.stdout

    def show(self) -> list[str]:
        """`show configuration commands`."""
        return self.bash("show configuration commands").splitlines()

    def configure(self, *lines: str) -> None:
        """What an operator types in configuration mode."""
        said = self.bash("configure", *lines, "commit", "save", "exit discard")
        assert "ailed" not in said, said
        assert "is not valid" not in said, said

    def saved(self) -> list[str]:
        """The lines of the configuration that the router boots into."""
        return parse_boot(self.system.read("/config/config.boot")).commands()

    def confirmed(self) -> bool:
        """Whether no commit waited for its `confirm`; none waits any more."""
        return "No confirm pending" in self.bash("configure", "confirm", "exit discard")

    def reboot(self) -> None:
        """What VyOS does when nobody has confirmed a commit: everything ends, the saved configuration is loaded."""
        self.kill()
        self.bash("configure", "confirm", "load", "commit", "exit discard")
        self.empty_tmp()

    def empty_tmp(self) -> None:
        for path in self.directory.glob("vpn-connect*"):
            path.unlink()

    def cut(self) -> None:
        """Cut every connection there is."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    def kill(self) -> None:
        """End every process of the router's that came in by SSH."""
        for child in self.children:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)

    async def process(self, process: asyncssh.SSHServerProcess[str]) -> None:
        """Run a command; as with OpenSSH, it goes on to its end when its connection is lost."""
        task = asyncio.create_task(self.carry(process, process.get_extra_info("connection")))
        self.tasks.append(task)
        await asyncio.shield(task)

    async def carry(self, process: asyncssh.SSHServerProcess[str], connection: asyncssh.SSHServerConnection) -> None:
        command = process.command or ""
        self.commands.append(command)
        if self.before:
            self.before(command)
        if connection not in self.connections:
            return
        child = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self.here(command),
            env=self.environment,
            cwd=self.directory,
            start_new_session=True,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.children.append(child)
        assert child.stdin
        assert child.stdout
        if self.after:
            self.after(command)
        feeding = asyncio.create_task(self.feed(process, connection, child.stdin))
        self.shells += "vbash" in command
        self.most_shells = max(self.most_shells, self.shells)
        while part := await child.stdout.read(4096):
            with contextlib.suppress(OSError, asyncssh.Error):
                process.stdout.write(part.decode())
        status = await child.wait()
        self.shells -= "vbash" in command
        with contextlib.suppress(OSError, asyncssh.Error):
            process.exit(abs(status))
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding

    async def feed(
        self,
        process: asyncssh.SSHServerProcess[str],
        connection: asyncssh.SSHServerConnection,
        shell: asyncio.StreamWriter,
    ) -> None:
        """Give a shell what is typed, command by command."""
        text = ""
        try:
            while part := await process.stdin.read(4096):
                *whole, text = (text + part).split(END)
                for command in whole:
                    self.typed.append(command.partition("{ ")[2].rpartition("\n} ")[0])
                    if self.before:
                        self.before(self.typed[-1])
                    if connection not in self.connections:
                        return
                    shell.write(self.here(command + END).encode())
                    await shell.drain()
                    if self.after:
                        self.after(self.typed[-1])
            shell.write(self.here(text).encode())
        except (OSError, asyncssh.Error):
            pass  # the connection is lost
        finally:
            if not self.numb:
                shell.close()


class Server(asyncssh.SSHServer):
    """Lets the user's key in, unless the router is closed; forwards, as a jump host does."""

    def __init__(self, host: VyosHost) -> None:
        self.host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        if not self.host.open:
            conn.abort()
            return
        # as OpenSSH since 8.8: with an RSA key no signatures by SHA-1
        keys = conn._server_host_keys
        conn._server_host_keys = OrderedDict((name, key) for name, key in keys.items() if name != b"ssh-rsa")
        self.host.logins += 1
        self.host.connections.append(conn)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VyosHost]:
    """One daemon for all tests; each gets it with the first boot's configuration."""
    directory = tmp_path_factory.mktemp("vyos")
    programs = directory / "programs"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", "ROUTER": str(directory)}
    with recorder.daemon(directory, **variables) as environment:
        host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        private_key = user_key.export_private_key().decode()
        host = VyosHost(directory, environment, Recorder(directory / "root"), host_key, private_key)
        for name in ("script-template", "vyatta-op-cmd-wrapper"):
            (directory / name).write_text(host.here((FILES / name).read_text()))
            (directory / name).chmod(0o755)
        yield host


@pytest.fixture
def vyos(daemon: VyosHost, monkeypatch: pytest.MonkeyPatch) -> VyosHost:
    for name, seconds in (("DOOR_PATIENCE", 0.5), ("TUNNEL_PATIENCE", 0.5), ("RETURN_PATIENCE", 2.0)):
        monkeypatch.setattr(apply, name, seconds)
    daemon.system.fail("")
    daemon.open, daemon.before, daemon.after, daemon.logins, daemon.numb = True, None, None, 0, False
    daemon.most_shells = 0
    daemon.typed.clear()
    daemon.commands.clear()
    daemon.says()
    daemon.confirmed()
    daemon.configure(
        *(f"delete {node}" for node in ("firewall", "nat", "vpn", "protocols", "interfaces", "service", "system")),
        "set system host-name vyos",
        "set service ssh",
        "set interfaces ethernet eth0 address dhcp",
    )
    daemon.empty_tmp()
    return daemon


@contextlib.asynccontextmanager
async def serving(host: VyosHost) -> AsyncIterator[Router]:
    """The router's SSH server, and a Router for it."""
    user_key = asyncssh.import_private_key(host.private_key)
    authorized = asyncssh.import_authorized_keys(user_key.export_public_key().decode())
    async with asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Server(host),
        server_host_keys=[host.host_key],
        authorized_client_keys=authorized,
        process_factory=host.process,
    ) as server:
        host.port = server.get_port()
        router = Router(host.access())
        try:
            yield router
        finally:
            await router.close()
            host.cut()
            host.kill()
            await asyncio.gather(*host.tasks, return_exceptions=True)
            host.tasks.clear()
            host.children.clear()
