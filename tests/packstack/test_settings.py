"""A host's settings: what is refused, with which words; all faults at once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ConfigurationError
from packstack import definitions
from packstack.settings import parse_hosts
from tests.packstack.samples import COMPUTE, RAW, settings
from toolchain.paths import REPO


def changed(**keys: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW) | keys
    return {"nagoya": {key: value for key, value in raw.items() if value is not None}}


def floating(**keys: Any) -> dict[str, Any]:
    return RAW["floatingRange"] | keys  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"address": None}, "address: missing; add it (the host's own address, like 192.0.2.10)"),
        ({"address": "nagoya"}, "address: 'nagoya' is not an IPv4 address; write the host's own, like 192.0.2.10"),
        ({"fqdn": "nagoya"}, "fqdn: 'nagoya' is not a fully qualified host name in lower-case letters; write one like nagoya.example.net"),
        ({"hostKey": "SHA256:abc"}, "hostKey: 'SHA256:abc' is not a public SSH host key; write what the host's /etc/ssh/ssh_host_ed25519_key.pub has"),
        ({"providerInterface": "eth1,eth2"}, "providerInterface: 'eth1,eth2' is not the name of a network interface; write one that `ip link` shows, like eth1"),
        ({"release": "train"}, "release: 'train' is not one of the choices; write 'yoga', 'zed', 'antelope', 'bobcat', 'caracal' or 'dalmatian'"),
        ({"release": "zed", "distribution": "rhel"}, "release: 'zed' cannot be had on RHEL, where RDO's package brings the newest release only; write dalmatian, or take one of centos, rocky, almalinux"),
        ({"provderInterface": "eth1"}, "provderInterface: no such key; there are address, answers, distribution, flavors, floatingRange, fqdn, furtherHosts, hostKey, images, minimum, ntpServers, port, project, providerInterface, quotas, region, release, swapGib, user, virtType (did you mean providerInterface?)"),
        ({"floatingRange": floating(gateway="203.0.114.1")}, "floatingRange.gateway: '203.0.114.1' is not in 203.0.113.0/24; take an address of it"),
        ({"floatingRange": floating(last="203.0.113.100")}, "floatingRange.last: '203.0.113.100' comes before first (203.0.113.200); swap them"),
        ({"floatingRange": floating(gateway="203.0.113.220")}, "floatingRange.gateway: '203.0.113.220' is among the floating IPs; leave it out of them"),
        ({"furtherHosts": [COMPUTE | {"address": "192.0.2.10"}]}, "furtherHosts: the address '192.0.2.10' belongs to two hosts; give each its own"),
        ({"furtherHosts": [COMPUTE | {"roles": ["storage"]}]}, "furtherHosts.0.roles.0: 'storage' is not one of the choices; write 'compute' or 'network'"),
        ({"furtherHosts": [COMPUTE | {"roles": []}]}, "furtherHosts.0.roles: none given; write compute or network, or leave the host out"),
        ({"answers": {"CONFIG_COMPUTE_HOSTS": "192.0.2.9"}}, "answers.CONFIG_COMPUTE_HOSTS: is made from furtherHosts; set that instead"),
        ({"answers": {"CONFIG_HEAT_INSTALL": "y\nCONFIG_X=1"}}, "answers.CONFIG_HEAT_INSTALL: 'y\\nCONFIG_X=1' cannot stand in an answer file; write a text on one line, in quotes, without blanks at its ends"),
        ({"answers": {"heat": "y"}}, "answers.heat: 'heat' is not an option of PackStack; write one of its answer file, like CONFIG_HEAT_INSTALL"),
        ({"images": {"vyos": {}}}, "images.vyos: needs a file or a url, and not both; write one of them"),
        ({"flavors": {"vyos": {"ramMib": 0, "diskGib": 1}}}, "flavors.vyos.ramMib: 0 is not a whole number from 1; write one"),
    ],
)  # fmt: skip
def test_a_fault_names_the_field_the_value_and_the_fix(keys: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_hosts(changed(**keys))
    assert str(refused.value) == f"hosts.nagoya.{fault}"


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_hosts(changed(fqdn="x", address="y") | {"Nagoya": {}})
    assert [fault.partition(":")[0] for fault in refused.value.faults][:3] == [
        "hosts.nagoya.address",
        "hosts.nagoya.fqdn",
        "hosts.Nagoya",
    ]


def test_the_controller_has_every_role_that_no_other_host_has() -> None:
    both = settings(furtherHosts=[COMPUTE])
    assert (both.addresses("compute"), both.addresses("network")) == (["192.0.2.11"], ["192.0.2.10"])


@pytest.mark.parametrize(
    ("answers", "faults"),
    [
        ({"CONFIG_HEAT_INSTALL": "y", "CONFIG_CINDER_VOLUMES_SIZE": "40G"}, []),
        ({"CONFIG_HEAT_INSTAL": "y"}, ["CONFIG_HEAT_INSTAL: PackStack has no such option; did you mean CONFIG_HEAT_INSTALL?"]),
        (
            {"CONFIG_NEUTRON_L2_AGENT": "linuxbridge", "CONFIG_KEYSTONE_DB_PW": ""},
            [
                "CONFIG_KEYSTONE_DB_PW: its value is refused",
                "CONFIG_NEUTRON_L2_AGENT: Given value is not member of allowed values ['openvswitch', 'ovn']: linuxbridge",
            ],
        ),
    ],
)  # fmt: skip
def test_packstack_itself_says_what_is_wrong_with_answers(answers: dict[str, str], faults: list[str]) -> None:
    """The real PackStack's definitions and validators, before there is a host."""
    found = list(definitions.faults({"nagoya": settings(answers=answers)}))
    assert found == [f"hosts.nagoya.answers.{fault}" for fault in faults]


def test_the_examples_hosts_are_good() -> None:
    file = Path(REPO, "examples/new-site/Pulumi.nagoya.yaml")
    assert list(parse_hosts(yaml.safe_load(file.read_text())["config"]["new-site:hosts"])) == ["nagoya"]
