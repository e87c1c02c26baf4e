"""The plugin built here has the names and shapes of the pulumi_openstack SDK, which the official plugin serves.

Not proved: that the values behave alike; the lab's end to end run goes through networks, ports, servers and keys.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.toolchain.sdk_shapes import Sdk, Shape, read_sdk
from toolchain.build import HERE, compiled
from toolchain.paths import complete

TABLE = json.loads((HERE / "openstack-plugin/provider/tokens.json").read_text())
RESOURCES, DATA_SOURCES = sorted(TABLE["resources"].values()), sorted(TABLE["dataSources"].values())

# What the SDK has and the plugin does not, and why it does no harm. In properties and shapes there is no difference.
UNSERVED = {
    "openstack:index/getWorkflowWorkflowV2:getWorkflowWorkflowV2": "the data source is served under its older name, WorkflowWorkflowV2; nothing here uses Mistral",
}


@pytest.fixture(scope="module")
def sdk() -> Sdk:
    return read_sdk()


@pytest.fixture(scope="module")
def plugin() -> dict[str, Any]:
    """What the plugin's own provider description says, printed by the binary that is built beside it."""
    if not complete(compiled()):
        pytest.skip("the official plugin is in use: the one from source has not been built")
    printed = subprocess.run([compiled() / "openstack-dump"], capture_output=True, check=True).stdout
    return dict(json.loads(printed))


def differences(sdk: Shape, plugin: Shape, at: str) -> list[str]:
    """Where two shapes differ, a line each."""
    if isinstance(sdk, dict) and isinstance(plugin, dict):
        only = [
            f"{at}.{name}: only in the {'SDK' if name in sdk else 'plugin'}"
            for name in sorted(sdk.keys() ^ plugin.keys())
        ]
        return only + [
            line
            for name in sorted(sdk.keys() & plugin.keys())
            for line in differences(sdk[name], plugin[name], f"{at}.{name}")
        ]
    if isinstance(sdk, list) and isinstance(plugin, list) and sdk[0] == plugin[0]:
        return differences(sdk[1], plugin[1], f"{at}[]")
    return [] if sdk == plugin else [f"{at}: {json.dumps(sdk)} in the SDK, {json.dumps(plugin)} in the plugin"]


def test_differences_are_seen() -> None:
    sdk = {"name": "str", "tags": ["list", "str"], "port": {"id": "str", "mtu": "int"}}
    plugin = {"name": "int", "tags": ["map", "str"], "port": {"id": "str", "vlan": "int"}}
    assert differences(sdk, sdk, "net") == []
    assert differences(sdk, plugin, "net") == [
        'net.name: "str" in the SDK, "int" in the plugin',
        "net.port.mtu: only in the SDK",
        "net.port.vlan: only in the plugin",
        'net.tags: ["list", "str"] in the SDK, ["map", "str"] in the plugin',
    ]


@pytest.mark.parametrize("token", RESOURCES)
def test_a_resource_has_the_sdks_properties(token: str, sdk: Sdk, plugin: dict[str, Any]) -> None:
    assert differences(sdk.resources[token], plugin["resources"][token], token) == []


@pytest.mark.parametrize("token", DATA_SOURCES)
def test_a_data_source_has_the_sdks_properties(token: str, sdk: Sdk, plugin: dict[str, Any]) -> None:
    with_id = {"id": "str", **plugin["functions"][token]}  # the bridge adds it
    assert differences(sdk.functions[token], with_id, token) == []


def test_no_token_is_used_twice() -> None:
    assert len({*RESOURCES, *DATA_SOURCES}) == len(TABLE["resources"]) + len(TABLE["dataSources"]) == 169


def test_the_plugin_has_exactly_the_tables_tokens(plugin: dict[str, Any]) -> None:
    assert (sorted(plugin["resources"]), sorted(plugin["functions"])) == (RESOURCES, DATA_SOURCES)


def test_all_that_the_sdk_has_beyond_the_table_is_deprecated_or_named(sdk: Sdk) -> None:
    beyond = (sdk.resources.keys() | sdk.functions.keys()) - {*RESOURCES, *DATA_SOURCES}
    assert beyond - sdk.deprecated == UNSERVED.keys()
