"""The resources of the internal DNS, with Pulumi's mocks."""

from __future__ import annotations

import base64
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import join, make_plan, parse_settings
from tests.program.conftest import CLOUDS, configuration
from tests.program.mocks import PRE_SHARED_KEY, Cloud, plain, plan_of, revealed, run
from tests.program.test_components import connection_of

DNS = {"domain": "corp.example", "primary": "osaka"}
#: the key's bits as TSIG has them
SECRET = base64.b64encode(bytes.fromhex(PRE_SHARED_KEY)).decode()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud().used() as made:
        yield made


def needed(cloud: Cloud, name: str) -> set[str]:
    """The names of what a service waits for."""
    return {urn.split("::")[-1] for urn in cloud.request("Service", name).dependencies}


def test_every_site_has_a_server_and_the_primary_comes_last(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", "nagoya", dns=DNS)))
    assert set(cloud.of("Service")) == {"dns-tokyo", "dns-osaka", "dns-nagoya"}
    assert needed(cloud, "dns-osaka") >= {"dns-tokyo", "dns-nagoya", "osaka-linux", "osaka-base"}
    assert not needed(cloud, "dns-tokyo") & {"dns-osaka", "dns-nagoya", "tokyo-osaka-tokyo"}
    for name in cloud.of("Service"):
        request = cloud.request("Service", name)
        assert request.parent.split("$")[-1].split("::") == ["vpn-connect:index:InternalDns", "dns"]
        assert request.provider.split("$")[-1].split("::")[:2] == ["pulumi:providers:vyos", "routers"]
        assert request.deletedWith.split("::")[-1] == f"{name.removeprefix('dns-')}-linux"


def test_a_server_is_its_sites_linux_vm_behind_its_router(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", dns=DNS)))
    service = cloud.inputs("Service", "dns-tokyo")
    assert service["machine"] == "id-of-tokyo-linux"
    router, machine = connection_of(service["connection"]), connection_of(service["behind"])
    assert (router["host"], router["hostKey"]) == ("203.0.113.51", "ssh-ed25519 tokyo-vyos-host-key")
    assert machine["host"] == cloud.outputs_of("Port", "tokyo-linux")["allFixedIps"][0]
    assert machine["hostKey"] == "ssh-ed25519 tokyo-linux-host-key"
    assert "    master: osaka" in service["files"]["/etc/knot/knot.conf"]
    assert (
        "corp.example. tokyo-vyos.corp.example. 300 A 192.168.10.254"
        in service["files"]["/etc/knot/vpn-connect.records"]
    )


def test_the_linux_vm_has_the_address_that_the_records_say(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", dns=DNS)))
    assert cloud.inputs("Port", "tokyo-linux")["fixedIps"] == [
        {"subnetId": "id-of-tokyo-lan", "ipAddress": "192.168.10.253"}
    ]
    assert list(cloud.request("Port", "tokyo-linux").replaceOnChanges) == ["fixedIps"]
    assert cloud.inputs("Subnet", "tokyo-lan")["dnsNameservers"] == ["192.168.10.253", "192.168.20.253"]


def test_the_key_is_a_secret_and_all_servers_have_the_same(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", dns=DNS)))
    assert cloud.inputs("PreSharedKey", "dns-key") == {"rotation": 1}
    for name in ("dns-tokyo", "dns-osaka"):
        service = cloud.inputs("Service", name)
        assert revealed(service["secrets"]) == {"TSIG_KEY": SECRET}
        assert '    secret: "$TSIG_KEY"' in service["files"]["/etc/knot/knot.conf"]
        assert not [word for word in (SECRET, PRE_SHARED_KEY, "LOGIN KEY") if word in plain(service)]


def test_without_dns_there_is_none(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))
    assert not cloud.of("Service")
    assert not cloud.of("InternalDns")
    assert "dnsNameservers" not in cloud.inputs("Subnet", "tokyo-lan")


def test_a_lost_sites_server_stays_as_it_was(cloud: Cloud) -> None:
    raw = configuration("tokyo", "osaka", "nagoya") | {"dns": DNS}
    raw["sites"]["tokyo"]["lost"] = True
    run(lambda: join(make_plan(parse_settings(raw, CLOUDS))))
    assert list(cloud.request("Service", "dns-tokyo").ignoreChanges) == ["*"]
    assert not list(cloud.request("Service", "dns-nagoya").ignoreChanges)
    assert "192.168.10.253" not in "\n".join(cloud.inputs("Service", "dns-osaka")["files"]["/etc/knot/knot.conf"])


def test_what_the_stack_tells_of_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text("clouds: {tokyo: {}, osaka: {}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    raw = configuration("tokyo", "osaka") | {"dns": DNS}
    monkeypatch.setattr(pulumi.Config, "get_object", lambda self, key: raw.get(key))
    monkeypatch.setattr(pulumi.Config, "get", lambda self, key: None)
    exports: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exports.__setitem__)
    keys: list[tuple[str, bool]] = []

    def program() -> None:
        runpy.run_path(str(Path(__file__).parent.parent.parent / "__main__.py"))
        key = exports["dnsKey"]
        pulumi.Output.all(key, pulumi.Output.from_input(key.is_secret())).apply(lambda both: keys.append(tuple(both)))

    run(program)
    assert exports["dns"] == {
        "domain": "corp.example",
        "primary": "osaka",
        "servers": {"tokyo": "192.168.10.253", "osaka": "192.168.20.253"},
        "resolverOptions": "timeout:1 attempts:2",
    }
    assert keys == [(f"hmac-sha256:vpn-connect:{SECRET}", True)]
