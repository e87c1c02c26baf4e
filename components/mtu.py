"""How large a packet may be, from what the networks below leave of it. All sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ConfigurationError

IPV4_HEADER = 20
TCP_AND_IPV4_HEADERS = 40
# ESP in tunnel mode with AES-GCM and a 16-byte tag (RFC 4106, RFC 4303): outer IPv4 header, SPI and sequence number
# (8), initialisation vector (8), tag (16); then padding to a multiple of 4 that ends with its length and the next
# header (2)
ESP_OVERHEAD = IPV4_HEADER + 8 + 8 + 16
ESP_TRAILER = 2
# VyOS refuses a smaller tunnel interface that has IPv6, as every interface has (RFC 8200's smallest MTU). What is then
# left between the LANs is far above the 576 of IPv4 (RFC 791).
SMALLEST_TUNNEL = 1280
LARGEST_TUNNEL = 16000  # VyOS takes no more


@dataclass(frozen=True)
class LinkMtu:
    """The sizes on a link: of the IPIP tunnel interface, of a packet between two LANs, of a TCP segment in it."""

    tunnel: int
    lan_to_lan: int
    mss: int


def link_mtu(underlay: int, link: str = "") -> LinkMtu:
    """The sizes over networks with an MTU of `underlay`, the smaller of both ends'.

    ConfigurationError, with the link's name if it is given, when IPsec has not room enough.
    """
    tunnel = min(underlay - IPV4_HEADER, LARGEST_TUNNEL)
    if tunnel < SMALLEST_TUNNEL:
        where = f"link {link}: " if link else ""
        raise ConfigurationError(
            [
                f"{where}a network MTU of {underlay} leaves {tunnel} bytes in the tunnel, and VyOS needs "
                f"{SMALLEST_TUNNEL} there; give the transit networks an MTU of {SMALLEST_TUNNEL + IPV4_HEADER} or more"
            ]
        )
    lan_to_lan = (tunnel - ESP_OVERHEAD) // 4 * 4 - ESP_TRAILER
    return LinkMtu(tunnel, lan_to_lan, lan_to_lan - TCP_AND_IPV4_HEADERS)
