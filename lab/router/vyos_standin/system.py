"""The guest's system, as far as the stand-in touches it. Tests put a recorder in its place."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

CHARON_SOCKET = "/var/run/charon.vici"
CHARON_PID = "/var/run/charon.pid"
SSH_PID = "/run/sshd.pid"
CONSOLE = "/dev/ttyS0"
COMMAND_SECONDS = 60  # more than any command takes: one that hangs must not hold up the rest of a boot


class CommandFailed(Exception):
    """A system command failed; the text is what it wrote."""


class System:
    """Runs commands and writes files, for real."""

    def run(self, *command: str, check: bool = True) -> str:
        return self.pipe(list(command), "", check)

    def pipe(self, command: list[str], text: str, check: bool = True) -> str:
        """Run a command with a text as its input; what it wrote. CommandFailed when it does not end in time, too."""
        title = " ".join(command[:4])
        try:
            done = subprocess.run(
                command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"{title}: not ended within {COMMAND_SECONDS} s") from error
        if check and done.returncode:
            raise CommandFailed(f"{title}: {done.stdout.strip()}")
        return done.stdout

    def console(self, text: str) -> None:
        """Tell who watches the boot."""
        with contextlib.suppress(OSError), open(CONSOLE, "w") as console:
            console.write(f"[vyos {time.clock_gettime(time.CLOCK_BOOTTIME):.2f}] {text}\n")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        scratch = f"{path}.new"
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)
        os.replace(scratch, path)

    def read(self, path: str) -> str:
        try:
            with open(path) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    @contextlib.contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        """Tell on the console what this process is at when a block takes longer."""
        with open(CONSOLE, "w") as console:
            faulthandler.dump_traceback_later(seconds, file=console)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()

    def start_dhcp(self, interface: str) -> None:
        """Leave a client that the image's init has started alone."""
        pid = self.read(f"/run/udhcpc.{interface}.pid").strip()
        if pid and os.path.exists(f"/proc/{pid}"):
            return
        self.run("udhcpc", "-b", "-t", "3", "-T", "1", "-A", "2", "-S", "-p", f"/run/udhcpc.{interface}.pid",
                 "-i", interface, "-s", "/usr/libexec/guest/dhcp", "-O", "mtu", "-O", "staticroutes", "-O", "121")

    def renew_dhcp(self, interface: str) -> None:
        """Have the client ask again, and so set again what the lease says."""
        self.run("kill", "-USR1", self.read(f"/run/udhcpc.{interface}.pid").strip(), check=False)

    def stop_dhcp(self, interface: str) -> None:
        """End the client, if there is one, and what it has set."""
        pid = self.read(f"/run/udhcpc.{interface}.pid").strip()
        if pid:
            self.run("kill", pid, check=False)
            with contextlib.suppress(FileNotFoundError):  # the client removes it too
                os.unlink(f"/run/udhcpc.{interface}.pid")
            self.run("ip", "-4", "addr", "flush", "dev", interface)

    def charon_runs(self) -> bool:
        """Whether strongSwan's daemon takes commands."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(CHARON_SOCKET) == 0

    def stop_charon(self) -> None:
        """Stop strongSwan's daemon if it runs, and wait (at most 10 s); it ends its security associations itself."""
        pid = self.read(CHARON_PID).strip()
        if not pid:
            return
        self.run("kill", pid, check=False)
        deadline = time.monotonic() + 10
        while self.read(CHARON_PID) and time.monotonic() < deadline:  # removed as the last thing
            time.sleep(0.05)

    def start_charon(self) -> None:
        """Start strongSwan's daemon unless it runs, and wait (at most 20 s) until it takes commands."""
        if self.charon_runs():
            return
        with open("/var/log/charon.log", "ab") as log:
            subprocess.Popen(
                ["/usr/lib/ipsec/charon"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 20
        while not self.charon_runs():
            if time.monotonic() > deadline:
                raise CommandFailed("charon did not start; see /var/log/charon.log")
            time.sleep(0.05)

    def start_ssh(self) -> None:
        """Start the SSH server unless it runs, and again when it breaks down, as its unit does (Restart=on-failure)."""
        pid = self.read(SSH_PID).strip()
        if not pid or not os.path.exists(f"/proc/{pid}"):
            threading.Thread(target=self.keep_ssh, daemon=True).start()

    def keep_ssh(self) -> None:
        """Run the SSH server until it is stopped, or says itself that it cannot work (status 255)."""
        command = ["/usr/sbin/sshd", "-D", "-e"]
        while (status := subprocess.call(command, stdin=subprocess.DEVNULL, start_new_session=True)) not in (0, 255):
            self.console(f"sshd ended with {status}")
            time.sleep(0.1)  # RestartSec
        self.console(f"sshd is over: {status}")

    def stop_ssh(self) -> None:
        """Stop the SSH server; sessions go on."""
        if pid := self.read(SSH_PID).strip():
            self.run("kill", pid, check=False)

    def reboot(self) -> None:
        self.run("reboot")
