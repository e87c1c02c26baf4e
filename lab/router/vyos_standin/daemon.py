"""Sessions and commits: what VyOS's configuration backend does for its shell."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable

from .apply import PARTS
from .config import Config, difference, parse_boot
from .schema import Refused
from .system import CommandFailed, System

BOOT_FILE = "/config/config.boot"
DEFAULT_BOOT = [["interfaces", "ethernet", "eth0", "address", "dhcp"], ["service", "ssh"], ["system", "host-name", "vyos"]]
LOCKED = "Configuration system temporarily locked due to another commit in progress"
Answer = tuple[int, str]


class Session:
    """One user's working copy; it lives as long as the shell that opened it."""

    def __init__(self, pid: int, config: Config) -> None:
        self.pid, self.config, self.base = pid, config, config.copy()


class Daemon:
    """The running configuration, the sessions, and the commands that the shell functions send."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.running = Config()
        self.sessions: dict[str, Session] = {}
        self.commit_lock = threading.Lock()
        self.unconfirmed: threading.Timer | None = None
        self.ready = threading.Event()
        self.counter = 0

    def boot(self, first_commands: list[str]) -> None:
        """Apply the saved configuration, then the first boot's commands, which are saved as well."""
        saved = self.system.read(BOOT_FILE)
        config = parse_boot(saved) if saved else Config()
        if not saved:
            for line in DEFAULT_BOOT[:1] + DEFAULT_BOOT[2:]:
                config.set(line)
        problems = []
        for command in first_commands:
            words = shlex.split(command)
            try:
                (config.delete if words[0] == "delete" else config.set)(words[1:])
            except Refused as refusal:
                problems.append(f"{command}\n{refusal}")
        status, text = self.apply(config)
        if first_commands and status == 0:
            self.system.write(BOOT_FILE, self.running.boot_text(), mode=0o660)
        self.system.write("/run/vyos-standin/boot.log", "\n".join([*problems, text, ""]))
        self.ready.set()

    def answer(self, operation: str, session_id: str, arguments: list[str]) -> Answer:
        """Carry out one request: its exit status and the text for the user."""
        self.ready.wait(60)
        if operation == "open":
            return self.open(int(arguments[0]))
        if operation == "show":
            return self.show(arguments)
        session = self.sessions.get(session_id)
        if session is None:
            return 1, "Invalid command: not in configuration mode"
        handlers: dict[str, Callable[[Session, list[str]], Answer]] = {
            "set": self.set, "delete": self.delete, "commit": self.commit, "compare": self.compare, "save": self.save,
            "discard": self.discard, "commit-confirm": self.commit_confirm, "confirm": self.confirm,
            "show-config": self.show_config, "load": self.load}
        if operation == "close":
            return self.close(session_id, arguments)
        if operation not in handlers:
            return 1, f"  Invalid command: [{operation}]"
        return handlers[operation](session, arguments)

    def open(self, pid: int) -> Answer:
        self.sessions = {key: kept for key, kept in self.sessions.items() if os.path.exists(f"/proc/{kept.pid}")}
        self.counter += 1
        self.sessions[str(self.counter)] = Session(pid, self.running.copy())
        return 0, str(self.counter)

    def close(self, session_id: str, arguments: list[str]) -> Answer:
        session = self.sessions[session_id]
        if session.config.lines != session.base.lines and arguments != ["discard"]:
            return 1, ("Cannot exit: configuration modified.\n"
                       "Use 'exit discard' to discard the changes and exit.")
        del self.sessions[session_id]
        return 0, ""

    def set(self, session: Session, path: list[str]) -> Answer:
        try:
            if not session.config.set(path):
                return 0, f"  Configuration path: [{' '.join(path)}] already exists"
        except Refused as refusal:
            return 1, f"{refusal}\n  Set failed"
        return 0, ""

    def delete(self, session: Session, path: list[str]) -> Answer:
        try:
            if not session.config.delete(path):
                return 0, "  Nothing to delete (the specified node does not exist)"
        except Refused as refusal:
            return 1, f"{refusal}\n  Delete failed"
        return 0, ""

    def compare(self, session: Session, arguments: list[str]) -> Answer:
        lines = difference(session.base, session.config)
        return 0, "\n".join(lines) or "No changes between working and active configurations."

    def show_config(self, session: Session, arguments: list[str]) -> Answer:
        return 0, session.config.boot_text().rstrip("\n") or "Configuration under specified path is empty"

    def discard(self, session: Session, arguments: list[str]) -> Answer:
        if session.config.lines == session.base.lines:
            return 0, "No changes have been discarded"
        session.config, session.base = self.running.copy(), self.running.copy()
        return 0, "Changes have been discarded"

    def commit(self, session: Session, arguments: list[str]) -> Answer:
        if session.config.lines == session.base.lines:
            return 1, "No configuration changes to commit"
        if not self.commit_lock.acquire(blocking=False):
            return 0, f"{LOCKED}\nCommit failed"
        try:
            # what others have committed since this session was opened stays
            wanted = Config((self.running.lines - (session.base.lines - session.config.lines))
                            | (session.config.lines - session.base.lines))
            status, text = self.apply(single_values(wanted, session.config))
        finally:
            self.commit_lock.release()
        if status == 0:
            session.config, session.base = self.running.copy(), self.running.copy()
        else:
            session.base = self.running.copy()
        return 0, text

    def apply(self, wanted: Config) -> Answer:
        """Commit part after part. A part that fails keeps its old lines; those before it stay committed, as in VyOS."""
        failures = []
        for part in PARTS:
            old = self.running.copy()
            new = Config((old.lines - old.part(part.prefixes)) | wanted.part(part.prefixes))
            if old.lines == new.lines:
                continue
            messages = list(part.verify(new))
            if not messages:
                try:
                    part.apply(self.system, old, new)
                except CommandFailed as failure:
                    messages = [str(failure)]
            if messages:
                failures += [*messages, "", f"[[{part.title}]] failed"]
            else:
                self.running = new
        return (1, "\n".join([*failures, "Commit failed"])) if failures else (0, "")

    def save(self, session: Session, arguments: list[str]) -> Answer:
        target = arguments[0] if arguments else BOOT_FILE
        self.system.write(target, self.running.boot_text(), mode=0o660)
        return 0, f"Saving configuration to '{target}'...\nDone"

    def load(self, session: Session, arguments: list[str]) -> Answer:
        source = arguments[0] if arguments else BOOT_FILE
        try:
            session.config = parse_boot(self.system.read(source))
        except (Refused, ValueError) as error:
            return 1, f"{error}\nFailed to load {source}"
        return 0, f"Loading configuration from '{source}'\nLoad complete. Use 'commit' to make changes effective."

    def commit_confirm(self, session: Session, arguments: list[str]) -> Answer:
        if self.unconfirmed:
            return 1, "Another confirm is pending"
        minutes = float(arguments[0]) if arguments else 10
        status, text = self.commit(session, [])
        if status == 0 and not text:
            self.unconfirmed = threading.Timer(minutes * 60, self.system.reboot)  # 1.4 goes back by rebooting
            self.unconfirmed.daemon = True
            self.unconfirmed.start()
        return status, text

    def confirm(self, session: Session, arguments: list[str]) -> Answer:
        if not self.unconfirmed:
            return 1, "No confirm pending"
        self.unconfirmed.cancel()
        self.unconfirmed = None
        return 0, ""

    def show(self, arguments: list[str]) -> Answer:
        """Operational mode's `show`."""
        match arguments:
            case ["configuration", "commands"]:
                return 0, "\n".join(self.running.commands())
            case ["configuration"]:
                return 0, self.running.boot_text().rstrip("\n")
            case ["version"]:
                return 0, "Version:          VyOS 1.4 (stand-in)"
            case ["interfaces"]:
                return 0, self.system.run("ip", "-br", "addr")
            case ["ip", "route"]:
                return 0, self.system.run("ip", "route", "show", "table", "all", "type", "unicast")
            case ["vpn", "ike" | "ipsec", "sa"]:
                return 0, self.system.run("swanctl", "--list-sas", check=False)
        return 1, f"  Invalid command: show [{' '.join(arguments)}]"


def single_values(merged: Config, preferred: Config) -> Config:
    """A merge with one value for each single-valued leaf: the committing session's."""
    result = merged.copy()
    for line in preferred.lines & merged.lines:
        result.lines.discard(line)
        result.set(list(line))
    return result
