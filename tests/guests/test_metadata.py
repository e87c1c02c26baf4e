"""What a guest makes of Nova's metadata."""

from __future__ import annotations

import getpass
import json
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.guests.conftest import SCRIPTS

pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="no jq")
KEYS = {"first": 'ssh-ed25519 AAAA it\'s "one" $(touch stolen)', "second": "ssh-ed25519 BBBB two"}


@dataclass
class Guest:
    """The directories that stand for a guest's, and its reader of metadata."""

    root: Path
    busybox: str

    def boot(self, user_data: str = "", uuid: str = "id-1", **metadata: Any) -> subprocess.CompletedProcess[str]:
        """Read metadata and user data as at a boot."""
        for directory in ("cloud", "home", "log"):
            (self.root / directory).mkdir(exist_ok=True)
        (self.root / "user").write_text(getpass.getuser())
        (self.root / "cloud/meta_data.json").write_text(
            json.dumps({"uuid": uuid, "hostname": "guest.novalocal", **metadata})
        )
        (self.root / "cloud/user_data").write_text(user_data)
        environment = {
            "METADATA_TEST": "1",
            "CLOUD_DIR": f"{self.root}/cloud",
            "USER_FILE": f"{self.root}/user",
            "HOME_DIR": f"{self.root}/home",
            "DONE_FILE": f"{self.root}/done",
            "LOG_DIR": f"{self.root}/log",
        }
        return subprocess.run(
            [self.busybox, "sh", str(SCRIPTS / "metadata"), "1"],
            env=environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=20,
        )

    def config(self, **keys: Any) -> str:
        return "#cloud-config\n" + json.dumps(keys)

    def eventually(self, name: str) -> str:
        """The text of a file that something in the background writes."""
        deadline = time.monotonic() + 10
        while not (self.root / name).exists() or not (self.root / name).read_text():
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.02)
        return (self.root / name).read_text()


@pytest.fixture
def guest(tmp_path: Path, busybox: str) -> Guest:
    return Guest(tmp_path, busybox)


def test_keys_are_taken_as_they_are(guest: Guest) -> None:
    assert guest.boot(public_keys=KEYS).returncode == 0
    file = guest.root / "home/.ssh/authorized_keys"
    assert sorted(file.read_text().splitlines()) == sorted(KEYS.values())
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert not (guest.root / "stolen").exists()


def test_no_keys_and_no_user_data(guest: Guest) -> None:
    done = guest.boot()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (guest.root / "done").read_text() == "id-1\n"


def test_files_and_their_modes(guest: Guest) -> None:
    text = "a 'quoted'\n\"text\" $HOME\nwithout an end of line"
    user_data = guest.config(
        write_files=[
            {"path": f"{guest.root}/deep/er/secret", "content": text, "permissions": "0600"},
            {"path": f"{guest.root}/plain", "content": "x\n"},
        ]
    )
    assert guest.boot(user_data).returncode == 0
    secret, plain = guest.root / "deep/er/secret", guest.root / "plain"
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == (text, 0o600)
    assert (plain.read_text(), stat.S_IMODE(plain.stat().st_mode)) == ("x\n", 0o644)


def test_router_commands_are_left_for_the_router(guest: Guest) -> None:
    lines = ["set system host-name 'a'", "delete interfaces ethernet eth0 address dhcp"]
    assert guest.boot(guest.config(vyos_config_commands=lines)).returncode == 0
    assert (guest.root / "cloud/vyos_config_commands").read_text().splitlines() == lines


def test_commands_run_with_and_without_a_shell(guest: Guest) -> None:
    assert (
        guest.boot(guest.config(runcmd=[["printf", "%s\n", "two words $HOME"], "echo $((1 + 1)) > sum"])).returncode
        == 0
    )
    assert guest.eventually("sum") == "2\n"
    assert (guest.root / "log/runcmd.log").read_text() == "two words $HOME\n"


def test_a_script_runs(guest: Guest) -> None:
    assert guest.boot("#!/bin/sh\necho ran\n").returncode == 0
    assert guest.eventually("log/user_data.log") == "ran\n"


@pytest.mark.parametrize(
    ("user_data", "text"),
    [
        ("#cloud-config\npackages: [vim]\n", "user data: #cloud-config must have a JSON body here"),
        ('#cloud-config\n{"packages": ["vim"], "runcmd": []}', "user data: not supported here: packages"),
        ("Content-Type: multipart/mixed\n", "user data: neither #cloud-config nor a script"),
    ],
)
def test_other_user_data_is_refused(guest: Guest, user_data: str, text: str) -> None:
    done = guest.boot(user_data, public_keys=KEYS)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, text)
    assert (guest.root / "home/.ssh/authorized_keys").exists()  # one can log in and look


def test_user_data_is_taken_once_an_instance_and_keys_at_each_boot(guest: Guest) -> None:
    user_data = guest.config(write_files=[{"path": f"{guest.root}/file", "content": "x"}])
    guest.boot(user_data, public_keys={"k": "old"})
    (guest.root / "file").unlink()
    guest.boot(user_data, public_keys={"k": "new"})
    assert not (guest.root / "file").exists()
    assert (guest.root / "home/.ssh/authorized_keys").read_text() == "new\n"
    guest.boot(user_data, uuid="id-2")
    assert (guest.root / "file").exists()
