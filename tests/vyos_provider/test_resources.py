"""What the provider's resources do, without the engine: checks, drift, updates, keys."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import time
from typing import Any

import asyncssh
import pytest

from tests.router.recorder import free_port
from tests.vyos_provider.conftest import VyosHost, serving
from vyos_provider import resources, ssh
from vyos_provider.apply import ApplyFailed
from vyos_provider.resources import (
    Check,
    Configuration,
    FirstBoot,
    HostKey,
    PreSharedKey,
    Properties,
    Routers,
    Service,
    package,
    sequence,
)
from vyos_provider.ssh import RouterError

KEY, OTHER_KEY = "11" * 32, "22" * 32
LINES = [
    "set interfaces tunnel tun3 address '10.255.0.1/30'",
    "set interfaces tunnel tun3 encapsulation 'ipip'",
    "set interfaces tunnel tun3 remote '192.0.2.2'",
    "set interfaces tunnel tun3 source-address '192.0.2.1'",
    "set system host-name 'tokyo'",
    "set vpn ipsec authentication psk osaka id '10.255.0.1'",
    'set vpn ipsec authentication psk osaka secret "$PSK"',
]
NODES = ["interfaces tunnel tun3", "vpn ipsec authentication psk osaka"]
UP = "4: tun3    inet 10.255.0.1/30 scope global tun3\n"
SHOW = "/opt/vyatta/bin/vyatta-op-cmd-wrapper show configuration commands"


class Messages(list[tuple[str, str]]):
    """A log that keeps what it is told."""

    async def __call__(self, severity: str, text: str) -> None:
        self.append((severity, text))


def inputs(host: VyosHost, **other: Any) -> Properties:
    found = {
        "title": "link tokyo-osaka at tokyo",
        "lines": LINES,
        "nodes": NODES,
        "machine": "m1",
        "key": KEY,
        "connection": host.connection(),
        "removable": True,
    }
    return {name: value for name, value in {**found, **other}.items() if value is not None}


def have(host: VyosHost, key: str = KEY) -> None:
    """The router has the lines."""
    host.configure(*(line.replace("$PSK", key) for line in LINES))
    host.says(addresses=UP)


def checked(host: VyosHost, old: Properties, new: Properties, log: Messages | None = None) -> Properties:
    """A check at the running router; {"connection": …} of the two come from `connected`."""

    async def main() -> Properties:
        async with serving(host):
            way = {"connection": host.connection()}
            kind = Configuration(Routers())
            said = Messages() if log is None else log
            before = {**old, **way} if "connection" in old else old
            after = {**new, **way} if "connection" in new else new
            return await kind.check(before, after, said)

    return asyncio.run(main())


def test_a_pre_shared_key_is_256_bits_as_hexadecimal_digits() -> None:
    async def main() -> set[str]:
        kind, log = PreSharedKey(), Messages()
        made = [await kind.create({"rotation": 1.0}, log), await kind.update({"rotation": 1.0}, {"rotation": 2.0}, log)]
        return {properties["key"] for properties in made}

    keys = asyncio.run(main())
    assert len(keys) == 2  # another rotation, another key
    assert all(len(bytes.fromhex(key)) == 32 and key.islower() | key.isdigit() for key in keys)
    assert PreSharedKey().diff({"rotation": 1.0}, {"rotation": 2.0}) == ["rotation"]
    assert PreSharedKey().diff({"rotation": 1.0}, {"rotation": 1.0}) == []


def test_a_made_host_key() -> None:
    made = asyncio.run(HostKey().create({}, Messages()))
    private = asyncssh.import_private_key(made["privateKey"])
    assert made["publicKey"] == private.export_public_key().decode().strip()
    assert made["publicKey"].startswith("ssh-ed25519 ")
    assert made["privateKey"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert asyncio.run(HostKey().create({}, Messages()))["publicKey"] != made["publicKey"]


def test_a_recorded_host_key(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Properties:
        async with serving(vyos):
            monkeypatch.setattr(resources, "host_key", functools.partial(ssh.host_key, port=vyos.port))
            return await HostKey().create({"host": "127.0.0.1", "machine": "m1"}, Messages())

    assert asyncio.run(main()) == {"publicKey": vyos.access().host_key, "privateKey": ""}
    assert vyos.commands == []
    assert HostKey().diff({"host": "h", "machine": "m1"}, {"host": "h", "machine": "m2"}) == ["machine"]


def test_a_host_key_that_nobody_shows() -> None:
    with pytest.raises(ssh.Unreachable, match=r"127\.0\.0\.1 cannot be reached by SSH"):
        asyncio.run(ssh.host_key("127.0.0.1", 0.1, free_port()))


def test_a_new_resource_is_not_looked_for(vyos: VyosHost) -> None:
    new = inputs(vyos)
    log = Messages()
    assert checked(vyos, {}, new, log) == {**new, "connection": vyos.connection()}
    assert vyos.logins == 0
    assert log == []


def test_no_drift(vyos: VyosHost) -> None:
    have(vyos)
    old = {**inputs(vyos), "drift": ["found on the router yesterday:", "- set system host-name other"]}
    new = checked(vyos, old, inputs(vyos))
    assert "drift" not in new
    assert vyos.commands == [SHOW]
    assert Configuration(Routers()).diff({**old, "connection": new["connection"]}, new) == []


def test_drift_is_shown_without_secrets(vyos: VyosHost) -> None:
    have(vyos, OTHER_KEY)
    vyos.configure(
        "set interfaces tunnel tun3 mtu 1300", "set system host-name changed", "delete interfaces tunnel tun3 address"
    )
    old = inputs(vyos)
    new = checked(vyos, old, inputs(vyos))
    first, *drift = new["drift"]
    assert first.startswith("found on the router at ")
    assert drift == [
        "- set interfaces tunnel tun3 mtu 1300",
        "- set vpn ipsec authentication psk osaka secret <secret>",
        "+ set interfaces tunnel tun3 address 10.255.0.1/30",
        "+ set system host-name tokyo",
        "+ set vpn ipsec authentication psk osaka secret <secret>",
    ]
    assert not [line for line in new["drift"] if KEY in line or OTHER_KEY in line]
    assert Configuration(Routers()).diff({**old, "connection": new["connection"]}, new) == ["drift"]


def test_drift_is_against_what_was_applied_and_not_what_will_be(vyos: VyosHost) -> None:
    have(vyos)
    new = checked(vyos, inputs(vyos), inputs(vyos, lines=LINES[:2], key=OTHER_KEY))
    assert "drift" not in new


def test_a_drift_of_before_does_not_stay(vyos: VyosHost) -> None:
    """Nor may the program give one."""
    have(vyos)
    assert "drift" not in checked(vyos, inputs(vyos), inputs(vyos, drift=["mine"]))


def test_another_machine_is_not_looked_at(vyos: VyosHost) -> None:
    for new in (inputs(vyos, machine="m2"), inputs(vyos, machine=None)):
        assert "drift" not in checked(vyos, inputs(vyos), new)
    assert vyos.logins == 0


@pytest.mark.parametrize("name", ["title", "lines", "nodes", "key", "connection", "removable"])
def test_inputs_that_are_not_known_yet(vyos: VyosHost, name: str) -> None:
    """The router is still compared with what was applied last, on the way that is known."""
    have(vyos)
    vyos.configure("set interfaces tunnel tun3 mtu 1300")
    new = checked(vyos, inputs(vyos), inputs(vyos, **{name: None}))
    assert name not in new
    assert new["drift"][1:] == ["- set interfaces tunnel tun3 mtu 1300"]


def test_the_way_to_the_router_is_the_one_of_now(vyos: VyosHost) -> None:
    """Another key or address is in use before a configuration is updated."""
    have(vyos)

    async def main() -> None:
        async with serving(vyos):
            old = inputs(vyos, connection={**vyos.connection(), "port": float(free_port())})
            log = Messages()
            await Configuration(Routers()).check(old, inputs(vyos), log)
            assert log == []

    asyncio.run(main())
    assert vyos.commands == [SHOW]


@pytest.mark.parametrize("name", ["host", "privateKey", "hostKey"])
def test_a_connection_that_is_known_in_part(vyos: VyosHost, name: str) -> None:
    have(vyos)

    async def main() -> Properties:
        async with serving(vyos):
            partly = {**vyos.connection(), name: None}
            log = Messages()
            new = await Configuration(Routers()).check(inputs(vyos), inputs(vyos, connection=partly), log)
            assert log == []
            return new

    assert "drift" not in asyncio.run(main())
    assert vyos.commands == [SHOW]


@pytest.mark.parametrize("name", ["lines", "nodes", "key", "connection"])
def test_an_old_state_that_lacks_something_is_not_compared(vyos: VyosHost, name: str) -> None:
    have(vyos, OTHER_KEY)
    new = inputs(vyos, connection=None)
    assert "drift" not in checked(vyos, inputs(vyos, **{name: None}), new)
    assert vyos.logins == 0


def test_lines_without_a_key_need_none(vyos: VyosHost) -> None:
    old = inputs(vyos, lines=["set system host-name tokyo"], nodes=[], key=None)
    assert checked(vyos, old, old)["drift"][1:] == ["+ set system host-name tokyo"]


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says nothing until its client has had enough."""
    await reader.read()
    writer.close()


