"""Joins the sites of the stack's configuration by VPN: settings, sites, links, outputs."""

import pulumi
import pulumi_openstack as openstack

from components import ConfigurationError, LinkCheck, VpnLink, VpnSite, look_up, make_plan, parse_settings, vyos
from components.clouds import cloud_names

config = pulumi.Config()
keys = ("sites", "siteDefaults", "links")
try:
    plan = make_plan(
        parse_settings(
            {**{key: config.get_object(key) for key in keys}, "tunnelRange": config.get("tunnelRange")}, cloud_names()
        )
    )
except ConfigurationError as error:
    raise pulumi.RunError(f"the configuration cannot be used:\n{error}") from None

clouds = {site.name: openstack.Provider(site.name, cloud=site.cloud) for site in plan.sites}
routers = vyos.Provider("routers")
catalogues = look_up(plan.sites, clouds)
sites = {
    site.name: VpnSite(
        site.name, site, catalogues[site.name], opts=pulumi.ResourceOptions(providers=[clouds[site.name], routers])
    )
    for site in plan.sites
}

links = {}
for link in plan.links:
    ends = sites[link.ends[0].site], sites[link.ends[1].site]
    joined = VpnLink(link.name, link, ends, opts=pulumi.ResourceOptions(providers=[routers]))
    check = LinkCheck(f"{link.name}-check", joined, ends, opts=pulumi.ResourceOptions(providers=[routers]))
    links[link.name] = {
        "tunnelAddresses": {end.site: str(end.tunnel_address) for end in link.ends},
        "mtu": joined.mtu,
        "verified": check.results,
    }

pulumi.export("sites", {name: site.summary() for name, site in sites.items()})
pulumi.export("links", links)
pulumi.export("sshPrivateKeys", pulumi.Output.secret({name: site.private_key for name, site in sites.items()}))
