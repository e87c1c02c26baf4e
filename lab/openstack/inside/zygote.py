"""Starts services by forking from one process that has imported what they share.

Seconds of every Python service's start go into the same imports: done once, two sites are up in half the time, and the
services share the memory. Runs inside the container: `zygote.py MODULE...` imports the modules, then takes connections
to the socket that is its standard input, each with a line `LOG COMMAND...`, and answers with the process id of a
service, which belongs to PID 1.
"""

from __future__ import annotations

import gc
import importlib
import os
import shlex
import socket
import sys
import traceback


def become(log: str, command: list[str]) -> None:
    """Turn this process into the service that a console script would start."""
    os.setsid()
    output, nothing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
    for own, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(own, standard)
    os.close(output)
    os.close(nothing)
    if "eventlet" in sys.modules:  # the hub's file descriptor would be everybody's
        sys.modules["eventlet.hubs"].use_hub()
    sys.argv = [os.path.join("/usr/bin", command[0]), *command[1:]]
    with open(sys.argv[0]) as script:
        code = compile(script.read(), sys.argv[0], "exec")
    exec(code, {"__name__": "__main__", "__file__": sys.argv[0]})


def serve(connection: int) -> None:
    """Fork the service that a connection asks for."""
    log, *command = shlex.split(os.read(connection, 65536).decode())
    if os.fork():
        os.wait()  # the process between, whose end gives its child to PID 1
        os.close(connection)
        return
    child = os.fork()
    if child:
        os.write(connection, b"%d\n" % child)
        os._exit(0)
    os.close(connection)
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


def main() -> None:
    listener = socket.socket(fileno=0)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    # what is imported stays: no collection of a service need look at it, and its pages stay shared
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    while True:
        serve(listener._accept()[0])  # type: ignore[attr-defined]  # as `accept` would make a socket of eventlet's


if __name__ == "__main__":
    main()