@pytest.mark.parametrize("how", ["refused", "silent", "closed", "another host key"])
def test_a_router_that_cannot_be_read_is_a_warning(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(resources, "READ_PATIENCE", 1.0)
    have(vyos)

    async def main() -> tuple[Properties, Messages, float]:
        async with serving(vyos), await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
            about = vyos.connection()
            if how == "refused":
                about["port"] = float(free_port())
            elif how == "silent":
                about["port"] = float(silent.sockets[0].getsockname()[1])
            elif how == "closed":
                vyos.open = False
            else:
                about["hostKey"] = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            old, log = inputs(vyos, connection=about), Messages()
            start = time.monotonic()
            new = await Configuration(Routers()).check(old, old, log)
            return new, log, time.monotonic() - start

    new, log, seconds = asyncio.run(main())
    assert "drift" not in new
    ((severity, text),) = log
    assert severity == "warning"
    assert text.startswith("link tokyo-osaka at tokyo: whether it was changed on the router is not known: 127.0.0.1 ")
    assert ("another host key" if how == "another host key" else "cannot be reached by SSH") in text
    assert vyos.commands == []
    assert seconds < 3


def test_resources_of_one_router_read_it_once(vyos: VyosHost) -> None:
    have(vyos)

    async def main() -> None:
        async with serving(vyos):
            kind = Configuration(Routers())
            old = inputs(vyos)
            await asyncio.gather(*(kind.check(old, old, Messages()) for _ in range(5)))
            await kind.read(old, Messages())
            assert vyos.commands == [SHOW]
            # a change is seen by the next check
            await kind.update(old, {**old, "lines": [*LINES, "set interfaces tunnel tun3 mtu 1300"]}, Messages())
            assert "drift" in await kind.check(old, old, Messages())

    asyncio.run(main())
    assert vyos.logins == 2  # the second by the update, which tries the door


def test_read_gives_the_drift_of_now(vyos: VyosHost) -> None:
    have(vyos)
    vyos.configure("set interfaces tunnel tun3 mtu 1300")

    async def main() -> tuple[Properties, Properties, Properties]:
        async with serving(vyos):
            known = inputs(vyos)
            drifted = await Configuration(Routers()).read({**known, "drift": ["of yesterday"]}, Messages())
            vyos.configure("delete interfaces tunnel tun3 mtu")
            return known, drifted, await Configuration(Routers()).read(drifted, Messages())

    known, drifted, repaired = asyncio.run(main())
    assert drifted == {**known, "drift": ["- set interfaces tunnel tun3 mtu 1300"]}
    assert repaired == known


def test_diff_names_the_inputs_that_changed() -> None:
    kind = Configuration(Routers())
    old = {"lines": ["a"], "nodes": ["n"], "machine": "m1"}
    assert kind.diff(old, {"lines": ["b"], "nodes": ["n"], "key": "k"}) == ["key", "lines", "machine"]
    assert kind.diff({**old, "drift": ["x"]}, {**old, "drift": ["y"]}) == ["drift"]
    assert kind.diff({**old, "drift": ["x"]}, old) == []


def work(host: VyosHost, *steps: tuple[str, Properties, Properties]) -> Messages:
    """Creates, updates and deletes one after another; each as (what, old, new)."""
    log = Messages()

    async def main() -> None:
        async with serving(host):
            kind, way = Configuration(Routers()), {"connection": host.connection()}
            for what, old, new in steps:
                if what == "create":
                    assert await kind.create({**new, **way}, log) == {}
                elif what == "update":
                    assert await kind.update({**old, **way}, {**new, **way}, log) == {}
                else:
                    await kind.delete({**old, **way}, log)

    asyncio.run(main())
    return log


def test_create_reports_its_steps(vyos: VyosHost) -> None:
    vyos.says(addresses=UP)
    log = work(vyos, ("create", {}, inputs(vyos)))
    assert set(LINES[:5]) < set(vyos.saved())
    assert f"set vpn ipsec authentication psk osaka secret '{KEY}'" in vyos.saved()
    assert {severity for severity, _ in log} == {"info"}
    assert [text for _, text in log][:2] == ["read the active lines", "look at the tunnels"]
    assert log[-1] == ("info", "read back")


def test_an_update_removes_what_the_part_has_no_more(vyos: VyosHost) -> None:
    """Nodes and single lines, in the same commit; an operator's lines stay."""
    have(vyos)
    vyos.configure("set system name-server 192.0.2.53", "set system name-server 192.0.2.54", "set service ssh port 22")
    old = inputs(
        vyos,
        lines=[*LINES, "set service ssh disable-host-validation", "set system name-server 192.0.2.54"],
        nodes=[*NODES, "protocols static route 10.9.0.0/24"],
    )
    vyos.configure("set service ssh disable-host-validation", "set protocols static route 10.9.0.0/24 blackhole")
    moved = [line.replace("tun3", "tun4") for line in LINES]
    vyos.says(addresses=UP.replace("tun3", "tun4"))
    new = inputs(vyos, lines=moved, nodes=[node.replace("tun3", "tun4") for node in NODES])
    work(vyos, ("update", old, new))
    expected = [line.replace('"$PSK"', f"'{KEY}'") for line in moved]
    others = [
        "set interfaces ethernet eth0 address 'dhcp'",
        "set protocols static",  # VyOS keeps the empty node
        "set service ssh port '22'",
        "set system name-server '192.0.2.53'",
    ]
    assert sorted(vyos.saved()) == sorted([*expected, *others])
    assert vyos.typed.count("commit-confirm 2") == 1


def test_a_new_key_takes_the_place_of_the_old_one(vyos: VyosHost) -> None:
    have(vyos)
    work(vyos, ("update", inputs(vyos), inputs(vyos, key=OTHER_KEY)))
    secrets = [line for line in vyos.saved() if "secret" in line]
    assert secrets == [f"set vpn ipsec authentication psk osaka secret '{OTHER_KEY}'"]


def test_nothing_of_another_machine_is_removed(vyos: VyosHost) -> None:
    have(vyos)
    work(vyos, ("update", inputs(vyos, machine="m0"), inputs(vyos, lines=["set system host-name x1"], nodes=[])))
    assert set(LINES[:4]) < set(vyos.show())


def test_delete_takes_the_nodes_off_if_removable(vyos: VyosHost) -> None:
    have(vyos)
    vyos.configure("set interfaces tunnel tun3 mtu 1300")  # an operator's below an owned node goes with it
    work(vyos, ("delete", inputs(vyos, removable=False), {}))
    assert vyos.logins == 0
    assert set(LINES[:4]) < set(vyos.show())
    work(vyos, ("delete", inputs(vyos), {}))
    assert vyos.saved() == [
        "set interfaces ethernet eth0 address 'dhcp'",
        "set service ssh",
        "set system host-name 'tokyo'",
        "set vpn ipsec authentication",  # VyOS keeps the empty node
    ]


def test_all_is_told_before_the_end(vyos: VyosHost) -> None:
    vyos.says(addresses=UP)
    told: list[str] = []

    async def slow(severity: str, text: str) -> None:
        await asyncio.sleep(0.5)
        told.append(text)

    async def main() -> None:
        async with serving(vyos):
            await Configuration(Routers()).create(inputs(vyos), slow)
            assert told[-1] == "read back"

    asyncio.run(main())


def test_a_log_that_fails_does_not_fail_a_change(vyos: VyosHost) -> None:
    vyos.says(addresses=UP)

    async def broken(severity: str, text: str) -> None:
        raise OSError("the engine is gone")

    async def main() -> None:
        async with serving(vyos):
            await Configuration(Routers()).create(inputs(vyos), broken)

    asyncio.run(main())
    assert set(LINES[:4]) < set(vyos.saved())


def test_a_failed_change_holds_no_key(vyos: VyosHost) -> None:
    with pytest.raises(ApplyFailed, match="tunnel tun3") as failed:
        work(vyos, ("create", {}, inputs(vyos)))
    assert KEY not in str(failed.value)


CHECK = {"script": "echo router is up", "behindScript": "echo 3 of 3", "renewal": 1.0, "renew": "echo renewed"}


def test_a_check_runs_on_the_router_and_behind_it(vyos: VyosHost) -> None:
    async def main() -> Properties:
        async with serving(vyos):
            both = {"connection": vyos.connection(), "behind": vyos.connection()}
            kind = Check(Routers())
            first = await kind.create({**CHECK, **both}, Messages())
            assert vyos.commands == ["echo router is up", "echo 3 of 3"]
            await kind.update({**CHECK, **both}, {**CHECK, **both, "renewal": 2.0}, Messages())
            assert vyos.commands[2:] == ["echo renewed", "echo router is up", "echo 3 of 3"]
            return first

    assert asyncio.run(main()) == {"result": "3 of 3"}


@pytest.mark.parametrize("name", ["script", "behindScript"])
def test_a_check_that_fails_says_why(vyos: VyosHost, name: str) -> None:
    async def main() -> None:
        async with serving(vyos):
            both = {"connection": vyos.connection(), "behind": vyos.connection()}
            await Check(Routers()).create({**CHECK, **both, name: "echo no tunnel >&2; exit 3"}, Messages())

    with pytest.raises(RouterError, match=r"^no tunnel$"):
        asyncio.run(main())


def service(host: VyosHost, **other: Any) -> Properties:
    """A Service's inputs, its files in the host's own directory."""
    found = {
        "title": "name server of tokyo",
        "files": {f"{host.directory}/service/a.conf": ['it\'s a "line"', "key $KEY", ""], f"{host.directory}/b": ["b"]},
        "secrets": {"KEY": KEY},
        "prepare": f"ls {host.directory}/service 2>&1 | tail -n 1 >> {host.directory}/notes",
        "apply": f"cat; cat {host.directory}/service/a.conf >> {host.directory}/notes",
        "remove": f"rm -r {host.directory}/service {host.directory}/b {host.directory}/notes",
        "machine": "m1",
        "connection": host.connection(),
        "behind": host.connection(),
    }
    return {**found, **other}


def test_a_service_is_prepared_written_and_applied(vyos: VyosHost) -> None:
    """In this order, with secrets in no process's arguments; files that it has no more go, on the same machine."""

    async def main() -> None:
        async with serving(vyos):
            kind, log = Service(Routers()), Messages()
            assert await kind.create(service(vyos), log) == {}
            file = vyos.directory / "service/a.conf"
            assert file.read_text() == f'it\'s a "line"\nkey {KEY}\n\n'
            assert file.stat().st_mode & 0o777 == 0o600
            first = (vyos.directory / "notes").read_text()
            assert first.splitlines()[0].endswith("No such file or directory"), "prepare comes before the files"
            assert first.endswith(file.read_text()), "and apply after them"
            changed = service(vyos, files={str(file): ["new"]})
            await kind.update(service(vyos), {**changed, "machine": "m2"}, log)
            assert (vyos.directory / "b").exists()
            await kind.update(service(vyos), changed, log)
            assert not (vyos.directory / "b").exists()
            assert file.read_text() == "new\n"
            (vyos.directory / "b").touch()
            await kind.delete(changed, log)
            assert not file.exists()
            assert set(vyos.commands) == {"sudo -n bash -s"}

    asyncio.run(main())


@pytest.mark.parametrize("step", ["prepare", "write the files", "apply"])
def test_a_service_that_fails_names_the_step_and_what_the_machine_said(vyos: VyosHost, step: str) -> None:
    broken = f"echo {step} went on; echo disk full >&2; exit 3"
    wrong: Properties = {"files": {"/proc/none/a": ["x"]}} if step == "write the files" else {step: broken}
    said = "cannot create directory" if step == "write the files" else f"{step} went on\ndisk full$"

    async def main() -> None:
        async with serving(vyos):
            await Service(Routers()).create(service(vyos, **wrong), Messages())

    with pytest.raises(
        RouterError, match=f"^name server of tokyo: failed at the step '{step}': (?s:.*){said}"
    ) as failed:
        asyncio.run(main())
    assert KEY not in str(failed.value)
    if step == "prepare":
        assert not (vyos.directory / "service").exists()


def test_a_service_whose_connection_is_lost_is_not_applied_in_part(vyos: VyosHost) -> None:
    script = sequence({"one": f"touch {vyos.directory}/one", "two": f"touch {vyos.directory}/two"})
    cut = script[: script.index("touch", script.index("touch") + 1)]
    subprocess.run(["bash", "-s"], input=cut, text=True, capture_output=True, timeout=20)
    assert not (vyos.directory / "one").exists()


def test_the_package_by_its_names() -> None:
    kinds, functions = package()
    assert {name: type(kind).__name__ for name, kind in kinds.items()} == {
        name: name for name in ("PreSharedKey", "HostKey", "FirstBoot", "Configuration", "Check", "Service")
    }
    assert set(functions) == {"readAhead"}


def test_a_router_that_is_read_ahead_is_not_read_again(vyos: VyosHost) -> None:
    kinds, functions = package()

    async def main() -> None:
        async with serving(vyos):
            known = inputs(vyos)
            assert await functions["readAhead"]({"connection": known["connection"]}) == {}
            assert vyos.logins == 0, "not waited for"
            async with asyncio.timeout(10):
                while vyos.commands != [SHOW]:
                    await asyncio.sleep(0.01)
            assert "drift" in await kinds["Configuration"].check(known, known, Messages())
            assert (vyos.commands, vyos.logins) == ([SHOW], 1)

    asyncio.run(main())


def test_what_cannot_be_read_ahead_is_told_by_the_check(vyos: VyosHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vyos_provider.resources.READ_PATIENCE", 0.1)
    kinds, functions = package()
    known, messages = inputs(vyos), Messages()

    async def main() -> None:
        await functions["readAhead"]({"connection": known["connection"]})
        await asyncio.sleep(0.5)
        assert await kinds["Configuration"].check(known, known, messages) == known

    asyncio.run(main())
    assert ["cannot be reached by SSH" in text for _, text in messages] == [True]


def test_user_data_changes_with_what_the_machine_is_made_of_and_never_by_itself() -> None:
    kind, before = FirstBoot(), {"text": "one", "of": ["image", "flavor"]}
    assert asyncio.run(kind.create(before, Messages())) == {"userData": "one"}
    assert kind.diff(before, {"text": "two", "of": ["image", "flavor"]}) == []
    after = {"text": "two", "of": ["other image", "flavor"]}
    assert kind.diff(before, after) == ["of"]
    assert asyncio.run(kind.update({**before, "userData": "one"}, after, Messages())) == {"userData": "two"}
