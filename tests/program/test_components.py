"""The resources that the components make, with Pulumi's mocks: types, names, parents, providers, inputs, counts."""

from __future__ import annotations

import asyncio
import importlib
import runpy
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pytest
from pulumi.runtime import mocks, settings

from components import LinkCheck, Plan, VpnLink, VpnSite, make_plan, parse_settings
from tests.program.conftest import CLOUDS, configuration

SECRET_KEY = "4dabf18193072939515e22adb298388d"


class Cloud(pulumi.runtime.Mocks):
    """Answers as the clouds would, and remembers what was asked for."""

    def __init__(self) -> None:
        self.made: dict[str, pulumi.runtime.MockResourceArgs] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        assert args.name not in self.made or self.made[args.name].typ != args.typ, f"{args.typ} {args.name} twice"
        self.made[f"{args.typ}::{args.name}"] = args
        outputs = dict(args.inputs)
        match args.typ:
            case "openstack:networking/network:Network":
                outputs["mtu"] = 1450
            case "openstack:networking/floatingIp:FloatingIp":
                outputs["address"] = f"203.0.113.{50 + CLOUDS.index(args.name.split('-')[0]) + 1}"
            case "openstack:networking/port:Port":
                outputs["allFixedIps"] = [f"192.0.2.{len(self.made)}"]
            case "openstack:compute/keypair:Keypair":
                outputs |= {"privateKey": f"PRIVATE KEY of {args.name}", "name": args.name}
            case "command:local:Command":
                outputs |= {"stdout": "PSK" * 21, "stderr": ""}
            case "command:remote:Command":
                outputs |= {"stdout": "3 of 3 pings answered, 5.1 ms", "stderr": ""}
        return f"id-of-{args.name}", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {
            **args.args,
            "id": f"id-of-{args.args.get('name') or 'ext'}",
            "name": args.args.get("name") or "ext",
        }, []

    def of(self, kind: str) -> dict[str, pulumi.runtime.MockResourceArgs]:
        """The resources of a type, by name."""
        return {args.name: args for args in self.made.values() if args.typ.endswith(f":{kind}")}


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Pulumi takes the thread's loop, and would leave one that it makes itself open."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def cloud(loop: asyncio.AbstractEventLoop) -> Iterator[Cloud]:
    made = Cloud()
    asyncio.set_event_loop(loop)
    mocks.set_mocks(made, project="vpn-connect", stack="test", preview=False)
    yield made
    settings.reset_options()
    asyncio.set_event_loop(None)


def plan_of(*names: str, **keys: Any) -> Plan:
    return make_plan(parse_settings(configuration(*names) | keys, CLOUDS))


def build(plan: Plan) -> tuple[dict[str, VpnSite], dict[str, VpnLink], dict[str, LinkCheck]]:
    """What `__main__.py` makes of a plan."""
    sites = {}
    for site in plan.sites:
        provider = openstack.Provider(site.name, cloud=site.cloud)
        sites[site.name] = VpnSite(site.name, site, opts=pulumi.ResourceOptions(providers=[provider]))
    links, checks = {}, {}
    for link in plan.links:
        ends = sites[link.ends[0].site], sites[link.ends[1].site]
        links[link.name] = VpnLink(link.name, link, ends)
        checks[link.name] = LinkCheck(f"{link.name}-check", links[link.name], ends)
    return sites, links, checks


def run(program: Callable[[], Any]) -> Any:
    """Run a program under the mocks to its end, every apply included."""
    result: list[Any] = []

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def decorated() -> None:
        result.append(program())

    decorated()
    return result[0]


def test_a_site_has_exactly_these_resources(cloud: Cloud) -> None:
    run(lambda: build(plan_of("tokyo")))
    assert Counter(args.typ.split(":")[-1] for args in cloud.made.values()) == {
        "openstack": 1, "VpnSite": 1, "Network": 2, "Subnet": 2, "Router": 1, "RouterInterface": 2, "SecGroup": 2,
        "SecGroupRule": 2, "Port": 3, "FloatingIp": 1, "Keypair": 1, "Instance": 2, "Command": 1, "RouterConfiguration": 1,
    }  # fmt: skip


