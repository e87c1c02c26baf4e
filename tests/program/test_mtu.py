"""Packet sizes on a link, against figures that others publish."""

from __future__ import annotations

import pytest

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


def test_a_network_that_leaves_nothing_is_refused() -> None:
    link_mtu(652)
    with pytest.raises(
        ValueError, match=r"a network MTU of 648 leaves 574 bytes between the LANs, less than 576; raise the MTU"
    ):
        link_mtu(648)
