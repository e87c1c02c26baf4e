"""Joins the sites of the stack's configuration by VPN: settings, sites and links, outputs."""

import pulumi

from components import ConfigurationError, join, make_plan, parse_settings
from components.clouds import cloud_names

config = pulumi.Config()
keys = ("sites", "siteDefaults", "links", "dns")
try:
    plan = make_plan(
        parse_settings(
            {**{key: config.get_object(key) for key in keys}, "tunnelRange": config.get("tunnelRange")}, cloud_names()
        )
    )
except ConfigurationError as error:
    raise pulumi.RunError(f"the configuration cannot be used:\n{error}") from None

joined = join(plan)
links = {
    link.name: {
        "tunnelAddresses": {end.site: str(end.tunnel_address) for end in link.ends},
        "mtu": joined.links[link.name].mtu,
        "verified": joined.checks[link.name].results if link.name in joined.checks else {},
    }
    for link in plan.links
}
pulumi.export("sites", {name: site.summary() for name, site in joined.sites.items()})
pulumi.export("links", links)
if joined.dns:
    pulumi.export("dns", joined.dns.summary())
    pulumi.export("dnsKey", joined.dns.key)
pulumi.export("sshPrivateKeys", pulumi.Output.secret({name: site.private_key for name, site in joined.sites.items()}))
