"""Starts services, watches them, starts again what dies."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import threading
import time

from .services import SERVICES

LOGS = "/var/log/lab"
STATUS = "/run/lab-services.json"
STARTED = time.monotonic()


def say(*words: object) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}]", *words, flush=True)


class Supervisor:
    """The services that should run, and what became of them. One thread reaps; only it calls wait()."""

    def __init__(self) -> None:
        self.running: dict[int, str] = {}
        self.restarts: dict[str, int] = {}
        self.ended: dict[int, int] = {}
        self.stopping = False
        self.listeners: dict[str, socket.socket] = {}
        threading.Thread(target=self.reap, daemon=True).start()

    def start(self, *names: str) -> None:
        for name in names:
            family = name.split("-")[0]
            pid = self.fork(family, name) if family in self.listeners else self.spawn(name)
            self.running[pid] = name
            self.restarts.setdefault(name, 0)
            if pid in self.ended and self.running.pop(pid, ""):
                self.died(name, self.ended[pid])
        self.write_status()

    def spawn(self, name: str) -> int:
        listener = self.listeners.get(name.removeprefix("zygote-"))
        with open(f"{LOGS}/{name}.log", "ab") as log:
            command = shlex.split(SERVICES[name])
            return subprocess.Popen(
                command,
                stdin=listener.fileno() if listener else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ).pid

    def hatch(self, *families: str) -> None:
        """Start the families' zygotes. What asks one that still imports, or is started again, waits for it."""
        for family in families:
            self.listeners[family] = socket.socket(socket.AF_UNIX)
            self.listeners[family].bind(f"/run/lab-{family}.sock")
            self.listeners[family].listen(32)
            self.start(f"zygote-{family}")

    def fork(self, family: str, name: str) -> int:
        """Let the family's zygote start a service; its process id."""
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as zygote, contextlib.suppress(ConnectionError):
                zygote.connect(f"/run/lab-{family}.sock")
                # named, as a forked service would take its log's name from the zygote
                own_log = f"--log-file=/var/log/{family}/{name}.log"
                zygote.sendall(f"{LOGS}/{name}.log {SERVICES[name]} {own_log}".encode())
                if answer := zygote.recv(20):
                    return int(answer)
        say("FAILED:", name, "- see", f"zygote-{family}.log")
        os._exit(1)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                time.sleep(0.1)
                continue
            self.ended[pid] = status
            name = self.running.pop(pid, None)
            if name and not self.stopping:
                self.died(name, status)
                self.write_status()

    def died(self, name: str, status: int) -> None:
        say("service", name, "ended with status", os.waitstatus_to_exitcode(status))
        self.restarts[name] += 1
        threading.Timer(2, self.start, (name,)).start()

    def write_status(self) -> None:
        status = {
            name: {"running": name in self.running.values(), "restarts": count} for name, count in self.restarts.items()
        }
        pathlib.Path(STATUS + ".new").write_text(json.dumps(status))
        os.replace(STATUS + ".new", STATUS)

    def run(self, command: str, environment: dict[str, str] | None = None, text: str = "") -> int:
        """Run a shell command to its end, its output in setup.log; its exit status."""
        with open(f"{LOGS}/setup.log", "ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        assert process.stdin
        process.stdin.write(text.encode())
        process.stdin.close()
        while process.pid not in self.ended:
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(self.ended[process.pid])

    def must(self, command: str, environment: dict[str, str] | None = None, text: str = "") -> None:
        started = time.monotonic()
        if self.run(command, environment, text):
            with open(f"{LOGS}/setup.log", errors="replace") as log:
                say("FAILED:", command, "\n", "".join(log.readlines()[-15:]))
            os._exit(1)
        say(f"{time.monotonic() - started:5.1f} s", command[:100])

    def sql(self, statements: str) -> None:
        self.must("mariadb --protocol=socket -uroot", text=statements)

    def database(self) -> None:
        self.start("mariadb", "memcached")
        until(lambda: self.run("mariadb --protocol=socket -uroot -e 'select 1'") == 0, "mariadb")

    def stop(self) -> None:
        """End the services, MariaDB in good order: its files are what a layer is made of."""
        self.stopping = True
        for pid, _ in sorted(self.running.items(), key=lambda item: item[1] == "mariadb"):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while "mariadb" in self.running.values() and time.monotonic() < deadline:
            time.sleep(0.1)


def until(ready, what: str, limit: float = 180) -> None:  # type: ignore[no-untyped-def]
    """Poll until `ready()` holds; the container ends when it does not within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not ready():
        if time.monotonic() > deadline:
            say("FAILED:", what, "did not come up within", limit, "seconds")
            os._exit(1)
        time.sleep(0.2)
    say(what, "is up")


def port(number: int) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", number)) == 0

    until(answers, f"port {number}")
