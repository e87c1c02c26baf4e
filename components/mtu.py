"""How large a packet may be, from what the networks below leave of it. All sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass

IPV4_HEADER = 20
TCP_AND_IPV4_HEADERS = 40
# ESP in tunnel mode with AES-GCM and a 16-byte tag (RFC 4106, RFC 4303): outer IPv4 header, SPI and sequence number
# (8), initialisation vector (8), tag (16); then padding to a multiple of 4 that ends with its length and the next
# header (2)
ESP_OVERHEAD = IPV4_HEADER + 8 + 8 + 16
ESP_TRAILER = 2
MINIMUM = 576  # what every IPv4 host takes (RFC 791)


@dataclass(frozen=True)
class LinkMtu:
    """The sizes on a link: of the IPIP tunnel interface, of a packet between two LANs, of a TCP segment in it."""

    tunnel: int
    lan_to_lan: int
    mss: int


def link_mtu(underlay: int) -> LinkMtu:
    """The sizes over networks with an MTU of `underlay`; ValueError when nothing useful is left."""
    tunnel = underlay - IPV4_HEADER
    lan_to_lan = (tunnel - ESP_OVERHEAD) // 4 * 4 - ESP_TRAILER
    if lan_to_lan < MINIMUM:
        raise ValueError(
            f"a network MTU of {underlay} leaves {lan_to_lan} bytes between the LANs, less than {MINIMUM}; "
            "raise the MTU of the transit networks"
        )
    return LinkMtu(tunnel, lan_to_lan, lan_to_lan - TCP_AND_IPV4_HEADERS)
