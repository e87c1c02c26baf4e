"""The kinds of values in a configuration: each is read by itself, or refused with what to write instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from components.errors import choices

T = TypeVar("T")

# the host name is <site>-vyos, at most 63 long (RFC 1123); a peer's name is <site>-<site> in VyOS's [-_a-zA-Z0-9|@]+
SITE_NAME = re.compile(r"(?=.{1,30}$)[a-z]([a-z0-9-]*[a-z0-9])?")
LOGIN = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
LONGEST_NAME = 255  # of an image, a flavor or a network
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# 253 is what a name may have (RFC 1035), and <site>-linux stands before it; an address is none
DOMAIN = re.compile(rf"(?=.{{1,200}}$)({LABEL}\.)*(?!\d+$){LABEL}")
RECORD_NAME = re.compile(
    r"@|(?=.{1,240}$)(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
SMALLEST_NETWORK = 29  # prefix length: gateway, DHCP port, VyOS and a VM
MOST_NAME_SERVERS = 5  # Neutron's max_dns_nameservers
# "this network", loopback, link local (the clouds' metadata), multicast, reserved
SPECIAL = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")))
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))


def fault(text: str) -> PydanticCustomError:
    """An error whose message is the field, the value and `text`."""
    return PydanticCustomError("fault", "{text}", {"text": text})


def prefix(value: object) -> IPv4Network:
    """An IPv4 prefix without host bits, as `192.168.10.0/24`."""
    address, slash, _ = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        network = ip_network(str(value) if slash else "", strict=False)
    except ValueError:
        raise fault("is not an IPv4 prefix; write one like 192.168.10.0/24") from None
    if isinstance(network, IPv6Network):
        raise fault("is IPv6, and the links carry IPv4; write a prefix like 192.168.10.0/24")
    if IPv4Address(address) != network.network_address:
        raise fault(f"has bits set behind the prefix; write {network}")
    return network


def vm_network(value: object) -> IPv4Network:
    """A prefix that a Neutron subnet with VMs can have."""
    network = prefix(value)
    if network.prefixlen > SMALLEST_NETWORK:
        raise fault(
            f"is too small for a router, DHCP, VyOS and a VM; take /{SMALLEST_NETWORK} or a shorter prefix length"
        )
    if any(network.overlaps(special) for special in SPECIAL):
        raise fault(
            "is a range that VMs cannot use (RFC 6890); take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
        )
    return network


def tunnel_range(value: object) -> IPv4Network:
    """A prefix for addresses that only the routers see."""
    network = prefix(value)
    if not any(network.subnet_of(private) for private in PRIVATE):
        raise fault(f"is not private; take a part of {', '.join(map(str, PRIVATE))}")
    return network


def admin_cidr(value: object) -> IPv4Network:
    """A prefix that SSH may come from; all addresses only if somebody meant to."""
    network = prefix(value)
    if network.prefixlen == 0:
        raise fault(
            "lets the whole internet try the routers' SSH; name your own network, like 198.51.100.7/32 "
            "(if it has to be all: 0.0.0.0/1 and 128.0.0.0/1)"
        )
    return network


def name_server(value: object) -> IPv4Address:
    """The address of a name server."""
    try:
        address = IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise fault("is not an IPv4 address; write one like 192.168.10.53") from None
    if any(address in special for special in SPECIAL):
        raise fault("cannot be a name server's address (RFC 6890); write one like 192.168.10.53")
    return address


def name_servers(value: tuple[IPv4Address, ...]) -> tuple[IPv4Address, ...]:
    if len(value) > MOST_NAME_SERVERS:
        raise fault(f"has {len(value)} name servers, and Neutron takes {MOST_NAME_SERVERS}; remove some")
    return value


def once(value: tuple[T, ...]) -> tuple[T, ...]:
    """A list without repetition."""
    if repeated := next((one for one in value if value.count(one) > 1), None):
        raise fault(f"has {repeated} twice; remove one")
    return value


def some(value: tuple[T, ...]) -> tuple[T, ...]:
    """A list that is not empty."""
    if not value:
        raise fault("is empty; add a value, or remove it")
    return value


def text(pattern: Callable[[str], object], refusal: str) -> BeforeValidator:
    """A text that `pattern` finds good."""

    def check(value: object) -> object:
        if not isinstance(value, str) or not pattern(value):
            raise fault(refusal)
        return value

    return BeforeValidator(check)


def is_name(value: str) -> bool:
    return 1 <= len(value) <= LONGEST_NAME and value == value.strip() and value.isprintable()


def router_login(value: str) -> str:
    if value == "root":
        raise fault("cannot log in to VyOS over SSH; write the image's own user, like vyos")
    return value


def cloud(value: str, info: ValidationInfo) -> str:
    """A name in clouds.yaml; the validation's context has these."""
    known: Collection[str] = info.context or ()
    if value not in known:
        there = choices(value, known) if known else "no clouds.yaml was found; see OS_CLIENT_CONFIG_FILE"
        raise fault(f"is not in clouds.yaml; {there}")
    return value


def version(value: Any) -> Any:
    """YAML reads 1.4 without quotes as a number."""
    return str(value) if isinstance(value, float) else value


VmNetwork = Annotated[IPv4Network, BeforeValidator(vm_network)]
TunnelRange = Annotated[IPv4Network, BeforeValidator(tunnel_range)]
AdminCidrs = Annotated[tuple[Annotated[IPv4Network, BeforeValidator(admin_cidr)], ...], AfterValidator(once)]
NameServers = Annotated[
    tuple[Annotated[IPv4Address, BeforeValidator(name_server)], ...], AfterValidator(once), AfterValidator(name_servers)
]
Name = Annotated[
    str,
    text(
        is_name,
        f"is not a name; write a text of 1 to {LONGEST_NAME} characters, "
        "without blanks at its ends and without control characters",
    ),
]
Cloud = Annotated[Name, AfterValidator(cloud)]
SiteName = Annotated[
    str,
    text(
        SITE_NAME.fullmatch,
        "cannot name a site, since VyOS and Nova have names made from it; take at most 30 lower-case letters, digits "
        "and hyphens, a letter first and no hyphen last",
    ),
]
Domain = Annotated[
    str,
    text(
        DOMAIN.fullmatch,
        "is not a domain; write one like corp.example, of at most 200 lower-case letters, digits, hyphens and dots",
    ),
]
RecordName = Annotated[
    str,
    text(
        RECORD_NAME.fullmatch,
        "cannot name a record; write what stands before the domain, in lower-case letters, digits, '-', '_' and dots, "
        "like www, '*' as its first part for all names, or '@' for the domain itself",
    ),
]
RecordValues = Annotated[tuple[str, ...], AfterValidator(once), AfterValidator(some)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Login = Annotated[
    str,
    text(
        LOGIN.fullmatch,
        "is not a login; take at most 32 lower-case letters, digits, '_', '-' and '.', a letter or '_' first",
    ),
]
RouterLogin = Annotated[Login, AfterValidator(router_login)]
Version = Annotated[Literal["1.4", "1.5", "rolling"], BeforeValidator(version)]
