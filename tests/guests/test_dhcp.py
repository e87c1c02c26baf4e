"""What a guest makes of a DHCP lease: udhcpc's script with an `ip` that only notes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.conftest import script

LEASE = {"interface": "eth0", "ip": "10.0.0.5", "mask": "24", "router": "10.0.0.1 10.0.0.2"}
ADDRESS = ["addr replace 10.0.0.5/24 dev eth0", "-4 -o addr show dev eth0 scope global"]


@dataclass
class Lease:
    """Runs the script; `has` is the address that the interface has."""

    root: Path
    busybox: str

    def commands(self, event: str, has: str = "10.0.0.5/24", **lease: str) -> list[str]:
        (self.root / "ip").write_text(
            f'#!/bin/sh\necho "$*" >> {self.root}/log\ncase "$*" in *show*) echo "2: eth0 inet {has} brd x";; esac\n'
        )
        (self.root / "ip").chmod(0o755)
        copy = script("dhcp", self.root, path=f"PATH={self.root}:/usr/bin:/bin", resolv_conf=f"{self.root}/resolv.conf")
        done = subprocess.run(
            [self.busybox, "sh", str(copy), event], env={**LEASE, **lease}, capture_output=True, text=True, timeout=20
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return (self.root / "log").read_text().splitlines() if (self.root / "log").exists() else []


@pytest.fixture
def lease(tmp_path: Path, busybox: str) -> Lease:
    return Lease(tmp_path, busybox)


def test_address_and_the_first_gateway(lease: Lease) -> None:
    assert lease.commands("bound") == [*ADDRESS, "route replace default via 10.0.0.1 dev eth0"]


def test_the_mtu_comes_first(lease: Lease) -> None:
    assert lease.commands("renew", mtu="1450")[0] == "link set eth0 mtu 1450"


def test_routes_of_option_121_stand_in_place_of_the_gateway(lease: Lease) -> None:
    routes = "192.168.20.0/24 10.0.0.254 169.254.169.254/32 10.0.0.2 10.9.0.0/16 0.0.0.0 0.0.0.0/0 10.0.0.1"
    assert lease.commands("bound", staticroutes=routes) == [
        *ADDRESS,
        "route replace 192.168.20.0/24 via 10.0.0.254 dev eth0",
        "route replace 169.254.169.254/32 via 10.0.0.2 dev eth0",
        "route replace 10.9.0.0/16 dev eth0",
        "route replace 0.0.0.0/0 via 10.0.0.1 dev eth0",
    ]


def test_an_address_of_an_earlier_lease_goes(lease: Lease) -> None:
    assert "addr del 10.0.0.9/24 dev eth0" in lease.commands("bound", has="10.0.0.9/24")


def test_name_servers(lease: Lease) -> None:
    lease.commands("bound", dns="10.0.0.2 10.0.0.3")
    assert (lease.root / "resolv.conf").read_text() == "nameserver 10.0.0.2\nnameserver 10.0.0.3\n"


@pytest.mark.parametrize("event", ["deconfig", "nak", "leasefail"])
def test_other_events_change_nothing(lease: Lease, event: str) -> None:
    assert lease.commands(event) == []
