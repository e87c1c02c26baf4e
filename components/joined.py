"""All of a plan: a site each, joined by links that are checked. What `__main__.py` makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pulumi
import pulumi_openstack as openstack

from components import vyos
from components.catalogue import SiteCatalogue, look_up
from components.internal_dns import InternalDns
from components.link_check import LinkCheck
from components.plan import Plan, SitePlan
from components.vpn_link import VpnLink
from components.vpn_site import VpnSite


@dataclass(frozen=True)
class Joined:
    """The components by the names of their sites and links. A link with a lost end has no check."""

    sites: dict[str, VpnSite]
    links: dict[str, VpnLink]
    checks: dict[str, LinkCheck]
    dns: InternalDns | None


class MadeCloud(Protocol):
    """A cloud that the stack makes itself; `packstack.host.PackStackHost` is one."""

    @property
    def provider(self) -> openstack.Provider:
        """For the resources of a site there."""

    def catalogue(self, plan: SitePlan) -> SiteCatalogue:
        """What a site finds there; ConfigurationError with the names that the cloud does not get."""


def join(plan: Plan, made: Mapping[str, MadeCloud] | None = None) -> Joined:
    """Make the plan's sites, each with the provider of its own cloud, and its links.

    `made`: clouds of this stack, by the names that the sites have for them; all others are in clouds.yaml.
    """
    made = made or {}
    there = [site for site in plan.sites if site.cloud not in made]
    clouds = {site.name: openstack.Provider(site.name, cloud=site.cloud) for site in there}
    routers = vyos.Provider("routers")
    catalogues = look_up(there, clouds)
    for site in plan.sites:
        if site.cloud in made:
            clouds[site.name] = made[site.cloud].provider
            catalogues[site.name] = made[site.cloud].catalogue(site)
    sites = {
        site.name: VpnSite(
            site.name, site, catalogues[site.name], opts=pulumi.ResourceOptions(providers=[clouds[site.name], routers])
        )
        for site in plan.sites
    }
    opts = pulumi.ResourceOptions(providers=[routers])
    joined = Joined(sites, {}, {}, InternalDns("dns", plan.dns, sites, opts) if plan.dns else None)
    for link in plan.links:
        ends = sites[link.ends[0].site], sites[link.ends[1].site]
        joined.links[link.name] = VpnLink(link.name, link, ends, opts=opts)
        if not any(end.lost for end in ends):
            joined.checks[link.name] = LinkCheck(f"{link.name}-check", joined.links[link.name], ends, opts=opts)
    return joined
