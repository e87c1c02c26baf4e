"""A new OpenStack at Nagoya, and the link between Nagoya and Tokyo, in one stack."""

import sys
from pathlib import Path

import pulumi

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components import ConfigurationError, join, make_plan, parse_settings
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

machines = resources.Provider("hosts")
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
try:
    joined = join(plan, new)
except ConfigurationError as error:
    raise pulumi.RunError(f"the configuration cannot be used:\n{error}") from None

pulumi.export("hosts", {name: {"packstack": host.version, "findings": host.findings} for name, host in new.items()})
pulumi.export("keystonerc", pulumi.Output.secret({name: host.keystonerc for name, host in new.items()}))
pulumi.export("sites", {name: site.summary() for name, site in joined.sites.items()})
pulumi.export(
    "links",
    {
        name: {"mtu": link.mtu, "verified": joined.checks[name].results if name in joined.checks else {}}
        for name, link in joined.links.items()
    },
)
pulumi.export("sshPrivateKeys", pulumi.Output.secret({name: site.private_key for name, site in joined.sites.items()}))
