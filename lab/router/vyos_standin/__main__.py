"""The daemon's process: answers the shell functions on a port of loopback.

A request is one line, its words separated by the unit separator: operation, session, arguments. The answer is the text,
then a line with the end-of-transmission character and the exit status.
"""

from __future__ import annotations

import os
import socketserver
import threading

from . import render
from .daemon import Daemon
from .system import System

PORT = int(os.environ.get("VYOS_STANDIN_PORT", render.PORT))
FIRST_BOOT = "/run/cloud/vyos_config_commands"
FIRST_BOOT_DONE = "/config/.first-boot-done"


class Handler(socketserver.StreamRequestHandler):
    """A connection, with any number of requests: opening one costs bash less than starting a process."""

    daemon: Daemon

    def handle(self) -> None:
        for line in self.rfile:
            # a newline in a word comes as a record separator
            words = [word.replace("\x1e", "\n") for word in line.decode().rstrip("\n").split("\x1f")]
            try:
                status, text = self.daemon.answer(words[0], words[1], words[2:])
            except Exception as error:
                status, text = 1, f"internal error: {type(error).__name__}: {error}"
            self.wfile.write(f"{text}\n\x04{status}\n".encode() if text else f"\x04{status}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(system: System) -> None:
    """Answer, for ever; requests wait until the saved configuration and the first boot's commands are applied."""
    daemon = Daemon(system)
    Handler.daemon = daemon
    server = Server(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    first = [] if system.read(FIRST_BOOT_DONE) else system.read(FIRST_BOOT).splitlines()
    commands = [line for line in first if line.strip()]
    daemon.boot(commands)
    if commands:
        system.write(FIRST_BOOT_DONE, "yes\n")
    threading.Event().wait()


if __name__ == "__main__":
    main(System())
