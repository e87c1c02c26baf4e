"""Commands on this machine."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import Any

from toolchain.command_plugin.ssh import Failed, Log
from toolchain.command_plugin.values import Properties

Children = set["subprocess.Popen[str]"]


def run_local(command: str, inputs: Properties, environment: dict[str, str], log: Log, children: Children) -> dict[str, str]:
    """Run a command with `interpreter` (/bin/sh -c), in `dir`; its output, or Failed as for a remote command."""
    process = subprocess.Popen(
        [*(inputs.get("interpreter") or ["/bin/sh", "-c"]), command], cwd=inputs.get("dir") or None, text=True,
        env={**os.environ, **environment}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    children.add(process)
    got: dict[str, list[str]] = {"stdout": [], "stderr": []}

    def pump(name: str, stream: Any) -> None:
        for line in stream:
            got[name].append(line)
            log(name, line)

    pumps = [threading.Thread(target=pump, args=(name, getattr(process, name))) for name in got]
    for thread in pumps:
        thread.start()
    assert process.stdin
    try:
        process.stdin.write(inputs.get("stdin") or "")
        process.stdin.close()
    except BrokenPipeError:
        pass  # a command need not read its input
    for thread in pumps:
        thread.join()
    status = process.wait()
    children.discard(process)
    output = {name: "".join(lines).removesuffix("\n") for name, lines in got.items()}
    if status:
        raise Failed(f"exit status {status}: {output['stderr'] or output['stdout']}")
    return output
