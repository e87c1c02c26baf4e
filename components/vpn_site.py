"""A site: networks, Neutron router, VyOS, Linux VM and floating IP, in a project of one OpenStack cloud."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_openstack as openstack

from components import render, vyos
from components.catalogue import SiteCatalogue
from components.lost import kept, with_children_kept
from components.plan import EndPlan, LinkPlan, SitePlan
from components.preview import known_or

SECRET_KEY = pulumi.ResourceOptions(additional_secret_outputs=["privateKey"])


class VpnSite(pulumi.ComponentResource):
    """The site's resources, made with the component's providers for OpenStack and VyOS. An end that `VpnLink` can join.

    A VM's default gateway stays the Neutron router; VyOS has eth0 on a transit network of its own, where the floating
    IP leads to, and eth1 on the LAN.
    """

    #: the address that peers and administrators know VyOS by
    floating_ip: pulumi.Output[str]
    #: VyOS's own address on eth0, behind Neutron's address translation
    eth0_address: pulumi.Output[str]
    #: of the Linux VM on the LAN
    linux_address: pulumi.Output[str]
    #: bytes; of the transit network, which carries the tunnels
    mtu: pulumi.Output[int]
    #: of the key pair that Nova made for both VMs; a secret
    private_key: pulumi.Output[str]

    def __init__(
        self, name: str, plan: SitePlan, catalogue: SiteCatalogue, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`catalogue`: what the cloud has for the plan's image, flavor and network names."""
        super().__init__(
            "vpn-connect:index:VpnSite",
            name,
            {"lan": str(plan.lan), "number": plan.number},
            with_children_kept(plan.lost, opts),
        )
        self.plan, self.label = plan, name
        child = pulumi.ResourceOptions(parent=self)
        # nothing is made before the catalogues of all sites are known to be complete
        first = pulumi.ResourceOptions(parent=self, depends_on=catalogue.complete)

        self.lan, self.lan_subnet = self._network(
            "lan",
            str(plan.lan),
            first,
            pool=plan.lan_pool,
            dns_nameservers=[str(server) for server in plan.name_servers],
        )
        transit, transit_subnet = self._network("transit", str(plan.transit), first)
        self.router = openstack.networking.Router(
            f"{name}-router", external_network_id=catalogue.external_network_id, opts=first
        )
        self.lan_interface = openstack.networking.RouterInterface(
            f"{name}-router-lan", router_id=self.router.id, subnet_id=self.lan_subnet.id, opts=child
        )
        transit_interface = openstack.networking.RouterInterface(
            f"{name}-router-transit", router_id=self.router.id, subnet_id=transit_subnet.id, opts=child
        )

        self.eth0_group = openstack.networking.SecGroup(f"{name}-eth0", opts=first)
        self.lan_group = openstack.networking.SecGroup(f"{name}-lan", opts=first)
        for cidr in plan.admin_cidrs:
            self._allow(f"{name}-ssh-{cidr}", self.eth0_group, cidr=str(cidr), protocol="tcp", port=22)
        self._allow(f"{name}-lan-{plan.lan}", self.lan_group, cidr=str(plan.lan))

        eth0 = self._port("eth0", transit, transit_subnet, self.eth0_group)
        eth1 = self._port(
            "eth1",
            self.lan,
            self.lan_subnet,
            self.lan_group,
            address=str(plan.vyos_lan_address),
            pairs=[str(prefix) for prefix in plan.address_pairs],
        )
        linux_port = self._port(
            "linux",
            self.lan,
            self.lan_subnet,
            self.lan_group,
            address=str(plan.linux_address),
            # a VM learns its address when it boots: another one, another VM
            replace_on_changes=["fixedIps"],
        )
        floating_ip = openstack.networking.FloatingIp(
            f"{name}-floating-ip",
            pool=catalogue.external_network_name,
            port_id=eth0.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[transit_interface]),
        )
        keypair = openstack.compute.Keypair(f"{name}-keypair", opts=pulumi.ResourceOptions.merge(first, SECRET_KEY))
        self.private_key = pulumi.Output.secret(keypair.private_key)
        self.floating_ip, self.mtu = floating_ip.address, transit.mtu
        self.eth0_address, self.linux_address = eth0.all_fixed_ips[0], linux_port.all_fixed_ips[0]

        lines = known_or(self.lan.mtu, f"MTU of {name}'s LAN").apply(lambda mtu: render.base_lines(plan, mtu))
        made_key = vyos.HostKey(f"{name}-vyos-host-key", opts=first) if plan.vyos_host_key == "cloud-init" else None
        first_boot = vyos.FirstBoot(
            f"{name}-vyos-first-boot",
            text=pulumi.Output.all(lines, made_key and made_key.private_key, made_key and made_key.public_key).apply(
                lambda known: render.vyos_user_data(plan, known[0], known[1], known[2])
            ),
            of=[catalogue.vyos_image_id, catalogue.vyos_flavor_id, keypair.name, eth0.id, eth1.id],
            opts=child,
        )
        self.vyos = self._server(
            f"{name}-vyos",
            catalogue.vyos_image_id,
            catalogue.vyos_flavor_id,
            keypair,
            [eth0, eth1],
            first_boot.user_data,
        )
        # VMs get their routes to the linked LANs by DHCP (option 121): before the first VM asks for them
        dhcp_routes = [
            openstack.networking.SubnetRoute(
                f"{name}-dhcp-{remote}",
                subnet_id=self.lan_subnet.id,
                destination_cidr=str(remote),
                next_hop=str(plan.vyos_lan_address),
                opts=pulumi.ResourceOptions(parent=self, deleted_with=self.lan_subnet),
            )
            for remote in plan.remote_lans
        ]
        linux_key = vyos.HostKey(f"{name}-linux-host-key", opts=first)
        self.linux = self._server(
            f"{name}-linux",
            catalogue.linux_image_id,
            catalogue.linux_flavor_id,
            keypair,
            [linux_port],
            pulumi.Output.all(linux_key.private_key, linux_key.public_key).apply(
                lambda keys: render.linux_user_data(*keys)
            ),
            needs=dhcp_routes,
        )

        #: name the machines, so that one made anew is configured anew
        self.machine = known_or(self.vyos.id, f"id of {name}'s VyOS")
        self.linux_machine = known_or(self.linux.id, f"id of {name}'s Linux VM")
        reachable = pulumi.ResourceOptions(parent=self, depends_on=[self.vyos, transit_interface, floating_ip])
        host_key = made_key or vyos.HostKey(
            f"{name}-vyos-host-key", host=self.floating_ip, machine=self.machine, opts=reachable
        )
        self.connection = self._connection(self.floating_ip, plan.vyos_user, host_key)
        self.linux_connection = self._connection(self.linux_address, plan.linux_user, linux_key)
        if not plan.lost:
            vyos.read_ahead(self.connection, pulumi.InvokeOptions(parent=self))
        self.base = vyos.Configuration(
            f"{name}-base",
            title=f"VyOS of {name}",
            lines=lines.apply(str.splitlines),
            nodes=lines.apply(render.base_nodes),
            machine=self.machine,
            connection=self.connection,
            opts=pulumi.ResourceOptions.merge(reachable, pulumi.ResourceOptions(deleted_with=self.vyos)),
        )
        self.register_outputs(
            {
                "floatingIp": self.floating_ip,
                "eth0Address": self.eth0_address,
                "linuxAddress": self.linux_address,
                "mtu": self.mtu,
                "privateKey": self.private_key,
            }
        )

    @property
    def name(self) -> str:
        """The site's name."""
        return self.plan.name

    @property
    def version(self) -> str:
        """VyOS's release."""
        return self.plan.vyos_version

    @property
    def lost(self) -> bool:
        """Whether the site's cloud does not answer any more."""
        return self.plan.lost

    @property
    def router_vm(self) -> pulumi.Resource:
        """The router's machine; when it is deleted, its configuration goes with it."""
        return self.vyos

    @property
    def ready(self) -> pulumi.Resource:
        """What must be there before a link is configured on the router."""
        return self.base

    def admit(
        self, link: LinkPlan, end: EndPlan, peer_address: pulumi.Input[str], parent: pulumi.Resource
    ) -> list[pulumi.Resource]:
        """What this cloud needs for a link: IPIP from the peer, its LANs past the security group, a route to them.

        The Neutron router has the route for VMs that do not ask DHCP again.
        """
        owner = kept(
            self.lost,
            pulumi.ResourceOptions(
                parent=parent, provider=self.get_provider("openstack:index:provider"), depends_on=[self.lan_interface]
            ),
        )
        prefix, hop = f"{link.name}-{end.site}", str(self.plan.vyos_lan_address)
        # written as a number: Neutron's "ipip" is not IP in IP for its iptables driver
        admitted: list[pulumi.Resource] = [
            self._allow(
                f"{prefix}-ipip",
                self.eth0_group,
                cidr=pulumi.Output.concat(peer_address, "/32"),
                protocol="4",
                opts=owner,
            )
        ]
        for remote in map(str, end.remote_prefixes):
            admitted += [
                self._allow(f"{prefix}-from-{remote}", self.lan_group, cidr=remote, opts=owner),
                openstack.networking.RouterRoute(
                    f"{prefix}-route-{remote}",
                    router_id=self.router.id,
                    destination_cidr=remote,
                    next_hop=hop,
                    opts=owner,
                ),
            ]
        return admitted

    def _connection(self, host: pulumi.Output[str], user: str, host_key: vyos.HostKey) -> vyos.Connection:
        return {"host": host, "user": user, "privateKey": self.private_key, "hostKey": host_key.public_key}

    def _network(
        self,
        role: str,
        cidr: str,
        first: pulumi.ResourceOptions,
        pool: tuple[object, object] | None = None,
        dns_nameservers: Sequence[str] = (),
    ) -> tuple[openstack.networking.Network, openstack.networking.Subnet]:
        child = pulumi.ResourceOptions(parent=self)
        network = openstack.networking.Network(f"{self.label}-{role}", opts=first)
        pools = [openstack.networking.SubnetAllocationPoolArgs(start=str(pool[0]), end=str(pool[1]))] if pool else None
        return network, openstack.networking.Subnet(
            f"{self.label}-{role}",
            network_id=network.id,
            cidr=cidr,
            ip_version=4,
            allocation_pools=pools,
            dns_nameservers=list(dns_nameservers) or None,
            opts=child,
        )

    def _allow(
        self,
        name: str,
        group: openstack.networking.SecGroup,
        *,
        cidr: pulumi.Input[str],
        protocol: str | None = None,
        port: int | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> openstack.networking.SecGroupRule:
        return openstack.networking.SecGroupRule(
            name,
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol=protocol,
            remote_ip_prefix=cidr,
            port_range_min=port,
            port_range_max=port,
            opts=pulumi.ResourceOptions.merge(
                opts or pulumi.ResourceOptions(parent=self), pulumi.ResourceOptions(deleted_with=group)
            ),
        )

    def _port(
        self,
        role: str,
        network: openstack.networking.Network,
        subnet: openstack.networking.Subnet,
        group: openstack.networking.SecGroup,
        address: str | None = None,
        pairs: Sequence[str] = (),
        replace_on_changes: Sequence[str] = (),
    ) -> openstack.networking.Port:
        return openstack.networking.Port(
            f"{self.label}-{role}",
            network_id=network.id,
            security_group_ids=[group.id],
            fixed_ips=[openstack.networking.PortFixedIpArgs(subnet_id=subnet.id, ip_address=address)],
            allowed_address_pairs=[openstack.networking.PortAllowedAddressPairArgs(ip_address=pair) for pair in pairs],
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=list(replace_on_changes) or None),
        )

    def _server(
        self,
        name: str,
        image_id: pulumi.Input[str],
        flavor_id: pulumi.Input[str],
        keypair: openstack.compute.Keypair,
        ports: Sequence[openstack.networking.Port],
        user_data: pulumi.Input[str],
        needs: Sequence[pulumi.Resource] = (),
    ) -> openstack.compute.Instance:
        return openstack.compute.Instance(
            name,
            name=name,
            image_id=image_id,
            flavor_id=flavor_id,
            key_pair=keypair.name,
            networks=[openstack.compute.InstanceNetworkArgs(port=port.id) for port in ports],
            user_data=user_data,
            # its ports cannot be on two servers
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=list(needs)),
        )

    def summary(self) -> dict[str, pulumi.Input[str | bool]]:
        """What people and tools want to know of the site; no secrets."""
        return {
            "floatingIp": self.floating_ip,
            "eth0Address": self.eth0_address,
            "vyosLanAddress": str(self.plan.vyos_lan_address),
            "routerUser": self.plan.vyos_user,
            "routerHostKey": self.connection["hostKey"],
            "linuxAddress": self.linux_address,
            "linuxUser": self.plan.linux_user,
            "linuxHostKey": self.linux_connection["hostKey"],
            "lan": str(self.plan.lan),
            **({"lost": True} if self.lost else {}),
        }
