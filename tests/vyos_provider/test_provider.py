"""The provider as a process: what the engine is told, what stays secret, how it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh
import grpc
import pytest
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from tests.router.recorder import free_port
from tests.vyos_provider.conftest import VyosHost, serving
from tests.vyos_provider.plugin import (
    INFO,
    LAUNCHER,
    WARNING,
    Plugin,
    Properties,
    known,
    running_engine,
    running_plugin,
    secret,
    urn,
)
from tests.vyos_provider.test_resources import KEY, LINES, NODES, OTHER_KEY, SHOW, UP, service

CONFIGURATION, PSK, HOST_KEY, SERVICE = "Configuration", "PreSharedKey", "HostKey", "Service"
COMPUTED = PropertyValue(UNKNOWN)


def inputs(host: VyosHost, **other: Any) -> Properties:
    """A Configuration's, marked as the SDK marks them: of a connection the private key at least."""
    way = host.connection()
    found = {
        "title": "link tokyo-osaka at tokyo",
        "lines": LINES,
        "nodes": NODES,
        "machine": "m1",
        "key": secret(KEY),
        "connection": {**way, "privateKey": secret(way["privateKey"])},
        "removable": True,
    }
    return {name: known(value) for name, value in {**found, **other}.items()}


def run(host: VyosHost, work: Callable[[Plugin], Awaitable[Any]]) -> Any:
    """Work with the provider, and with a router that answers."""

    async def main() -> Any:
        async with serving(host), running_plugin() as plugin:
            return await work(plugin)

    return asyncio.run(main())


async def refused(call: Awaitable[Any]) -> str:
    """The text of a call's failure."""
    with pytest.raises(grpc.RpcError) as failed:
        await call
    text = str(failed.value.details())
    assert "Traceback" not in text
    assert 'File "' not in text
    return text


def assert_secret(value: PropertyValue, text: str) -> None:
    assert value.is_secret
    assert value.value == text


