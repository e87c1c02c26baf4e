"""All of a plan: a site each, joined by links that are checked. What `__main__.py` makes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from components import vyos
from components.catalogue import look_up
from components.internal_dns import InternalDns
from components.link_check import LinkCheck
from components.plan import Plan
from components.vpn_link import VpnLink
from components.vpn_site import VpnSite


@dataclass(frozen=True)
class Joined:
    """The components by the names of their sites and links. A link with a lost end has no check."""

    sites: dict[str, VpnSite]
    links: dict[str, VpnLink]
    checks: dict[str, LinkCheck]
    dns: InternalDns | None


def join(plan: Plan) -> Joined:
    """Make the plan's sites, each with the provider of its own cloud, and its links."""
    clouds = {site.name: openstack.Provider(site.name, cloud=site.cloud) for site in plan.sites}
    routers = vyos.Provider("routers")
    catalogues = look_up(plan.sites, clouds)
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
