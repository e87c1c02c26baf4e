"""A change of a router's configuration that either holds or is taken back.

The steps: wait for the router's turn, read, compare; then commit with a timer that takes the change back by itself,
see from outside that the router still lets one in and from inside that its tunnels are as they should be, confirm,
save, read back. What fails on the way is undone at once while the router can be reached, else by the timer: VyOS 1.4
then reboots into its saved configuration (https://docs.vyos.io/en/sagitta/cli.html).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncssh

from vyos_provider.lines import Line, Part, commands, difference, hidden, parse, restoring, without_secrets
from vyos_provider.ssh import IDLE_SECONDS, SHOW, Answer, Router, RouterError, Shell, connect, run

#: minutes until an unconfirmed commit is taken back
CONFIRM_MINUTES = 2
#: seconds to wait: for a router that boots; for others that change the same one; after a commit, for the router to let
#: one in again and for its tunnels; for a lost router when something is to be taken back
BOOT_PATIENCE, LOCK_PATIENCE, DOOR_PATIENCE, TUNNEL_PATIENCE, RETURN_PATIENCE = 300.0, 300, 20.0, 20.0, 20.0
#: seconds to wait for the lock of a change's own shell when its connection was lost
OWN_LOCK_PATIENCE = IDLE_SECONDS + 5
#: on the router while a commit is not confirmed and saved: the boot it belongs to
PENDING = "/tmp/vpn-connect.pending"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: brings what was saved to the disk
SYNC = "sync -f /config"

# the peers with security associations that answer inside the tunnel, and the tunnel interfaces with their addresses
PROBE = r"""peers=$(sudo swanctl --list-sas 2> /dev/null | sed -n 's/^ *remote .* @ \([0-9.]*\)\[.*/\1/p' | sort -u)
for peer in $peers; do
  (ping -n -c 1 -W 1 "$peer" > /dev/null 2>&1 && echo "peer $peer") &
