"""The connection is lost in the middle of a change: the router ends with its old lines or with the new ones."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.vyos_provider.conftest import VyosHost
from tests.vyos_provider.test_apply import (
    NEW,
    OLD_ALL,
    PART,
    TAKEN_BACK,
    UNTOUCHED,
    assert_as_before,
    have_old,
    own,
    run,
)
from vyos_provider import apply as module
from vyos_provider import ssh
from vyos_provider.apply import ApplyFailed, apply
from vyos_provider.ssh import Router

#: commands that a change of PART sends to the router, one after another
POINTS = 28
#: the first of them from which on something may have been committed
COMMIT = 14
WITHIN = "VyOS takes it back within 2 min"
UNSURE = "Unless the commit was just confirmed: VyOS takes it back within 2 min"
ACTIVE = "The new configuration is active"


class Cut:
    """Cuts all connections at a command, counted from 1, before the router gets it or right after."""

    def __init__(self, host: VyosHost, point: int, late: bool, close: bool) -> None:
        self.host, self.point, self.close = host, point, close
        self.counted = itertools.count(1)
        self.now = False
        host.before = self.before
        if late:
            host.after = self.after
        self.late = late

    def before(self, command: str) -> None:
        self.now = next(self.counted) == self.point
        if self.now and not self.late:
            self.cut()

    def after(self, command: str) -> None:
        if self.now:
            self.cut()

    def cut(self) -> None:
        self.host.open = not self.close
        self.host.cut()


async def apply_anew(host: VyosHost, router: Router) -> bool:
    """What the next run of the program does."""
    host.before = host.after = None
    host.open = True
    other = Router(router.access)
    try:
        return await apply(other, PART, "link", patience=5)
    finally:
        await other.close()


def assert_new(host: VyosHost) -> None:
    """The new lines are active and saved, and nothing is left over."""
    assert own(host.show()) == NEW
    assert own(host.saved()) == NEW
    assert host.confirmed()
    assert not (host.directory / "vpn-connect.pending").exists()


def test_the_points_are_all_there_are(vyos: VyosHost) -> None:
    have_old(vyos)
    run(vyos, lambda router: apply(router, PART, "link", patience=2))
    assert len(vyos.typed) + len(vyos.commands) == POINTS
    assert vyos.typed.index("commit-confirm 2") + 3 == COMMIT + 1  # two commands with connections before it


@pytest.mark.thorough
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", range(1, POINTS + 1))
def test_a_lost_connection_takes_back(vyos: VyosHost, point: int, late: bool) -> None:
    """The router can be reached again at once."""
    have_old(vyos)

    async def work(router: Router) -> None:
        Cut(vyos, point, late, close=False)
        with pytest.raises(ApplyFailed, match=f"the SSH session ended\n({UNTOUCHED}|{TAKEN_BACK})"):
            await apply(router, PART, "link", patience=2)
        assert_as_before(vyos)
        await apply_anew(vyos, router)

    run(vyos, work)
    assert_new(vyos)


@pytest.mark.thorough
@pytest.mark.parametrize("timer", [False, True], ids=["adopted", "rebooted"])
@pytest.mark.parametrize("point", range(COMMIT, POINTS + 1))
def test_a_router_that_cannot_be_reached_any_more(
    vyos: VyosHost, monkeypatch: pytest.MonkeyPatch, point: int, timer: bool
) -> None:
    """What is left over is taken back by the router's own timer, or adopted by a next run that comes before it."""
    monkeypatch.setattr(module, "RETURN_PATIENCE", 0.1)
    have_old(vyos)

    async def work(router: Router) -> None:
        Cut(vyos, point, late=not timer, close=True)
        with pytest.raises(ApplyFailed) as failed:
            await apply(router, PART, "link", patience=0.5)
        text = str(failed.value)
        await asyncio.gather(*vyos.tasks)  # the router ends what it was doing
        now = own(vyos.show())
        assert now in (OLD_ALL, NEW)
        if UNTOUCHED in text:
            assert now == OLD_ALL
        elif ACTIVE in text:
            assert now == NEW
            assert vyos.confirmed()
        else:
            assert WITHIN in text
            if timer and now == NEW and vyos.confirmed():
                assert UNSURE in text
            elif timer:
                vyos.reboot()
                assert_as_before(vyos)
        await apply_anew(vyos, router)

    run(vyos, work)
    assert_new(vyos)


def test_a_shell_that_dies(vyos: VyosHost) -> None:
    """While its connection lives; one for want of memory, say."""
    have_old(vyos)

    def kill(command: str) -> None:
        if command == ":":
            vyos.kill()

    vyos.before = kill

    async def work(router: Router) -> None:
        with pytest.raises(ApplyFailed, match=f"the SSH session ended\n{TAKEN_BACK}"):
            await apply(router, PART, "link", patience=2)

    run(vyos, work)
    assert_as_before(vyos)
    assert vyos.logins == 2  # the second tries the door; the kept connection is still good


def test_a_commit_that_was_left_unconfirmed_is_adopted(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next run, of whatever part: the commit has held since then."""
    monkeypatch.setattr(module, "RETURN_PATIENCE", 0.1)
    have_old(vyos)
    steps: list[str] = []

    async def work(router: Router) -> bool:
        def cut(command: str) -> None:
            if command == "confirm":
                vyos.open = False
                vyos.cut()

        vyos.before = cut
        with pytest.raises(ApplyFailed, match=WITHIN):
            await apply(router, PART, "link", patience=2)
        assert own(vyos.show()) == NEW
        assert own(vyos.saved()) == OLD_ALL
        vyos.before, vyos.open = None, True
        return await apply(Router(router.access), PART, "link", report=steps.append, patience=2)

    assert run(vyos, work) is False  # there was nothing to change any more
    assert steps == ["read the active lines", "confirm what an interrupted run committed", "save", "read back"]
    assert_new(vyos)


def test_what_an_earlier_boot_left_is_no_commit_to_confirm(vyos: VyosHost) -> None:
    """Nor may a commit of somebody else's be confirmed for its sake."""
    vyos.configure(*NEW)
    (vyos.directory / "vpn-connect.pending").write_text("5f2c1f6e-0000-0000-0000-000000000000\n")
    vyos.bash("configure", "set system name-server 192.0.2.53", "commit-confirm 5 <<< y", "exit discard")
    assert run(vyos, lambda router: apply(router, PART, "link", patience=2)) is False
    assert not vyos.confirmed()


@pytest.mark.parametrize("command", ["configure", "confirm"])
def test_a_router_that_has_not_noticed_the_loss(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Its old shell holds the lock, and ends by itself."""
    monkeypatch.setattr(ssh, "IDLE_SECONDS", 1)
    monkeypatch.setattr(module, "OWN_LOCK_PATIENCE", 5)
    monkeypatch.setattr(module, "LOCK_PATIENCE", 5)
    have_old(vyos)

    async def work(router: Router) -> None:
        def cut(typed: str) -> None:
            if typed == command and vyos.typed.count(command) == 1:
                vyos.cut()

        vyos.numb, vyos.before = True, cut
        with pytest.raises(ApplyFailed, match=UNTOUCHED if command == "configure" else TAKEN_BACK):
            await apply(router, PART, "link", patience=2)
        if command == "configure":
            assert any(child.returncode is None for child in vyos.children)  # or it would be no test
        await apply_anew(vyos, router)

    run(vyos, work)
    assert_new(vyos)
