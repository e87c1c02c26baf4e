"""The DNS of the stack: a name server on each site's Linux VM, one of them the primary."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pulumi

from components import dns_render, vyos
from components.dns_plan import RESOLVER_OPTIONS, DnsPlan
from components.lost import kept
from components.vpn_site import VpnSite


class InternalDns(pulumi.ComponentResource):
    """Knot DNS at every site, with a key that its servers and operators know each other by.

    The primary is configured after the others: what it says of a change it says when all of them have it.
    """

    #: for dynamic updates and transfers, as `knsupdate -k` and `kdig -k` read it from a file; a secret
    key: pulumi.Output[str]

    def __init__(
        self, name: str, plan: DnsPlan, sites: Mapping[str, VpnSite], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`sites`: by name, as in the plan."""
        super().__init__("vpn-connect:index:InternalDns", name, {"domain": plan.domain}, opts)
        self.plan = plan
        ready = [sites[site].ready for site in plan.servers]
        key = vyos.PreSharedKey(f"{name}-key", rotation=1, opts=pulumi.ResourceOptions(parent=self, depends_on=ready))
        secret = key.key.apply(lambda digits: base64.b64encode(bytes.fromhex(digits)).decode())
        self.key = pulumi.Output.concat("hmac-sha256:", dns_render.KEY_NAME, ":", secret)

        #: the services by their sites' names
        self.services: dict[str, vyos.Service] = {}
        for site in sorted(plan.servers, key=lambda one: one == plan.primary):
            before = list(self.services.values()) if site == plan.primary else []
            self.services[site] = self._service(f"{name}-{site}", sites[site], secret, before)
        self.register_outputs({"key": self.key})

    def _service(
        self, name: str, site: VpnSite, secret: pulumi.Output[str], before: list[vyos.Service]
    ) -> vyos.Service:
        server = self.plan.servers[site.name]
        return vyos.Service(
            name,
            title=f"name server of {site.name}",
            files=dns_render.files(self.plan, server),
            secrets={"TSIG_KEY": secret},
            prepare=dns_render.prepare(self.plan, server),
            apply=dns_render.apply(self.plan, server),
            remove=dns_render.remove(self.plan, server),
            machine=site.linux_machine,
            connection=site.connection,
            behind=site.linux_connection,
            opts=kept(
                site.lost,
                pulumi.ResourceOptions(
                    parent=self, depends_on=[site.linux, site.base, *before], deleted_with=site.linux
                ),
            ),
        )

    def summary(self) -> dict[str, object]:
        """What people and their machines want to know of it; no secrets."""
        return {
            "domain": self.plan.domain,
            "primary": self.plan.primary,
            "servers": {site: str(one.address) for site, one in self.plan.servers.items() if not one.lost},
            "resolverOptions": RESOLVER_OPTIONS,
        }
