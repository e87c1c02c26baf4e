"""Whether a link carries traffic, found out from both of its ends after each change."""

from __future__ import annotations

import pulumi
import pulumi_command as command

from components import render
from components.vpn_link import VpnLink
from components.vpn_site import VpnSite


class LinkCheck(pulumi.ComponentResource):
    """Asks both routers for the tunnel's layers, then pings from each site's Linux VM to the other's.

    Fails, and `pulumi up` with it, with the name of the first step that is missing: IPIP, IKE, ESP, or the route. Apart
    from the link, so that a VM made anew is checked anew while the link stays as it is.
    """

    #: for each site's name, what its Linux VM saw of the other
    results: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, link: VpnLink, sites: tuple[VpnSite, VpnSite], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`sites`: the link's sites in the plan's order."""
        super().__init__("vpn-connect:index:LinkCheck", name, {"link": link.plan.name}, opts)
        digests = [configuration.digest for configuration in link.configurations]
        state = [*digests, *(site.linux.id for site in sites)]
        routers = [
            command.remote.Command(
                f"{name}-{site.name}-router",
                connection=site.connection,
                create=render.router_check(link.plan, end),
                triggers=digests,
                logging=command.remote.Logging.NONE,
                opts=pulumi.ResourceOptions(parent=self, depends_on=link.applied),
            )
            for end, site in zip(link.plan.ends, sites, strict=True)
        ]
        self.results = {}
        for end, site, peer in zip(link.plan.ends, sites, reversed(sites), strict=True):
            script = peer.linux_address.apply(lambda target, end=end: render.lan_check(link.plan, end, target))  # type: ignore[misc]
            check = command.remote.Command(
                f"{name}-{site.name}-lan",
                connection=site.linux_connection,
                create=script,
                triggers=state,
                logging=command.remote.Logging.NONE,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*routers, site.linux, peer.linux]),
            )
            self.results[site.name] = check.stdout
        self.register_outputs({"results": self.results})
