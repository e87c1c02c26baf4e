"""Packet sizes on a link, against figures that others publish."""

from __future__ import annotations

import pytest

from components.errors import ConfigurationError
from components.mtu import LinkMtu, link_mtu


@pytest.mark.parametrize(
    ("underlay", "expected"),
    [
        (1500, LinkMtu(1480, 1426, 1386)),
        (1450, LinkMtu(1430, 1374, 1334)),  # Neutron's VXLAN; 1374 was measured on such a network
        (1442, LinkMtu(1422, 1366, 1326)),  # Neutron's Geneve
        (9000, LinkMtu(8980, 8926, 8886)),
        (1520, LinkMtu(1500, 1446, 1406)),  # ESP alone over 1500: what AWS gives for AES-GCM
    ],
)
def test_sizes_over_an_underlay(underlay: int, expected: LinkMtu) -> None:
    assert link_mtu(underlay) == expected


@pytest.mark.parametrize(
    ("link", "where"), [("", ""), ("tokyo-osaka", "link tokyo-osaka: ")], ids=["without a link", "with a link"]
)
def test_a_network_that_leaves_too_little_is_refused(link: str, where: str) -> None:
    assert link_mtu(1300, link) == LinkMtu(1280, 1226, 1186)
    with pytest.raises(ConfigurationError) as caught:
        link_mtu(1299, link)
    assert str(caught.value) == (
        f"{where}a network MTU of 1299 leaves 1279 bytes in the tunnel, and VyOS needs 1280 there; "
        "give the transit networks an MTU of 1300 or more"
    )


def test_a_tunnel_is_no_larger_than_vyos_takes() -> None:
    assert link_mtu(65535).tunnel == 16000
