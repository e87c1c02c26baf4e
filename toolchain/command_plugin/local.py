"""Commands on this machine."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import Any

from toolchain.command_plugin.ssh import Log, outcome
from toolchain.command_plugin.values import Properties

Children = set["subprocess.Popen[str]"]


def run_local(command: str, inputs: Properties, environment: dict[str, str], log: Log,
              children: Children) -> dict[str, str]:
    """Run a command with `interpreter` (/bin/sh -c), in `dir`; its output, or Failed as for a remote command."""
    process = subprocess.Popen(
        [*(inputs.get("interpreter") or ["/bin/sh", "-c"]), command], cwd=inputs.get("dir") or None,
        env={**os.environ, **environment}, start_new_session=True, text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    children.add(process)
    got: list[tuple[str, str]] = []

    def pump(name: str, stream: Any) -> None:
        for line in stream:
            got.append((name, line))
            log(name, line)

    pumps = [threading.Thread(target=pump, args=(name, getattr(process, name))) for name in ("stdout", "stderr")]
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
    return outcome(f"exit status {status}" if status >= 0 else f"signal {-status}", got)
