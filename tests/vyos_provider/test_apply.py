"""A change of a router's configuration holds, or is taken back."""

from __future__ import annotations

import asyncio
import fcntl
import re
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import asyncssh
import pytest

from tests.vyos_provider.conftest import VyosHost, serving
from vyos_provider import apply as module
from vyos_provider import ssh
from vyos_provider.apply import SYNC, ApplyFailed, apply
from vyos_provider.lines import Part, parse
from vyos_provider.ssh import Router

OLD = [
    "set interfaces tunnel tun3 address '10.255.0.1/30'",
    "set interfaces tunnel tun3 description 'the link before'",
    "set interfaces tunnel tun3 encapsulation 'ipip'",
    "set interfaces tunnel tun3 remote '192.0.2.9'",
    "set interfaces tunnel tun3 source-address '192.0.2.1'",
    "set protocols static route 10.9.0.0/24 blackhole distance '254'",
]
NEW = [
    "set interfaces tunnel tun3 address '10.255.0.1/30'",
    "set interfaces tunnel tun3 encapsulation 'ipip'",
    "set interfaces tunnel tun3 remote '192.0.2.2'",
    "set interfaces tunnel tun3 source-address '192.0.2.1'",
    "set protocols static route 10.8.0.0/24 blackhole distance '254'",
    "set system host-name 'tokyo'",
]
NODES = (
    ("interfaces", "tunnel", "tun3"),
    ("protocols", "static", "route", "10.8.0.0/24"),
    ("protocols", "static", "route", "10.9.0.0/24"),
)
PART = Part(parse("\n".join(NEW)), NODES)
UP = "4: tun3    inet 10.255.0.1/30 scope global tun3\\       valid_lft forever preferred_lft forever\n"
OPERATORS = [
    "set firewall ipv4 input filter rule 500 action 'accept'",
    "set interfaces ethernet eth0 description 'cable 7, rack 2'",
    "set interfaces tunnel tun30 address '10.255.9.1/30'",
    "set interfaces tunnel tun30 encapsulation 'gre'",
    "set interfaces tunnel tun30 remote '192.0.2.77'",
    "set interfaces tunnel tun30 source-address '192.0.2.1'",
    "set protocols static route 10.80.0.0/16 next-hop 192.0.2.254",
    "set protocols static route 10.9.0.0/25 blackhole",
    "set system name-server '192.0.2.53'",
]
STEPS = (
    "read the active lines",
    "look at the tunnels",
    "set",
    "commit",
    "log in anew",
    "compare the tunnels",
    "compare what is active",
    "confirm",
    "save",
    "read back",
)
TAKEN_BACK = "The router has its old configuration again"
UNTOUCHED = "Nothing was changed on the router."


def own(lines: list[str]) -> list[str]:
    """Those of a router's lines that the part is about."""
    nodes = [" ".join(node) for node in (*NODES, ("system", "host-name"))]
    return [line for line in lines if any(line.startswith(f"set {node} ") for node in nodes)]


def have_old(host: VyosHost) -> None:
    """The router has the old lines, and its tunnel."""
    host.configure(*OLD, "set system host-name before")
    host.says(addresses=UP)


OLD_ALL = [*OLD, "set system host-name 'before'"]


