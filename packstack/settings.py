"""What is said of the hosts that become OpenStack sites: parsed once, with every fault reported together. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from components.errors import ConfigurationError, choices, refuse, shown
from components.fields import Login, Name, SiteName, VmNetwork, fault, text
from components.settings import Model
from packstack.answers import OWNED
from packstack.releases import CENTOS_LIKE, NEWEST, RHEL, Release

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# Linux's IFNAMSIZ; no blanks, and none of what PackStack's lists are separated by
INTERFACE = re.compile(r"[a-zA-Z0-9_.-]{1,15}")
HOST_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/=]+")
OPTION = re.compile(r"(CONFIG_[A-Z0-9_]+|EXCLUDE_SERVERS)")


def is_fqdn(value: str) -> bool:
    return len(value) <= 64 and bool(re.fullmatch(rf"{LABEL}(\.{LABEL})+", value))


def host_address(value: object) -> IPv4Address:
    """The address of a host."""
    try:
        address = IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise fault("is not an IPv4 address; write the host's own, like 192.0.2.10") from None
    if address.is_unspecified or address.is_multicast:
        raise fault("cannot be a host's address; write the host's own, like 192.0.2.10")
    return address


def host_key(value: str) -> str:
    """A public host key; a comment behind it is dropped."""
    return " ".join(value.split()[:2])


Fqdn = Annotated[
    str, text(is_fqdn, "is not a fully qualified host name in lower-case letters; write one like nagoya.example.net")
]
Interface = Annotated[
    str, text(INTERFACE.fullmatch, "is not the name of a network interface; write one that `ip link` shows, like eth1")
]
HostAddress = Annotated[IPv4Address, BeforeValidator(host_address)]
HostKey = Annotated[
    str,
    text(
        lambda value: HOST_KEY.fullmatch(host_key(value)),
        "is not a public SSH host key; write what the host's /etc/ssh/ssh_host_ed25519_key.pub has",
    ),
    AfterValidator(host_key),
]
Option = Annotated[
    str, text(OPTION.fullmatch, "is not an option of PackStack; write one of its answer file, like CONFIG_HEAT_INSTALL")
]
Answer = Annotated[
    str,
    text(
        lambda value: value.isprintable() and value == value.strip(),
        "cannot stand in an answer file; write a text on one line, in quotes, without blanks at its ends",
    ),
]
Count = Annotated[int, Field(strict=True, ge=1)]


class Access(Model):
    """A host, and how it is reached."""

    #: the host's own address in the management network, by which it is reached as well
    address: HostAddress
    fqdn: Fqdn
    #: the public key that it has to show, as in its /etc/ssh/ssh_host_ed25519_key.pub
    host_key: HostKey
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 22
    #: root, or a user who may do everything by `sudo` without a password
    user: Login = "root"


class FurtherHost(Access):
    """A host beside the controller."""

    roles: tuple[Literal["compute", "network"], ...] = ("compute",)


class FloatingRange(Model):
    """The external network and the addresses of it that belong to the site."""

    network: VmNetwork
    gateway: HostAddress
    first: HostAddress
    last: HostAddress
    #: the external network's name in Neutron
    name: Name = "external"
    #: what the answer file maps the provider bridge to
    physical_network: Annotated[
        str, text(re.compile(r"[A-Za-z0-9_-]+").fullmatch, "is no name; take letters and digits")
    ] = "extnet"


class Image(Model):
    """An image for Glance: from a file where `pulumi` runs, or from an address that it can fetch."""

    file: Name | None = None
    url: Name | None = None
    disk_format: Literal["qcow2", "raw"] = "qcow2"
    properties: dict[str, str] = Field(default_factory=dict)


class Flavor(Model):
    """A flavor for Nova."""

    vcpus: Count = 1
    ram_mib: Count
    disk_gib: Count


FLAVORS = {
    name: Flavor.model_validate({"vcpus": 1, "ramMib": ram, "diskGib": disk})
    for name, ram, disk in (("vyos", 1024, 10), ("linux", 512, 5))
}


class Quotas(Model):
    """What the VPN program's project may have; the defaults are ample for a site."""

    instances: Count = 10
    cores: Count = 20
    ram_mib: Count = 51200
    networks: Count = 10
    routers: Count = 5
    ports: Count = 100
    floating_ips: Count = 10
    security_groups: Count = 20
    security_group_rules: Count = 200


class Minimum(Model):
    """Less than this, and the host is refused. RDO's guide wants 16 GB, of which a system shows a little less."""

    memory_gib: Count = 15
    #: of / and /var; Cinder's file for volumes takes 20 of it
    disk_gib: Count = 50


class HostSettings(Access):
    """The controller of a new OpenStack, and all that is to be known of that site."""

    release: Release = NEWEST
    #: what /etc/os-release calls the distribution
    distribution: Literal["centos", "rocky", "almalinux", "rhel"] = "centos"
    #: the interface that leads to the external network; PackStack makes it a port of the provider bridge
    provider_interface: Interface
    floating_range: FloatingRange
    further_hosts: tuple[FurtherHost, ...] = ()
    #: further options of PackStack's answer file
    answers: dict[Option, Answer] = Field(default_factory=dict)
    region: Name = "RegionOne"
    ntp_servers: tuple[Name, ...] = ()
    #: a swap file of this size, on a host without swap; 0: none
    swap_gib: Annotated[int, Field(strict=True, ge=0)] = 4
    #: "kvm" needs virtualisation by the processor, "qemu" emulates
    virt_type: Literal["kvm", "qemu"] = "kvm"
    minimum: Minimum = Minimum()
    images: dict[str, Image] = Field(default_factory=dict)
    #: what VyOS's guide asks for a router, and what a small Linux needs
    flavors: dict[str, Flavor] = Field(default_factory=lambda: dict(FLAVORS))
    #: the VPN program's project, and its user in it, an ordinary member
    project: Name = "vpn"
    quotas: Quotas = Quotas()

    @property
    def hosts(self) -> tuple[Access, ...]:
        """All hosts, the controller first."""
        return (self, *self.further_hosts)

    def addresses(self, role: str) -> list[str]:
        """The addresses of the hosts with a role; the controller has it where no other has."""
        return [str(host.address) for host in self.further_hosts if role in host.roles] or [str(self.address)]


