"""What the plan decides: addresses and names that stay when other sites come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any

import pytest

from components.errors import ConfigurationError
from components.numbers import default_number, highest_number, tunnel_network
from components.plan import Plan, make_plan
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
    assert tokyo.lan_pool == (IPv4Address("192.168.10.2"), IPv4Address("192.168.10.252"))
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


def test_the_new_settings_reach_the_plan(pair: dict[str, Any]) -> None:
    pair["siteDefaults"].update(vyosVersion="1.5", vyosHostKey="first-contact")
    pair["sites"]["tokyo"].update(vyosVersion="rolling", hub=True)
    osaka, tokyo = plan_of(pair).sites
    assert (osaka.vyos_version, osaka.vyos_host_key, osaka.hub) == ("1.5", "first-contact", False)
    assert (tokyo.vyos_version, tokyo.vyos_host_key, tokyo.hub) == ("rolling", "first-contact", True)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([(["*", "*"], 3)], (3, 3, 3)),
        ([(["*", "*"], 3), (["tokyo", "osaka"], 5)], (3, 3, 5)),
        ([(["osaka", "tokyo"], 5), (["*", "*"], 3)], (3, 3, 5)),
        ([(["*", "*"], 3), (["tokyo", "*"], 4), (["tokyo", "osaka"], 1)], (3, 4, 1)),
        ([(["tokyo", "*"], 2), (["*", "osaka"], 7), (["osaka", "tokyo"], 9)], (7, 2, 9)),
        ([(["tokyo", "*"], 2), (["*", "osaka"], 2)], (2, 2, 2)),
    ],
)
def test_the_entry_that_names_a_pair_most_exactly_has_its_key_rotation(
    links: list[tuple[list[str], int]], expected: tuple[int, ...]
) -> None:
    raw = configuration("tokyo", "osaka", "nagoya")
    raw["links"] = [{"ends": ends, "keyRotation": rotation} for ends, rotation in links]
    planned = {link.name: link.key_rotation for link in plan_of(raw).links}
    assert tuple(planned[name] for name in ("osaka-nagoya", "tokyo-nagoya", "tokyo-osaka")) == expected


def test_a_link_without_key_rotation_has_its_first_key(pair: dict[str, Any]) -> None:
    assert [link.key_rotation for link in plan_of(pair).links] == [1]


def mesh(*numbers: int) -> dict[str, Any]:
    """A full mesh of sites with these numbers, s1 and so on; the order of the numbers is that of the configuration."""
    sites = {f"s{number}": {"cloud": "c", "lan": f"10.{number}.0.0/24", "number": number} for number in numbers}
    return {"siteDefaults": {"adminCidrs": ["203.0.113.1/32"]}, "sites": sites}


@pytest.mark.parametrize("newcomer", [3, 11], ids=["between the others", "after the others"])
def test_an_eleventh_site_changes_no_link_of_ten(newcomer: int) -> None:
    """Read the other way round: taking it away changes none either."""
    ten = [number for number in range(1, 12) if number != newcomer]
    before, after = plan_of(mesh(*ten)), plan_of(mesh(*ten, newcomer))
    assert (len(before.links), len(after.links)) == (45, 55)
    assert set(before.links) < set(after.links)
    assert {end.site for link in set(after.links) - set(before.links) for end in link.ends} == {
        site.name for site in after.sites
    }
    sites = {site.name: site for site in after.sites}
    for site in before.sites:
        new = sites[site.name]
        assert replace(new, remote_lans=site.remote_lans, address_pairs=site.address_pairs) == site
        assert set(new.remote_lans) - set(site.remote_lans) == {sites[f"s{newcomer}"].lan}
        assert new.address_pairs == new.remote_lans


def test_numbers_from_names_leave_the_links_of_others_alone_too() -> None:
    raw = mesh(*range(1, 12))
    for site in raw["sites"].values():
        del site["number"]
    fewer = {**raw, "sites": {name: site for name, site in raw["sites"].items() if name != "s4"}}
    assert set(plan_of(fewer).links) < set(plan_of(raw).links)


def test_the_order_of_the_configuration_does_not_matter() -> None:
    assert plan_of(mesh(*range(1, 12))) == plan_of(mesh(*range(11, 0, -1)))


def test_all_that_tells_links_apart_is_a_links_own() -> None:
    plan = plan_of(mesh(*range(1, 11)))
    assert len({link.name for link in plan.links}) == len({link.tunnel for link in plan.links}) == 45
    for site in plan.sites:
        ends = [end for link in plan.links for end in link.ends if end.site == site.name]
        assert len({end.peer_number for end in ends}) == len({end.interface for end in ends}) == 9
        assert all((end.interface, end.peer) == (f"tun{end.peer_number}", f"s{end.peer_number}") for end in ends)


def test_two_names_that_make_one_number_are_told_apart_by_hand() -> None:
    names = [f"site-{n}" for n in range(20)]
    numbers = [default_number(name, DEFAULT_TUNNEL_RANGE) for name in names]
    one, other = next(
        pair for pair in combinations(names, 2) if len({numbers[names.index(name)] for name in pair}) == 1
    )
    raw = mesh(1)
    raw["sites"] = {name: {"cloud": "c", "lan": f"10.{n}.0.0/24"} for n, name in enumerate((one, other))}
    with pytest.raises(ConfigurationError) as caught:
        plan_of(raw)
    first, second = sorted((one, other))
    assert str(caught.value) == (
        f"sites.{second}.number: {default_number(one, DEFAULT_TUNNEL_RANGE)} is also {first}'s (numbers that are not given "
        "are made from the names); set the newer site's to one that is free, like 1"
    )
    raw["sites"][other]["number"] = 1
    assert len(plan_of(raw).links) == 1


def star(*spokes: str, hub: str = "hub", is_hub: bool = True, more: Sequence[tuple[str, str]] = ()) -> Plan:
    """A hub with the LAN 10.0.0.0/24, spokes with 10.1.0.0/24 and so on, and links between some spokes."""
    raw = mesh()
    raw["sites"] = {
        name: {"cloud": "c", "lan": f"10.{number}.0.0/24", "number": number + 1}
        for number, name in enumerate((hub, *spokes))
    }
    raw["sites"][hub]["hub"] = is_hub
    raw["links"] = [{"ends": [hub, "*"]}, *({"ends": list(ends)} for ends in more)]
    return plan_of(raw)


def prefixes(plan: Plan, site: str, peer: str) -> tuple[list[str], list[str]]:
    """Local and remote prefixes at an end, each only by the LAN's second byte."""
    (end,) = (end for link in plan.links for end in link.ends if (end.site, end.peer) == (site, peer))
    return [str(lan).split(".")[1] for lan in end.local_prefixes], [
        str(lan).split(".")[1] for lan in end.remote_prefixes
    ]


