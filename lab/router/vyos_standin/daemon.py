"""Sessions and commits: what VyOS's configuration backend does for its shell."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable

from .apply import PARTS, Part
from .config import Config, Path, comparison, difference, parse_boot
from .schema import Refused, resolve
from .system import CommandFailed, System

BOOT_FILE = "/config/config.boot"
BOOT_LOG = "/run/vyos-standin/boot.log"
CLOUD_LOG = "/run/cloud/log"  # what was wrong with the user data
DEFAULT_BOOT = ("interfaces ethernet eth0 address dhcp", "service ssh", "system host-name vyos")
CONFIG_DIRECTORY = "/config"
LOCKED = "Configuration system temporarily locked due to another commit in progress"
NO_CHANGES, FAILED = 1, 2  # statuses of a commit; the shell's own `commit` tells of the first only
TO_STDERR = 3  # a status: VyOS's shell writes this text to standard error
COMMAND = re.compile(r"(set|delete) ([^']+)( '(.*)')*")  # cloud-init's own expression
Answer = tuple[int, str]


class Session:
    """One user's working copy; it lives as long as the connection of the shell that opened it."""

    def __init__(self, config: Config) -> None:
        self.config, self.base = config, config.copy()


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
        """Apply the saved configuration; a first boot's commands are put into it before, as VyOS's cloud-init does."""
        problems: list[str] = []
        saved = self.system.read(BOOT_FILE)
        try:
            config = parse_boot(saved)
        except (Refused, ValueError) as error:
            problems.append(f"{BOOT_FILE}: {error}")
            config = Config()
        if not saved:
            for line in DEFAULT_BOOT:
                config.set(line.split())
        for command in first_commands:
            try:
                first_command(config, command)
            except Refused as refusal:
                problems.append(f"{command}\n{refusal}")
        if first_commands or not saved:
            self.system.write(BOOT_FILE, config.boot_text(), mode=0o660)
        problems.append(self.apply(config, self.system.console))
        self.system.write(BOOT_LOG, "\n".join([self.system.read(CLOUD_LOG), *problems]).strip() + "\n")
        self.system.console("\n".join(["configured", *filter(None, problems)]))
        self.ready.set()

    def answer(self, operation: str, session_id: str, arguments: list[str]) -> Answer:
        """Carry out one request: its exit status and the text for the user."""
        self.ready.wait(60)
        anywhere: dict[str, Callable[[list[str]], Answer]] = {
            "open": self.open, "show": self.show, "pending": self.pending, "start-timer": self.start_timer,
            "confirm": self.confirm}
        if operation in anywhere:
            return anywhere[operation](arguments)
        session = self.sessions.get(session_id)
        if session is None:
            return 1, "Invalid command: not in configuration mode"
        handlers: dict[str, Callable[[Session, list[str]], Answer]] = {
            "set": self.set, "delete": self.delete, "commit": self.commit, "compare": self.compare, "save": self.save,
            "discard": self.discard, "show-config": self.show_config, "load": self.load,
            "changed": self.changed}
        if operation not in handlers:
            return 1, f"  Invalid command: [{operation}]"
        return handlers[operation](session, arguments)

    def open(self, arguments: list[str]) -> Answer:
        self.counter += 1
        self.sessions[str(self.counter)] = Session(self.running.copy())
        return 0, str(self.counter)

    def forget(self, session_ids: Iterable[str]) -> None:
        """End sessions, with what they have not committed: their shell has left configuration mode, or is gone."""
        for session_id in session_ids:
            self.sessions.pop(session_id, None)

    def set(self, session: Session, path: list[str]) -> Answer:
        try:
            added = session.config.set(path)
        except Refused as refusal:
            return refused(refusal, "Set")
        return 0, "" if added else f"  Configuration path: [{' '.join(path)}] already exists"

    def delete(self, session: Session, path: list[str]) -> Answer:
        try:
            removed = session.config.delete(path)
        except Refused as refusal:
            return refused(refusal, "Delete")
        return 0, "" if removed else "  Nothing to delete (the specified node does not exist)"

    def compare(self, session: Session, arguments: list[str]) -> Answer:
        """`compare`, `compare saved`, `compare commands`; the text ends with an empty line, as VyOS's."""
        if arguments not in ([], ["saved"], ["commands"]):
            return 1, f"  Invalid command: compare [{' '.join(arguments)}]"  # the stand-in keeps no revisions
        before, name = session.base, "active"
        if arguments == ["saved"]:
            before, name = parse_boot(self.system.read(BOOT_FILE)), "saved"
        lines = (difference if arguments == ["commands"] else comparison)(before, session.config)
        return 0, "\n".join(lines or [f"No changes between working and {name} configurations."]) + "\n"

    def show_config(self, session: Session, arguments: list[str]) -> Answer:
        return 0, session.config.boot_text().rstrip("\n") or "Configuration under specified path is empty"

    def discard(self, session: Session, arguments: list[str]) -> Answer:
        if session.config == session.base:
            return 0, "  No changes have been discarded"
        session.config, session.base = self.running.copy(), self.running.copy()
        return 0, "  Changes have been discarded"

    def commit(self, session: Session, arguments: list[str]) -> Answer:
        if "confirm" in arguments[:1]:
            return NO_CHANGES, "Use commit-confirm command"
        if session.config == session.base:
            return NO_CHANGES, "No configuration changes to commit"
        if not self.commit_lock.acquire(blocking=False):
            return FAILED, LOCKED
        try:
            failures = self.apply(self.running.changed(session.base, session.config))
            session.base = self.running.copy()
            if not failures:
                session.config = self.running.copy()
        finally:
            self.commit_lock.release()
        return FAILED if failures else 0, failures

    def apply(self, wanted: Config, say: Callable[[str], None] = lambda part: None) -> str:
        """Commit part after part: first those that go, last first, then the others; the text tells of failures.

        A part that fails keeps its old lines; those before it stay committed and those after it are tried, as in VyOS.
        `say` is told each part before it is tried.
        """
        failures = []
        paths = [(path, part) for part in PARTS for path in part.paths(self.running, wanted)]
        gone = [self.running.has(path) and not wanted.has(path) for path, _ in paths]
        deletions = [one for one, is_gone in zip(paths, gone, strict=True) if is_gone]
        for path, part in [*reversed(deletions), *(one for one in paths if one not in deletions)]:
            if self.running.below(path) == wanted.below(path):
                continue
            title = " ".join(path)
            say(title)
            message = self.apply_part(path, part, self.running.with_part(path, wanted))
            if message:
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
        """VyOS 1.4 says nothing of a `save` that worked."""
        self.system.write(arguments[0] if arguments else BOOT_FILE, self.running.boot_text(), mode=0o660)
        if session.config != session.base:
            return 0, "Warning: you have uncommitted changes that will not be saved.\n"
        return 0, ""

    def load(self, session: Session, arguments: list[str]) -> Answer:
        """Put a saved file in the place of the session's configuration: the way back without a reboot."""
        if session.config != session.base:
            return 1, ("Cannot load: configuration modified.\n"
                       "Commit or discard the changes before loading a config file.")
        name = arguments[0] if arguments else "config.boot"
        begin = f"Loading configuration from '{name}'"
        try:
            session.config = self.saved(name)
        except (Refused, ValueError, FileNotFoundError) as error:
            return 1, str(error)
        if session.config == session.base:
            return 0, f"{begin}\nNo configuration changes to commit."
        return 0, f"{begin}\nLoad complete. Use 'commit' to make changes effective."

    def saved(self, name: str) -> Config:
        text = self.system.read(name) or self.system.read(f"{CONFIG_DIRECTORY}/{name}")
        if not text:
            raise FileNotFoundError(f"No such file '{name}'")
        return parse_boot(text)

    def changed(self, session: Session, arguments: list[str]) -> Answer:
        return (0, "") if session.config != session.base else (1, "No configuration changes to commit")

    def pending(self, arguments: list[str]) -> Answer:
        """What commit-confirm says before it asks."""
        if self.unconfirmed:
            return 1, "Another confirm is pending"
        if self.running.boot_text() != self.system.read(BOOT_FILE):
            return 0, "\nYou should save previous commits before commit-confirm !"
        return 0, ""

    def start_timer(self, arguments: list[str]) -> Answer:
        """Reboot, VyOS 1.4's way back, unless `confirm` comes first; as there, whatever becomes of the commit."""
        minutes = arguments[0]
        if not minutes.isdecimal():
            return 2, f"config-mgmt commit_confirm: error: argument -t: invalid int value: '{minutes}'"
        if self.unconfirmed:
            return 1, "Another confirm is pending"
        self.unconfirmed = threading.Timer(int(minutes) * 60, self.system.reboot)
        self.unconfirmed.daemon = True
        self.unconfirmed.start()
        return 0, f"Initialized commit-confirm; {minutes} minutes to confirm before reboot"

    def confirm(self, arguments: list[str]) -> Answer:
        """Stop the timer; VyOS saves nothing here, and needs no configuration session for it."""
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


def refused(refusal: Refused, title: str) -> Answer:
    """The texts of `set` and `delete`: of the path's faults VyOS's shell writes to standard error."""
    return TO_STDERR if str(refusal).endswith("is not valid") else 1, f"{refusal}\n  {title} failed"


def first_command(config: Config, command: str) -> None:
    """One of cloud-init's commands. It takes a value only from single quotes, and quotes only around a leaf's value."""
    words = COMMAND.fullmatch(command)
    if not words:
        raise Refused("  cloud-init does not understand this command")
    action, nodes, _, value = words.groups()
    path = [*nodes.split(), *([] if value is None else [value])]
    _, node, valued = resolve(path, for_set=action == "set")
    if (node.kind in ("leaf", "multi") and valued) != (value is not None):
        raise Refused("  cloud-init takes a leaf's value, and nothing else, in single quotes")
    (config.set if action == "set" else config.delete)(path)
