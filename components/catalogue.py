"""What the clouds have for the names in the settings: looked up before anything is made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack

from components.errors import ConfigurationError
from components.plan import SitePlan


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
    """Every site's catalogue. A name that a cloud does not have ends the program, with all others that are missing."""
    wanted = {
        (site.name, field): question
        for site in sites
        for field, question in questions(site, pulumi.InvokeOptions(provider=providers[site.name])).items()
    }

    async def answers() -> dict[tuple[str, str], Any]:
        heard = await asyncio.gather(*(question.future() for question in wanted.values()), return_exceptions=True)
        found = dict(zip(wanted, heard, strict=True))
        clouds = {site.name: site for site in sites}
        faults = [
            fault(clouds[site], field, error)
            for (site, field), error in found.items()
            if isinstance(error, BaseException)
        ]
        if faults:
            raise pulumi.RunError(f"the configuration cannot be used:\n{ConfigurationError(faults)}")
        return found

    found: pulumi.Output[dict[tuple[str, str], Any]] = pulumi.Output.from_input(asyncio.ensure_future(answers()))
    complete: pulumi.Output[list[pulumi.Resource]] = found.apply(lambda _: [])

    def of(site: str, field: str, part: str = "id") -> pulumi.Output[str]:
        return found.apply(lambda known: getattr(known[site, field], part))

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


def questions(site: SitePlan, options: pulumi.InvokeOptions) -> dict[str, pulumi.Output[Any]]:
    """What the cloud is asked, by the field of the settings."""
    images, flavors = openstack.images.get_image_output, openstack.compute.get_flavor_output
    return {
        "externalNetwork": openstack.networking.get_network_output(
            name=site.external_network, external=True, opts=options
        ),
        "vyosImage": images(name=site.vyos_image, most_recent=True, opts=options),
        "vyosFlavor": flavors(name=site.vyos_flavor, opts=options),
        "linuxImage": images(name=site.linux_image, most_recent=True, opts=options),
        "linuxFlavor": flavors(name=site.linux_flavor, opts=options),
    }


def fault(site: SitePlan, field: str, error: BaseException) -> str:
    """What is wrong with a field that the cloud has no answer for."""
    value = {
        "externalNetwork": site.external_network,
        "vyosImage": site.vyos_image,
        "vyosFlavor": site.vyos_flavor,
        "linuxImage": site.linux_image,
        "linuxFlavor": site.linux_flavor,
    }[field]
    text = str(error)
    if field == "externalNetwork" and value is None and "more than one" in text.lower():
        return f"sites.{site.name}.externalNetwork: the cloud {site.cloud!r} has several external networks; name one"
    if "no results" in text.lower() or "not found" in text.lower() or "no suitable" in text.lower():
        kind = "external network" if field == "externalNetwork" else re.sub("^(vyos|linux)", "", field).lower()
        command = {"image": "image list", "flavor": "flavor list"}.get(kind, "network list --external")
        return (
            f"sites.{site.name}.{field}: the cloud {site.cloud!r} has no {kind} {value or ''!r}; see "
            f"`openstack --os-cloud {site.cloud} {command}`"
        )
    return f"sites.{site.name}.{field}: {value!r} could not be looked up in the cloud {site.cloud!r}: {text}"
