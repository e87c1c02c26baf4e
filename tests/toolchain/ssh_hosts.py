"""SSH servers on loopback that run what they are told and remember what they have seen."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncssh

T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own, for the servers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(wait(), self.loop).result(timeout=30)

    def close(self) -> None:
        async def cancel() -> None:
            """End what still runs for clients that are gone."""
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@dataclass
class Seen:
    """What a host has seen: `open` connections now; in order, who logged in, the commands, where it was to connect."""

    open: int = 0
    connections: int = 0
    logins: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    forwards: list[tuple[str, int]] = field(default_factory=list)


class Host:
    """One server: its keys, its port (0: a free one), and what it has seen."""

    def __init__(self, loop: Loop, user_key: asyncssh.SSHKey, port: int = 0) -> None:
        self.loop, self.seen = loop, Seen()
        self.keys = {
            algorithm: asyncssh.generate_private_key(algorithm) for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256")
        }
        self.server = loop.run(
            asyncssh.listen(
                "127.0.0.1",
                port,
                server_factory=lambda: Connection(self.seen),
                server_host_keys=list(self.keys.values()),
                authorized_client_keys=asyncssh.import_authorized_keys(user_key.export_public_key().decode()),
                process_factory=self.process,
                sftp_factory=True,
                encoding=None,
                reuse_address=True,
            )
        )
        self.port = self.server.get_port()

    def host_key(self, algorithm: str = "ssh-ed25519") -> str:
        return self.keys[algorithm].export_public_key().decode().strip()

    def connection(self, private_key: str, **more: Any) -> dict[str, Any]:
        """The plugin's `connection` input for this host."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "operator",
            "privateKey": private_key,
            "hostKey": self.host_key(),
            "dialErrorLimit": 0,
            **more,
        }

    async def process(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run a command in a shell with the variables that were sent; its input is read only for a `cat` in it."""
        command = process.command or ""
        self.seen.commands.append(command)
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            env={**os.environ, **process.env},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await child.communicate(await process.stdin.read() if "cat" in command else None)
        except asyncio.CancelledError:
            child.kill()
            await child.communicate()
            raise
        process.stdout.write(stdout)
        process.stderr.write(stderr)
        if child.returncode and child.returncode < 0:
            process.exit_with_signal("TERM")
        else:
            process.exit(child.returncode or 0)

    def close(self) -> None:
        self.server.close()
        self.loop.run(self.server.wait_closed())


class Connection(asyncssh.SSHServer):
    """One client of a host; forwards for whoever is logged in, as a jump host does."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.seen.open += 1
        self.seen.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.open -= 1

    def begin_auth(self, username: str) -> bool:
        self.seen.logins.append(username)
        return True

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        self.seen.forwards.append((dest_host, dest_port))
        return True


@contextmanager
def listener(answer: bool) -> Iterator[tuple[int, list[int]]]:
    """A port that is no SSH server, and a list that grows with each connection; silent, or hanging up (`answer`)."""
    seen: list[int] = []
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, (_, port) = server.accept()
                except OSError:
                    return
                seen.append(port)
                if answer:
                    client.close()
                else:
                    kept.append(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for client in kept:
        client.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
