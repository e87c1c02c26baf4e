"""The stack's configuration: parsed once, with every fault reported together. Pure; knows nothing of Pulumi."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from components.errors import ConfigurationError, choices, shown
from components.fields import (
    AdminCidrs,
    Cloud,
    Domain,
    Login,
    Name,
    NameServers,
    RecordName,
    RecordValues,
    RouterLogin,
    Seconds,
    SiteName,
    TunnelRange,
    Version,
    VmNetwork,
)

EVERY_SITE = "*"
DEFAULT_TUNNEL_RANGE = IPv4Network("10.255.0.0/16")


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
    vyos_user: RouterLogin = "vyos"
    linux_user: Login = "debian"
    #: the release that the router's image is of; its command line differs a little between them
    vyos_version: Version = "1.4"
    #: "cloud-init": the program makes the router's SSH host key and hands it over in the user data;
    #: "first-contact": the key is recorded when the router is first reached, and required afterwards
    vyos_host_key: Literal["cloud-init", "first-contact"] = "cloud-init"
    #: name of the network with the floating IPs; without it, the only external network that the project sees
    external_network: Name | None = None
    #: name servers that DHCP hands out on the LAN; without any, Neutron's own. With `dns` DHCP hands out the sites' own
    #: servers, and this site's asks the first of these for names that are not the stack's
    dns_servers: NameServers = ()
    #: where SSH to the routers is allowed from, the machine that runs `pulumi` among them
    admin_cidrs: AdminCidrs = ()
    #: "strict": VyOS may forward packets of the linked LANs only; "open": of any source (0.0.0.0/0)
    anti_spoofing: Literal["strict", "open"] = "strict"


class SiteSettings(SiteDefaults):
    """One site."""

    #: the cloud's name in clouds.yaml
    cloud: Cloud
    #: the prefix of the network for the VMs
    lan: VmNetwork
    #: between 1 and what the tunnel range holds; without it, made from the site's name
    number: Annotated[int, Field(strict=True, ge=1)] | None = None
    #: the prefix of the network between VyOS and the Neutron router; without it, 172.31.<number>.0/28
    transit: VmNetwork | None = None
    #: whether linked sites without a link of their own reach each other through this one
    hub: Annotated[bool, Field(strict=True)] = False
    #: whether the site's cloud does not answer any more: what the stack has there is left as it was, and not asked
    lost: Annotated[bool, Field(strict=True)] = False


class LinkSettings(Model):
    """A link between two sites; EVERY_SITE in the place of one stands for all others."""

    ends: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)]
    #: another number gives the link another pre-shared key
    key_rotation: Annotated[int, Field(strict=True, ge=1)] = 1


FULL_MESH = (LinkSettings(ends=(EVERY_SITE, EVERY_SITE)),)


class RecordSettings(Model):
    """Records of one name and type."""

    #: relative to the domain, "@" for the domain itself; of a PTR record, an address in a site's LAN
    name: RecordName
    type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "PTR", "SRV", "SSHFP", "TXT"]
    #: as in a zone file, a name without a dot at its end being relative to the domain; of TXT, the texts themselves
    values: RecordValues
    #: without it, the domain's
    ttl: Seconds | None = None


class DnsSettings(Model):
    """The internal DNS, which every site serves."""

    domain: Domain
    #: the site where records are changed; without it, the site with the lowest number that is not lost
    primary: Name | None = None
    records: tuple[RecordSettings, ...] = ()
    ttl: Seconds = 300


class Settings(Model):
    """The whole configuration."""

    site_defaults: SiteDefaults = SiteDefaults()
    sites: Annotated[dict[SiteName, SiteSettings], Field(min_length=1)]
    #: without this key, every site is linked with every other
    links: tuple[LinkSettings, ...] = FULL_MESH
    #: each link takes a /30 of it
    tunnel_range: TunnelRange = DEFAULT_TUNNEL_RANGE
    #: without this key the stack has no DNS of its own
    dns: DnsSettings | None = None


def parse_settings(raw: Mapping[str, Any], clouds: Collection[str]) -> Settings:
    """Read the stack's configuration values (keys that are not set may be None).

    `clouds`: the names in clouds.yaml. Raises ConfigurationError with all faults of single values; what joins several
    values is `make_plan`'s.
    """
    given = {key: value for key, value in raw.items() if value is not None}
    if given.get("dns") == {}:  # Pulumi.yaml's default: a key without one would be required there
        del given["dns"]
    try:
        settings = Settings.model_validate(given, context=clouds)
    except ValidationError as error:
        raise ConfigurationError(map(describe, error.errors(include_url=False))) from None
    sites = {name: with_defaults(site, settings.site_defaults) for name, site in settings.sites.items()}
    return settings.model_copy(update={"sites": sites})


def with_defaults(site: SiteSettings, defaults: SiteDefaults) -> SiteSettings:
    """The site, with the defaults that are given in the place of what it does not give itself."""
    inherited = defaults.model_fields_set - site.model_fields_set
    return site.model_copy(update={field: getattr(defaults, field) for field in inherited})


def describe(error: ErrorDetails) -> str:
    """One fault in our words: the field, the value, the fix."""
    where = ".".join(str(part) for part in error["loc"])
    field, value = where.rpartition(".")[2], error["input"]
    match error["type"]:
        case "fault" if field == "[key]":
            return f"{error['loc'][0]}: {shown(value)} {error['msg']}"
        case "fault":
            return f"{where}: {shown(value)} {error['msg']}"
        case "missing":
            return f"{where}: missing; add it ({NEEDED[field]})"
        case "extra_forbidden":
            return f"{where}: no such key; {choices(field, known_keys(error['loc']))}"
        case "literal_error":
            return f"{where}: {shown(value)} is not one of the choices; write {error['ctx']['expected']}"
        case "bool_type":
            return f"{where}: {shown(value)} is not true or false; write one of these"
        case "string_type":
            return f"{where}: {shown(value)} is not a text; write it in quotes"
        case "int_type" | "greater_than_equal" | "less_than_equal":
            return f"{where}: {shown(value)} is not {NUMBERS[field]}"
        case "too_short" | "too_long" if field == "ends":
            return f"{where}: {shown(value)} has {len(value)} sites; a link joins exactly 2"
        case "too_short":
            return f"{where}: nothing given; add a site with its cloud and lan"
        case "dict_type" | "model_type":
            return f"{where}: {shown(value)} is not an object; write keys and values below it"
        case _:
            return f"{where}: {shown(value)} is not a list; write one like [a, b]"


NEEDED = {
    "cloud": "the cloud's name in clouds.yaml",
    "lan": "the prefix of the VMs' network, like 192.168.10.0/24",
    "ends": "the two sites, like [tokyo, osaka]",
    "sites": "a map of sites, each with its cloud and lan",
    "domain": "what the names end with, like corp.example",
    "name": "what stands before the domain, like www, or '@' for the domain itself",
    "type": "like A, CNAME or TXT",
    "values": "a list of what the name has, like [192.168.10.50]",
}
NUMBERS = {
    "number": "a site number; take a whole number from 1",
    "keyRotation": "a key's number; take a whole number from 1, another one for another key",
    "ttl": "a time to live; take a whole number of seconds from 1 to 2147483647",
}


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that there are beside an unknown one."""
    models: dict[str, type[Model]] = {
        "sites": SiteSettings, "links": LinkSettings, "siteDefaults": SiteDefaults, "dns": DnsSettings,
        "dns.records": RecordSettings,
    }  # fmt: skip
    of = "dns.records" if location[:2] == ("dns", "records") else str(location[0])
    model = models[of] if len(location) > 1 else Settings
    return [to_camel(field) for field in model.model_fields]
