"""Configurations that several test modules start from."""

from __future__ import annotations

import copy
from typing import Any

import pytest

CLOUDS = ("tokyo", "osaka", "nagoya", "sapporo", "fukuoka")


def configuration(*names: str) -> dict[str, Any]:
    """The least configuration of some sites: two keys each, and where SSH comes from."""
    return {
        "siteDefaults": {"adminCidrs": ["203.0.113.1/32"]},
        "sites": {
            name: {
                "cloud": name,
                "lan": f"192.168.{10 * CLOUDS.index(name) + 10}.0/24",
                "number": CLOUDS.index(name) + 1,
            }
            for name in names
        },
    }


@pytest.fixture
def pair() -> dict[str, Any]:
    """Tokyo and Osaka."""
    return copy.deepcopy(configuration("tokyo", "osaka"))
