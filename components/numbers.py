"""What a site's number decides: tunnel networks and the default transit network, each by itself. Pure."""

from __future__ import annotations

import zlib
from ipaddress import IPv4Network

TRANSIT_RANGE = IPv4Network("172.31.0.0/16")
HIGHEST_NUMBER = 254  # the transit default has the number as its third byte


def tunnel_network(tunnel_range: IPv4Network, lower: int, higher: int) -> IPv4Network:
    """The /30 of a pair of numbers. Pairs are counted by the higher number first, so that no other site matters."""
    index = (higher - 1) * (higher - 2) // 2 + lower - 1
    return IPv4Network((int(tunnel_range.network_address) + 4 * index, 30))


def highest_number(tunnel_range: IPv4Network) -> int:
    """The highest site number whose links all fit into the tunnel range; below 2 when there is not room for one."""
    networks = tunnel_range.num_addresses // 4
    highest = 1
    while highest < HIGHEST_NUMBER and (highest + 1) * highest // 2 <= networks:
        highest += 1
    return highest


def default_number(name: str, tunnel_range: IPv4Network) -> int:
    """A number made from the site's name alone: it stays when sites come and go."""
    return 1 + zlib.crc32(name.encode()) % highest_number(tunnel_range)


def default_transit(number: int) -> IPv4Network:
    return IPv4Network((int(TRANSIT_RANGE.network_address) + 256 * min(number, HIGHEST_NUMBER), 28))
