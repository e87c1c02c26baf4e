"""The lab's copy of the stack's configuration, and what is done with state that has lost its clouds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab import budget, files, stack

SALT = "encryptionsalt: v1:abc=:v1:def\n"


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stack, "REPO", tmp_path)
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text("config:\n  a: 1\n")
    return file


def test_the_copy_keeps_its_salt_when_the_committed_file_changes(committed: Path, tmp_path: Path) -> None:
    own = tmp_path / "state" / committed.name
    stack.refreshed(own)
    assert own.read_text() == committed.read_text()
    own.write_text(own.read_text() + SALT)
    committed.write_text("config:\n  a: 2\n")
    assert stack.refreshed(own).read_text() == "config:\n  a: 2\n" + SALT
    assert "salt" not in committed.read_text()


def test_a_salt_in_the_committed_file_wins(committed: Path, tmp_path: Path) -> None:
    own = tmp_path / "state" / committed.name
    stack.refreshed(own)
    own.write_text(own.read_text() + SALT)
    committed.write_text("config: {}\nencryptionsalt: v1:own\n")
    assert stack.refreshed(own).read_text() == committed.read_text()


def test_locks_of_killed_commands_go_and_those_of_live_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPN_CONNECT_STATE", str(tmp_path))
    locks = tmp_path / f"pulumi/.pulumi/locks/organization/vpn-connect/{stack.STACK}"
    locks.mkdir(parents=True)
    dead, alive = locks / "1.json", locks / "2.json"
    dead.write_text(json.dumps({"pid": 2**22 + 1}))
    alive.write_text(json.dumps({"pid": os.getpid()}))
    stack.remove_dead_locks("s3://elsewhere")
    assert dead.exists()
    stack.remove_dead_locks(f"file://{tmp_path}/pulumi")
    assert [file.name for file in locks.iterdir()] == ["2.json"]


def test_a_file_is_put_in_place_whole_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "secret"
    files.write_whole(file, "one")
    files.write_whole(file, "two")
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["secret"]


def test_phases_span_their_resources_and_leave_out_what_stayed_the_same(tmp_path: Path) -> None:
    def event(seconds: int, kind: str, urn: str, op: str = "create") -> str:
        metadata = {"urn": f"urn:pulumi:s::p::{urn}::n", "op": op}
        return json.dumps({"timestamp": 1000 + seconds, kind: {"metadata": metadata}})

    network = "vpn-connect:index:VpnSite$openstack:networking/network:Network"
    server = "vpn-connect:index:VpnSite$openstack:compute/instance:Instance"
    log = tmp_path / "events"
    log.write_text(
        "\n".join(
            [
                json.dumps({"timestamp": 1000, "preludeEvent": {}}),
                event(2, "resourcePreEvent", network),
                event(3, "resourcePreEvent", server),
                event(5, "resOutputsEvent", network),
                event(9, "resOutputsEvent", server),
                event(9, "resOutputsEvent", "vpn-connect:index:VpnSite$command:remote:Command", "same"),
            ]
        )
    )
    assert budget.resource_phases(log) == {
        "networks, ports, floating IPs, keys": (2, 5),
        "servers until ACTIVE": (3, 9),
    }


def test_no_log_means_no_phases(tmp_path: Path) -> None:
    assert budget.resource_phases(tmp_path / "none") == {}
