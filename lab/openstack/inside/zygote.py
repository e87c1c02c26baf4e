"""Starts services by forking from one process that has imported what they share.

Seconds of every Python service's start go into the same imports: done once, two sites are up in half the time, and the
services share the memory. Runs inside the container: `zygote.py MODULE...` imports the modules that are there, then
reads lines `LOG COMMAND...` and answers each with the process id of a service that belongs to PID 1.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import traceback


def become(log: str, command: list[str]) -> None:
    """Turn this process into the service that a console script would start."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for target in (1, 2):
        os.dup2(output, target)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # the shared hub's file descriptor would be everybody's
    from eventlet import hubs  # type: ignore[import-not-found]

    hubs.use_hub()
    sys.argv = [f"/usr/bin/{command[0]}", *command[1:]]
    with open(sys.argv[0]) as script:
        code = compile(script.read(), sys.argv[0], "exec")
    exec(code, {"__name__": "__main__", "__file__": sys.argv[0]})


def main() -> None:
    answers = os.dup(1)
    os.dup2(2, 1)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    while line := sys.stdin.buffer.readline():
        log, *command = shlex.split(line.decode())
        if os.fork():
            os.wait()  # the process between, whose end gives its child to PID 1
            continue
        child = os.fork()
        if child:
            os.write(answers, b"%d\n" % child)
            os._exit(0)
        os.close(answers)
        status = 0
        try:
            become(log, command)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1 if end.code else 0
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
