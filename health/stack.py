"""What the current Pulumi stack has: its outputs, and what was applied last on its routers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from health.facts import NOTHING, Dns, End, Link, Site, Stack
from toolchain.build import BuildFailed
from toolchain.environment import environment
from vyos_provider.lines import Part, parse
from vyos_provider.ssh import Access


class NotReadable(Exception):
    """The stack cannot be read; the text is for the user."""


@dataclass(frozen=True)
class CloudNames:
    """What a site's resources are called in its cloud."""

    cloud: str
    #: ids, by the kind and the role: "Port eth0", "Instance vyos", …
    ids: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """The stack, and how its machines and clouds are reached, by their sites."""

    stack: Stack
    routers: Mapping[str, Access] = field(repr=False)
    linux: Mapping[str, Access] = field(repr=False)
    clouds: Mapping[str, CloudNames]


class Model(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class SiteOutput(Model):
    floating_ip: str
    vyos_lan_address: str
    router_user: str
    router_host_key: str
    linux_address: str
    linux_user: str
    linux_host_key: str
    lan: str


class LinkOutput(Model):
    tunnel_addresses: dict[str, str]
    mtu: int


class DnsOutput(Model):
    domain: str
    primary: str
    servers: dict[str, str]


class Outputs(Model):
    """`pulumi stack output --json --show-secrets`."""

    sites: dict[str, dict[str, Any]]
    links: dict[str, LinkOutput] = {}
    ssh_private_keys: dict[str, str]
    dns: DnsOutput | None = None


class Resource(Model):
    """A resource in `pulumi stack export`; its secrets are encrypted there."""

    urn: str
    type: str
    id: str = ""
    inputs: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]


async def read() -> Known:
    """Ask Pulumi about the stack that is selected here; NotReadable when there is none, or it is not whole."""
    try:
        inside = {**os.environ, **environment()}
    except BuildFailed as error:
        raise NotReadable(str(error)) from None
    commands = ("output", "--json", "--show-secrets"), ("export",)
    answers = await asyncio.gather(*(pulumi(inside, "stack", *words) for words in commands), return_exceptions=True)
    for answer in answers:  # both have ended by now, whichever has failed
        if isinstance(answer, BaseException):
            raise answer
    return known(*answers)


async def pulumi(inside: dict[str, str], *arguments: str) -> Any:
    """The JSON that one of Pulumi's commands prints."""
    process = await asyncio.create_subprocess_exec(
        "pulumi",
        "--non-interactive",
        *arguments,
        env=inside,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, said = await process.communicate()
    if process.returncode:
        raise NotReadable(f"pulumi {' '.join(arguments[:2])}: {said.decode(errors='replace').strip()}")
    return json.loads(printed)


def known(outputs: Any, export: Any) -> Known:
    """Pulumi's two answers put together."""
    try:
        found = Outputs.model_validate(outputs)
        resources = [Resource.model_validate(one) for one in export["deployment"].get("resources") or []]
        lost = {name for name, about in found.sites.items() if about.get("lost")}
        sites = {name: SiteOutput.model_validate(one) for name, one in found.sites.items() if name not in lost}
    except ValidationError as error:
        # of the values only their places: some are secrets
        missing = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        raise NotReadable(f"the stack's outputs lack {missing}; has `pulumi up` gone through?") from None
    configurations = {
        one.name: Part(
            parse("\n".join(one.inputs["lines"])), tuple(tuple(node.split()) for node in one.inputs["nodes"])
        )
        for one in resources
        if one.type == "vyos:index:Configuration"
    }
    keys = found.ssh_private_keys
    return Known(
        Stack(
            sites={
                **{name: Site(name=name, lost=True) for name in lost},
                **{name: site(name, about, configurations) for name, about in sites.items()},
            },
            links=tuple(link(name, about, configurations) for name, about in sorted(found.links.items())),
            dns=Dns(**found.dns.model_dump()) if found.dns else None,
        ),
        {
            name: Access(one.floating_ip, one.router_user, keys[name], one.router_host_key)
            for name, one in sites.items()
        },
        {
            name: Access(one.linux_address, one.linux_user, keys[name], one.linux_host_key)
            for name, one in sites.items()
        },
        {name: cloud_names(name, resources) for name in sites},
    )


def site(name: str, about: SiteOutput, configurations: Mapping[str, Part]) -> Site:
    return Site(
        name=name,
        lan=about.lan,
        floating_ip=about.floating_ip,
        vyos_lan_address=about.vyos_lan_address,
        linux_address=about.linux_address,
        base=configurations.get(f"{name}-base", NOTHING),
    )


def link(name: str, about: LinkOutput, configurations: Mapping[str, Part]) -> Link:
    first, second = (
        End(site=at, tunnel_address=address, part=configurations.get(f"{name}-{at}", NOTHING))
        for at, address in about.tunnel_addresses.items()
    )
    return Link(name=name, ends=(first, second), mtu=about.mtu)


def cloud_names(name: str, resources: list[Resource]) -> CloudNames:
    """A site's resources by what `VpnSite` calls them; the cloud is the OpenStack provider's of the site's name."""
    ids = {
        f"{one.type.rpartition(':')[2]} {one.name.removeprefix(f'{name}-')}": one.id
        for one in resources
        if one.type.startswith("openstack:") and one.name.startswith(f"{name}-")
    }
    providers = [one for one in resources if one.type == "pulumi:providers:openstack" and one.name == name]
    return CloudNames(str(providers[0].inputs.get("cloud", name)) if providers else name, ids)
