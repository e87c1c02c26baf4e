"""A link: IPIP between two routers, IPsec on it, and what each end's cloud needs for it."""

from __future__ import annotations

from typing import Protocol

import pulumi

from components import render, vyos
from components.lost import kept
from components.mtu import link_mtu
from components.plan import EndPlan, LinkPlan
from components.preview import known_or


class LinkEnd(Protocol):
    """What a link needs of an end; `VpnSite` is one."""

    @property
    def name(self) -> str:
        """The site's name, as in the plan."""

    @property
    def version(self) -> str:
        """VyOS's release."""

    @property
    def lost(self) -> bool:
        """Whether the end does not answer any more: what the link has there is left as it was."""

    @property
    def floating_ip(self) -> pulumi.Output[str]:
        """The address that the peer sends to."""

    @property
    def eth0_address(self) -> pulumi.Output[str]:
        """The address that the router sends from, before any address translation."""

    @property
    def mtu(self) -> pulumi.Output[int]:
        """Bytes that a packet between the routers may have at this end."""

    @property
    def connection(self) -> vyos.Connection:
        """How the router is reached by SSH."""

    @property
    def machine(self) -> pulumi.Output[str]:
        """Names the router's machine; another name means that it has to be configured anew."""

    @property
    def router_vm(self) -> pulumi.Resource:
        """The router's machine; when it is deleted, its configuration goes with it."""

    @property
    def ready(self) -> pulumi.Resource:
        """What must be there before a link is configured on the router."""

    def admit(
        self, link: LinkPlan, end: EndPlan, peer_address: pulumi.Input[str], parent: pulumi.Resource
    ) -> list[pulumi.Resource]:
        """Make what the end's cloud needs for the link, as children of `parent`."""


class VpnLink(pulumi.ComponentResource):
    """A link between two ends. Deleting it takes its nodes, and only these, off both routers."""

    #: bytes that a packet between the two LANs may have
    mtu: pulumi.Output[int]

    def __init__(
        self, name: str, plan: LinkPlan, ends: tuple[LinkEnd, LinkEnd], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`ends`: the two ends in the plan's order."""
        super().__init__("vpn-connect:index:VpnLink", name, {"tunnel": str(plan.tunnel)}, opts)
        self.plan = plan
        key = vyos.PreSharedKey(
            f"{name}-psk",
            rotation=plan.key_rotation,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[end.ready for end in ends]),
        )
        self.mtu = pulumi.Output.all(ends[0].mtu, ends[1].mtu).apply(
            lambda sizes: link_mtu(int(min(sizes)), plan.name).lan_to_lan
        )

        #: what must be there before traffic can pass
        self.applied: list[pulumi.Resource] = []
        #: each end's lines, by its site's name
        self.lines: dict[str, pulumi.Output[str]] = {}
        for end_plan, end, peer in ((plan.ends[0], ends[0], ends[1]), (plan.ends[1], ends[1], ends[0])):
            self.lines[end_plan.site] = lines = self._lines(end_plan, end, peer)
            configuration = vyos.Configuration(
                f"{name}-{end_plan.site}",
                title=f"link {plan.name} at {end_plan.site}",
                lines=lines.apply(str.splitlines),
                nodes=render.link_nodes(plan, end_plan),
                machine=end.machine,
                connection=end.connection,
                key=key.key,
                removable=True,
                # not before the floating IPs are associated: a packet that leaves earlier pins its flow to another
                # address for minutes (see docs/design.md)
                opts=kept(
                    end.lost,
                    pulumi.ResourceOptions(parent=self, depends_on=[end.ready], deleted_with=end.router_vm),
                ),
            )
            self.applied += [configuration, *end.admit(plan, end_plan, peer.floating_ip, parent=self)]
        self.register_outputs({"mtu": self.mtu})

    def _lines(self, end_plan: EndPlan, end: LinkEnd, peer: LinkEnd) -> pulumi.Output[str]:
        """The lines of one end, in a preview with placeholders for what the clouds have not said yet."""

        def rendered(known: list[str]) -> str:
            source_address, remote, *underlays = known
            sizes = (
                link_mtu(min(map(int, underlays)), self.plan.name)
                if all(size.isdigit() for size in underlays)
                else None
            )
            underlay = render.Underlay(
                source_address=source_address,
                remote=remote,
                tunnel_mtu=str(sizes.tunnel) if sizes else f"<MTU of {self.plan.name}>",
                mss=str(sizes.mss) if sizes else f"<MSS of {self.plan.name}>",
            )
            return render.link_lines(self.plan, end_plan, underlay, end.version)

        return pulumi.Output.all(
            known_or(end.eth0_address, f"address of {end.name}'s eth0"),
            known_or(peer.floating_ip, f"floating IP of {peer.name}"),
            *(known_or(one.mtu, "MTU") for one in (end, peer)),
        ).apply(rendered)
