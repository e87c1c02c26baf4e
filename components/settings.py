"""The stack's configuration: parsed once, with every fault reported together. Pure; knows nothing of Pulumi."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from components.errors import ConfigurationError

EVERY_SITE = "*"
SITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
SMALLEST_NETWORK = 29  # prefix length: gateway, DHCP port, VyOS and a VM
# "this network", loopback, link local, multicast, reserved
NOT_FOR_VMS = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")))
DEFAULT_TUNNEL_RANGE = IPv4Network("10.255.0.0/16")


def prefix(value: object) -> IPv4Network:
    """An IPv4 prefix without host bits, as `192.168.10.0/24`."""
    if not isinstance(value, str) or "/" not in value:
        raise PydanticCustomError("prefix", "is not an IPv4 prefix; write one like 192.168.10.0/24")
    try:
        return IPv4Network(value)
    except ValueError:
        pass
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        raise PydanticCustomError("prefix", "is not an IPv4 prefix; write one like 192.168.10.0/24") from None
    raise PydanticCustomError("host_bits", "has bits set behind the prefix; write {network}", {"network": str(network)})


def vm_network(value: object) -> IPv4Network:
    """A prefix that a Neutron subnet with VMs can have."""
    network = prefix(value)
    if network.prefixlen > SMALLEST_NETWORK:
        raise PydanticCustomError(
            "too_small", "is too small for a router, DHCP, VyOS and a VM; take /29 or a shorter prefix length"
        )
    if any(network.overlaps(special) for special in NOT_FOR_VMS):
        raise PydanticCustomError(
            "special",
            "is a range that VMs cannot use (RFC 6890); take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        )
    return network


def address(value: object) -> IPv4Address:
    """A single IPv4 address."""
    try:
        return IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise PydanticCustomError("address", "is not an IPv4 address; write one like 192.168.10.53") from None


def version(value: object) -> object:
    """YAML reads a bare 1.4 as a number."""
    return str(value) if isinstance(value, float) else value


Prefix = Annotated[IPv4Network, BeforeValidator(prefix)]
VmNetwork = Annotated[IPv4Network, BeforeValidator(vm_network)]
Address = Annotated[IPv4Address, BeforeValidator(address)]
Version = Annotated[Literal["1.4", "1.5", "rolling"], BeforeValidator(version)]
Name = Annotated[str, Field(min_length=1, strict=True)]


class Model(BaseModel):
    """Keys are written as Pulumi's configuration has them (`adminCidrs`); unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class SiteDefaults(Model):
    """What sites may have in common (`siteDefaults`); a site's own value wins."""

    #: names of the router's and the Linux VM's image in Glance and of their flavors in Nova
    vyos_image: Name = "vyos"
    vyos_flavor: Name = "vyos"
    linux_image: Name = "linux"
    linux_flavor: Name = "linux"
    #: the login that cloud-init gives the key pair's key
    vyos_user: Name = "vyos"
    linux_user: Name = "debian"
    #: name of the network with the floating IPs; without it, the only external network that the project sees
    external_network: Name | None = None
    #: name servers that DHCP hands out on the LAN; without any, Neutron's own
    dns_servers: tuple[Address, ...] = ()
    #: where SSH to the routers is allowed from, the machine that runs `pulumi` among them
    admin_cidrs: tuple[Prefix, ...] = ()
    #: "strict": VyOS may forward packets of the linked LANs only; "open": of any source (0.0.0.0/0)
    anti_spoofing: Literal["strict", "open"] = "strict"
    #: the release that the router's image is of; its command line differs a little between them
    vyos_version: Version = "1.4"
    #: "cloud-init": the program makes the router's SSH host key and hands it over in the user data;
    #: "first-contact": the key is recorded when the router is first reached, and required afterwards
    vyos_host_key: Literal["cloud-init", "first-contact"] = "cloud-init"


class SiteSettings(SiteDefaults):
    """One site."""

    #: the cloud's name in clouds.yaml
    cloud: Name
    #: the prefix of the network for the VMs
    lan: VmNetwork
    #: between 1 and what the tunnel range holds; without it, made from the site's name
    number: Annotated[int, Field(strict=True, ge=1)] | None = None
    #: the prefix of the network between VyOS and the Neutron router; without it, 172.31.<number>.0/28
    transit: VmNetwork | None = None
    #: whether linked sites without a link of their own reach each other through this one
    hub: Annotated[bool, Field(strict=True)] = False


class LinkSettings(Model):
    """A link between two sites; EVERY_SITE in the place of one stands for all others."""

    ends: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)]
    #: another number gives the link another pre-shared key
    key_rotation: Annotated[int, Field(strict=True, ge=1)] = 1


