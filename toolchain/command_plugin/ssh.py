"""Commands and copies over SSH, as the `connection` input describes it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncssh

from toolchain.command_plugin.values import ARCHIVE, ASSET, SIGNATURE, Properties

# The official plugin retries with the SDK's retry.Until: 0.1 s, half as long again each time, 5 s at most.
FIRST_DELAY, BACKOFF, LONGEST_DELAY = 0.1, 1.5, 5.0
Log = Callable[[str, str], None]


class Failed(Exception):
    """A command or a connection failed; the text is for the user."""


async def run_remote(command: str, inputs: Properties, environment: dict[str, str], log: Log) -> dict[str, str]:
    """Run a command on the host; its output, or Failed with what it wrote."""
    async with connected(inputs["connection"]) as ssh:
        process = await ssh.create_process(command, env=environment, errors="replace")
        got: list[tuple[str, str]] = []

        async def pump(name: str) -> None:
            async for line in getattr(process, name):
                got.append((name, line))
                await asyncio.to_thread(log, name, line)

        with contextlib.suppress(BrokenPipeError):  # a command need not read its input
            process.stdin.write(inputs.get("stdin") or "")
            process.stdin.write_eof()
        await asyncio.gather(pump("stdout"), pump("stderr"))
        await process.wait_closed()
        if process.exit_signal:
            return outcome(f"signal {process.exit_signal[0]}", got)
        return outcome("connection lost" if process.exit_status is None else f"exit status {process.exit_status}", got)


def outcome(ending: str, got: list[tuple[str, str]]) -> dict[str, str]:
    """A command's output by stream; Failed, with all of it in its order, when it did not end well."""
    if ending != "exit status 0":
        raise Failed(f"{ending}: {''.join(line for _, line in got)}".strip())
    return {name: "".join(line for stream, line in got if stream == name).removesuffix("\n")
            for name in ("stdout", "stderr")}


async def copy_to_remote(inputs: Properties) -> None:
    """Copy the asset or archive `source` to `remotePath` by SFTP."""
    source, target = inputs["source"], inputs["remotePath"]
    with tempfile.TemporaryDirectory() as scratch:
        path = source.get("path") or materialise(source, Path(scratch))
        async with connected(inputs["connection"]) as ssh, ssh.start_sftp_client() as sftp:
            await sftp.put(path, target, recurse=os.path.isdir(path))


def materialise(source: Properties, scratch: Path) -> str:
    """Write an asset or archive that was given as text to files; their path."""
    target = scratch / "source"
    if source.get(SIGNATURE) == ASSET:
        target.write_text(source.get("text", ""))
    elif source.get(SIGNATURE) == ARCHIVE:
        for name, item in (source.get("assets") or {}).items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            text = item.get("text")
            file.write_bytes(text.encode() if text is not None else Path(item["path"]).read_bytes())
    else:
        raise Failed("source: only assets and archives of texts and paths can be copied")
    return str(target)


@contextlib.asynccontextmanager
async def connected(connection: Properties) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection to the host, through `proxy` where one is given; both are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        proxy = connection.get("proxy")
        tunnel = await stack.enter_async_context(await dial(proxy)) if proxy else None
        yield await stack.enter_async_context(await dial(connection, tunnel))


async def dial(connection: Properties,
               tunnel: asyncssh.SSHClientConnection | None = None) -> asyncssh.SSHClientConnection:
    """Try until it answers: `dialErrorLimit` errors pass (10; below 0: any), `perDialTimeout` seconds each (15).

    A wrong host key ends it at once: unlike a host that boots, it does not get better.
    """
    host, port, options = connection["host"], int(connection.get("port") or 22), await ssh_options(connection)
    limit = int(connection.get("dialErrorLimit", 10))
    timeout = connection.get("perDialTimeout", 15) or None
    attempt, delay = 0, FIRST_DELAY
    while True:
        try:
            return await asyncio.wait_for(asyncssh.connect(host, port, tunnel=tunnel or (), **options), timeout)
        except (asyncssh.HostKeyNotVerifiable, asyncssh.PermissionDenied) as error:
            reason = "the host's key is not the expected one" if isinstance(error, asyncssh.HostKeyNotVerifiable) \
                else "the host refused the user or the key"
            final = isinstance(error, asyncssh.HostKeyNotVerifiable)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            reason, final = f"{type(error).__name__}: {error}", False
        attempt += 1
        if final or 0 <= limit < attempt:
            raise Failed(f"cannot connect to {host}:{port}, tried {attempt} times: {reason}")
        await asyncio.sleep(delay)
        delay = min(delay * BACKOFF, LONGEST_DELAY)


async def ssh_options(connection: Properties) -> dict[str, Any]:
    """asyncssh's options for a `connection`; nothing of the user's own SSH configuration is read."""
    options: dict[str, Any] = {
        "username": connection.get("user") or "root", "config": None, "known_hosts": None, "client_keys": None,
        "agent_path": connection.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")}
    if connection.get("hostKey"):
        options["known_hosts"] = ([asyncssh.import_public_key(connection["hostKey"])], [], [])  # this key and no other
    if connection.get("privateKey"):
        password = connection.get("privateKeyPassword")
        options["client_keys"] = [asyncssh.import_private_key(connection["privateKey"], password)]
    elif options["agent_path"]:
        async with asyncssh.connect_agent(options["agent_path"]) as agent:
            options["client_keys"] = await agent.get_keys()
    if connection.get("password"):
        options["password"] = connection["password"]
    return options
