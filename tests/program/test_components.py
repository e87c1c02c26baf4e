"""The resources that the components make, with Pulumi's mocks: types, names, parents, providers, inputs, counts."""

from __future__ import annotations

import importlib
import json
import re
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import join, make_plan, parse_settings, render
from tests.program.conftest import CLOUDS, configuration
from tests.program.mocks import PRE_SHARED_KEY, Cloud, plain, plan_of, revealed, run


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud().used() as made:
        yield made


TOKYO_LAN, OSAKA_LAN, NAGOYA_LAN = (f"192.168.{n}.0/24" for n in (10, 20, 30))


def user_data(cloud: Cloud, server: str) -> dict[str, Any]:
    """What cloud-init reads on a server."""
    head, _, body = revealed(cloud.inputs("Instance", server)["userData"]).partition("\n")
    assert head == "#cloud-config"
    found: dict[str, Any] = json.loads(body)
    return found


def test_a_site_has_exactly_these_resources(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo")))
    assert Counter(args.typ.split(":")[-1] for args in cloud.made.values()) == {
        "openstack": 1, "vyos": 1, "VpnSite": 1, "Network": 2, "Subnet": 2, "Router": 1, "RouterInterface": 2,
        "SecGroup": 2, "SecGroupRule": 2, "Port": 3, "FloatingIp": 1, "Keypair": 1, "Instance": 2, "HostKey": 2, "FirstBoot": 1,
        "Configuration": 1,
    }  # fmt: skip


def test_vyos_has_two_nics_in_a_fixed_order(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo")))
    vyos = cloud.inputs("Instance", "tokyo-vyos")
    assert [network["port"] for network in vyos["networks"]] == ["id-of-tokyo-eth0", "id-of-tokyo-eth1"]
    assert cloud.inputs("Port", "tokyo-eth0")["networkId"] == "id-of-tokyo-transit"
    assert cloud.inputs("Port", "tokyo-eth1")["networkId"] == "id-of-tokyo-lan"
    assert cloud.inputs("FloatingIp", "tokyo-floating-ip")["portId"] == "id-of-tokyo-eth0"
    assert [network["port"] for network in cloud.inputs("Instance", "tokyo-linux")["networks"]] == ["id-of-tokyo-linux"]


def test_images_flavors_and_the_external_network_are_the_catalogues(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", siteDefaults={"vyosImage": "vyos-1.4", "externalNetwork": "public"})))
    vyos, linux = (cloud.inputs("Instance", f"tokyo-{role}") for role in ("vyos", "linux"))
    assert (vyos["imageId"], vyos["flavorId"]) == ("id-of-vyos-1.4-at-tokyo", "id-of-vyos-at-tokyo")
    assert (linux["imageId"], linux["flavorId"]) == ("id-of-linux-at-tokyo", "id-of-linux-at-tokyo")
    assert cloud.inputs("Router", "tokyo-router")["externalNetworkId"] == "id-of-public-at-tokyo"
    assert cloud.inputs("FloatingIp", "tokyo-floating-ip")["pool"] == "public"


def test_eth0_lets_in_ssh_from_administrators_and_ipip_from_peers_and_nothing_else(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", "nagoya")))
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
    run(lambda: join(make_plan(parse_settings(raw, CLOUDS))))
    assert address_pairs(cloud, "tokyo-eth1") == [OSAKA_LAN, NAGOYA_LAN]
    assert address_pairs(cloud, "nagoya-eth1") == ["0.0.0.0/0"]
    assert not address_pairs(cloud, "tokyo-eth0")
    assert not address_pairs(cloud, "tokyo-linux")


def address_pairs(cloud: Cloud, port: str) -> list[str]:
    return [pair["ipAddress"] for pair in cloud.inputs("Port", port).get("allowedAddressPairs", ())]


def test_routes_stand_in_dhcp_and_on_the_neutron_router(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))
    for kind in ("SubnetRoute", "RouterRoute"):
        assert routes(cloud, kind) == {(OSAKA_LAN, "192.168.10.254"), (TOKYO_LAN, "192.168.20.254")}
    assert cloud.inputs("Subnet", "tokyo-lan")["allocationPools"] == [
        {"start": "192.168.10.2", "end": "192.168.10.252"}
    ]


def routes(cloud: Cloud, kind: str) -> set[tuple[str, str]]:
    """Each route's destination and next hop."""
    return {(args.inputs["destinationCidr"], args.inputs["nextHop"]) for args in cloud.of(kind).values()}


def parent_of(kind: str, name: str) -> tuple[str, str]:
    """The type and the name of the component that a child of that type and name belongs to."""
    first, *rest = name.split("-")
    if kind == "Check":
        return "LinkCheck", name.rpartition("-")[0]
    if kind == "PreSharedKey" or rest[0] in CLOUDS:
        return "VpnLink", f"{first}-{rest[0]}"
    return "VpnSite", first


def test_every_child_has_its_component_as_parent_and_the_right_provider(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", "nagoya")))
    children = [request for key, request in cloud.requests.items() if key.startswith(("openstack:", "vyos:"))]
    assert len(children) == len([args for args in cloud.made.values() if args.typ.startswith(("openstack:", "vyos:"))])
    for request in children:
        kind, parent = parent_of(request.type.split(":")[-1], request.name)
        assert request.parent.split("$")[-1].split("::") == [f"vpn-connect:index:{kind}", parent], request.name
        at = request.name.removeprefix(f"{parent}-").split("-")[0] if kind == "VpnLink" else parent
        package, provider = request.provider.split("$")[-1].split("::")[:2]
        of_router = request.type.startswith("vyos:")
        assert package == f"pulumi:providers:{'vyos' if of_router else 'openstack'}", request.name
        assert provider == ("routers" if of_router else at), request.name


def test_graph_of_a_mesh_of_three(cloud: Cloud) -> None:
    joined = run(lambda: join(plan_of("tokyo", "osaka", "nagoya")))
    names = ["osaka-nagoya", "tokyo-nagoya", "tokyo-osaka"]
    assert (sorted(joined.sites), sorted(joined.links), sorted(joined.checks)) == (["nagoya", "osaka", "tokyo"], names, names)
    count = Counter(args.typ.split(":")[-1] for args in cloud.made.values())
    # a base for each router and two ends for each link; a key for each link; a check from each end
    assert (count["Configuration"], count["PreSharedKey"], count["Check"]) == (3 + 2 * 3, 3, 2 * 3)
    # the two machines of each site; SSH and the LAN itself for each site, IPIP and the other LAN for each end
    assert (count["HostKey"], count["SecGroupRule"], count["RouterRoute"]) == (2 * 3, 2 * 3 + 2 * 6, 6)


def test_the_pre_shared_key_is_a_secret_input_and_nowhere_else(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))
    holders = {name for name, args in cloud.of("Configuration").items() if revealed(args.inputs["key"])}
    assert holders == {"tokyo-osaka-tokyo", "tokyo-osaka-osaka"}
    for name in holders:
        configuration = cloud.inputs("Configuration", name)
        assert revealed(configuration["key"]) == PRE_SHARED_KEY
        assert 'set vpn ipsec authentication psk tokyo-osaka secret "$PSK"' in configuration["lines"]


def test_no_secret_stands_in_plain_anywhere(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))
    for args in cloud.made.values():
        assert not [word for word in (PRE_SHARED_KEY, "LOGIN KEY", "PRIVATE HOST KEY") if word in plain(args.inputs)]


def test_connections_have_the_sites_login_key_as_a_secret_and_the_machines_host_key(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))
    router = {
        "host": "203.0.113.51", "user": "vyos", "privateKey": "LOGIN KEY of tokyo-keypair",
        "hostKey": "ssh-ed25519 tokyo-vyos-host-key",
    }  # fmt: skip
    for connection in (
        cloud.inputs("Configuration", "tokyo-base")["connection"],
        cloud.inputs("Configuration", "tokyo-osaka-tokyo")["connection"],
        cloud.inputs("Check", "tokyo-osaka-check-tokyo")["connection"],
    ):
        assert connection_of(connection) == router
    behind = connection_of(cloud.inputs("Check", "tokyo-osaka-check-tokyo")["behind"])
    assert behind == router | {
        "host": cloud.outputs_of("Port", "tokyo-linux")["allFixedIps"][0],
        "user": "debian",
        "hostKey": "ssh-ed25519 tokyo-linux-host-key",
    }


def connection_of(value: Any) -> dict[str, str]:
    """A connection with its secrets revealed, of which the login key is one."""
    found: dict[str, Any] = revealed(value) if "host" not in value else value
    found = dict(found)
    if not isinstance(found["privateKey"], str):
        found["privateKey"] = revealed(found["privateKey"])
    else:
        assert "host" not in value, "the login key is not a secret"
    return found


def test_vyos_boots_with_its_base_lines_and_its_host_key(cloud: Cloud) -> None:
    plan = plan_of("tokyo", "osaka")
    run(lambda: join(plan))
    found = user_data(cloud, "tokyo-vyos")
    tokyo = next(site for site in plan.sites if site.name == "tokyo")
    assert found["vyos_config_commands"] == render.base_lines(tokyo, "1450").splitlines()
    assert [(file["path"], file["content"], file["permissions"]) for file in found["write_files"]] == [
        ("/etc/ssh/ssh_host_ed25519_key", "PRIVATE HOST KEY of tokyo-vyos-host-key", "0600"),
        ("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 tokyo-vyos-host-key\n", "0644"),
    ]
    assert user_data(cloud, "tokyo-linux")["ssh_keys"] == {
        "ed25519_private": "PRIVATE HOST KEY of tokyo-linux-host-key",
        "ed25519_public": "ssh-ed25519 tokyo-linux-host-key",
    }


def test_a_router_that_runs_is_not_made_anew_for_its_user_data(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo")))
    assert cloud.inputs("FirstBoot", "tokyo-vyos-first-boot")["of"] == [
        "id-of-vyos-at-tokyo", "id-of-vyos-at-tokyo", "tokyo-keypair", "id-of-tokyo-eth0", "id-of-tokyo-eth1"
    ]  # fmt: skip
    # what would be in other user data is set over SSH instead
    base = cloud.inputs("Configuration", "tokyo-base")
    assert base["lines"] == user_data(cloud, "tokyo-vyos")["vyos_config_commands"]
    assert base["machine"] == "id-of-tokyo-vyos"
    assert not revealed(base["key"])


def test_first_contact_records_the_host_key_of_the_running_router(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", siteDefaults={"vyosHostKey": "first-contact"})))
    assert cloud.inputs("HostKey", "tokyo-vyos-host-key") == {"host": "203.0.113.51", "machine": "id-of-tokyo-vyos"}
    needed = {urn.split("::")[-1] for urn in cloud.request("HostKey", "tokyo-vyos-host-key").dependencies}
    assert needed >= {"tokyo-vyos", "tokyo-floating-ip", "tokyo-router-transit"}
    assert "write_files" not in user_data(cloud, "tokyo-vyos")
    base = connection_of(cloud.inputs("Configuration", "tokyo-base")["connection"])
    assert base["hostKey"] == "ssh-ed25519 tokyo-vyos-host-key"
    # the Linux VM's image has an ordinary cloud-init
    assert not cloud.inputs("HostKey", "tokyo-linux-host-key")


def test_a_made_host_key_is_there_before_its_machine(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo")))
    assert not cloud.inputs("HostKey", "tokyo-vyos-host-key")
    assert "tokyo-vyos-host-key" in {
        urn.split("::")[-1] for urn in cloud.request("FirstBoot", "tokyo-vyos-first-boot").dependencies
    }


@pytest.mark.parametrize("rotation", [1, 2])
def test_a_rotation_reaches_the_key_and_then_both_checks_of_which_one_renews(cloud: Cloud, rotation: int) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", links=[{"ends": ["tokyo", "osaka"], "keyRotation": rotation}])))
    assert cloud.inputs("PreSharedKey", "tokyo-osaka-psk") == {"rotation": rotation}
    first, second = (cloud.inputs("Check", f"tokyo-osaka-check-{site}") for site in ("tokyo", "osaka"))
    assert (first["renewal"], second["renewal"]) == (rotation, rotation)
    assert "swanctl --rekey --ike tokyo-osaka --reauth" in first["renew"]
    assert second["renew"] == ""
    # not before both ends have it
    needed = {urn.split("::")[-1] for urn in cloud.request("Check", "tokyo-osaka-check-tokyo").dependencies}
    assert needed >= {"tokyo-osaka-tokyo", "tokyo-osaka-osaka"}


def test_what_goes_with_its_machine_or_group_is_not_deleted_first(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))

    def goes_with(kind: str) -> dict[str, list[str]]:
        return {
            name: cloud.request(kind, name).deletedWith.split("::")[-2:]
            if cloud.request(kind, name).deletedWith
            else []
            for name in cloud.of(kind)
        }

    for name, owner in goes_with("Configuration").items():
        site = "tokyo" if name in ("tokyo-base", "tokyo-osaka-tokyo") else "osaka"
        assert owner[0].endswith("openstack:compute/instance:Instance"), name
        assert owner[1] == f"{site}-vyos", name
        # a link may go while its routers stay; a base does not
        assert cloud.inputs("Configuration", name)["removable"] == (not name.endswith("-base"))
    groups = goes_with("SecGroupRule")
    assert groups["tokyo-osaka-tokyo-ipip"][1] == groups["tokyo-ssh-203.0.113.1/32"][1] == "tokyo-eth0"
    assert groups[f"tokyo-osaka-tokyo-from-{OSAKA_LAN}"][1] == groups[f"tokyo-lan-{TOKYO_LAN}"][1] == "tokyo-lan"
    assert all(owner[0].endswith("openstack:networking/secGroup:SecGroup") for owner in groups.values())
    assert goes_with("SubnetRoute")[f"tokyo-dhcp-{OSAKA_LAN}"][1] == "tokyo-lan"


def test_a_link_waits_for_both_what_the_router_and_what_the_cloud_need(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))

    def needed(kind: str, name: str) -> set[str]:
        return {urn.split("::")[-1] for urn in cloud.request(kind, name).dependencies}

    assert needed("Configuration", "tokyo-base") >= {"tokyo-vyos", "tokyo-floating-ip", "tokyo-router-transit"}
    assert needed("Configuration", "tokyo-osaka-tokyo") >= {"tokyo-base", "osaka-floating-ip", "tokyo-osaka-psk"}
    assert needed("Instance", "tokyo-linux") >= {f"tokyo-dhcp-{OSAKA_LAN}"}
    assert needed("Check", "tokyo-osaka-check-tokyo") >= {
        "tokyo-osaka-tokyo", "tokyo-osaka-osaka", "tokyo-osaka-tokyo-ipip", "tokyo-osaka-osaka-ipip",
        f"tokyo-osaka-osaka-from-{TOKYO_LAN}", f"tokyo-osaka-osaka-route-{TOKYO_LAN}", "tokyo-linux", "osaka-linux",
    }  # fmt: skip


def test_configuration_is_plain_lines_with_the_addresses_in_them(cloud: Cloud) -> None:
    plan = plan_of("tokyo", "osaka")
    run(lambda: join(plan))
    found = cloud.inputs("Configuration", "tokyo-osaka-tokyo")
    source = cloud.outputs_of("Port", "tokyo-eth0")["allFixedIps"][0]
    for line in ("mtu '1430'", "remote '203.0.113.52'", f"source-address '{source}'"):
        assert f"set interfaces tunnel tun2 {line}" in found["lines"]
    assert found["title"] == "link tokyo-osaka at tokyo"
    assert found["machine"] == "id-of-tokyo-vyos"
    assert found["nodes"] == render.link_nodes(plan.links[0], plan.links[0].ends[0])


def test_lines_are_those_of_the_sites_release(cloud: Cloud) -> None:
    raw = configuration("tokyo", "osaka")
    raw["sites"]["osaka"]["vyosVersion"] = "rolling"
    run(lambda: join(make_plan(parse_settings(raw, CLOUDS))))
    for name, release in (("tokyo", "match-ipsec"), ("osaka", "match-ipsec-in")):
        for part in (f"{name}-base", f"tokyo-osaka-{name}"):
            lines = cloud.inputs("Configuration", part)["lines"]
            assert {line.split()[-1] for line in lines if " ipsec match" in line} == {release}


def test_mtu_is_neutrons_and_the_smaller_end_counts(cloud: Cloud) -> None:
    cloud.outputs["osaka-transit"] = {"mtu": 1442}
    found: list[int] = []
    run(lambda: join(plan_of("tokyo", "osaka")).links["tokyo-osaka"].mtu.apply(found.append))
    for end in ("tokyo-osaka-tokyo", "tokyo-osaka-osaka"):
        assert [line for line in cloud.inputs("Configuration", end)["lines"] if line.endswith("mtu '1422'")]
    assert found == [1366]


def test_a_changed_line_or_another_vm_is_checked_again(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka")))
    before = cloud.inputs("Check", "tokyo-osaka-check-tokyo")["triggers"]
    # each end's lines, each end's Linux VM
    assert len(set(before)) == 4
    assert all(len(trigger) == 16 for trigger in before)


def test_a_third_site_changes_nothing_on_a_link_that_exists() -> None:
    with Cloud().used() as another_cloud:
        run(lambda: join(plan_of("tokyo", "osaka", "nagoya", "sapporo")))
    with Cloud().used() as cloud:
        run(lambda: join(plan_of("tokyo", "osaka", "nagoya")))
    changed = {key.split(":")[-1] for key, args in cloud.made.items() if args.inputs != another_cloud.made[key].inputs}
    assert changed == {"tokyo-eth1", "osaka-eth1", "nagoya-eth1"}
    for site in ("tokyo", "osaka", "nagoya"):
        before, after = (address_pairs(one, f"{site}-eth1") for one in (cloud, another_cloud))
        assert [*before, "192.168.40.0/24"] == after
    added = {key for key in another_cloud.made if key not in cloud.made}
    assert all("sapporo" in key or key.endswith("-dhcp-192.168.40.0/24") for key in added)
    assert [key for key in added if "sapporo" not in key and "subnetRoute" not in key] == []


def test_a_hub_passes_on_between_the_sites_of_an_explicit_list(cloud: Cloud) -> None:
    raw = configuration("tokyo", "osaka", "nagoya") | {"links": [{"ends": ["tokyo", "*"]}]}
    raw["sites"]["tokyo"]["hub"] = True
    run(lambda: join(make_plan(parse_settings(raw, CLOUDS))))
    assert set(cloud.of("VpnLink")) == {"tokyo-osaka", "tokyo-nagoya"}
    # osaka reaches nagoya by its one link
    selectors = [line for line in cloud.inputs("Configuration", "tokyo-osaka-osaka")["lines"] if "tunnel 0" in line]
    peer = "set vpn ipsec site-to-site peer tokyo-osaka tunnel 0"
    assert selectors == [
        f"{peer} local prefix '{OSAKA_LAN}'",
        f"{peer} remote prefix '{TOKYO_LAN}'",
        f"{peer} remote prefix '{NAGOYA_LAN}'",
    ]
    assert {destination for destination, hop in routes(cloud, "SubnetRoute") if hop == "192.168.20.254"} == {
        TOKYO_LAN,
        NAGOYA_LAN,
    }
    assert address_pairs(cloud, "osaka-eth1") == [TOKYO_LAN, NAGOYA_LAN]
    assert {name for name in cloud.of("SecGroupRule") if name.startswith("tokyo-osaka-osaka-from-")} == {
        f"tokyo-osaka-osaka-from-{lan}" for lan in (TOKYO_LAN, NAGOYA_LAN)
    }
    # and IPIP comes from the hub alone
    assert {
        args.inputs["remoteIpPrefix"] for name, args in cloud.of("SecGroupRule").items() if name.endswith("osaka-ipip")
    } == {"203.0.113.51/32"}


def test_without_a_hub_an_explicit_list_joins_its_pairs_only(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", "nagoya", links=[{"ends": ["tokyo", "*"]}])))
    assert address_pairs(cloud, "osaka-eth1") == [TOKYO_LAN]
    assert not [line for line in cloud.inputs("Configuration", "tokyo-osaka-osaka")["lines"] if NAGOYA_LAN in line]


def test_what_a_lost_site_has_stays_as_it_was_and_its_cloud_is_not_asked(cloud: Cloud) -> None:
    sites = configuration("tokyo", "osaka", "nagoya")["sites"]
    sites["osaka"]["lost"] = True
    told: dict[str, object] = {}

    def program() -> None:
        joined = join(plan_of("tokyo", "osaka", "nagoya", sites=sites))
        told.update({name: site.summary().get("lost") for name, site in joined.sites.items()})

    run(program)
    assert told == {"tokyo": None, "osaka": True, "nagoya": None}
    assert {site for site, _, _ in cloud.asked} == {"tokyo", "nagoya"}
    assert {way["user"] for way in cloud.read_ahead} == {"vyos"}
    addresses = {cloud.outputs_of("FloatingIp", f"{site}-floating-ip")["address"] for site in ("tokyo", "nagoya")}
    assert {way["host"] for way in cloud.read_ahead} == addresses
    custom = {key: request for key, request in cloud.requests.items() if request.custom and ":providers:" not in key}
    kept = {request.name for request in custom.values() if list(request.ignoreChanges) == ["*"]}
    of_osaka = {
        request.name
        for request in custom.values()
        if "::osaka::" in request.provider or re.match(r"osaka-(?!nagoya)|\w+-\w+-osaka", request.name)
    }
    assert kept == of_osaka
    assert {"osaka-vyos", "osaka-base", "tokyo-osaka-osaka", "tokyo-osaka-osaka-ipip"} <= kept
    assert not kept & {"tokyo-osaka-tokyo", "tokyo-osaka-tokyo-ipip", "tokyo-osaka-psk"}
    assert set(cloud.of("LinkCheck")) == {"tokyo-nagoya-check"}, "a link with a lost end is not checked"


def test_outputs_are_registered(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[str, set[str]] = {}

    def record(self: pulumi.ComponentResource, outputs: dict[str, Any]) -> None:
        registered[self._name] = set(outputs)

    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", record)
    run(lambda: join(plan_of("tokyo", "osaka")))
    assert registered == {
        **{site: {"floatingIp", "eth0Address", "linuxAddress", "mtu", "privateKey"} for site in ("tokyo", "osaka")},
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
    assert {args.typ.split(":")[-1] for args in cloud.made.values()} >= {"VpnSite", "VpnLink", "LinkCheck", "vyos"}
    assert not [name for name, args in cloud.of("Configuration").items() if "::routers::" not in str(args.provider)]
    raw["sites"]["tokyo"]["lan"] = "nonsense"
    with pytest.raises(pulumi.RunError, match=r"sites\.tokyo\.lan: 'nonsense' is not an IPv4 prefix"):
        runpy.run_path(str(repo / "__main__.py"))


@pytest.mark.parametrize("module", ["settings", "plan", "render", "mtu", "errors", "topology", "conflicts", "numbers"])
def test_pure_parts_know_nothing_of_pulumi(module: str) -> None:
    source = Path(importlib.import_module(f"components.{module}").__file__ or "").read_text()
    assert "pulumi" not in [
        line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
    ]
