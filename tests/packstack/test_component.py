"""The resources that a PackStackHost makes, with Pulumi's mocks: order, protection, secrets, and the site that is put on it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pulumi
import pytest

from components import ConfigurationError, join, make_plan, parse_settings
from packstack import resources
from packstack.host import PackStackHost
from packstack.keystonerc import NEEDED
from tests.packstack.samples import COMPUTE, settings
from tests.program.conftest import configuration
from tests.program.mocks import Cloud, Registered, plain, revealed, run

IMAGES = {"vyos": {"file": "/srv/vyos.qcow2"}, "linux": {"url": "https://images.example.net/linux.qcow2"}}
SECRETS = {"secret": "MASTER SECRET", "password": "WORD OF THE USER", "keystonerc": "RC OF THE ADMINISTRATOR"}


class NewCloud(Cloud):
    """Answers as the steps on hosts would, besides."""

    def answer(self, args: Registered) -> dict[str, Any]:
        outputs = super().answer(args)
        if args.typ.startswith("packstack:"):
            outputs |= {name: f"{name} of {args.name}" for name in (*NEEDED.values(), "publicKey", "version", "digest")}
            outputs |= {"findings": ["all is fine"], "changed": [], **SECRETS}
        return outputs


@pytest.fixture
def cloud() -> Iterator[NewCloud]:
    with NewCloud().used() as made:
        yield made  # type: ignore[misc]


def build(protect: bool = True, site: dict[str, Any] | None = None, **keys: Any) -> PackStackHost:
    """Nagoya on a new host, joined to Tokyo."""
    raw = configuration("tokyo", "nagoya")
    raw["sites"]["nagoya"] |= site or {}
    hosts = resources.Provider("hosts")
    opts = pulumi.ResourceOptions(providers=[hosts])
    host = PackStackHost("nagoya", settings(**{"images": IMAGES, **keys}), "LOGIN KEY", protect=protect, opts=opts)
    join(make_plan(parse_settings(raw, ["tokyo", "nagoya"])), {"nagoya": host})
    return host


def needs(cloud: Cloud, kind: str, name: str) -> set[str]:
    """The names of the resources that one depends on."""
    return {urn.rpartition("::")[2] for urn in cloud.request(kind, name).dependencies}


def test_each_step_comes_after_the_one_before(cloud: NewCloud) -> None:
    run(lambda: build(furtherHosts=[COMPUTE]))
    order = (
        ("Prechecks", "nagoya-prechecks"),
        ("InstallerKey", "nagoya-key"),
        ("Preparation", "nagoya-preparation-nagoya.example.net"),
        ("Installer", "nagoya-packstack"),
        ("AnswerFile", "nagoya-answers"),
        ("Installation", "nagoya-openstack"),
        ("Credentials", "nagoya-credentials"),
    )
    for (_, before), (kind, name) in pairwise(order):
        assert before in needs(cloud, kind, name), (before, name)
    assert "nagoya-preparation-compute1.example.net" in needs(cloud, "Installer", "nagoya-packstack")
    for kind, name in (("Prechecks", "nagoya-prechecks"), ("Installation", "nagoya-openstack")):
        assert [way["host"] for way in revealed(cloud.inputs(kind, name)["connections"])] == [
            "192.0.2.10",
            "192.0.2.11",
        ]


def test_all_of_a_host_is_protected_unless_it_is_said_otherwise(cloud: NewCloud) -> None:
    run(build)
    own = {
        key: one.protect
        for key, one in cloud.requests.items()
        if "nagoya" in key and "PackStackHost" in one.parent + one.type
    }
    assert own
    assert set(own.values()) == {True}
    assert not cloud.request("VpnSite", "nagoya").protect


def test_protection_can_be_taken_off(cloud: NewCloud) -> None:
    run(lambda: build(protect=False))
    assert not any(one.protect for one in cloud.requests.values())


def test_the_site_uses_the_new_clouds_ids_as_its_ordinary_user(cloud: NewCloud) -> None:
    run(build)
    vyos = cloud.inputs("Instance", "nagoya-vyos")
    assert (vyos["imageId"], vyos["flavorId"]) == ("id-of-nagoya-vyos", "id-of-nagoya-vyos")
    assert cloud.inputs("Router", "nagoya-router")["externalNetworkId"] == "id-of-nagoya-external"
    assert "::nagoya-user::" in cloud.request("Router", "nagoya-router").provider
    assert "::nagoya-admin::" in cloud.request("Project", "nagoya-project").provider
    user = cloud.inputs("openstack", "nagoya-user")
    assert (user["userName"], user["authUrl"]) == ("vpn", "authUrl of nagoya-credentials")
    assert {"nagoya-member", "nagoya-compute", "nagoya-network"} <= needs(cloud, "openstack", "nagoya-user")
    assert {site for site, *_ in cloud.asked} == {"tokyo", "nagoya-admin"}, "a new cloud's names are not looked up"
    assert cloud.inputs("RoleAssignment", "nagoya-member")["roleId"] == "id-of-member-at-nagoya-admin"


def test_secrets_are_marked_in_every_input(cloud: NewCloud) -> None:
    run(build)
    everything = "\n".join(plain(args.inputs) for args in cloud.made.values())
    assert not [one for one in ("LOGIN KEY", *SECRETS.values()) if one in everything]
    assert revealed(cloud.inputs("AnswerFile", "nagoya-answers")["secret"]) == SECRETS["secret"]


def test_names_that_the_new_cloud_does_not_get_are_refused(cloud: NewCloud) -> None:
    with pytest.raises(ConfigurationError) as refused:
        run(lambda: build(site={"vyosImage": "vyos-1.5", "externalNetwork": "ext"}))
    assert str(refused.value) == (
        "sites.nagoya.vyosImage: hosts.nagoya.images has no 'vyos-1.5'; there are linux, vyos (did you mean vyos?); "
        "add it there\n"
        "sites.nagoya.externalNetwork: 'ext' is not that of hosts.nagoya; write external, or leave it out"
    )
