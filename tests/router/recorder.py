"""A system that only notes what the stand-in asks of it; run as a program, the stand-in's daemon on such a system.

`python -m tests.router.recorder DIRECTORY`: files are kept below the directory, commands noted in its file `log`; a
command that contains the text in its file `fail` fails.
"""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lab.router.vyos_standin.__main__ import main
from lab.router.vyos_standin.system import CommandFailed, System
from toolchain.paths import REPO


class Recorder(System):
    """Notes commands, and keeps files below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.charon = False

    @property
    def log(self) -> list[str]:
        """The commands since the last `forget`, rulesets as `nft` and the tables they replace."""
        return super().read(str(self.root / "log")).splitlines()

    def forget(self) -> None:
        (self.root / "log").unlink(missing_ok=True)

    def fail(self, text: str) -> None:
        """From now on have commands fail that contain a text; none if it is empty."""
        (self.root / "fail").write_text(text)

    def hold(self, text: str) -> None:
        """From now on have commands wait that contain a text, until another is given; none if it is empty."""
        (self.root / "hold").write_text(text)

    def held(self, command: str) -> bool:
        text = super().read(str(self.root / "hold"))
        return bool(text) and text in command

    def note(self, command: str) -> None:
        with (self.root / "log").open("a") as file:
            file.write(command + "\n")
        broken = super().read(str(self.root / "fail"))
        if broken and broken in command:
            raise CommandFailed(f"{command}: broken")
        while self.held(command):
            time.sleep(0.01)

    def run(self, *command: str, check: bool = True) -> str:
        self.note(" ".join(command))
        return f"output of {command[0]}"

    def pipe(self, command: list[str], text: str, check: bool = True) -> str:
        self.note(
            " ".join([command[0], *(line.split()[-1] for line in text.splitlines() if line.startswith("delete "))])
        )
        return ""

    def console(self, text: str) -> None:
        pass

    @contextlib.contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        yield

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        super().write(f"{self.root}{path}", text, mode)

    def read(self, path: str) -> str:
        return super().read(f"{self.root}{path}")

    def start_dhcp(self, interface: str) -> None:
        self.note(f"start dhcp {interface}")

    def renew_dhcp(self, interface: str) -> None:
        self.note(f"renew dhcp {interface}")

    def stop_dhcp(self, interface: str) -> None:
        self.note(f"stop dhcp {interface}")

    def charon_runs(self) -> bool:
        return self.charon

    def start_charon(self) -> None:
        if not self.charon:
            self.note("start charon")
        self.charon = True

    def stop_charon(self) -> None:
        self.note("stop charon")
        self.charon = False

    def start_ssh(self) -> None:
        self.note("start ssh")

    def stop_ssh(self) -> None:
        self.note("stop ssh")

    def reboot(self) -> None:
        self.note("reboot")


@contextlib.contextmanager
def daemon(directory: Path, **variables: str) -> Iterator[dict[str, str]]:
    """The stand-in's daemon on a system below `directory/root`; the environment of shells that find it."""
    (directory / "root").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "VYOS_STANDIN_PORT": str(free_port()),
        "VYOS_GROUP": grp.getgrgid(os.getgid()).gr_name,
        "VYOS_STANDIN_TRIES": "50",
        "LC_ALL": "C.UTF-8",
        **variables,
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.router.recorder", str(directory / "root")], cwd=REPO, env=environment
    )
    try:
        yield environment
    finally:
        running.terminate()
        running.wait(10)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main(Recorder(Path(sys.argv[1])))
