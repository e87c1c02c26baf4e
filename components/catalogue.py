"""What the clouds have for the names in the settings: looked up before anything is made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack
from pulumi.runtime import invoke_async

from components.errors import ConfigurationError
from components.plan import SitePlan

#: the answers of all clouds, by site and field
Answers = dict[tuple[str, str], Any]

#: what the OpenStack plugin says of a name (its data sources for images, flavors and networks)
NO_RESULT, SEVERAL_RESULTS = "Your query returned no results", "Your query returned more than one result"

#: for each field, what it names and the command that lists what there is
LISTED = {
    "externalNetwork": ("external network", "network list --external"),
    "vyosImage": ("image", "image list"),
    "vyosFlavor": ("flavor", "flavor list"),
    "linuxImage": ("image", "image list"),
    "linuxFlavor": ("flavor", "flavor list"),
}


@dataclass(frozen=True, kw_only=True)
class SiteCatalogue:
    """The ids of a site's images, flavors and external network."""

    external_network_id: pulumi.Output[str]
    external_network_name: pulumi.Output[str]
    vyos_image_id: pulumi.Output[str]
    vyos_flavor_id: pulumi.Output[str]
    linux_image_id: pulumi.Output[str]
    linux_flavor_id: pulumi.Output[str]
    #: no resource, but not known before every site's names have been found; for `depends_on`
    complete: pulumi.Output[list[pulumi.Resource]]


def look_up(sites: Sequence[SitePlan], providers: dict[str, openstack.Provider]) -> dict[str, SiteCatalogue]:
    """Every site's catalogue. A name that a cloud does not have ends the program, with all others that are missing.

    A lost site's cloud is not asked, and its ids stay empty: what was made there is kept (`components.lost`).
    """
    asked = [site for site in sites if not site.lost]
    wanted = {(site.name, field): question for site in asked for field, question in questions(site).items()}

    async def answers() -> Answers:
        # not get_image_output and its like: the program would end with the first one's failure
        heard = await asyncio.gather(
            *(
                invoke_async(function, arguments, pulumi.InvokeOptions(provider=providers[site]))
                for (site, _), (function, arguments) in wanted.items()
            ),
            return_exceptions=True,
        )
        found = dict(zip(wanted, heard, strict=True))
        faults: list[str] = []
        for site in asked:
            of_site = {field: answer for (name, field), answer in found.items() if name == site.name}
            errors = {field: str(answer) for field, answer in of_site.items() if isinstance(answer, BaseException)}
            faults += site_faults(site, errors)
        if faults:
            raise pulumi.RunError(f"the configuration cannot be used:\n{ConfigurationError(faults)}")
        return found

    # in an apply and not by from_input, which would take the answers apart
    found: pulumi.Output[Answers] = pulumi.Output.from_input(None).apply(lambda _: answers())
    complete: pulumi.Output[list[pulumi.Resource]] = found.apply(lambda _: [])

    def of(site: str, field: str, part: str = "id") -> pulumi.Output[str]:
        return found.apply(lambda answers: answers.get((site, field), {part: ""})[part])

    return {
        site.name: SiteCatalogue(
            external_network_id=of(site.name, "externalNetwork"),
            external_network_name=of(site.name, "externalNetwork", "name"),
            vyos_image_id=of(site.name, "vyosImage"),
            vyos_flavor_id=of(site.name, "vyosFlavor"),
            linux_image_id=of(site.name, "linuxImage"),
            linux_flavor_id=of(site.name, "linuxFlavor"),
            complete=complete,
        )
        for site in sites
    }


def questions(site: SitePlan) -> dict[str, tuple[str, pulumi.Inputs]]:
    """What the cloud is asked, by the field of the settings: the function and its arguments."""
    image, flavor = "openstack:images/getImage:getImage", "openstack:compute/getFlavor:getFlavor"
    return {
        "externalNetwork": (
            "openstack:networking/getNetwork:getNetwork",
            {"name": site.external_network, "external": True},
        ),
        "vyosImage": (image, {"name": site.vyos_image, "mostRecent": True}),
        "vyosFlavor": (flavor, {"name": site.vyos_flavor}),
        "linuxImage": (image, {"name": site.linux_image, "mostRecent": True}),
        "linuxFlavor": (flavor, {"name": site.linux_flavor}),
    }


def site_faults(site: SitePlan, errors: Mapping[str, str]) -> list[str]:
    """What is wrong with the fields that the site's cloud has no answer for; what hinders all of them is told once."""
    told = {field: name_fault(site, field, error) for field, error in errors.items()}
    others = dict.fromkeys(reason(errors[field]) for field, fault in told.items() if not fault)
    return [
        *(f"sites.{site.name}.cloud: {site.cloud!r} could not be asked for the site's names: {why}" for why in others),
        *(fault for fault in told.values() if fault),
    ]


def name_fault(site: SitePlan, field: str, error: str) -> str | None:
    """What is wrong with the name in a field, if it is the name."""
    value = getattr(site, re.sub("([A-Z])", r"_\1", field).lower())
    kind, command = LISTED[field]
    fix = f"name one that `openstack --os-cloud {site.cloud} {command}` shows"
    named = f"{kind} {value!r}" if value else kind
    if NO_RESULT in error:
        return f"sites.{site.name}.{field}: the cloud {site.cloud!r} has no {named}; {fix}"
    if SEVERAL_RESULTS in error:
        return f"sites.{site.name}.{field}: the cloud {site.cloud!r} has more than one {named}; {fix} once"
    return None


def reason(error: str) -> str:
    """An error of the OpenStack plugin on one line, without what stands in front of it for each question."""
    return " ".join(re.split(r"\* (?:Error creating OpenStack \w+ client: )?", error)[-1].split())