def test_a_key_is_a_secret_from_the_first(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        asked: Properties = {"rotation": PropertyValue(1.0)}
        assert await plugin.check(PSK, {}, asked) == asked
        assert await plugin.create(PSK, asked, preview=True) == ("", {**asked, "key": COMPUTED.with_secret(True)})
        number, made = await plugin.create(PSK, asked)
        assert number
        assert made["rotation"] == PropertyValue(1.0)
        assert made["key"].is_secret
        assert len(str(made["key"].value)) == 64
        rotated = await plugin.update(PSK, made, {"rotation": PropertyValue(2.0)}, preview=True)
        assert rotated == {"rotation": PropertyValue(2.0), "key": COMPUTED.with_secret(True)}
        rotated = await plugin.update(PSK, made, {"rotation": PropertyValue(2.0)})
        assert rotated["key"].is_secret
        assert rotated["key"] != made["key"]

    run(vyos, work)


def test_of_a_host_key_the_private_half_is_secret(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        _, preview = await plugin.create(HOST_KEY, {"host": COMPUTED}, preview=True)
        assert preview == {"host": COMPUTED, "publicKey": COMPUTED, "privateKey": COMPUTED.with_secret(True)}
        _, made = await plugin.create(HOST_KEY, {})
        assert made["privateKey"].is_secret
        assert not made["publicKey"].is_secret
        private = asyncssh.import_private_key(str(made["privateKey"].value))
        assert private.export_public_key().decode().strip() == made["publicKey"].value

    run(vyos, work)


def test_a_configurations_life(vyos: VyosHost) -> None:
    vyos.says(addresses=UP)

    async def work(plugin: Plugin) -> None:
        asked = inputs(vyos)
        assert await plugin.check(CONFIGURATION, {}, asked) == asked
        assert (await plugin.create(CONFIGURATION, asked, preview=True))[1] == asked
        assert vyos.logins == 0
        number, made = await plugin.create(CONFIGURATION, asked)
        assert number
        assert made == asked
        assert f"set vpn ipsec authentication psk osaka secret '{KEY}'" in vyos.saved()

        changed = inputs(vyos, key=secret(OTHER_KEY))
        assert await plugin.check(CONFIGURATION, made, changed) == changed
        assert await plugin.update(CONFIGURATION, made, changed, preview=True) == changed
        assert await plugin.update(CONFIGURATION, made, changed) == changed
        assert f"set vpn ipsec authentication psk osaka secret '{OTHER_KEY}'" in vyos.saved()

        await plugin.delete(CONFIGURATION, changed)
        assert not [line for line in vyos.saved() if "tun3" in line]

    run(vyos, work)


def test_steps_are_told_while_they_are_taken(vyos: VyosHost) -> None:
    vyos.says(addresses=UP)

    async def work(plugin: Plugin) -> None:
        await plugin.create(CONFIGURATION, inputs(vyos))
        entry = await plugin.logged("read back")
        assert (entry.severity, entry.urn, entry.ephemeral) == (INFO, urn(CONFIGURATION), True)
        assert {entry.severity for entry in plugin.engine.logged} == {INFO}
        assert not [entry for entry in plugin.engine.logged if KEY in entry.message]

    run(vyos, work)


def test_a_service_that_fails_says_nothing_of_its_secrets(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        plainly = service(vyos, apply=f"cat {vyos.directory}/service/a.conf; exit 1")
        asked = {name: known(value) for name, value in plainly.items()} | {"secrets": secret(plainly["secrets"])}
        assert await plugin.check(SERVICE, {}, asked) == asked
        assert (await plugin.create(SERVICE, asked, preview=True))[1] == asked
        assert vyos.logins == 0
        text = await refused(plugin.create(SERVICE, asked))
        assert text == "name server of tokyo: failed at the step 'apply': it's a \"line\"\nkey <secret>"

    run(vyos, work)


def test_drift_is_an_input_and_a_diff(vyos: VyosHost) -> None:
    vyos.configure(*(line.replace("$PSK", OTHER_KEY) for line in LINES))

    async def work(plugin: Plugin) -> None:
        asked = inputs(vyos)
        checked = await plugin.check(CONFIGURATION, asked, asked)
        drift = checked.pop("drift")
        assert checked == asked
        assert [str(line.value) for line in drift.value][1:] == [  # type: ignore[union-attr]
            "- set vpn ipsec authentication psk osaka secret <secret>",
            "+ set vpn ipsec authentication psk osaka secret <secret>",
        ]
        difference = await plugin.diff(CONFIGURATION, asked, {**asked, "drift": drift})
        assert difference.changes == pb.DiffResponse.DIFF_SOME
        assert list(difference.diffs) == ["drift"]
        assert difference.hasDetailedDiff
        assert {name: entry.kind for name, entry in difference.detailedDiff.items()} == {"drift": pb.PropertyDiff.ADD}
        assert all(entry.inputDiff for entry in difference.detailedDiff.values())

        outputs, found = await plugin.read(CONFIGURATION, {**asked, "drift": known(["of yesterday"])})
        assert len(found.pop("drift").value) == 2  # type: ignore[arg-type]
        assert found == asked
        assert outputs["key"] == asked["key"]

    run(vyos, work)
    assert vyos.commands == [SHOW]


def test_diff(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        old = {**inputs(vyos), "drift": known(["- a line"])}
        new = inputs(vyos)
        same = await plugin.diff(CONFIGURATION, old, new)
        assert (same.changes, list(same.diffs), same.hasDetailedDiff) == (pb.DiffResponse.DIFF_NONE, [], True)
        del new["removable"]
        new |= {"lines": known(LINES[:3]), "key": COMPUTED, "extra": known("x")}
        found = await plugin.diff(CONFIGURATION, old, new)
        assert found.changes == pb.DiffResponse.DIFF_SOME
        assert {name: entry.kind for name, entry in found.detailedDiff.items()} == {
            "extra": pb.PropertyDiff.ADD,
            "key": pb.PropertyDiff.UPDATE,
            "lines": pb.PropertyDiff.UPDATE,
            "removable": pb.PropertyDiff.DELETE,
        }
        assert not found.replaces
        found = await plugin.diff(CONFIGURATION, old, new, ignore=("extra", "key", "removable"))
        assert list(found.diffs) == ["lines"]

    run(vyos, work)


def test_unknown_values_pass_through(vyos: VyosHost) -> None:
    """In a preview; a connection that is known in part is no reason to look, or to fail."""
    vyos.configure(*(line.replace("$PSK", KEY) for line in LINES))

    async def work(plugin: Plugin) -> None:
        way = {**vyos.connection(), "host": COMPUTED}
        asked = inputs(vyos, machine=COMPUTED, key=COMPUTED.with_secret(True), connection=way)
        assert await plugin.check(CONFIGURATION, {}, asked) == asked
        assert await plugin.check(CONFIGURATION, inputs(vyos), asked) == asked
        assert await plugin.update(CONFIGURATION, inputs(vyos), asked, preview=True) == asked
        assert (await plugin.create(CONFIGURATION, asked, preview=True))[1] == asked
        assert vyos.logins == 0

        asked = inputs(vyos, lines=COMPUTED, connection=COMPUTED)
        assert await plugin.check(CONFIGURATION, inputs(vyos), asked) == asked
        assert vyos.commands == [SHOW]  # on the way of before

    run(vyos, work)


def test_a_router_that_cannot_be_read_is_a_warning(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        asked = inputs(vyos, connection=secret({**vyos.connection(), "port": float(free_port())}))
        assert await plugin.check(CONFIGURATION, asked, asked) == asked
        entry = await plugin.logged("is not known")
        assert (entry.severity, entry.urn, entry.ephemeral) == (WARNING, urn(CONFIGURATION), False)
        assert "127.0.0.1 cannot be reached by SSH" in entry.message

    run(vyos, work)


@pytest.mark.parametrize("whole", [False, True], ids=["its key", "whole"])
def test_a_failure_tells_where_and_what_and_no_secret(vyos: VyosHost, whole: bool) -> None:
    """Though all of a connection may be marked as secret."""

    async def work(plugin: Plugin) -> None:
        way = secret(vyos.connection()) if whole else inputs(vyos)["connection"]
        title = f"the link of vyos with {KEY}"  # whatever text it is that holds it
        asked = inputs(vyos, connection=way, title=title, lines=[f"set vpn ipsec psk {KEY} id a"])
        for call in (plugin.create(CONFIGURATION, asked), plugin.update(CONFIGURATION, inputs(vyos), asked)):
            text = await refused(call)
            assert text.startswith("the link of vyos with <secret> (127.0.0.1): failed at the step 'set'")
            assert "set vpn ipsec psk <secret> id a" in text
            assert "is not valid" in text
            assert KEY not in text

    run(vyos, work)
    assert not [line for line in vyos.show() if "tun3" in line]


def test_a_failure_of_the_providers_own(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        asked = inputs(vyos)
        del asked["lines"]
        assert await refused(plugin.create(CONFIGURATION, asked)) == "KeyError: 'lines'"

    run(vyos, work)


def test_a_kind_that_there_is_not(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        request = pb.CheckRequest(urn=urn("Firewall"))
        (failure,) = (await plugin.stub.Check(request)).failures
        assert failure.reason == "vyos has no resource 'Firewall'"

    run(vyos, work)


def test_the_engines_first_words(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:
        assert (await plugin.stub.Handshake(pb.ProviderHandshakeRequest())).accept_secrets
        configured = await plugin.stub.Configure(pb.ConfigureRequest())
        assert configured.acceptSecrets
        assert configured.supportsPreview

    run(vyos, work)


def test_cancel_ends_a_change_and_takes_it_back(vyos: VyosHost) -> None:
    async def work(plugin: Plugin) -> None:  # no tunnel comes up: it waits
        call = asyncio.ensure_future(plugin.create(CONFIGURATION, inputs(vyos)))
        await plugin.logged("compare the tunnels")
        assert [line for line in vyos.show() if "tun3" in line]
        await plugin.cancel()
        text = await refused(call)
        assert text.startswith("link tokyo-osaka at tokyo (127.0.0.1): cancelled at the step 'compare the tunnels'\n")
        assert "The router has its old configuration again" in text
        assert KEY not in text

    run(vyos, work)
    assert not [line for line in vyos.show() if "tun3" in line]
    assert vyos.confirmed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(vyos: VyosHost, number: int) -> None:
    async def work(plugin: Plugin) -> int:
        call = asyncio.ensure_future(plugin.create(CONFIGURATION, inputs(vyos)))
        await plugin.logged("compare the tunnels")
        plugin.process.send_signal(number)
        code = await asyncio.wait_for(plugin.process.wait(), 5)
        await refused(call)
        return code

    assert run(vyos, work) == 0
    assert not vyos.confirmed()  # the timer takes it back


def test_it_ends_with_an_engine_that_is_gone() -> None:
    async def main() -> None:
        async with running_engine() as (_, address):
            engine = await asyncio.create_subprocess_exec(
                "sh", "-c", f"'{LAUNCHER}' {address} & wait", stdout=asyncio.subprocess.PIPE
            )
            assert engine.stdout
            assert int(await engine.stdout.readline())
            engine.kill()
            await engine.wait()
            # the pipe's other end is the provider's alone now
            assert await asyncio.wait_for(engine.stdout.read(), 10) == b""

    asyncio.run(main())
