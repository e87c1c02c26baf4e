"""What is not only noted in the other tests: files, commands that fail, and processes that are gone already."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab.router.vyos_standin.system import CommandFailed, System


def test_a_written_file_has_its_mode_from_the_start_and_replaces_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "deep/file"
    System().write(str(file), "old")
    System().write(str(file), "new", mode=0o600)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)
    assert [path.name for path in file.parent.iterdir()] == ["file"]
    assert System().read(f"{file}.missing") == ""


def test_a_command_that_fails_says_what_it_wrote() -> None:
    with pytest.raises(CommandFailed, match=r"^sh: wrong$"):
        System().pipe(["sh", "-c", "cat >&2; exit 3"], "wrong")
    with pytest.raises(CommandFailed, match=r"^sh -c echo wrong; exit 3: wrong$"):
        System().run("sh", "-c", "echo wrong; exit 3")
    assert System().run("sh", "-c", "echo wrong; exit 3", check=False) == "wrong\n"


def test_a_dhcp_client_may_have_removed_its_pid_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """udhcpc does when it is ended; the file that is read here is never there."""
    system, commands = System(), []

    def run(*command: str, check: bool = True) -> str:
        commands.append(command[0])
        return ""

    monkeypatch.setattr(system, "read", lambda path: "12345\n")
    monkeypatch.setattr(system, "run", run)
    system.stop_dhcp("no-such-interface")
    assert commands == ["kill", "ip"]