class Hosts(Model):
    """The configuration's hosts by name."""

    hosts: dict[SiteName, HostSettings]


def parse_hosts(raw: Mapping[str, Any]) -> dict[str, HostSettings]:
    """Read the configuration value `hosts`, a map from a name to a host's settings.

    ConfigurationError with all faults. PackStack's own options are checked by `definitions`, by PackStack itself.
    """
    try:
        found = Hosts.model_validate({"hosts": raw}).hosts
    except ValidationError as error:
        raise ConfigurationError(map(describe, error.errors(include_url=False))) from None
    refuse(fault for name, host in found.items() for fault in conflicts(f"hosts.{name}", host))
    return found


def conflicts(where: str, host: HostSettings) -> Iterator[str]:
    """Faults that join several values of a host."""
    floating = host.floating_range
    for field, address in (("gateway", floating.gateway), ("first", floating.first), ("last", floating.last)):
        if address not in floating.network:
            yield f"{where}.floatingRange.{field}: '{address}' is not in {floating.network}; take an address of it"
    if floating.first > floating.last:
        yield f"{where}.floatingRange.last: '{floating.last}' comes before first ({floating.first}); swap them"
    elif floating.first <= floating.gateway <= floating.last:
        yield f"{where}.floatingRange.gateway: '{floating.gateway}' is among the floating IPs; leave it out of them"
    for field in ("address", "fqdn"):
        values = [getattr(one, field) for one in host.hosts]
        for value in dict.fromkeys(one for one in values if values.count(one) > 1):
            yield f"{where}.furtherHosts: the {field} '{value}' belongs to two hosts; give each its own"
    for number, further in enumerate(host.further_hosts):
        if not further.roles:
            yield f"{where}.furtherHosts.{number}.roles: none given; write compute or network, or leave the host out"
    if host.distribution == RHEL and host.release != NEWEST:
        yield (
            f"{where}.release: {host.release!r} cannot be had on RHEL, where RDO's package brings the newest release "
            f"only; write {NEWEST}, or take one of {', '.join(CENTOS_LIKE)}"
        )
    for option in sorted(host.answers.keys() & OWNED.keys()):
        yield f"{where}.answers.{option}: is made from {OWNED[option]}; set that instead"
    for name, image in host.images.items():
        if (image.file is None) == (image.url is None):
            yield f"{where}.images.{name}: needs a file or a url, and not both; write one of them"


def describe(error: ErrorDetails) -> str:
    """One fault in our words: the field, the value, the fix."""
    location = [part for part in error["loc"] if part != "[key]"]
    where, field, value = ".".join(map(str, location)), str(location[-1]), error["input"]
    match error["type"]:
        case "fault":
            return f"{where}: {shown(value)} {error['msg']}"
        case "missing":
            return f"{where}: missing; add it ({NEEDED[field]})"
        case "extra_forbidden":
            return f"{where}: no such key; {choices(field, known_keys(location[1:-1]))}"
        case "literal_error":
            return f"{where}: {shown(value)} is not one of the choices; write {error['ctx']['expected']}"
        case "int_type" | "greater_than_equal" | "less_than_equal":
            limit = error.get("ctx", {})
            bounds = f" from {limit['ge']}" if "ge" in limit else f" up to {limit['le']}" if "le" in limit else ""
            return f"{where}: {shown(value)} is not a whole number{bounds}; write one"
        case "dict_type" | "model_type":
            return f"{where}: {shown(value)} is not an object; write keys and values below it"
        case _:
            return f"{where}: {shown(value)} is not a list; write one like [a, b]"


NEEDED = {
    "address": "the host's own address, like 192.0.2.10",
    "fqdn": "its full name, like nagoya.example.net",
    "hostKey": "what its /etc/ssh/ssh_host_ed25519_key.pub has",
    "providerInterface": "the interface to the external network, like eth1",
    "floatingRange": "network, gateway, first and last of the floating IPs",
    "network": "the external network's prefix, like 203.0.113.0/24",
    "gateway": "the external network's gateway, like 203.0.113.1",
    "first": "the first floating IP",
    "last": "the last floating IP",
    "ramMib": "its memory in MiB",
    "diskGib": "its disk in GiB",
}


def known_keys(location: list[Any]) -> list[str]:
    """The keys that there are beside an unknown one; `location` leads to it, from the host's name on."""
    models: dict[str, type[Model]] = {
        "floatingRange": FloatingRange, "furtherHosts": FurtherHost, "images": Image, "flavors": Flavor,
        "quotas": Quotas, "minimum": Minimum,
    }  # fmt: skip
    model = models[location[1]] if len(location) > 1 else HostSettings
    return [field.alias or name for name, field in model.model_fields.items()]
