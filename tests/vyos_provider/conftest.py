"""A router behind SSH on loopback: the lab's stand-in for VyOS on a system that only notes, with bash as its shell."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from tests.router.recorder import Recorder
from tests.router.test_shell import FILES, REPO, free_port
from vyos_provider.ssh import Access, Router

#: what stands in for programs of the router, in a directory before the others on PATH
PROGRAMS = {
    "sg": 'shift 2; exec sh -c "$1"',
    "vbash": 'exec bash "$@"',
    "sudo": 'exec "$@"',
    "swanctl": 'cat "$ROUTER/sas"',
    "ping": 'grep -q "$6" "$ROUTER/answering"',
    "ip": 'cat "$ROUTER/addresses"',
}


@dataclass
class VyosHost:
    """The router, and what it has seen."""

    directory: Path
    environment: dict[str, str]
    system: Recorder
    host_key: asyncssh.SSHKey
    user_key: asyncssh.SSHKey
    port: int = 0
    logins: int = 0
    #: every line that came in by standard input
    typed: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    #: while false, nobody is let in
    open: bool = True
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    #: called with each line before the shell gets it; may cut the connection
    before_line: Callable[[str], None] | None = None

    def access(self, host_key: asyncssh.SSHKey | None = None) -> Access:
        """How to get there; by default with its true host key."""
        public = (host_key or self.host_key).export_public_key().decode().strip()
        return Access("127.0.0.1", "vyos", self.user_key.export_private_key().decode(), public, self.port)

    def here(self, text: str) -> str:
        """A text for the router with its paths made this directory's."""
        for path in ("/opt/vyatta/etc/functions", "/opt/vyatta/bin"):
            text = text.replace(path, str(self.directory))
        return text.replace("/tmp/vpn-connect", f"{self.directory}/vpn-connect")

    def says(self, sas: str = "", addresses: str = "", answering: str = "") -> None:
        """What the router's programs show."""
        for name, text in (("sas", sas), ("addresses", addresses), ("answering", answering)):
            (self.directory / name).write_text(text)

    def show(self) -> list[str]:
        """`show configuration commands`."""
        done = subprocess.run(
            [self.directory / "vyatta-op-cmd-wrapper", "show", "configuration", "commands"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout.splitlines()

    def configure(self, *lines: str) -> None:
        """What an operator types in configuration mode."""
        script = "\n".join(
            [f"source {self.directory}/script-template", "configure", *lines, "commit", "save", "exit discard"]
        )
        done = subprocess.run(
            ["bash", "-c", script], env=self.environment, capture_output=True, text=True, check=False, timeout=20
        )
        assert "ailed" not in done.stdout + done.stderr, done.stdout

    def saved(self) -> str:
        """The configuration that the router boots into."""
        return self.system.read("/config/config.boot")

    def cut(self) -> None:
        """Cut every connection there is."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    async def process(self, process: asyncssh.SSHServerProcess[str]) -> None:
        command = process.command or ""
        self.commands.append(command)
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
        to_shell, from_shell = child.stdin, child.stdout
        assert to_shell
        assert from_shell

        async def feed() -> None:
            async for line in process.stdin:
                self.typed.append(line)
                if self.before_line:
                    self.before_line(line)
                to_shell.write(self.here(line).encode())
            to_shell.close()

        feeding = asyncio.create_task(feed())
        try:
            while part := await from_shell.read(4096):
                process.stdout.write(part.decode())
            process.exit(await child.wait())
        finally:
            feeding.cancel()
            to_shell.close()
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await child.wait()


class Server(asyncssh.SSHServer):
    """Lets the user's key in, unless the router is closed."""

    def __init__(self, host: VyosHost) -> None:
        self.host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        if not self.host.open:
            conn.abort()
            return
        self.host.logins += 1
        self.host.connections.append(conn)


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VyosHost]:
    """One daemon for all tests; each gets it with the first boot's configuration."""
    directory = tmp_path_factory.mktemp("vyos")
    (directory / "root").mkdir()
    programs = directory / "programs"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ROUTER": str(directory),
        "VYOS_STANDIN_PORT": str(free_port()),
        "VYOS_GROUP": grp.getgrgid(os.getgid()).gr_name,
        "VYOS_STANDIN_TRIES": "50",
        "LC_ALL": "C.UTF-8",
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.router.recorder", str(directory / "root")], cwd=REPO, env=environment
    )
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    host = VyosHost(directory, environment, Recorder(directory / "root"), host_key, user_key)
    for name in ("script-template", "vyatta-op-cmd-wrapper"):
        (directory / name).write_text(host.here((FILES / name).read_text()))
        (directory / name).chmod(0o755)
    yield host
    running.terminate()
    running.wait(10)


@pytest.fixture
def vyos(daemon: VyosHost) -> VyosHost:
    daemon.system.fail("")
    daemon.open, daemon.before_line, daemon.logins = True, None, 0
    daemon.typed.clear()
    daemon.commands.clear()
    daemon.says()
    daemon.configure(
        *(f"delete {node}" for node in ("firewall", "nat", "vpn", "protocols", "interfaces", "service", "system")),
        "set system host-name vyos",
        "set service ssh",
        "set interfaces ethernet eth0 address dhcp",
    )
    for path in daemon.directory.glob("vpn-connect*"):
        path.unlink()
    return daemon


@contextlib.asynccontextmanager
async def serving(host: VyosHost) -> AsyncIterator[Router]:
    """The router's SSH server, and a Router for it."""
    authorized = asyncssh.import_authorized_keys(host.user_key.export_public_key().decode())
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
        yield router
        await router.close()
        host.cut()
