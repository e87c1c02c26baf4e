"""Commands and copies over SSH, as the `connection` input describes it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
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
    """Run a command on the host; its output, or Failed with what it wrote to stderr (or else stdout)."""
    async with await connect(inputs["connection"]) as ssh:
        process = await ssh.create_process(command, env=environment)
        if inputs.get("stdin"):
            process.stdin.write(inputs["stdin"])
        process.stdin.write_eof()
        got: dict[str, list[str]] = {"stdout": [], "stderr": []}

        async def pump(name: str) -> None:
            async for line in getattr(process, name):
                got[name].append(line)
                await asyncio.to_thread(log, name, line)

        await asyncio.gather(pump("stdout"), pump("stderr"))
        done = await process.wait()
    output = {name: "".join(lines).removesuffix("\n") for name, lines in got.items()}
    if done.exit_status != 0:
        raise Failed(f"exit status {done.exit_status}: {output['stderr'] or output['stdout']}")
    return output


async def copy_to_remote(inputs: Properties) -> None:
    """Copy the asset or archive `source` to `remotePath` by SFTP."""
    source, target = inputs["source"], inputs["remotePath"]
    with tempfile.TemporaryDirectory() as scratch:
        path = source.get("path") or materialise(source, Path(scratch))
        async with await connect(inputs["connection"]) as ssh, ssh.start_sftp_client() as sftp:
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


async def connect(connection: Properties) -> asyncssh.SSHClientConnection:
    """Connect to the host, through `proxy` where one is given."""
    proxy = connection.get("proxy")
    return await dial(connection, await dial(proxy) if proxy else None)


async def dial(connection: Properties, tunnel: asyncssh.SSHClientConnection | None = None) -> asyncssh.SSHClientConnection:
    """Try until it answers, `dialErrorLimit` times (10; below 0: for ever), `perDialTimeout` seconds each (15)."""
    host, port, options = connection["host"], int(connection.get("port") or 22), ssh_options(connection)
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
        if final or 0 <= limit <= attempt:
            raise Failed(f"cannot connect to {host}:{port}, tried {attempt} times: {reason}")
        await asyncio.sleep(delay)
        delay = min(delay * BACKOFF, LONGEST_DELAY)


def ssh_options(connection: Properties) -> dict[str, Any]:
    """asyncssh's options for a `connection`; nothing of the user's own SSH configuration is read."""
    options: dict[str, Any] = {
        "username": connection.get("user") or "root", "config": None, "known_hosts": None, "client_keys": None,
        "agent_path": connection.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")}
    if connection.get("hostKey"):
        port = int(connection.get("port") or 22)
        options["known_hosts"] = asyncssh.import_known_hosts(f"[{connection['host']}]:{port} {connection['hostKey']}\n")
    if connection.get("privateKey"):
        options["client_keys"] = [asyncssh.import_private_key(connection["privateKey"], connection.get("privateKeyPassword"))]
    if connection.get("password"):
        options["password"] = connection["password"]
    return options
