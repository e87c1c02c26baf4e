"""Images, flavors and external networks are looked up first; what a cloud does not have is told before anything is made."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi
import pytest

from components import join
from components.plan import Plan
from tests.program.mocks import Cloud, plan_of, run

NO_RESULT = "Your query returned no results. Please change your search criteria and try again."
SEVERAL_RESULTS = "Your query returned more than one result. Please try a more specific search criteria"
HEAD = "the configuration cannot be used:\n"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud().used() as made:
        yield made


def plugin_error(function: str, text: str) -> str:
    """As the engine passes on an error of the OpenStack plugin; the program's runtime puts `invoke of …` before it."""
    return f"invocation of {function} returned an error: invoking {function}: 1 error occurred:\n\t* {text}\n\n"


def fails(cloud: Cloud, site: str, name: str, text: str, function: str = "openstack:images/getImage:getImage") -> None:
    cloud.failures[site, name] = plugin_error(function, text)


def message(plan: Plan) -> str:
    """What the program ends with."""
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: join(plan))
    return str(caught.value)


def test_every_name_of_every_site_is_asked_for_at_its_own_cloud(cloud: Cloud) -> None:
    run(lambda: join(plan_of("tokyo", "osaka", siteDefaults={"vyosImage": "vyos-1.4", "linuxImage": "debian-12"})))
    assert sorted(cloud.asked) == sorted(
        (site, function, name)
        for site in ("tokyo", "osaka")
        for function, name in (
            ("getNetwork", "ext"), ("getImage", "vyos-1.4"), ("getImage", "debian-12"), ("getFlavor", "vyos"),
            ("getFlavor", "linux"),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "name", "kind", "command"),
    [
        ("vyosImage", "vyos-1.4", "image", "image list"),
        ("linuxImage", "debian-12", "image", "image list"),
        ("vyosFlavor", "m1.router", "flavor", "flavor list"),
        ("linuxFlavor", "m1.tiny", "flavor", "flavor list"),
        ("externalNetwork", "public", "external network", "network list --external"),
    ],
)
def test_a_missing_name_is_told_with_its_field_and_the_fix(
    cloud: Cloud, field: str, name: str, kind: str, command: str
) -> None:
    fails(cloud, "osaka", name, NO_RESULT)
    assert message(plan_of("tokyo", "osaka", siteDefaults={field: name})) == (
        f"{HEAD}sites.osaka.{field}: the cloud 'osaka' has no {kind} {name!r}; "
        f"name one that `openstack --os-cloud osaka {command}` shows"
    )


@pytest.mark.parametrize(("text", "found"), [(NO_RESULT, "no"), (SEVERAL_RESULTS, "more than one")])
def test_an_external_network_that_is_not_named_must_be_the_only_one(cloud: Cloud, text: str, found: str) -> None:
    fails(cloud, "tokyo", "ext", text, "openstack:networking/getNetwork:getNetwork")
    once = " once" if text == SEVERAL_RESULTS else ""
    assert message(plan_of("tokyo", "osaka")) == (
        f"{HEAD}sites.tokyo.externalNetwork: the cloud 'tokyo' has {found} external network; "
        f"name one that `openstack --os-cloud tokyo network list --external` shows{once}"
    )


def test_all_that_is_missing_is_told_at_once_and_nothing_is_made(cloud: Cloud) -> None:
    fails(cloud, "tokyo", "vyos-1.4", NO_RESULT)
    fails(cloud, "osaka", "debian-12", NO_RESULT)
    defaults = {"vyosImage": "vyos-1.4", "linuxImage": "debian-12"}
    assert message(plan_of("tokyo", "osaka", siteDefaults=defaults, dns={"domain": "corp.example"})) == (
        f"{HEAD}sites.osaka.linuxImage: the cloud 'osaka' has no image 'debian-12'; "
        "name one that `openstack --os-cloud osaka image list` shows\n"
        "sites.tokyo.vyosImage: the cloud 'tokyo' has no image 'vyos-1.4'; "
        "name one that `openstack --os-cloud tokyo image list` shows"
    )
    assert made(cloud) == []


def made(cloud: Cloud) -> list[str]:
    """What was made besides providers and components."""
    return [key for key, args in cloud.made.items() if args.custom and not key.startswith("pulumi:providers:")]


def test_a_cloud_that_does_not_answer_is_told_once(cloud: Cloud) -> None:
    refused = 'Post "http://203.0.113.9/v3/auth/tokens": OpenStack connection error, retries exhausted'
    for name, service in (("vyos-1.4", "image"), ("m1.router", "compute"), ("ext", "networking")):
        fails(cloud, "tokyo", name, f"Error creating OpenStack {service} client: {refused}")
    defaults = {"vyosImage": "vyos-1.4", "vyosFlavor": "m1.router"}
    assert message(plan_of("tokyo", "osaka", siteDefaults=defaults)) == (
        f"{HEAD}sites.tokyo.cloud: 'tokyo' could not be asked for the site's names: {refused}"
    )


def test_a_service_that_is_not_found_is_no_missing_name(cloud: Cloud) -> None:
    text = "Error creating OpenStack image client: No suitable endpoint could be found in the service catalog."
    fails(cloud, "tokyo", "vyos-1.4", text)
    assert message(plan_of("tokyo", siteDefaults={"vyosImage": "vyos-1.4"})) == (
        f"{HEAD}sites.tokyo.cloud: 'tokyo' could not be asked for the site's names: "
        "No suitable endpoint could be found in the service catalog."
    )
