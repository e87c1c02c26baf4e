"""The provider as a process, as the engine starts it: its kinds are served, and its secrets are marked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from pulumi.provider.experimental.property_value import PropertyValue

from packstack.answers import password
from tests.packstack.samples import RAW, settings
from tests.vyos_provider import plugin as engine
from tests.vyos_provider.plugin import known, running_plugin, secret
from toolchain.paths import REPO


@pytest.fixture(autouse=True)
def launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LAUNCHER", REPO / "packstack/provider/pulumi-resource-packstack")


def test_a_secret_is_made_once_and_passwords_come_from_it() -> None:
    async def main() -> None:
        async with running_plugin() as plugin:
            _, made = await plugin.create("Secret", {})
            assert made["secret"].is_secret
            given = {"secret": made["secret"], "purpose": known("user")}
            _, user = await plugin.create("Password", given)
            assert user["password"] == PropertyValue(password(str(made["secret"].value), "user"), is_secret=True)
            assert not (await plugin.diff("Password", given, given)).diffs

    asyncio.run(main())


def test_a_host_that_does_not_answer_is_named_and_no_secret_is() -> None:
    # all numbers reach a provider as floats
    described: Any = json.loads(settings().model_dump_json(by_alias=True), parse_int=float)
    connection = {
        "host": "127.0.0.1", "port": 9.0, "user": "root", "hostKey": RAW["hostKey"], "privateKey": "NO KEY AT ALL",
    }  # fmt: skip

    async def main() -> None:
        async with running_plugin() as plugin:
            inputs = {
                "settings": known(described), "owner": known("me"),
                "connections": known([{**connection, "privateKey": secret("NO KEY AT ALL")}]),
            }  # fmt: skip
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await plugin.create("Prechecks", inputs)
            assert "127.0.0.1" in str(refused.value.details())
            assert "NO KEY" not in str(refused.value.details())

    asyncio.run(main())