def run(host: VyosHost, work: Callable[[Router], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with serving(host) as router:
            return await work(router)

    return asyncio.run(main())


def failing(host: VyosHost, part: Part = PART) -> str:
    """Apply, which has to fail; the text."""

    async def work(router: Router) -> str:
        with pytest.raises(ApplyFailed) as failed:
            await apply(router, part, "link tokyo-osaka", patience=2)
        return str(failed.value)

    text = run(host, work)
    assert text.startswith("link tokyo-osaka (127.0.0.1): failed at the step ")
    return str(text)


def assert_as_before(host: VyosHost) -> None:
    """The old lines are active and saved, and no timer runs."""
    assert own(host.show()) == OLD_ALL
    assert own(host.saved()) == OLD_ALL
    assert host.confirmed()


def test_lines_are_committed_confirmed_and_saved(vyos: VyosHost) -> None:
    have_old(vyos)
    steps: list[str] = []

    async def work(router: Router) -> tuple[bool, bool]:
        first = await apply(router, PART, "link", report=steps.append, patience=2)
        assert await apply(router, PART, "link", report=steps.append, patience=2) is False
        return first, vyos.confirmed()

    assert run(vyos, work) == (True, True)
    assert own(vyos.show()) == NEW
    assert own(vyos.saved()) == NEW
    assert steps == [*STEPS, "read the active lines"]
    assert vyos.typed[vyos.typed.index("save") :].count(SYNC) == 1, "a power failure does not undo it"
    assert vyos.logins == 2  # the kept connection, and the one that tries the door


def test_nothing_to_do_types_no_configuration(vyos: VyosHost) -> None:
    vyos.configure(*NEW)
    assert run(vyos, lambda router: apply(router, PART, "link", patience=2)) is False
    assert "configure" not in vyos.typed
    assert vyos.logins == 1


def test_only_the_difference_is_typed(vyos: VyosHost) -> None:
    have_old(vyos)
    run(vyos, lambda router: apply(router, PART, "link", patience=2))
    assert [line for line in vyos.typed if line.startswith(("set ", "delete "))] == [
        "delete interfaces tunnel tun3 description",
        "delete interfaces tunnel tun3 remote 192.0.2.9",
        "delete protocols static route 10.9.0.0/24",
        "set interfaces tunnel tun3 remote 192.0.2.2",
        "set protocols static route 10.8.0.0/24 blackhole distance 254",
        "set system host-name tokyo",
    ]


def test_no_secret_stands_in_an_argument(vyos: VyosHost) -> None:
    psk = parse("set vpn ipsec authentication psk p id a\nset vpn ipsec authentication psk p secret 5ecret5ecret")
    run(vyos, lambda router: apply(router, Part(psk, (("vpn",),)), "link", patience=2))
    assert not [command for command in vyos.commands if "5ecret" in command]
    assert "set vpn ipsec authentication psk p secret '5ecret5ecret'" in vyos.saved()


@pytest.mark.parametrize("removal", [False, True])
def test_lines_of_others_survive(vyos: VyosHost, removal: bool) -> None:
    have_old(vyos)
    vyos.configure(*OPERATORS)
    part = Part((), NODES) if removal else PART
    assert run(vyos, lambda router: apply(router, part, "link", patience=2)) is True
    ours = ["set system host-name 'before'"] if removal else NEW
    boot = ["set interfaces ethernet eth0 address 'dhcp'", "set service ssh"]
    assert sorted(vyos.show()) == sorted([*OPERATORS, *ours, *boot])
    assert vyos.saved() == vyos.show()


def test_changes_of_one_router_queue(vyos: VyosHost) -> None:
    """Several in one process, and those of two machines."""
    numbers = range(3, 9)
    vyos.says(addresses="".join(UP.replace("tun3", f"tun{n}") for n in numbers))
    vyos.configure("set system host-name tokyo")

    def part(number: int) -> Part:
        lines = [line.replace("tun3", f"tun{number}") for line in NEW if " tun3 " in line]
        return Part(parse("\n".join(lines)), (("interfaces", "tunnel", f"tun{number}"),))

    async def work(router: Router) -> Any:
        other = Router(router.access)
        try:
            return await asyncio.gather(
                *(apply((router, other)[n % 2], part(n), f"link {n}", patience=5) for n in numbers)
            )
        finally:
            await other.close()

    assert run(vyos, work) == [True] * len(numbers)
    # one for each machine, or two while one ends: an SSH server takes only so many sessions of a connection
    assert vyos.most_shells <= 4
    assert {line.split()[3] for line in vyos.saved() if " tunnel " in line} == {f"tun{n}" for n in numbers}


def test_a_lock_that_is_held_too_long(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_PATIENCE", 1)
    have_old(vyos)
    with (vyos.directory / "vpn-connect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = failing(vyos)
    assert "another session has held /tmp/vpn-connect.lock on the router for 1 s" in text
    assert text.endswith(UNTOUCHED)
    assert_as_before(vyos)


def test_a_refused_line(vyos: VyosHost) -> None:
    have_old(vyos)
    psk = "vpn ipsec authentication psk osaka secret hunter2hunter2"
    wrong = parse(f"set {psk} secret hunter2hunter2\nset interfaces tunnel tun3 mtu 1")
    text = failing(vyos, replace(PART, lines=PART.lines + wrong))
    assert "failed at the step 'set'" in text
    assert "set vpn ipsec authentication psk osaka secret <secret> secret <secret>\n" in text
    assert re.search(r"Configuration path: .*secret <secret> .* is not valid", text)
    assert "set interfaces tunnel tun3 mtu 1\n" in text
    assert "Value validation failed" in text
    assert "hunter2" not in text
    assert text.endswith(UNTOUCHED)
    assert_as_before(vyos)


def test_a_commit_that_fails_half_way_is_taken_back(vyos: VyosHost) -> None:
    have_old(vyos)
    vyos.system.fail("ip route replace blackhole 10.8")

    def heal(command: str) -> None:
        if command == "commit":
            active.extend(own(vyos.show()))
            vyos.system.fail("")

    active: list[str] = []
    vyos.before = heal
    text = failing(vyos)
    assert "set interfaces tunnel tun3 remote '192.0.2.2'" in active  # or it would be no test
    assert "failed at the step 'commit': [ protocols static ]\n" in text
    assert "10.8.0.0/24" in text
    assert "[[protocols static]] failed" in text
    assert TAKEN_BACK in text
    assert "set interfaces tunnel tun3 remote 192.0.2.9" in text.split(TAKEN_BACK)[1]
    assert_as_before(vyos)


def test_old_lines_that_the_router_refuses_are_left_to_the_timer(vyos: VyosHost) -> None:
    have_old(vyos)
    vyos.says()  # no tunnel: the change is to be taken back

    def break_it(command: str) -> None:
        if command == "commit":
            vyos.system.fail("ip link")

    vyos.before = break_it
    text = failing(vyos)
    assert "VyOS refuses the old lines" in text
    assert "VyOS takes it back within 2 min" in text
    assert not vyos.confirmed()


def test_a_router_that_lets_nobody_in_after_the_commit(vyos: VyosHost) -> None:
    have_old(vyos)

    def close(command: str) -> None:
        if command.startswith("commit-confirm"):
            vyos.open = False

    vyos.after = close
    text = failing(vyos)
    assert "failed at the step 'log in anew'" in text
    assert "cannot be reached by SSH" in text
    assert TAKEN_BACK in text
    assert vyos.logins == 1
    assert_as_before(vyos)


def test_a_tunnel_whose_address_is_missing(vyos: VyosHost) -> None:
    have_old(vyos)
    vyos.says(addresses="4: tun3    inet 10.255.0.5/30 scope global tun3\n")
    text = failing(vyos)
    assert "failed at the step 'compare the tunnels'" in text
    assert "tunnel tun3 10.255.0.1/30" in text
    assert TAKEN_BACK in text
    assert_as_before(vyos)


PEERS = "osaka: #1, ESTABLISHED\n  local  '10.255.0.1' @ 10.255.0.1[500]\n  remote '{0}' @ {0}[500]\n"
PEER = "10.255.0.2"
IKE = parse(f"set vpn ipsec site-to-site peer osaka remote-address {PEER}")
TUNNEL_ONLY = replace(PART, nodes=(*NODES, ("vpn", "ipsec", "site-to-site", "peer", "osaka")))


def lose_peer(host: VyosHost) -> None:
    host.says(sas=PEERS.format(PEER), addresses=UP, answering=PEER)

    def lose(command: str) -> None:
        if command.startswith("commit-confirm"):
            host.says(sas=PEERS.format(PEER), addresses=UP)

    host.before = lose


def test_a_peer_that_answers_no_more(vyos: VyosHost) -> None:
    have_old(vyos)
    lose_peer(vyos)
    text = failing(vyos)
    assert f"do not answer any more or are not there: peer {PEER}\n" in text
    assert TAKEN_BACK in text
    assert_as_before(vyos)


def test_a_peer_that_has_not_answered_before_need_not_after(vyos: VyosHost) -> None:
    have_old(vyos)
    vyos.says(sas=PEERS.format(PEER), addresses=UP)
    assert run(vyos, lambda router: apply(router, PART, "link", patience=2)) is True


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("set interfaces tunnel tun3 description 'for vpn users'", False),
        ("delete vpn ipsec site-to-site peer osaka", False),
        ("set protocols static route 10.8.0.0/24 description 'interfaces and vpn'", True),
    ],
)
def test_the_links_own_peer_may_fall_silent_when_the_tunnel_is_changed(command: str, needed: bool) -> None:
    """Its other end may have to follow; while a change beside it may not cut it off."""
    part = replace(TUNNEL_ONLY, lines=PART.lines + IKE)
    change = module.Change(Router(ssh.Access("h", "u", "k", "k")), part, lambda step: None, 2)
    peers = {f"peer {PEER}", "peer 10.255.7.2", "tunnel tun9 10.0.0.1/30"}
    own_peer = {f"peer {PEER}"} if needed else set()
    assert change.expected(peers, [command]) == {"tunnel tun3 10.255.0.1/30", "peer 10.255.7.2"} | own_peer


def test_lines_that_do_not_come_up_are_taken_back(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that says yes and does no."""
    have_old(vyos)

    def forget(command: str) -> None:
        if command == ":":
            vyos.bash("configure", "delete protocols static route 10.8.0.0/24", "commit", "exit discard")

    vyos.before = forget
    text = failing(vyos)
    assert "failed at the step 'compare what is active'" in text
    assert "did not take these lines:\n+ set protocols static route 10.8.0.0/24 blackhole distance 254" in text
    assert_as_before(vyos)


def test_what_cannot_be_saved_is_taken_back(vyos: VyosHost) -> None:
    have_old(vyos)
    obstacle = vyos.system.root / "config/config.boot.new"

    def obstruct(command: str) -> None:
        if command == "save" and "save" in vyos.typed[:-1]:
            obstacle.rmdir()
        elif command == "save":
            obstacle.mkdir()

    vyos.before = obstruct
    text = failing(vyos)
    assert "failed at the step 'save'" in text
    assert "config.boot.new" in text
    assert TAKEN_BACK in text
    assert_as_before(vyos)


def test_old_lines_that_cannot_be_saved(vyos: VyosHost) -> None:
    have_old(vyos)
    obstacle = vyos.system.root / "config/config.boot.new"
    vyos.before = lambda command: obstacle.mkdir(exist_ok=True) if command == "save" else None
    try:
        text = failing(vyos)
    finally:
        obstacle.rmdir()
    assert "Its old configuration is active again, but not saved" in text
    assert_as_before(vyos)


def test_any_failure_takes_back(vyos: VyosHost) -> None:
    """Not only those that were thought of."""
    have_old(vyos)

    def report(step: str) -> None:
        if step == "confirm":
            raise ZeroDivisionError("an example")

    async def work(router: Router) -> None:
        with pytest.raises(ApplyFailed, match="ZeroDivisionError: an example\nThe router has its old configuration"):
            await apply(router, PART, "link", report=report, patience=2)

    run(vyos, work)
    assert_as_before(vyos)


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("twice", [False, True])
def test_a_cancelled_change_is_taken_back(vyos: VyosHost, at: str, twice: bool) -> None:
    have_old(vyos)

    async def work(router: Router) -> None:
        def report(step: str) -> None:
            if step == at:
                task.cancel()

        task = asyncio.create_task(apply(router, PART, "link", report=report, patience=2))
        if twice:  # while it takes back

            def again(command: str) -> None:
                if task.cancelling() and command == "commit":
                    task.cancel()

            vyos.before = again
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert f"cancelled at the step '{at}'" in str(cancelled.value)
        assert own(vyos.show()) == OLD_ALL  # by now

    run(vyos, work)
    assert_as_before(vyos)


def test_a_cancellation_that_comes_with_an_answer_is_not_lost() -> None:
    """As a loop of questions would go on after it."""

    class Answering:
        """As asyncssh's connection, with an answer that is there as soon as `answer` is set."""

        def __init__(self) -> None:
            self.answer = asyncio.get_running_loop().create_future()

        async def run(self, *_: object, timeout: float | None = None, **__: object) -> asyncssh.SSHCompletedProcess:
            return await asyncio.wait_for(self.answer, timeout)

    async def main() -> None:
        connection = Answering()
        asking = asyncio.create_task(ssh.run(cast(asyncssh.SSHClientConnection, connection), "echo"))
        await asyncio.sleep(0.01)
        connection.answer.set_result(asyncssh.SSHCompletedProcess(None, "echo", None, 0, None, 0, "", ""))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(main())


def test_a_cancelled_wait_for_the_turn_leaves_the_one_before_alone(vyos: VyosHost) -> None:
    have_old(vyos)

    async def work(router: Router) -> bool:
        first = asyncio.create_task(apply(router, PART, "first", patience=2))
        second = asyncio.create_task(apply(router, PART, "second", patience=2))
        await asyncio.sleep(0.05)
        second.cancel()
        return await first

    assert run(vyos, work) is True


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa"])
def test_another_host_key(vyos: VyosHost, kind: str) -> None:
    """Nothing at all is sent to it."""
    have_old(vyos)

    async def work(router: Router) -> str:
        wrong = Router(vyos.access(asyncssh.generate_private_key(kind)))
        start = time.monotonic()
        with pytest.raises(ApplyFailed) as failed:
            await apply(wrong, PART, "link", patience=60)
        assert time.monotonic() - start < 5  # it does not try again
        assert isinstance(failed.value.__cause__, ssh.WrongHostKey)
        return str(failed.value)

    text = run(vyos, work)
    assert "answers with another host key than the router's" in text
    assert "nothing was sent" in text
    assert text.endswith(UNTOUCHED)
    assert vyos.commands == vyos.typed == []
    assert_as_before(vyos)


def test_a_host_key_of_another_kind(vyos: VyosHost) -> None:
    """RSA signatures have other names than the key."""
    vyos.configure(*NEW)
    key, vyos.host_key = vyos.host_key, asyncssh.generate_private_key("ssh-rsa")
    try:
        assert run(vyos, lambda router: apply(router, PART, "link", patience=2)) is False
    finally:
        vyos.host_key = key


def test_a_key_that_is_none(vyos: VyosHost) -> None:
    async def work(router: Router) -> None:
        for access in (replace(router.access, host_key="no key"), replace(router.access, private_key="no key")):
            with pytest.raises(ApplyFailed, match="are not as SSH writes them"):
                await apply(Router(access), PART, "link", patience=2)

    run(vyos, work)


def test_a_refused_user(vyos: VyosHost) -> None:
    async def work(router: Router) -> None:
        stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        with pytest.raises(ApplyFailed, match="it refuses the user 'vyos' or the key"):
            await apply(Router(replace(router.access, private_key=stranger)), PART, "link", patience=0.5)

    run(vyos, work)


def test_what_is_no_vyos(vyos: VyosHost) -> None:
    template = vyos.directory / "script-template"
    text = template.read_text()
    template.write_text("")
    try:
        said = failing(vyos)
    finally:
        template.write_text(text)
    assert "this is no VyOS" in said
    assert said.endswith(UNTOUCHED)


def test_a_user_without_the_group(vyos: VyosHost) -> None:
    have_old(vyos)
    right = vyos.environment["VYOS_GROUP"]
    vyos.environment["VYOS_GROUP"] = "nobody-has-it"
    try:
        text = failing(vyos)
    finally:
        vyos.environment["VYOS_GROUP"] = right
    assert "Failed to set up config session" in text
    assert text.endswith(UNTOUCHED)


def test_a_kept_connection_that_has_died_is_made_anew(vyos: VyosHost) -> None:
    have_old(vyos)

    async def work(router: Router) -> bool:
        await router.connection(2)
        vyos.cut()
        return await apply(router, PART, "link", patience=2)

    assert run(vyos, work) is True


def test_a_foreign_commit_that_waits_for_its_confirm_is_left_alone(vyos: VyosHost) -> None:
    have_old(vyos)
    foreign = "set system name-server 192.0.2.53"
    assert "minutes" in vyos.bash("configure", foreign, "commit-confirm 5 <<< y", "exit discard")
    text = failing(vyos)
    assert "somebody else's commit waits for its `confirm`" in text
    assert text.endswith(UNTOUCHED)
    assert own(vyos.show()) == OLD_ALL
    assert not vyos.confirmed()
    assert "set system name-server '192.0.2.53'" in vyos.show()
    assert not list(vyos.directory.glob("vpn-connect.pending"))


def test_of_a_command_that_was_cut_short_nothing_is_carried_out(vyos: VyosHost) -> None:
    async def work(router: Router) -> None:
        async with router.shell(2, 2) as shell:
            shell.process.stdin.write(f"{{ touch {shlex.quote(str(vyos.directory / 'half'))}\n}}\n")
            vyos.cut()
        while any(child.returncode is None for child in vyos.children):
            await asyncio.sleep(0.01)

    run(vyos, work)
    assert not (vyos.directory / "half").exists()
