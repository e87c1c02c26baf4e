"""What the plan decides: addresses and names that stay when other sites come and go."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any

import pytest

from components.plan import Plan, default_number, highest_number, make_plan, tunnel_network
from components.settings import DEFAULT_TUNNEL_RANGE, parse_settings
from tests.program.conftest import configuration


def plan_of(raw: dict[str, Any]) -> Plan:
    return make_plan(parse_settings(raw, {site["cloud"] for site in raw["sites"].values()}))


def test_pair(pair: dict[str, Any]) -> None:
    plan = plan_of(pair)
    osaka, tokyo = plan.sites
    assert (tokyo.name, tokyo.lan, tokyo.transit) == (
        "tokyo",
        IPv4Network("192.168.10.0/24"),
        IPv4Network("172.31.1.0/28"),
    )
    assert tokyo.vyos_lan_address == IPv4Address("192.168.10.254")
    assert tokyo.lan_pool == (IPv4Address("192.168.10.2"), IPv4Address("192.168.10.253"))
    assert tokyo.remote_lans == tokyo.address_pairs == (osaka.lan,)
    (link,) = plan.links
    assert (link.name, link.tunnel) == ("tokyo-osaka", IPv4Network("10.255.0.0/30"))
    first, second = link.ends
    assert (first.site, first.interface, second.site, second.interface) == ("tokyo", "tun2", "osaka", "tun1")
    assert first.tunnel_address == second.peer_tunnel_address == IPv4Address("10.255.0.1")
    assert second.tunnel_address == first.peer_tunnel_address == IPv4Address("10.255.0.2")
    assert first.remote_prefixes == second.local_prefixes == (osaka.lan,)


def test_every_site_is_linked_with_every_other_by_default() -> None:
    plan = plan_of(configuration("tokyo", "osaka", "nagoya", "sapporo", "fukuoka"))
    assert len(plan.links) == 10
    assert all(len(site.remote_lans) == 4 for site in plan.sites)


def test_explicit_links_are_all_there_are() -> None:
    raw = configuration("tokyo", "osaka", "nagoya") | {"links": [{"ends": ["nagoya", "tokyo"]}]}
    plan = plan_of(raw)
    assert [link.name for link in plan.links] == ["tokyo-nagoya"]
    assert {site.name: len(site.remote_lans) for site in plan.sites} == {"tokyo": 1, "nagoya": 1, "osaka": 0}


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([], []),
        ([{"ends": ["*", "*"]}], ["osaka-nagoya", "tokyo-nagoya", "tokyo-osaka"]),
        ([{"ends": ["osaka", "*"]}], ["osaka-nagoya", "tokyo-osaka"]),
        ([{"ends": ["*", "osaka"]}, {"ends": ["osaka", "tokyo"]}], ["osaka-nagoya", "tokyo-osaka"]),
    ],
)
def test_a_star_stands_for_all_other_sites_and_an_empty_list_for_no_link(
    links: list[dict[str, list[str]]], expected: list[str]
) -> None:
    plan = plan_of(configuration("tokyo", "osaka", "nagoya") | {"links": links})
    assert [link.name for link in plan.links] == expected


def test_one_site_alone_has_no_links() -> None:
    assert plan_of(configuration("tokyo")).links == ()


@pytest.mark.parametrize("removed", ["tokyo", "osaka", "nagoya", "sapporo", "fukuoka"])
def test_removing_a_site_changes_no_other_link(removed: str) -> None:
    names = ("tokyo", "osaka", "nagoya", "sapporo", "fukuoka")
    before = {link.name: link for link in plan_of(configuration(*names)).links}
    after = {link.name: link for link in plan_of(configuration(*(name for name in names if name != removed))).links}
    assert after == {name: link for name, link in before.items() if removed not in name}
    assert len(after) == 6


def test_tunnel_networks_of_all_pairs_are_apart_and_in_the_range() -> None:
    highest = highest_number(DEFAULT_TUNNEL_RANGE)
    networks = {tunnel_network(DEFAULT_TUNNEL_RANGE, *pair) for pair in combinations(range(1, highest + 1), 2)}
    assert highest == 181
    assert len(networks) == highest * (highest - 1) // 2
    assert all(network.subnet_of(DEFAULT_TUNNEL_RANGE) for network in networks)


@pytest.mark.parametrize(
    ("tunnel_range", "highest"),
    [("10.0.0.0/31", 1), ("10.0.0.0/30", 2), ("10.0.0.0/29", 2), ("10.0.0.0/28", 3), ("10.0.0.0/8", 254)],
)
def test_highest_number(tunnel_range: str, highest: int) -> None:
    assert highest_number(IPv4Network(tunnel_range)) == highest


def test_a_default_number_depends_on_the_name_alone() -> None:
    assert default_number("tokyo", DEFAULT_TUNNEL_RANGE) == default_number("tokyo", DEFAULT_TUNNEL_RANGE)
    assert len({default_number(name, DEFAULT_TUNNEL_RANGE) for name in ("tokyo", "osaka", "nagoya")}) == 3


def test_open_anti_spoofing_is_the_whole_internet(pair: dict[str, Any]) -> None:
    pair["sites"]["tokyo"]["antiSpoofing"] = "open"
    osaka, tokyo = plan_of(pair).sites
    assert tokyo.address_pairs == (IPv4Network("0.0.0.0/0"),)
    assert osaka.address_pairs == (tokyo.lan,)
