"""Sessions and commits: what VyOS's configuration backend does for its shell."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable

from .apply import PARTS, Part
from .config import Config, Path, difference, parse_boot
from .schema import Refused
from .system import CommandFailed, System

BOOT_FILE = "/config/config.boot"
DEFAULT_BOOT = ("interfaces ethernet eth0 address dhcp", "service ssh", "system host-name vyos")
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
            for line in DEFAULT_BOOT:
                config.set(line.split())
        problems = []
        for command in first_commands:
            words = shlex.split(command)
            try:
                (config.delete if words[0] == "delete" else config.set)(words[1:])
            except Refused as refusal:
                problems.append(f"{command}\n{refusal}")
        failures = self.apply(config)
        if first_commands and not failures:
            self.system.write(BOOT_FILE, self.running.boot_text(), mode=0o660)
        self.system.write("/run/vyos-standin/boot.log", "\n".join([*problems, failures, ""]))
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
            "show-config": self.show_config, "load": self.load, "changed": self.changed}
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
        if session.config != session.base and arguments != ["discard"]:
            return 1, ("Cannot exit: configuration modified.\n"
                       "Use 'exit discard' to discard the changes and exit.")
        del self.sessions[session_id]
        return 0, ""

    def set(self, session: Session, path: list[str]) -> Answer:
        try:
            added = session.config.set(path)
        except Refused as refusal:
            return 1, f"{refusal}\n  Set failed"
        return 0, "" if added else f"  Configuration path: [{' '.join(path)}] already exists"

    def delete(self, session: Session, path: list[str]) -> Answer:
        try:
            removed = session.config.delete(path)
        except Refused as refusal:
            return 1, f"{refusal}\n  Delete failed"
        return 0, "" if removed else "  Nothing to delete (the specified node does not exist)"

    def compare(self, session: Session, arguments: list[str]) -> Answer:
        lines = difference(session.base, session.config)
        return 0, "\n".join(lines) or "No changes between working and active configurations."

    def show_config(self, session: Session, arguments: list[str]) -> Answer:
        return 0, session.config.boot_text().rstrip("\n") or "Configuration under specified path is empty"

    def discard(self, session: Session, arguments: list[str]) -> Answer:
        if session.config == session.base:
            return 0, "No changes have been discarded"
        session.config, session.base = self.running.copy(), self.running.copy()
        return 0, "Changes have been discarded"

    def commit(self, session: Session, arguments: list[str]) -> Answer:
        if "confirm" in arguments[:1]:
            return 1, "Use commit-confirm command"
        if session.config == session.base:
            return 1, "No configuration changes to commit"
        if not self.commit_lock.acquire(blocking=False):
            return 0, LOCKED
        try:
            failures = self.apply(self.running.changed(session.base, session.config))
            session.base = self.running.copy()
            if not failures:
                session.config = self.running.copy()
        finally:
            self.commit_lock.release()
        return 0, failures

    def apply(self, wanted: Config) -> str:
        """Commit part after part: first those that go, last first, then the others; the text tells of failures.

        A part that fails keeps its old lines; those before it stay committed and those after it are tried, as in VyOS.
        """
        failures = []
        paths = [(path, part) for part in PARTS for path in part.paths(self.running, wanted)]
        gone = [self.running.has(path) and not wanted.has(path) for path, _ in paths]
        deletions = [one for one, is_gone in zip(paths, gone, strict=True) if is_gone]
        for path, part in [*reversed(deletions), *(one for one in paths if one not in deletions)]:
            if self.running.below(path) == wanted.below(path):
                continue
            message = self.apply_part(path, part, self.running.with_part(path, wanted))
            if message:
                title = " ".join(path)
                failed = f"[[{title}]] failed" if wanted.has(path) else f"delete [ {title} ] failed"
                failures += [f"[ {title} ]", message, "", failed]
        if not failures:
            self.running = wanted.copy()  # the nodes above the parts too
        return "\n".join([*failures, "Commit failed"]) if failures else ""

    def apply_part(self, path: Path, part: Part, new: Config) -> str:
        """Verify and apply one part; the text is the first thing that is wrong with it."""
        if new.has(path):
            for message in part.verify(new, path):
                return message
        try:
            part.apply(self.system, self.running, new, path)
        except (CommandFailed, OSError) as failure:
            return str(failure)
        self.running = new
        return ""

    def save(self, session: Session, arguments: list[str]) -> Answer:
        target = arguments[0] if arguments else BOOT_FILE
        self.system.write(target, self.running.boot_text(), mode=0o660)
        saving = f"Saving configuration to '{target}'...\nDone"
        if session.config != session.base:
            return 0, f"Warning: you have uncommitted changes that will not be saved.\n\n{saving}"
        return 0, saving

    def load(self, session: Session, arguments: list[str]) -> Answer:
        if session.config != session.base:
            return 1, ("Cannot load: configuration modified.\n"
                       "Commit or discard the changes before loading a config file.")
        source = arguments[0] if arguments else BOOT_FILE
        try:
            session.config = parse_boot(self.system.read(source))
        except (Refused, ValueError) as error:
            return 1, f"{error}\nFailed to load {source}"
        return 0, f"Loading configuration from '{source}'\nLoad complete. Use 'commit' to make changes effective."

    def changed(self, session: Session, arguments: list[str]) -> Answer:
        return (0, "") if session.config != session.base else (1, "No configuration changes to commit")

    def commit_confirm(self, session: Session, arguments: list[str]) -> Answer:
        """Commit with a timer that reboots, VyOS 1.4's way back; as there, it runs whatever becomes of the commit."""
        if self.unconfirmed:
            return 1, "Another confirm is pending"
        minutes = arguments[0] if arguments and arguments[0].isdecimal() else "10"
        self.unconfirmed = threading.Timer(int(minutes) * 60, self.system.reboot)
        self.unconfirmed.daemon = True
        self.unconfirmed.start()
        status, text = self.commit(session, [])
        return status, f"Initialized commit-confirm; {minutes} minutes to confirm before reboot\n{text}".rstrip("\n")

    def confirm(self, session: Session, arguments: list[str]) -> Answer:
        if not self.unconfirmed:
            return 0, "No confirm pending"
        self.unconfirmed.cancel()
        self.unconfirmed = None
        return 0, "Reboot timer stopped"

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