def test_vyos_has_two_nics_in_a_fixed_order(cloud: Cloud) -> None:
    run(lambda: build(plan_of("tokyo")))
    vyos = cloud.of("Instance")["tokyo-vyos"].inputs
    assert [network["port"] for network in vyos["networks"]] == ["id-of-tokyo-eth0", "id-of-tokyo-eth1"]
    assert cloud.of("Port")["tokyo-eth0"].inputs["networkId"] == "id-of-tokyo-transit"
    assert cloud.of("Port")["tokyo-eth1"].inputs["networkId"] == "id-of-tokyo-lan"
    assert cloud.of("FloatingIp")["tokyo-floating-ip"].inputs["portId"] == "id-of-tokyo-eth0"
    assert [network["port"] for network in cloud.of("Instance")["tokyo-linux"].inputs["networks"]] == [
        "id-of-tokyo-linux"
    ]


def test_eth0_lets_in_ssh_from_administrators_and_ipip_from_peers_and_nothing_else(cloud: Cloud) -> None:
    run(lambda: build(plan_of("tokyo", "osaka", "nagoya")))
    rules = [
        args.inputs
        for args in cloud.of("SecGroupRule").values()
        if args.inputs["securityGroupId"] == "id-of-tokyo-eth0"
    ]
    assert sorted((rule["protocol"], rule["remoteIpPrefix"], rule.get("portRangeMin")) for rule in rules) == [
        ("4", "203.0.113.52/32", None),
        ("4", "203.0.113.53/32", None),
        ("tcp", "203.0.113.1/32", 22),
    ]
    assert all(rule["direction"] == "ingress" and rule["ethertype"] == "IPv4" for rule in rules)


def test_address_pairs_are_the_linked_lans_or_everything_where_asked_for(cloud: Cloud) -> None:
    raw = configuration("tokyo", "osaka", "nagoya")
    raw["sites"]["nagoya"]["antiSpoofing"] = "open"
    run(lambda: build(make_plan(parse_settings(raw, CLOUDS))))
    pairs = {
        name: [pair["ipAddress"] for pair in port.inputs.get("allowedAddressPairs", ())]
        for name, port in cloud.of("Port").items()
    }
    assert pairs["tokyo-eth1"] == ["192.168.20.0/24", "192.168.30.0/24"]
    assert pairs["nagoya-eth1"] == ["0.0.0.0/0"]
    assert not pairs["tokyo-eth0"]
    assert not pairs["tokyo-linux"]


def test_routes_stand_in_dhcp_and_on_the_neutron_router(cloud: Cloud) -> None:
    run(lambda: build(plan_of("tokyo", "osaka")))
    for kind in ("SubnetRoute", "RouterRoute"):
        routes = {(args.inputs["destinationCidr"], args.inputs["nextHop"]) for args in cloud.of(kind).values()}
        assert routes == {("192.168.20.0/24", "192.168.10.254"), ("192.168.10.0/24", "192.168.20.254")}
    assert cloud.of("Subnet")["tokyo-lan"].inputs["allocationPools"] == [
        {"start": "192.168.10.2", "end": "192.168.10.253"}
    ]


def parent_type(name: str, key: str) -> str:
    """The type of component that a child of that name belongs to."""
    if key.startswith("command:remote"):
        return "LinkCheck" if "-check-" in name else "RouterConfiguration"
    return "VpnLink" if (name.count("-") > 1 and name.split("-")[1] in CLOUDS) or name.endswith("-psk") else "VpnSite"


def test_every_child_has_its_component_as_parent_and_its_sites_provider(cloud: Cloud) -> None:
    made: dict[str, tuple[str, str]] = {}
    original = settings.get_monitor().RegisterResource  # type: ignore[union-attr]

    def record(request: Any) -> Any:
        made[f"{request.type}::{request.name}"] = (
            request.parent.split("::")[-1],
            request.provider.split("::")[-2] if request.provider else "",
        )
        return original(request)

    settings.get_monitor().RegisterResource = record  # type: ignore[union-attr]
    run(lambda: build(plan_of("tokyo", "osaka", "nagoya")))
    children = {key: about for key, about in made.items() if key.startswith(("openstack:", "command:"))}
    assert len(children) > 80
    for key, (parent, provider) in children.items():
        name = key.split("::")[1]
        assert f"vpn-connect:index:{parent_type(name, key)}::{parent}" in made, key
        assert name.startswith(parent), f"{name} below {parent}"
        if key.startswith("openstack:"):
            site = name.removeprefix(f"{parent}-").split("-")[0] if "-" in parent else parent
            assert provider == site, f"{key} by {provider}"


