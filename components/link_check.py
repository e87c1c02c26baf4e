"""Whether a link carries traffic, found out from both of its ends after each change."""

from __future__ import annotations

from hashlib import sha256

import pulumi

from components import render, vyos
from components.plan import EndPlan
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
        state = [*link.lines.values(), *(site.linux.id for site in sites)]
        self.results = {}
        before: list[pulumi.Resource] = []
        for end, site, peer in zip(link.plan.ends, sites, reversed(sites), strict=True):
            check = vyos.Check(
                f"{name}-{site.name}",
                connection=site.connection,
                script=render.router_check(link.plan, end),
                behind=site.linux_connection,
                behind_script=self._lan_check(link, end, peer),
                triggers=[digest(value) for value in state],
                # a new key takes effect when the ends authenticate anew; one of them has to ask
                renewal=link.plan.key_rotation,
                renew=render.renew_keys(link.plan) if end == link.plan.ends[0] else "",
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*link.applied, site.linux, peer.linux, *before]),
            )
            if link.plan.key_rotation > 1:
                # no traffic passes while the ends authenticate anew: nothing else keeps their processors busy then
                before.append(check)
            self.results[site.name] = check.result
        self.register_outputs({"results": self.results})

    @staticmethod
    def _lan_check(link: VpnLink, end: EndPlan, peer: VpnSite) -> pulumi.Output[str]:
        return peer.linux_address.apply(lambda target: render.lan_check(link.plan, end, target))


def digest(value: pulumi.Output[str]) -> pulumi.Output[str]:
    """Changes with the value; short."""
    return value.apply(lambda text: sha256(text.encode()).hexdigest()[:16])
