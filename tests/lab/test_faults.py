"""A change of a router's configuration is interrupted at every step: what it has then is the old lines or the new ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import asyncssh
import pytest

from lab.clouds import as_tenant
from lab.machines import CommandFailed, Machines
from lab.network import inside
from tests.lab.conftest import Stack
from tests.lab.routers import associations, commands, poll
from vyos_provider import apply as safe
from vyos_provider.lines import Line, Part, parse
from vyos_provider.ssh import Access, Router, RouterError

pytestmark = pytest.mark.lab
NODES: tuple[Line, ...] = (
    ("interfaces", "dummy", "dum7"),
    ("firewall", "ipv4", "forward", "filter", "rule", "900001"),
)
OLD = """
set interfaces dummy dum7 address '198.51.100.71/32'
set interfaces dummy dum7 description 'before'
set firewall ipv4 forward filter rule 900001 action 'drop'
set firewall ipv4 forward filter rule 900001 source address '198.51.100.71'
"""
NEW = """
set interfaces dummy dum7 address '198.51.100.72/32'
set interfaces dummy dum7 mtu '1400'
set firewall ipv4 forward filter rule 900001 action 'drop'
set firewall ipv4 forward filter rule 900001 source address '198.51.100.72'
"""
STEPS = ("read the active lines", "look at the tunnels", "set", "commit", "log in anew", "compare the tunnels",
         "compare what is active", "confirm", "save", "read back")  # fmt: skip


def part(text: str, *more: Line) -> Part:
    return Part(parse(text), (*NODES, *more))


class Osaka:
    """Osaka's router, changed without Pulumi."""

    def __init__(self, stack: Stack, machines: Machines) -> None:
        self.stack, self.machines = stack, machines
        about, keys = stack.outputs()["sites"]["osaka"], stack.outputs()["sshPrivateKeys"]
        self.access = Access(about["floatingIp"], about["routerUser"], keys["osaka"], about["routerHostKey"])

    def apply(self, what: Part, at: Callable[[str, Router], None] | None = None, minutes: int = 1) -> bool:
        """Make the change; `at` is called with each step before it is taken."""

        async def work() -> bool:
            router = Router(self.access)
            try:
                return await safe.apply(
                    router, what, "test", minutes=minutes, patience=120,
                    report=lambda step: at(step, router) if at else None,
                )  # fmt: skip
            finally:
                await router.close()

        return inside(lambda: asyncio.run(work()))

    def lines(self) -> set[Line]:
        """The test's lines on the router now."""
        found = parse(commands(self.machines, "osaka"))
        return {line for line in found if any(line[: len(node)] == node for node in NODES)}

    def power_cycle(self) -> None:
        """Pull the plug and put it in again."""
        with as_tenant("osaka") as cloud:
            server = cloud.compute.find_server("osaka-vyos", ignore_missing=False)
            cloud.compute.reboot_server(server.id, "HARD")
            cloud.compute.wait_for_server(cloud.compute.get_server(server.id), wait=60)
        self.machines.forget("osaka", "router")

    def boot_id(self) -> str:
        return self.machines.run("osaka", "router", "cat /proc/sys/kernel/random/boot_id").stdout

    def until_booted_anew(self, before: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.boot_id() != before:
                    return
            except (OSError, CommandFailed, TimeoutError, asyncssh.Error):
                self.machines.forget("osaka", "router")
            assert time.monotonic() < deadline, f"no reboot within {seconds} s"
            time.sleep(2)


@pytest.fixture
def osaka(running: Stack, machines: Machines) -> Osaka:
    """The router, with the old lines."""
    made = Osaka(running, machines)
    made.apply(part(OLD))
    assert made.lines() == set(parse(OLD))
    return made


def drop(router: Router) -> None:
    """Cut the connection without a word, as a network does."""
    assert router._connection
    router._connection.abort()


def old_or_new(osaka: Osaka) -> str:
    found = osaka.lines()
    assert found in (set(parse(OLD)), set(parse(NEW))), f"a mixture: {sorted(found)}"
    return "old" if found == set(parse(OLD)) else "new"


@pytest.mark.parametrize("step", STEPS)
def test_connection_lost_before_a_step(osaka: Osaka, step: str) -> None:
    def cut(now: str, router: Router) -> None:
        if now == step:
            drop(router)

    with pytest.raises(safe.ApplyFailed) as failed:
        osaka.apply(part(NEW), cut)
    # a login anew succeeds; what needs the former connection does not
    noticed = "compare the tunnels" if step == "log in anew" else step
    assert f"failed at the step {noticed!r}" in str(failed.value)
    assert old_or_new(osaka) == "old", "taken back over a new connection"
    assert osaka.apply(part(NEW))
    assert old_or_new(osaka) == "new"


def test_lost_for_good_the_router_takes_the_change_back_by_itself(
    osaka: Osaka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: Any, **__: Any) -> Any:
        raise RouterError("no way to the router")

    boot = osaka.boot_id()

    def vanish(now: str, router: Router) -> None:
        if now == "log in anew":
            drop(router)
            monkeypatch.setattr(safe, "connect", nobody)
            monkeypatch.setattr("vyos_provider.ssh.connect", nobody)

    with pytest.raises(safe.ApplyFailed, match="VyOS takes it back within 1 min"):
        osaka.apply(part(NEW), vanish)
    monkeypatch.undo()
    assert old_or_new(osaka) == "new", "committed, not confirmed"
    osaka.until_booted_anew(boot, 240)
    assert old_or_new(osaka) == "old"
    assert osaka.apply(part(NEW))
    assert old_or_new(osaka) == "new"


@pytest.mark.parametrize("step", ["log in anew", "save"])
def test_router_loses_its_power(osaka: Osaka, step: str) -> None:
    boot = osaka.boot_id()

    def pull(now: str, router: Router) -> None:
        if now == step:
            osaka.power_cycle()

    with pytest.raises(safe.ApplyFailed):
        osaka.apply(part(NEW), pull)
    osaka.until_booted_anew(boot, 180)
    assert old_or_new(osaka) == "old", "the saved configuration"
    assert osaka.apply(part(NEW))
    assert old_or_new(osaka) == "new"


def test_a_line_that_vyos_refuses_changes_nothing(osaka: Osaka) -> None:
    with pytest.raises(safe.ApplyFailed, match="failed at the step 'set'") as failed:
        osaka.apply(part(NEW + "set interfaces dummy dum7 mtu 'many'\n"))
    assert "set interfaces dummy dum7 mtu many" in str(failed.value)
    assert "Nothing was changed on the router." in str(failed.value)
    assert old_or_new(osaka) == "old"


def test_a_commit_that_fails_in_part_is_taken_back(osaka: Osaka) -> None:
    broken = NEW + "set interfaces tunnel tun99 encapsulation 'ipip'\n"
    with pytest.raises(safe.ApplyFailed, match="failed at the step 'commit'") as failed:
        osaka.apply(part(broken, ("interfaces", "tunnel", "tun99")))
    assert "Commit failed" in str(failed.value)
    assert "The router has its old configuration again" in str(failed.value)
    assert old_or_new(osaka) == "old"
    assert "tun99" not in commands(osaka.machines, "osaka")


def test_a_change_that_locks_out_is_taken_back(osaka: Osaka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe, "DOOR_PATIENCE", 6.0)
    lock = ("firewall", "ipv4", "input", "filter", "rule", "5")
    rule = " ".join(lock)
    text = (
        NEW
        + f"set {rule} action 'drop'\nset {rule} protocol 'tcp'\nset {rule} destination port '22'\nset {rule} state 'new'\n"
    )
    with pytest.raises(safe.ApplyFailed, match="failed at the step 'log in anew'") as failed:
        osaka.apply(part(text, lock))
    assert "The router has its old configuration again" in str(failed.value)
    assert old_or_new(osaka) == "old"
    assert rule not in commands(osaka.machines, "osaka")


def test_a_change_that_breaks_a_tunnel_is_taken_back(osaka: Osaka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe, "TUNNEL_PATIENCE", 6.0)
    poll(lambda: "ESTABLISHED" in associations(osaka.machines, "osaka"), 60, "the tunnel after the reboots")
    lock = ("firewall", "ipv4", "input", "filter", "rule", "6")
    rule = " ".join(lock)
    text = NEW + f"set {rule} action 'drop'\nset {rule} inbound-interface name 'tun1'\n"
    with pytest.raises(safe.ApplyFailed, match="failed at the step 'compare the tunnels'") as failed:
        osaka.apply(part(text, lock))
    assert "peer 10.255.0.1" in str(failed.value)
    assert old_or_new(osaka) == "old"


def test_two_at_a_time_take_turns(osaka: Osaka) -> None:
    """From two processes' view: two connections that know nothing of each other."""

    async def both() -> list[bool]:
        routers = [Router(osaka.access), Router(osaka.access)]
        parts = [
            Part(
                parse(f"set interfaces dummy dum{n} address '198.51.100.{n}/32'"), (("interfaces", "dummy", f"dum{n}"),)
            )
            for n in (11, 12)
        ]
        try:
            work: list[Coroutine[Any, Any, bool]] = [
                safe.apply(router, one, "test", patience=60) for router, one in zip(routers, parts, strict=True)
            ]
            done = list(await asyncio.gather(*work))
            for router, one in zip(routers, parts, strict=True):
                await safe.apply(router, Part((), one.nodes), "test", patience=60)
            return done
        finally:
            for router in routers:
                await router.close()

    assert inside(lambda: asyncio.run(both())) == [True, True]


def test_the_link_still_carries_traffic_and_the_tests_lines_go(running: Stack, osaka: Osaka) -> None:
    osaka.apply(Part((), NODES))
    assert osaka.lines() == set()
    running.pulumi("preview", "--expect-no-changes")
    running.up("--target", running.urn("Check", "tokyo-osaka-check-tokyo"), "--target-replace",
               running.urn("Check", "tokyo-osaka-check-tokyo"))  # fmt: skip
    running.pulumi("preview", "--expect-no-changes")