done
wait
ip -o -4 addr show | sed -n 's/^[0-9]*: \(tun[0-9]*\) *inet \([^ ]*\) .*/tunnel \1 \2/p'"""

Report = Callable[[str], None]
T = TypeVar("T")


class ApplyFailed(RouterError):
    """A change did not come about; the text names the step, what the router said, and what was taken back."""


async def apply(
    router: Router,
    part: Part,
    title: str,
    *,
    report: Report = lambda step: None,
    minutes: int = CONFIRM_MINUTES,
    patience: float = BOOT_PATIENCE,
) -> bool:
    """Make the router hold the part's lines, and none but these below its nodes; whether anything had to change.

    `report` is told each step before it is taken. ApplyFailed when it did not come about: the router then has its old
    configuration, or will have it after `minutes`.
    """
    async with router.turn:
        change = Change(router, part, report, minutes)
        try:
            async with router.shell(patience, LOCK_PATIENCE) as shell:
                return await change.carry_out(shell)
        except asyncio.CancelledError as error:
            became = await to_its_end(change.outcome())
            raise asyncio.CancelledError(
                f"{title} ({router.access.host}): cancelled at the step {change.step!r}\n{became}"
            ) from error
        except Exception as error:  # any: what is committed has to be taken back
            what = str(error) if isinstance(error, RouterError) else f"{type(error).__name__}: {error}"
            text = f"{title} ({router.access.host}): failed at the step {change.step!r}: {what}\n"
            text += await to_its_end(change.outcome())
            raise ApplyFailed(without_secrets(text, (*part.lines, *change.before))) from error
        finally:
            router.forget()


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do the last thing of a task: a cancellation meanwhile would leave it half done, and end the task no sooner."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    return task.result()


class Change:
    """One run of the steps, and what it takes to go back."""

    def __init__(self, router: Router, part: Part, report: Report, minutes: int) -> None:
        self.router, self.part, self.report, self.minutes = router, part, report, minutes
        self.step = "connect"
        self.before: tuple[Line, ...] = ()
        #: how far it came; a commit whose `confirm` was sent and not answered may be confirmed or not
        self.committed = self.timer = self.confirming = self.saved = False
        #: whether the old lines are active again
        self.back = False

    async def carry_out(self, shell: Shell) -> bool:
        """All steps; whether anything had to change."""
        self.at("read the active lines")
        self.before = await active(shell)
        found = difference(self.before, self.part)
        # of a run that was cut off: its commit has held since then, or the router would have booted anew
        left_over = (await shell.run(f'[ "$(cat {PENDING})" = "$(cat {BOOT_ID})" ]')).status == 0
        if not found and not left_over:
            return False
        if left_over:
            self.at("confirm what an interrupted run committed")
            await self.confirm(shell)
        if found:
            await self.commit(shell, commands(found, self.part))
            self.at("compare what is active")
            self.compare(await active(shell))
            self.at("confirm")
            await self.confirm(shell)
        self.at("save")
        self.saved = True
        await self.save(shell)
        await shell.run(f"rm -f {PENDING}")
        self.at("read back")
        self.compare(await active(shell))
        return bool(found)

    async def commit(self, shell: Shell, lines: list[str]) -> None:
        """Commit under the timer, then look at the router from outside and from inside."""
        self.at("look at the tunnels")
        expected = self.expected(await probe(await self.router.connection(0)), lines)
        self.at("set")
        await configure(shell)
        answers = zip(lines, await shell.run_all(lines), strict=True)
        refused = [f"{hidden_command(line)}\n{said.text}" for line, said in answers if said.failed]
        if refused:
            raise RouterError("\n".join(refused))
        self.at("commit")
        await shell.run(f"cat {BOOT_ID} > {PENDING}")
        self.committed = self.timer = True
        said = await shell.run(f"commit-confirm {self.minutes}", answer="y")
        if "confirm is pending" in said.text:
            self.committed = self.timer = False
            await shell.run(f"rm -f {PENDING}")
            raise RouterError(
                "somebody else's commit waits for its `confirm`; confirm it, or wait until it is taken back"
            )
        if said.failed or said.status:
            raise RouterError(said.text.rpartition("minutes to confirm before reboot\n")[2])
        await shell.run("exit discard")
        self.at("log in anew")
        outside = await connect(self.router.access, DOOR_PATIENCE)
        try:
            self.at("compare the tunnels")
            await shell.run(":")  # lest it ends for want of commands
            await wait_for(outside, expected)
        finally:
            outside.close()

    def expected(self, probed: set[str], lines: list[str]) -> set[str]:
        """What the probe must find after the change: its own tunnels, and other peers that answered before."""
        ours = {
            line[-1]
            for line in (*self.part.lines, *self.before)
            if self.part.owns(line) and line[-2:-1] == ("remote-address",)
        }
        tunnels = {
            f"tunnel {line[2]} {line[4]}"
            for line in self.part.lines
            if line[:2] == ("interfaces", "tunnel") and line[3:4] == ("address",)
        }
        # a change of the tunnel's own lines may need the other end's to follow
        touched = any(line.split()[1] in ("vpn", "interfaces") for line in lines)
        return tunnels | {f for f in probed if f.startswith("peer ") and not (touched and f.split()[1] in ours)}

    def compare(self, now: tuple[Line, ...]) -> None:
        """RouterError unless the router has what it should have."""
        if left := difference(now, self.part):
            raise RouterError("the router did not take these lines:\n" + "\n".join(left.shown()))

    async def confirm(self, shell: Shell) -> None:
        """Stop the timer."""
        self.confirming = True
        said = await configured(shell, "confirm")
        self.confirming = False
        if said.failed:
            raise RouterError(said.text)
        self.timer = False

    async def save(self, shell: Shell) -> None:
        said = await configured(shell, "save")
        if said.failed or said.status:
            raise RouterError(said.text)
        # VyOS leaves the file to the kernel, which would lose it with the power for some seconds more
        await shell.run(SYNC)

    async def outcome(self) -> str:
        """Take back what was committed; what became of the router, for the user."""
        if not self.committed:
            return "Nothing was changed on the router."
        try:
            async with self.router.shell(RETURN_PATIENCE, OWN_LOCK_PATIENCE) as shell:
                return await self.take_back(shell)
        except RouterError as error:
            if self.timer:
                return (
                    f"Its old configuration could not be brought back from here ({error}). "
                    f"{'Unless the commit was just confirmed' if self.confirming else 'The commit is not confirmed'}: "
                    f"VyOS takes it back within {self.minutes} min, by a reboot into the saved configuration."
                )
            if self.back:
                return f"Its old configuration is active again, but not saved ({error})."
            return f"The new configuration is active ({error}). The next `pulumi up` goes on from there."

    async def take_back(self, shell: Shell) -> str:
        """Bring the old lines back in a commit of their own, then stop the timer."""
        back = restoring(self.before, await active(shell), self.part)
        if back:
            await configure(shell)
            await shell.run_all(back)
            await shell.run("commit")
            await shell.run("exit discard")
        if left := restoring(self.before, await active(shell), self.part):
            raise RouterError("VyOS refuses the old lines:\n" + "\n".join(map(hidden_command, left)))
        if self.timer:
            await self.confirm(shell)
        self.back = True
        if self.saved:
            await self.save(shell)
        await shell.run(f"rm -f {PENDING}")
        return "The router has its old configuration again" + (
            ", by:\n" + "\n".join(map(hidden_command, back)) if back else "."
        )

    def at(self, step: str) -> None:
        self.step = step
        self.report(step)


async def active(shell: Shell) -> tuple[Line, ...]:
    """The router's active lines."""
    said = await shell.run(SHOW)
    if said.status:
        raise RouterError(f"`show configuration commands` failed: {said.text}")
    return parse(said.text)


async def configure(shell: Shell) -> None:
    """Enter the configuration mode."""
    said = await shell.run("configure")
    if said.failed:
        raise RouterError(said.text)


async def configured(shell: Shell, command: str) -> Answer:
    """A command of the configuration mode, on its own."""
    await configure(shell)
    said = await shell.run(command)
    await shell.run("exit discard")
    return said


async def probe(connection: asyncssh.SSHClientConnection) -> set[str]:
    """Lines of what PROBE finds."""
    return set((await run(connection, PROBE)).splitlines())


async def wait_for(connection: asyncssh.SSHClientConnection, expected: set[str]) -> None:
    """Wait until the probe finds what is expected; RouterError with what it does not."""
    deadline = asyncio.get_running_loop().time() + TUNNEL_PATIENCE
    while lacking := expected - await probe(connection):
        if asyncio.get_running_loop().time() >= deadline:
            raise RouterError(
                f"after the commit these do not answer any more or are not there: {', '.join(sorted(lacking))}"
            )
        await asyncio.sleep(1)


def hidden_command(command: str) -> str:
    """A `set` or `delete` command for people, secrets hidden."""
    verb, _, line = command.partition(" ")
    found = parse(f"set {line}")
    return verb + hidden(found[0]).removeprefix("set") if found else command