FULL_MESH = (LinkSettings(ends=(EVERY_SITE, EVERY_SITE)),)


class Settings(Model):
    """The whole configuration."""

    sites: Annotated[dict[str, SiteSettings], Field(min_length=1)]
    #: without this key, every site is linked with every other
    links: tuple[LinkSettings, ...] = FULL_MESH
    #: each link takes a /30 of it
    tunnel_range: Prefix = DEFAULT_TUNNEL_RANGE


def parse_settings(raw: Mapping[str, Any], clouds: Collection[str]) -> Settings:
    """Read the stack's configuration values (keys that are not set may be None).

    `clouds`: the names in clouds.yaml. Raises ConfigurationError with all faults of single values; what joins several
    values is `make_plan`'s.
    """
    given = {key: value for key, value in raw.items() if value is not None}
    defaults = given.pop("siteDefaults", {})
    faults = check(SiteDefaults, defaults, "siteDefaults")
    sites = given.get("sites")
    if not faults and isinstance(sites, Mapping):
        given["sites"] = {
            name: {**defaults, **site} if isinstance(site, Mapping) else site for name, site in sites.items()
        }
    faults += check(Settings, given, "")
    if isinstance(sites, Mapping):
        faults += [fault for name, site in sites.items() for fault in site_faults(name, site, defaults, clouds)]
    if faults:
        raise ConfigurationError(faults)
    return Settings.model_validate(given)


def site_faults(name: str, site: Any, defaults: Any, clouds: Collection[str]) -> list[str]:
    """What pydantic cannot see of one site."""
    faults = []
    if not SITE_NAME.fullmatch(name):
        faults.append(
            f"sites: {name!r} cannot name a site, since VyOS and Nova have names made from it; "
            "take at most 30 lower-case letters, digits and hyphens, a letter first"
        )
    if not isinstance(site, Mapping):
        return faults
    cloud = site.get("cloud")
    if isinstance(cloud, str) and cloud and cloud not in clouds:
        known = (
            f"it has {', '.join(sorted(clouds))}" if clouds else "no clouds.yaml was found; see OS_CLIENT_CONFIG_FILE"
        )
        faults.append(f"sites.{name}.cloud: {cloud!r} is not in clouds.yaml; {known}")
    merged = {**defaults, **site} if isinstance(defaults, Mapping) else site
    if not merged.get("adminCidrs"):
        faults.append(
            f"sites.{name}.adminCidrs: none given, here or in siteDefaults; VyOS is configured over SSH, "
            "so name the network that `pulumi` runs in, like 198.51.100.7/32"
        )
    return faults


def check(model: type[Model], value: Any, at: str) -> list[str]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [describe(model, details, at) for details in error.errors(include_url=False)]
    return []


def describe(model: type[Model], error: ErrorDetails, at: str) -> str:
    """One fault in our words: the field, the value, the fix."""
    where = ".".join(str(part) for part in (at, *error["loc"]) if part != "")
    field, value, context = where.rpartition(".")[2], error["input"], error.get("ctx", {})
    match error["type"]:
        case "prefix" | "host_bits" | "too_small" | "special" | "address":
            return f"{where}: {value!r} {error['msg']}"
        case "missing":
            return f"{where}: missing; add it ({NEEDED.get(field, 'see the configuration reference in README.md')})"
        case "extra_forbidden":
            known = ", ".join(sorted(to_camel(name) for name in model_at(model, error["loc"]).model_fields))
            return f"{where}: no such key; there are {known}"
        case "literal_error":
            return f"{where}: {value!r} is not one of the choices; write {context['expected']}"
        case "int_type" | "greater_than_equal":
            return f"{where}: {value!r} is not a site number; take a whole number from 1"
        case "too_short" | "too_long" if field == "ends":
            return f"{where}: {value!r} has {len(value)} sites; a link joins exactly 2"
        case "too_short":
            return f"{where}: nothing given; add a site with its cloud and lan"
        case "string_type" | "string_too_short":
            return f"{where}: {value!r} is not a name; write a text"
        case "dict_type" | "model_type":
            return f"{where}: {value!r} is not an object; write keys and values below it"
        case _:
            return f"{where}: {value!r} is not a list; write one like [a, b]"


NEEDED = {
    "cloud": "the cloud's name in clouds.yaml",
    "lan": "the prefix of the VMs' network, like 192.168.10.0/24",
    "ends": "the two sites, like [tokyo, osaka]",
    "sites": "a map of sites, each with its cloud and lan",
}


def model_at(model: type[Model], location: tuple[int | str, ...]) -> type[Model]:
    """The model that an unknown key's parent has."""
    if model is Settings and len(location) > 1:
        return SiteSettings if location[0] == "sites" else LinkSettings
    return model
