"""The process that services are forked from, with scripts for services."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.openstack.inside import zygote


class Zygote:
    """A zygote that has imported `json`, and what may be asked of it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.log = directory, directory / "log"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(directory / "socket"))
            listener.listen()
            self.process = subprocess.Popen([sys.executable, zygote.__file__, "json"], stdin=listener.fileno())

    def start(self, script: str, *arguments: str) -> int:
        """Fork a service of these lines; its process id."""
        file = self.directory / "service"
        file.write_text(script)
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.directory / "socket"))
            asking.sendall(" ".join([str(self.log), str(file), *arguments]).encode())
            return int(asking.recv(20))

    def wrote(self, wanted: str) -> bool:
        """Whether the log comes to hold a text, within seconds."""
        return until(lambda: self.log.exists() and wanted in self.log.read_text())


def until(ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def mother(tmp_path: Path) -> Iterator[Zygote]:
    made = Zygote(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def test_a_service_has_its_own_arguments_and_the_imports_of_the_zygote(mother: Zygote) -> None:
    mother.start("import sys\nprint('json' in sys.modules, sys.argv[1:], __name__, flush=True)", "--one", "two")
    assert mother.wrote("True ['--one', 'two'] __main__")


def test_a_service_is_no_child_of_the_zygote_and_leads_a_session(mother: Zygote) -> None:
    pid = mother.start("import time\ntime.sleep(60)")
    assert until(lambda: os.getsid(pid) == pid)
    assert Path(f"/proc/{pid}/stat").read_text().split()[3] != str(mother.process.pid)
    os.kill(pid, signal.SIGKILL)


def test_a_service_that_fails_leaves_its_traceback_and_the_zygote_goes_on(mother: Zygote) -> None:
    mother.start("raise ValueError('broken on purpose')")
    assert mother.wrote("ValueError: broken on purpose")
    mother.start("print('the next one', flush=True)")
    assert mother.wrote("the next one")


def test_a_service_does_not_hear_of_the_zygotes_socket(mother: Zygote) -> None:
    mother.start("import os\nprint(os.readlink('/proc/self/fd/0'), len(os.listdir('/proc/self/fd')), flush=True)")
    assert mother.wrote("/dev/null 4")  # three, and the listing's own
