"""Value checks of configuration nodes, named after VyOS's validators."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Check = Callable[[str], bool]


def matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def words(*allowed: str) -> Check:
    return lambda value: value in allowed


def numeric(low: int, high: int) -> Check:
    return lambda value: value.isascii() and value.isdigit() and low <= int(value) <= high


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def negatable(check: Check) -> Check:
    return lambda value: check(value.removeprefix("!"))


def ipv4_address(value: str) -> bool:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def ipv4_prefix(value: str) -> bool:
    """A network address with its length; host bits are refused."""
    try:
        ipaddress.IPv4Network(value)
    except ValueError:
        return False
    return has_length(value)


def ipv4_host(value: str) -> bool:
    """An interface's address with its length, neither the network's nor the broadcast address."""
    try:
        interface = ipaddress.IPv4Interface(value)
    except ValueError:
        return False
    network = interface.network
    return has_length(value) and (network.prefixlen >= 31
                                  or interface.ip not in (network.network_address, network.broadcast_address))


def has_length(value: str) -> bool:
    """Whether a prefix length follows, not a netmask."""
    return re.search(r"/\d+$", value) is not None


def ipv4_range(value: str) -> bool:
    first, _, last = value.partition("-")
    return ipv4_address(first) and ipv4_address(last) and ipaddress.IPv4Address(first) < ipaddress.IPv4Address(last)


def port(value: str) -> bool:
    """A number or a range of numbers; several with commas. (VyOS also takes names of /etc/services.)"""
    single = numeric(1, 65535)

    def one(part: str) -> bool:
        first, dash, last = part.partition("-")
        return single(first) and (not dash or (single(last) and int(first) <= int(last)))

    return all(one(part) for part in value.split(","))
