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


class Handler(socketserver.StreamRequestHandler):
    """One request a connection: bash opens one for less than it costs to start a process."""

    daemon: Daemon

    def handle(self) -> None:
        # a newline in a word comes as a record separator
        words = [word.replace("\x1e", "\n") for word in self.rfile.readline().decode().rstrip("\n").split("\x1f")]
        if len(words) < 2:
            return
        try:
            status, text = self.daemon.answer(words[0], words[1], words[2:])
        except Exception as error:
            status, text = 1, f"internal error: {type(error).__name__}: {error}"
        self.wfile.write(f"{text}\n\x04{status}\n".encode() if text else f"\x04{status}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    daemon = Daemon(System())
    Handler.daemon = daemon
    os.makedirs("/run/vyos-standin", exist_ok=True)
    server = Server(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = "/config/.first-boot-done"
    commands = [] if os.path.exists(done) else [line for line in daemon.system.read(FIRST_BOOT).splitlines() if line.strip()]
    daemon.boot(commands)
    if commands:
        daemon.system.write(done, "")
    daemon.system.write("/run/vyos-standin/ready", "")
    threading.Event().wait()


if __name__ == "__main__":
    main()