def test_a_hub_passes_on_between_spokes() -> None:
    plan = star("a", "b", "c")
    assert [link.name for link in plan.links] == ["hub-a", "hub-b", "hub-c"]
    assert prefixes(plan, "hub", "a") == (["0", "2", "3"], ["1"])
    assert prefixes(plan, "a", "hub") == (["1"], ["0", "2", "3"])
    assert prefixes(plan, "hub", "b") == (["0", "1", "3"], ["2"])
    lans = {site.name: [str(lan).split(".")[1] for lan in site.remote_lans] for site in plan.sites}
    assert lans == {"hub": ["1", "2", "3"], "a": ["0", "2", "3"], "b": ["0", "1", "3"], "c": ["0", "1", "2"]}
    assert all(site.address_pairs == site.remote_lans for site in plan.sites)


def test_without_hub_nothing_is_passed_on() -> None:
    plan = star("a", "b", is_hub=False)
    assert prefixes(plan, "hub", "a") == (["0"], ["1"])
    assert prefixes(plan, "a", "hub") == (["1"], ["0"])
    assert {site.name: len(site.remote_lans) for site in plan.sites} == {"hub": 2, "a": 1, "b": 1}


def test_spokes_with_a_link_of_their_own_do_not_use_the_hub() -> None:
    plan = star("a", "b", "c", more=[("a", "b")])
    assert prefixes(plan, "a", "hub") == (["1"], ["0", "3"])
    assert prefixes(plan, "a", "b") == (["1"], ["2"])
    assert prefixes(plan, "c", "hub") == (["3"], ["0", "1", "2"])


def test_in_a_full_mesh_a_hub_has_nothing_to_pass_on() -> None:
    raw = mesh(1, 2, 3, 4)
    plan = plan_of(raw)
    raw["sites"]["s1"]["hub"] = True
    assert plan_of(raw).links == plan.links


def test_no_site_has_two_routes_to_one_lan_and_both_ends_agree() -> None:
    """Two hubs that are linked: b has no spoke that a lacks."""
    raw = mesh(1, 2, 3, 4)
    raw["sites"]["s1"]["hub"] = raw["sites"]["s2"]["hub"] = True
    raw["links"] = [{"ends": ["s1", "*"]}, {"ends": ["s2", "s3"]}]
    plan = plan_of(raw)
    for link in plan.links:
        one, other = link.ends
        assert (one.local_prefixes, one.remote_prefixes) == (other.remote_prefixes, other.local_prefixes)
    for site in plan.sites:
        routes = [
            lan for link in plan.links for end in link.ends if end.site == site.name for lan in end.remote_prefixes
        ]
        assert sorted(routes) == list(site.remote_lans), site.name
        assert len(routes) == 3


def test_a_new_spoke_changes_no_tunnel_of_the_others() -> None:
    before, after = star("a", "b"), star("a", "b", "c")
    kept = {link.name: link for link in after.links}
    for link in before.links:
        assert (kept[link.name].tunnel, kept[link.name].key_rotation) == (link.tunnel, link.key_rotation)
        for old, new in zip(link.ends, kept[link.name].ends, strict=True):
            assert replace(new, local_prefixes=old.local_prefixes, remote_prefixes=old.remote_prefixes) == old
