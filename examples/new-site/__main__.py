"""A new OpenStack at Nagoya, and the link between Nagoya and Tokyo, in one stack."""

import sys
from pathlib import Path

import pulumi
import pulumi_openstack as openstack

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components import ConfigurationError, LinkCheck, VpnLink, VpnSite, look_up, make_plan, parse_settings, vyos
from components.clouds import cloud_names
from components.errors import refuse
from packstack import definitions, resources
from packstack.host import PackStackHost
from packstack.settings import parse_hosts

config = pulumi.Config()
keys = ("sites", "siteDefaults", "links")
try:
    hosts = parse_hosts(config.get_object("hosts") or {})
    raw = {**{key: config.get_object(key) for key in keys}, "tunnelRange": config.get("tunnelRange")}
    plan = make_plan(parse_settings(raw, cloud_names() | hosts.keys()))
    try:
        refuse(definitions.faults(hosts))
    except definitions.Unavailable as error:
        pulumi.log.warn(f"the answers are not checked before the host's own PackStack does it: {error}")
except ConfigurationError as error:
    raise pulumi.RunError(f"the configuration cannot be used:\n{error}") from None

machines, routers = resources.Provider("hosts"), vyos.Provider("routers")
new = {
    name: PackStackHost(
        name,
        settings,
        config.require_secret("hostPrivateKey"),
        protect=config.require_bool("protectHosts"),
        opts=pulumi.ResourceOptions(providers=[machines]),
    )
    for name, settings in hosts.items()
}
there = [site for site in plan.sites if site.cloud not in new]
clouds = {site.name: openstack.Provider(site.name, cloud=site.cloud) for site in there}
catalogues = look_up(there, clouds)
for site in plan.sites:
    if site.cloud in new:
        clouds[site.name] = new[site.cloud].provider
        catalogues[site.name] = new[site.cloud].catalogue(site)

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
    links[link.name] = {"mtu": joined.mtu, "verified": check.results}

pulumi.export("hosts", {name: {"packstack": host.version, "findings": host.findings} for name, host in new.items()})
pulumi.export("keystonerc", pulumi.Output.secret({name: host.keystonerc for name, host in new.items()}))
pulumi.export("sites", {name: site.summary() for name, site in sites.items()})
pulumi.export("links", links)
pulumi.export("sshPrivateKeys", pulumi.Output.secret({name: site.private_key for name, site in sites.items()}))
