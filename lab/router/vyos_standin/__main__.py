"""The daemon's process: answers the shell functions on a port of loopback.

A request is one line, its words separated by the unit separator: operation, session, arguments. The answer is the text,
then a line with the end-of-transmission character and the exit status.
"""

from __future__ import annotations

import os
import socket
import threading

from . import render
from .daemon import Daemon
from .system import System

PORT = int(os.environ.get("VYOS_STANDIN_PORT", render.PORT))
FIRST_BOOT = "/run/cloud/vyos_config_commands"
FIRST_BOOT_DONE = "/config/.first-boot-done"
BOOT_SECONDS = 60  # four times what it takes under emulation


def serve(daemon: Daemon, connection: socket.socket) -> None:
    """A connection's requests: opening one costs bash less than starting a process. What it opened ends with it."""
    opened: set[str] = set()
    with connection, connection.makefile("rwb") as stream:
        try:
            for line in stream:
                # a newline in a word comes as a record separator
                words = [word.replace("\x1e", "\n") for word in line.decode().rstrip("\n").split("\x1f")]
                status, text = answer(daemon, words)
                if words[0] == "open":
                    opened.add(text)
                stream.write(f"{text}\n\x04{status}\n".encode() if text else f"\x04{status}\n".encode())
                stream.flush()
        except OSError:
            pass  # the shell is gone; what it had asked for is done
        finally:
            daemon.forget(opened)


def answer(daemon: Daemon, words: list[str]) -> tuple[int, str]:
    try:
        return daemon.answer(words[0], words[1], words[2:])
    except Exception as error:
        return 1, f"internal error: {type(error).__name__}: {error}"


def listen(daemon: Daemon, server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(daemon, connection), daemon=True).start()


def main(system: System) -> None:
    """Answer, for ever; requests wait until the saved configuration and the first boot's commands are applied."""
    daemon = Daemon(system)
    server = socket.create_server(("127.0.0.1", PORT))
    threading.Thread(target=listen, args=(daemon, server), daemon=True).start()
    first = [] if system.read(FIRST_BOOT_DONE) else system.read(FIRST_BOOT).splitlines()
    commands = [line for line in first if line.strip()]
    with system.watched(BOOT_SECONDS):
        daemon.boot(commands)
    if commands:
        system.write(FIRST_BOOT_DONE, "yes\n")
    threading.Event().wait()


if __name__ == "__main__":
    main(System())
