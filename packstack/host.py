"""The component: from a bare host to an OpenStack, and to what a VPN site needs of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_openstack as openstack

from components.catalogue import SiteCatalogue
from components.errors import choices, refuse
from components.plan import SitePlan
from packstack.answers import answers
from packstack.cloud import Cloud
from packstack.keystonerc import NEEDED
from packstack.resources import Step
from packstack.settings import Access, HostSettings

#: what the steps on hosts have nothing to do with
OF_THE_CLOUD = {"images", "flavors", "quotas", "project", "answers"}


class PackStackHost(pulumi.ComponentResource):
    """A new OpenStack on a bare host, made with the component's provider for PackStack's hosts; a site fits on it.

    Each step is a resource of its own: one that failed is taken up by the next `up`. Everything is protected: `destroy`
    refuses, unless `protect` was false in an `up` before.
    """

    #: the administrator's keystonerc, a secret
    keystonerc: pulumi.Output[str]
    #: for resources of the VPN program's project, as its ordinary user
    provider: openstack.Provider

    def __init__(
        self,
        name: str,
        settings: HostSettings,
        private_key: pulumi.Input[str],
        protect: bool = True,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`private_key`: that the hosts let in, in OpenSSH's format."""
        given = {"address": str(settings.address), "release": settings.release}
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect))
        super().__init__("vpn-connect:index:PackStackHost", name, given, opts)
        self.name_, self.settings = name, settings
        self.private_key = pulumi.Output.secret(private_key)

        self.secret = Step("Secret", f"{name}-secret", {}, ["secret"], self._after()).secret_of("secret")
        # nobody can tell the secret from it
        owner = pulumi.Output.unsecret(self.secret.apply(lambda secret: hashlib.sha256(secret.encode()).hexdigest()))
        described = settings.model_dump(mode="json", by_alias=True, exclude=OF_THE_CLOUD)
        connections = [self._connection(host) for host in settings.hosts]

        prechecks = Step(
            "Prechecks",
            f"{name}-prechecks",
            {"settings": described, "connections": connections, "owner": owner},
            ["findings"],
            self._after(),
        )
        key = self._step("InstallerKey", "key", {}, ["publicKey"], [prechecks])
        prepared = [
            Step(
                "Preparation",
                f"{name}-preparation-{host.fqdn}",
                {
                    "settings": described,
                    "connection": self._connection(host),
                    "address": str(host.address),
                    "authorizedKey": key.output_of("publicKey"),
                    "owner": owner,
                },
                ["changed"],
                self._after(prechecks),
            )
            for host in settings.hosts
        ]
        installer = self._step("Installer", "packstack", {"release": settings.release}, ["version"], prepared)
        answer_file = self._step(
            "AnswerFile",
            "answers",
            {"answers": answers(settings), "secret": self.secret},
            ["digest"],
            [installer],
        )
        about = {"digest": answer_file.output_of("digest")}
        self.installation = self._step(
            "Installation", "openstack", {**about, "secret": self.secret, "connections": connections}, [], [answer_file]
        )
        credentials = self._step(
            "Credentials", "credentials", about, [*NEEDED.values(), "keystonerc"], [self.installation]
        )

        self.cloud = Cloud(
            name,
            settings,
            {output: credentials.output_of(output) for output in NEEDED.values() if output != "password"}
            | {"password": credentials.secret_of("password")},
            user_password=self._password("user"),
            credentials=credentials,
            opts=self._after(),
        )
        self.provider = self.cloud.user_provider
        self.keystonerc = credentials.secret_of("keystonerc")
        self.findings, self.version = prechecks.output_of("findings"), installer.output_of("version")
        self.register_outputs({"keystonerc": self.keystonerc, "findings": self.findings, "version": self.version})

    def catalogue(self, plan: SitePlan) -> SiteCatalogue:
        """What a site on this OpenStack finds there; ConfigurationError with the names that it has not."""
        cloud, faults = self.cloud, []
        for field, value, known in (
            ("vyosImage", plan.vyos_image, cloud.images),
            ("linuxImage", plan.linux_image, cloud.images),
            ("vyosFlavor", plan.vyos_flavor, cloud.flavors),
            ("linuxFlavor", plan.linux_flavor, cloud.flavors),
        ):
            if value not in known:
                kind = "images" if "Image" in field else "flavors"
                hint = choices(value, known) if known else "there are none"
                faults.append(
                    f"sites.{plan.name}.{field}: hosts.{self.name_}.{kind} has no {value!r}; {hint}; add it there"
                )
        external = self.settings.floating_range.name
        if plan.external_network not in (None, external):
            faults.append(
                f"sites.{plan.name}.externalNetwork: {plan.external_network!r} is not that of hosts.{self.name_}; "
                f"write {external}, or leave it out"
            )
        refuse(faults)
        return SiteCatalogue(
            external_network_id=cloud.external_network.id,
            external_network_name=cloud.external_network.name,
            vyos_image_id=cloud.images[plan.vyos_image].id,
            vyos_flavor_id=cloud.flavors[plan.vyos_flavor].id,
            linux_image_id=cloud.images[plan.linux_image].id,
            linux_flavor_id=cloud.flavors[plan.linux_flavor].id,
            complete=pulumi.Output.from_input(list[pulumi.Resource]()),
        )

    def _step(
        self, kind: str, role: str, inputs: dict[str, Any], outputs: Sequence[str], needs: Sequence[pulumi.Resource]
    ) -> Step:
        """A step on the controller."""
        given = {"connection": self._connection(self.settings), **inputs}
        return Step(kind, f"{self.name_}-{role}", given, outputs, self._after(*needs))

    def _password(self, purpose: str) -> pulumi.Output[str]:
        given = {"secret": self.secret, "purpose": purpose}
        return Step("Password", f"{self.name_}-{purpose}-password", given, ["password"], self._after()).secret_of(
            "password"
        )

    def _connection(self, host: Access) -> dict[str, Any]:
        return {
            "host": str(host.address),
            "user": host.user,
            "privateKey": self.private_key,
            "hostKey": host.host_key,
            "port": host.port,
        }

    def _after(self, *needs: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(needs))
