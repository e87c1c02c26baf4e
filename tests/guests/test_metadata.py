"""What a guest makes of Nova's metadata."""

from __future__ import annotations

import base64
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

from tests.guests.conftest import SCRIPTS, script

pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="no jq")
KEYS = {"first": 'ssh-ed25519 AAAA it\'s "one" $(touch stolen)', "second": "ssh-ed25519 BBBB two"}


@dataclass
class Guest:
    """The directories that stand for a guest's, and its reader of metadata."""

    root: Path
    busybox: str

    def make_router(self) -> None:
        (self.root / "vyatta").mkdir()

    def replace(self, command: str, script: str) -> None:
        """Have the guest's reader run a script in place of a command."""
        (self.root / "bin").mkdir()
        (self.root / "bin" / command).write_text(f"#!/bin/sh\n{script}\n")
        (self.root / "bin" / command).chmod(0o755)

    def boot(self, user_data: str = "", uuid: str = "id-1", **metadata: Any) -> subprocess.CompletedProcess[str]:
        """Read metadata and user data as at a boot."""
        copy = script("metadata", self.root, path=f"PATH={self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin")
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
            "SSH_DIR": f"{self.root}/ssh",
            "VYOS_DIR": f"{self.root}/vyatta",
        }
        return subprocess.run(
            [self.busybox, "sh", str(copy), "1"],
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


def test_files_in_base64_and_their_owners(guest: Guest) -> None:
    content = bytes(range(256))
    guest.replace("chown", f'echo "$*" >> {guest.root}/owners')
    files = [
        {
            "path": f"{guest.root}/{name}",
            "content": base64.b64encode(content).decode(),
            "encoding": name,
            "owner": owner,
        }
        for name, owner in (("b64", "vyos:users"), ("base64", "root:root"))
    ]
    done = guest.boot(guest.config(write_files=files))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (guest.root / "b64").read_bytes() == (guest.root / "base64").read_bytes() == content
    assert (guest.root / "owners").read_text().splitlines()[1:] == [f"vyos:users {guest.root}/b64"]


def test_router_commands_are_left_for_the_router(guest: Guest) -> None:
    guest.make_router()
    lines = ["set system host-name 'a'", "delete interfaces ethernet eth0 address dhcp"]
    file = {"path": f"{guest.root}/ssh/ssh_host_ed25519_key", "content": "the key\n", "permissions": "0600"}
    options = {"network_config": "disabled"}
    data = guest.config(vyos_config_commands=lines, vyos_config_options=options, write_files=[file])
    assert guest.boot(data).returncode == 0
    assert (guest.root / "cloud/vyos_config_commands").read_text().splitlines() == lines
    assert (guest.root / "ssh/ssh_host_ed25519_key").read_text() == "the key\n"


def test_host_keys(guest: Guest) -> None:
    keys = {"ed25519_private": "-----BEGIN-----\nsecret\n-----END-----\n", "ed25519_public": "ssh-ed25519 AAAA\n"}
    assert guest.boot(guest.config(ssh_keys=keys)).returncode == 0
    private, public = guest.root / "ssh/ssh_host_ed25519_key", guest.root / "ssh/ssh_host_ed25519_key.pub"
    assert (private.read_text(), stat.S_IMODE(private.stat().st_mode)) == (keys["ed25519_private"], 0o600)
    assert (public.read_text(), stat.S_IMODE(public.stat().st_mode)) == (keys["ed25519_public"], 0o644)


def test_a_guest_makes_its_host_key_after_it_has_read_the_metadata() -> None:
    """So that it makes none where the metadata brings one."""
    boot = (SCRIPTS / "boot").read_text()
    assert boot.index("guest/metadata") < boot.index("[ -s /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen")


def test_metadata_is_parsed_in_one_go(guest: Guest) -> None:
    """An emulated guest needs half a second to start jq."""
    guest.replace("jq", f'echo >> {guest.root}/starts; exec {shutil.which("jq")} "$@"')
    files = [{"path": f"{guest.root}/{n}", "content": "x"} for n in range(3)]
    guest.boot(guest.config(write_files=files, runcmd=["true"]))
    assert (guest.root / "starts").read_text() == "\n"


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


REFUSED = [
    ("#cloud-config\npackages: [vim]\n", "#cloud-config must have a JSON body here"),
    ("#cloud-config\n[]", "#cloud-config must have a JSON body here"),
    ('#cloud-config\n{"packages": ["vim"], "runcmd": []}', "not supported here: packages"),
    ('#cloud-config\n{"ssh_keys": {"rsa_private": "x"}}', "not supported here: ssh_keys rsa_private"),
    ('#cloud-config\n{"write_files": [{"path": "/x", "defer": true}]}', "write_files: defer, path"),
    ('#cloud-config\n{"write_files": [{"path": "/x", "encoding": "gz"}]}', "write_files: encoding gz"),
    ('#cloud-config\n{"vyos_config_commands": []}', "not supported here: vyos_config_commands"),
    ("Content-Type: multipart/mixed\n", "neither #cloud-config nor a script"),
    ("#cloud-config\n{}" + " " * 16369, "more than 16384 bytes"),
]
REFUSED_ROUTER = [
    ('#cloud-config\n{"runcmd": []}', "not supported here: runcmd"),
    ('#cloud-config\n{"ssh_keys": {}}', "not supported here: ssh_keys"),
    ("#!/bin/sh\n", "VyOS runs no script"),
    (
        '#cloud-config\n{"vyos_config_options": {"hostname": "x"}}',
        "not supported here: vyos_config_options other than network_config: disabled",
    ),
]


@pytest.mark.parametrize(
    ("user_data", "text", "router"),
    [*((*case, False) for case in REFUSED), *((*case, True) for case in REFUSED_ROUTER)],
)
def test_other_user_data_is_refused(guest: Guest, user_data: str, text: str, router: bool) -> None:
    if router:
        guest.make_router()
    done = guest.boot(user_data, public_keys=KEYS)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"user data: {text}")
    assert (guest.root / "home/.ssh/authorized_keys").exists()  # one can log in and look


def test_16384_bytes_of_user_data_are_taken(guest: Guest) -> None:
    done = guest.boot("#cloud-config\n{}" + " " * 16367)
    assert (done.returncode, done.stdout) == (0, "")


def test_user_data_is_taken_once_an_instance_and_keys_at_each_boot(guest: Guest) -> None:
    user_data = guest.config(write_files=[{"path": f"{guest.root}/file", "content": "x"}])
    guest.boot(user_data, public_keys={"k": "old"})
    (guest.root / "file").unlink()
    guest.boot(user_data, public_keys={"k": "new"})
    assert not (guest.root / "file").exists()
    assert (guest.root / "home/.ssh/authorized_keys").read_text() == "new\n"
    guest.boot(user_data, uuid="id-2")
    assert (guest.root / "file").exists()