def test_graph_of_a_mesh_of_three(cloud: Cloud) -> None:
    sites, links, checks = run(lambda: build(plan_of("tokyo", "osaka", "nagoya")))
    assert (sorted(sites), sorted(links), sorted(checks)) == (
        ["nagoya", "osaka", "tokyo"], ["osaka-nagoya", "tokyo-nagoya", "tokyo-osaka"], ["osaka-nagoya", "tokyo-nagoya", "tokyo-osaka"])  # fmt: skip
    count = Counter(args.typ for args in cloud.made.values())
    assert (
        count["command:remote:Command"] == 3 + 2 * 3 + 4 * 3
    )  # a base for each router, two ends and four checks for each link
    assert count["command:local:Command"] == 3
    assert count["openstack:networking/routerRoute:RouterRoute"] == 6


def test_the_key_travels_by_standard_input_as_a_secret_and_nowhere_else(cloud: Cloud) -> None:
    run(lambda: build(plan_of("tokyo", "osaka")))
    command = cloud.of("Command")["tokyo-osaka-tokyo"].inputs
    assert command["stdin"][SECRET_KEY]
    assert command["stdin"]["value"] == "PSK" * 21 + "\n"
    assert "PSKPSK" not in str({key: item for key, item in command.items() if key != "stdin"})
    assert command["connection"][SECRET_KEY]
    assert "PRIVATE KEY" not in command["create"] + command["delete"]
    assert all(args.inputs["logging"] == "none" for args in cloud.of("Command").values())


def test_configuration_is_plain_text_with_the_addresses_in_it(cloud: Cloud) -> None:
    run(lambda: build(plan_of("tokyo", "osaka")))
    text = cloud.of("Command")["tokyo-osaka-tokyo"].inputs["create"]
    assert "set interfaces tunnel tun2 remote '203.0.113.52'\n" in text
    assert "set interfaces tunnel tun2 mtu '1430'\n" in text
    assert "on id-of-tokyo-vyos\n" in text


def test_mtu_is_neutrons_and_the_smaller_end_counts(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Cloud.new_resource

    def smaller(self: Cloud, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity, outputs = original(self, args)
        return identity, outputs | ({"mtu": 1442} if args.name == "osaka-transit" else {})

    monkeypatch.setattr(Cloud, "new_resource", smaller)
    found: list[int] = []
    run(lambda: build(plan_of("tokyo", "osaka"))[1]["tokyo-osaka"].mtu.apply(found.append))
    assert "mtu '1422'" in cloud.of("Command")["tokyo-osaka-tokyo"].inputs["create"]
    assert found == [1366]


def test_outputs_are_registered(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[str, set[str]] = {}

    def record(self: pulumi.ComponentResource, outputs: dict[str, Any]) -> None:
        registered[self._name] = set(outputs)

    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", record)
    run(lambda: build(plan_of("tokyo", "osaka")))
    assert registered == {
        **{site: {"floatingIp", "eth0Address", "linuxAddress", "mtu", "privateKey"} for site in ("tokyo", "osaka")},
        **{name: {"digest"} for name in ("tokyo-base", "osaka-base", "tokyo-osaka-tokyo", "tokyo-osaka-osaka")},
        "tokyo-osaka": {"mtu"}, "tokyo-osaka-check": {"results"}}  # fmt: skip


def test_the_program_makes_what_the_stack_says(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repo = Path(__file__).parent.parent.parent
    (tmp_path / "clouds.yaml").write_text("clouds: {tokyo: {}, osaka: {}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    raw = configuration("tokyo", "osaka")
    monkeypatch.setattr(pulumi.Config, "get_object", lambda self, key: raw.get(key))
    monkeypatch.setattr(pulumi.Config, "get", lambda self, key: None)
    exports: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exports.__setitem__)
    run(lambda: runpy.run_path(str(repo / "__main__.py")))
    assert set(exports) == {"sites", "links", "sshPrivateKeys"}
    assert exports["links"]["tokyo-osaka"]["tunnelAddresses"] == {"tokyo": "10.255.0.1", "osaka": "10.255.0.2"}
    raw["sites"]["tokyo"]["lan"] = "nonsense"
    with pytest.raises(pulumi.RunError, match=r"sites\.tokyo\.lan: 'nonsense' is not an IPv4 prefix"):
        runpy.run_path(str(repo / "__main__.py"))


@pytest.mark.parametrize("module", ["settings", "plan", "render", "mtu", "errors"])
def test_pure_parts_know_nothing_of_pulumi(module: str) -> None:
    source = Path(importlib.import_module(f"components.{module}").__file__ or "").read_text()
    assert "pulumi" not in [
        line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
    ]
