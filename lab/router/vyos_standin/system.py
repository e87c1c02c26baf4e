"""The guest's system, as far as the stand-in touches it. Tests put a recorder in its place."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time

CHARON_SOCKET = "/var/run/charon.vici"
CHARON_PID = "/var/run/charon.pid"
SSH_PID = "/run/sshd.pid"


class CommandFailed(Exception):
    """A system command failed; the text is what it wrote."""


class System:
    """Runs commands and writes files, for real."""

    def run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if check and done.returncode:
            raise CommandFailed(f"{' '.join(command[:4])}: {done.stdout.strip()}")
        return done.stdout

    def pipe(self, command: list[str], text: str) -> None:
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise CommandFailed(f"{command[0]}: {done.stdout.strip()}")

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
        """Start the SSH server unless it runs."""
        pid = self.read(SSH_PID).strip()
        if not pid or not os.path.exists(f"/proc/{pid}"):
            subprocess.Popen(["/usr/sbin/sshd", "-D", "-e"], stdin=subprocess.DEVNULL, start_new_session=True)

    def stop_ssh(self) -> None:
        """Stop the SSH server; sessions go on."""
        if pid := self.read(SSH_PID).strip():
            self.run("kill", pid, check=False)

    def reboot(self) -> None:
        self.run("reboot")
