"""What a fresh OpenStack is given over its APIs: external network, images, flavors, a project for the VPN program."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_openstack as openstack

from packstack.settings import HostSettings, Image

#: the role of an ordinary user, which Keystone's bootstrap makes
MEMBER = "member"


class Cloud(pulumi.ComponentResource):
    """A new OpenStack's external network, images and flavors, and an ordinary user in a project with quotas."""

    external_network: openstack.networking.Network
    images: dict[str, openstack.images.Image]
    flavors: dict[str, openstack.compute.Flavor]
    #: acts as the ordinary user; comes after everything that the user needs
    user_provider: openstack.Provider

    def __init__(
        self,
        name: str,
        settings: HostSettings,
        access: Mapping[str, pulumi.Input[str]],
        user_password: pulumi.Input[str],
        credentials: pulumi.Resource,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`access`: the administrator's, as `keystonerc.parse` gives it; `credentials`: where it comes from."""
        super().__init__("vpn-connect:index:PackStackCloud", name, {"project": settings.project}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.admin = openstack.Provider(
            f"{name}-admin",
            auth_url=access["authUrl"],
            user_name=access["user"],
            password=access["password"],
            tenant_name=access["project"],
            user_domain_name=access["userDomain"],
            project_domain_name=access["projectDomain"],
            region=access["region"],
            opts=child,
        )
        admin = pulumi.ResourceOptions(parent=self, provider=self.admin)

        floating = settings.floating_range
        self.external_network = openstack.networking.Network(
            f"{name}-external",
            name=floating.name,
            external=True,
            segments=[
                openstack.networking.NetworkSegmentArgs(network_type="flat", physical_network=floating.physical_network)
            ],
            opts=admin,
        )
        pool = openstack.networking.SubnetAllocationPoolArgs(start=str(floating.first), end=str(floating.last))
        external_subnet = openstack.networking.Subnet(
            f"{name}-external",
            network_id=self.external_network.id,
            cidr=str(floating.network),
            ip_version=4,
            gateway_ip=str(floating.gateway),
            enable_dhcp=False,
            allocation_pools=[pool],
            opts=admin,
        )
        self.images = {label: self._image(f"{name}-{label}", label, image) for label, image in settings.images.items()}
        self.flavors = {
            label: openstack.compute.Flavor(
                f"{name}-{label}",
                name=label,
                vcpus=flavor.vcpus,
                ram=flavor.ram_mib,
                disk=flavor.disk_gib,
                is_public=True,
                opts=admin,
            )
            for label, flavor in settings.flavors.items()
        }

        project = openstack.identity.Project(f"{name}-project", name=settings.project, opts=admin)
        user = openstack.identity.User(
            f"{name}-user", name=settings.project, password=user_password, default_project_id=project.id, opts=admin
        )
        # not asked before there is a cloud to ask
        role = openstack.identity.get_role_output(
            name=MEMBER, opts=pulumi.InvokeOutputOptions(provider=self.admin, depends_on=[credentials])
        )
        member = openstack.identity.RoleAssignment(
            f"{name}-member", user_id=user.id, project_id=project.id, role_id=role.id, opts=admin
        )
        quotas = settings.quotas
        compute_quota = openstack.compute.QuotaSetV2(
            f"{name}-compute",
            project_id=project.id,
            instances=quotas.instances,
            cores=quotas.cores,
            ram=quotas.ram_mib,
            opts=admin,
        )
        network_quota = openstack.networking.QuotaV2(
            f"{name}-network",
            project_id=project.id,
            network=quotas.networks,
            subnet=quotas.networks,
            router=quotas.routers,
            port=quotas.ports,
            floatingip=quotas.floating_ips,
            security_group=quotas.security_groups,
            security_group_rule=quotas.security_group_rules,
            opts=admin,
        )
        self.user_provider = openstack.Provider(
            f"{name}-user",
            auth_url=access["authUrl"],
            user_name=user.name,
            password=pulumi.Output.secret(user_password),
            tenant_name=project.name,
            user_domain_name=access["userDomain"],
            project_domain_name=access["projectDomain"],
            region=access["region"],
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[member, compute_quota, network_quota, external_subnet]
            ),
        )
        self.register_outputs({"project": project.name, "externalNetwork": self.external_network.name})

    def _image(self, name: str, label: str, image: Image) -> openstack.images.Image:
        return openstack.images.Image(
            name,
            name=label,
            container_format="bare",
            disk_format=image.disk_format,
            local_file_path=image.file,
            image_source_url=image.url,
            properties=image.properties,
            visibility="public",
            opts=pulumi.ResourceOptions(parent=self, provider=self.admin),
        )
