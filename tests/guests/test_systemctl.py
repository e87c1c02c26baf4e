"""The Linux guest's systemctl: what systemd does with Debian's unit of knot, with the real knotd."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from tests.guests.name_servers import Machines, machines, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
CONFIGURATION = """
cat > /etc/knot/knot.conf <<'END'
server:
    rundir: /run/knot
    user: knot:knot
    listen: 127.0.0.1@53
database:
    storage: /var/lib/knot
END
"""
STATE = "systemctl is-enabled knot; systemctl is-active knot.service; true"


@pytest.fixture
def guest() -> Iterator[Machines]:
    with machines({"tokyo": IPv4Address("192.168.10.253")}) as made:
        made.run("tokyo", CONFIGURATION)
        yield made


def said(guest: Machines, script: str, status: int = 0) -> list[str]:
    return guest.run("tokyo", script, status).split("\n")[:-1]


def test_a_units_life(guest: Machines) -> None:
    assert said(guest, STATE) == ["disabled", "inactive"]
    assert said(guest, f"systemctl enable --quiet --now knot; {STATE}") == ["enabled", "active"]
    assert said(guest, "systemctl start knot; systemctl reload knot; knotc status") == ["Running"]
    first, second = said(guest, "cd /run/knot; echo $(cat knot.pid); systemctl restart knot; echo $(cat knot.pid)")
    assert first != second
    assert said(guest, f"systemctl stop knot; {STATE}") == ["enabled", "inactive"]
    assert said(guest, "systemctl reload knot", 1) == ["knot.service is not active, cannot reload."]
    assert said(guest, f"systemctl start knot; systemctl disable knot; {STATE}") == ["disabled", "active"]
    assert said(guest, f"systemctl disable --now knot; {STATE}") == ["disabled", "inactive"]
    assert said(guest, "systemctl -q is-active knot", 3) == []


def test_it_runs_as_knot_with_no_more_rights(guest: Machines) -> None:
    found = said(
        guest, "systemctl start knot; grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs)' /proc/$(cat /run/knot/knot.pid)/status"
    )
    knot = said(guest, "id -u knot")[0]
    # it has bound its port with what it was given, and given it up
    assert [line.split()[1] for line in found] == [knot, "0" * 16, "0" * 16, "1"]


def test_what_a_signal_has_ended_is_started_again_and_what_has_given_up_is_not(guest: Machines) -> None:
    waiting = 'for try in $(seq 50); do sleep 0.1; cat /run/knot/knot.pid 2> /dev/null | grep -vx "$was" && break; done'
    found = said(guest, f"systemctl start knot; was=$(cat /run/knot/knot.pid); kill -SEGV $was; {waiting}")
    assert found[0].isdigit()
    assert said(guest, f"kill $(cat /run/knot/knot.pid); sleep 0.5; {STATE}")[1] == "inactive"


def test_a_configuration_that_is_not_valid_keeps_it_from_starting(guest: Machines) -> None:
    guest.run("tokyo", "echo nonsense >> /etc/knot/knot.conf")
    assert said(guest, "systemctl start knot", 1)[0].startswith("Job for knot.service failed")
    assert said(guest, STATE) == ["disabled", "inactive"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("restart ssh", "it has no unit 'ssh', only knot"),
        ("daemon-reload", "it has no unit '', only knot"),
        ("mask knot", "it has no command 'mask'"),
        ("start --now knot", "--now with start"),
        ("start knot sshd", "it has no unit 'knot sshd', only knot"),
    ],
)
def test_anything_else_is_refused(guest: Machines, command: str, text: str) -> None:
    assert said(guest, f"systemctl {command}", 1) == [f"systemctl of this guest: {text}"]


def test_what_is_enabled_starts_at_boot(guest: Machines) -> None:
    boot = "/usr/libexec/guest/boot.d/knot; wait; sleep 0.5"
    assert said(guest, f"{boot}; {STATE}") == ["disabled", "inactive"]
    waiting = "for try in $(seq 50); do systemctl -q is-active knot && break; sleep 0.1; done"
    assert said(guest, f"systemctl enable knot; {boot}; {waiting}; {STATE}") == ["enabled", "active"]
