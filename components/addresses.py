"""Who has which address on a LAN: the Neutron router the first one, VyOS and the Linux VM the last two. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network


def vyos_address(lan: IPv4Network) -> IPv4Address:
    return lan.broadcast_address - 1


def linux_address(lan: IPv4Network) -> IPv4Address:
    return lan.broadcast_address - 2


def vm_pool(lan: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """The first and the last address that DHCP gives to VMs, between the others."""
    return lan.network_address + 2, linux_address(lan) - 1
