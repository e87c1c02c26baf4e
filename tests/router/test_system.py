"""What is not only noted in the other tests: files, commands that fail, and processes that are gone already."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from lab.router.vyos_standin import system
from lab.router.vyos_standin.system import CommandFailed, System


def test_a_written_file_has_its_mode_from_the_start_and_replaces_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "deep/file"
    System().write(str(file), "old")
    System().write(str(file), "new", mode=0o600)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)
    assert [path.name for path in file.parent.iterdir()] == ["file"]
    assert System().read(f"{file}.missing") == ""


def test_a_command_that_fails_says_what_it_wrote() -> None:
    with pytest.raises(CommandFailed, match=r"^sh -c cat >&2; exit 3: wrong$"):
        System().pipe(["sh", "-c", "cat >&2; exit 3"], "wrong")
    with pytest.raises(CommandFailed, match=r"^sh -c echo wrong; exit 3: wrong$"):
        System().run("sh", "-c", "echo wrong; exit 3")
    assert System().run("sh", "-c", "echo wrong; exit 3", check=False) == "wrong\n"


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "COMMAND_SECONDS", 0.1)
    with pytest.raises(CommandFailed, match=r"^sleep 30: not ended within 0\.1 s$"):
        System().run("sleep", "30")


def test_the_ssh_server_is_started_again_unless_it_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = [1, -9, 255, 0]
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: statuses.pop(0))
    said: list[str] = []
    monkeypatch.setattr(System, "console", lambda self, text: said.append(text))
    System().keep_ssh()
    assert said == ["sshd ended with 1", "sshd ended with -9", "sshd is over: 255"]


def test_a_dhcp_client_may_have_removed_its_pid_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """udhcpc does when it is ended; the file that is read here is never there."""
    client, commands = System(), []

    def run(*command: str, check: bool = True) -> str:
        commands.append(command[0])
        return ""

    monkeypatch.setattr(client, "read", lambda path: "12345\n")
    monkeypatch.setattr(client, "run", run)
    client.stop_dhcp("no-such-interface")
    assert commands == ["kill", "ip"]
