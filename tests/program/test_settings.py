"""Every fault of a configuration is named with its field, its value and the fix."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from components.errors import ConfigurationError
from components.plan import make_plan
from components.settings import parse_settings

CLOUDS = ("tokyo", "osaka")
Change = Callable[[dict[str, Any]], Any]


def tokyo(**keys: Any) -> Change:
    """A change that gives the site Tokyo other values."""
    return lambda raw: raw["sites"]["tokyo"].update(keys)


def top(**keys: Any) -> Change:
    """A change that gives the configuration other keys."""
    return lambda raw: raw.update(keys)


def without(key: str) -> Change:
    """A change that takes a key of the site Tokyo away."""
    return lambda raw: raw["sites"]["tokyo"].pop(key)


KEYS = (
    "adminCidrs, antiSpoofing, cloud, dnsServers, externalNetwork, hub, lan, linuxFlavor, linuxImage, linuxUser, number, transit, "
    "vyosFlavor, vyosHostKey, vyosImage, vyosUser, vyosVersion"
)
FAULTS: dict[str, tuple[Change, str]] = {
    "no sites": (top(sites=None), "sites: missing; add it (a map of sites, each with its cloud and lan)"),
    "empty sites": (top(sites={}), "sites: nothing given; add a site with its cloud and lan"),
    "sites as a list": (top(sites=["tokyo"]), "sites: ['tokyo'] is not an object; write keys and values below it"),
    "a site as text": (
        lambda raw: raw["sites"].update(tokyo="192.168.10.0/24"),
        "sites.tokyo: '192.168.10.0/24' is not an object; write keys and values below it",
    ),
    "site name": (
        lambda raw: raw["sites"].update({"Tokyo 1": raw["sites"].pop("tokyo")}),
        "sites: 'Tokyo 1' cannot name a site, since VyOS and Nova have names made from it; take at most 30 lower-case "
        "letters, digits and hyphens, a letter first",
    ),
    "no cloud": (without("cloud"), "sites.tokyo.cloud: missing; add it (the cloud's name in clouds.yaml)"),
    "no lan": (
        without("lan"),
        "sites.tokyo.lan: missing; add it (the prefix of the VMs' network, like 192.168.10.0/24)",
    ),
    "unknown cloud": (tokyo(cloud="tokio"), "sites.tokyo.cloud: 'tokio' is not in clouds.yaml; it has osaka, tokyo"),
    "cloud not a name": (tokyo(cloud=7), "sites.tokyo.cloud: 7 is not a name; write a text"),
    "empty image name": (tokyo(vyosImage=""), "sites.tokyo.vyosImage: '' is not a name; write a text"),
    "unknown key": (tokyo(subnet="x"), f"sites.tokyo.subnet: no such key; there are {KEYS}"),
    "unknown default": (
        lambda raw: raw["siteDefaults"].update(lan="192.168.0.0/24"),
        "siteDefaults.lan: no such key; there are adminCidrs, antiSpoofing, dnsServers, externalNetwork, linuxFlavor, "
        "linuxImage, linuxUser, vyosFlavor, vyosHostKey, vyosImage, vyosUser, vyosVersion",
    ),
    "not a prefix": (
        tokyo(lan="tokyo"),
        "sites.tokyo.lan: 'tokyo' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "prefix out of range": (
        tokyo(lan="192.168.999.0/24"),
        "sites.tokyo.lan: '192.168.999.0/24' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "no prefix length": (
        tokyo(lan="192.168.10.0"),
        "sites.tokyo.lan: '192.168.10.0' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "IPv6": (
        tokyo(lan="fd00::/64"),
        "sites.tokyo.lan: 'fd00::/64' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "host bits": (
        tokyo(lan="192.168.10.7/24"),
        "sites.tokyo.lan: '192.168.10.7/24' has bits set behind the prefix; write 192.168.10.0/24",
    ),
    "lan too small": (
        tokyo(lan="192.168.10.0/30"),
        "sites.tokyo.lan: '192.168.10.0/30' is too small for a router, DHCP, VyOS and a VM; take /29 or a shorter prefix length",
    ),
    "lan that VMs cannot use": (
        tokyo(lan="169.254.0.0/24"),
        "sites.tokyo.lan: '169.254.0.0/24' is a range that VMs cannot use (RFC 6890); take one of 10.0.0.0/8, 172.16.0.0/12 or "
        "192.168.0.0/16",
    ),
    "transit too small": (
        tokyo(transit="10.0.0.0/31"),
        "sites.tokyo.transit: '10.0.0.0/31' is too small for a router, DHCP, VyOS and a VM; take /29 or a shorter prefix length",
    ),
    "admin CIDR": (
        tokyo(adminCidrs=["198.51.100.7"]),
        "sites.tokyo.adminCidrs.0: '198.51.100.7' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "admin CIDRs not a list": (
        tokyo(adminCidrs="198.51.100.7/32"),
        "sites.tokyo.adminCidrs: '198.51.100.7/32' is not a list; write one like [a, b]",
    ),
    "name server": (
        tokyo(dnsServers=["dns.example"]),
        "sites.tokyo.dnsServers.0: 'dns.example' is not an IPv4 address; write one like 192.168.10.53",
    ),
    "anti-spoofing": (
        tokyo(antiSpoofing="off"),
        "sites.tokyo.antiSpoofing: 'off' is not one of the choices; write 'strict' or 'open'",
    ),
    "number 0": (tokyo(number=0), "sites.tokyo.number: 0 is not a site number; take a whole number from 1"),
    "number as text": (tokyo(number="1"), "sites.tokyo.number: '1' is not a site number; take a whole number from 1"),
    "number too high": (
        tokyo(number=182),
        "sites.tokyo.number: 182 is too high for the tunnel range 10.255.0.0/16; take one from 1 to 181, or a larger tunnelRange",
    ),
    "same number": (tokyo(number=2), "sites.tokyo.number: 2 is also osaka's; set it to one that is free, like 1"),
    "same lan": (
        tokyo(lan="192.168.20.0/25"),
        "sites.tokyo.lan: '192.168.20.0/25' overlaps sites.osaka.lan (192.168.20.0/24); take a prefix that is nowhere else in use",
    ),
    "lan in the tunnel range": (
        tokyo(lan="10.255.3.0/24"),
        "sites.tokyo.lan: '10.255.3.0/24' overlaps tunnelRange (10.255.0.0/16); take a prefix that is nowhere else in use",
    ),
    "transit in the own lan": (
        tokyo(transit="192.168.10.64/28"),
        "sites.tokyo.transit: '192.168.10.64/28' overlaps sites.tokyo.lan (192.168.10.0/24); take a prefix that is nowhere "
        "else in use",
    ),
    "lan on another's transit": (
        tokyo(lan="172.31.2.0/24"),
        "sites.tokyo.lan: '172.31.2.0/24' overlaps sites.osaka.transit (172.31.2.0/28); take a prefix that is nowhere else in use",
    ),
    "tunnel range": (
        top(tunnelRange="10.255.0.1"),
        "tunnelRange: '10.255.0.1' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "tunnel range too small": (
        top(tunnelRange="10.255.0.0/31"),
        "tunnelRange: '10.255.0.0/31' has no room for a link, which takes a /30; take a shorter prefix length, like /16",
    ),
    "links not a list": (top(links="all"), "links: 'all' is not a list; write one like [a, b]"),
    "link as a list": (
        top(links=[["tokyo", "osaka"]]),
        "links.0: ['tokyo', 'osaka'] is not an object; write keys and values below it",
    ),
    "link without ends": (top(links=[{}]), "links.0.ends: missing; add it (the two sites, like [tokyo, osaka])"),
    "link with one end": (
        top(links=[{"ends": ["tokyo"]}]),
        "links.0.ends: ['tokyo'] has 1 sites; a link joins exactly 2",
    ),
    "link with three ends": (
        top(links=[{"ends": ["tokyo", "osaka", "kobe"]}]),
        "links.0.ends: ['tokyo', 'osaka', 'kobe'] has 3 sites; a link joins exactly 2",
    ),
    "unknown key of a link": (
        top(links=[{"ends": ["tokyo", "osaka"], "key": "x"}]),
        "links.0.key: no such key; there are ends, keyRotation",
    ),
    "link to an unknown site": (
        top(links=[{"ends": ["tokyo", "kobe"]}]),
        "links.0.ends: 'kobe' is not a site; there are osaka, tokyo",
    ),
    "link to itself": (
        top(links=[{"ends": ["tokyo", "tokyo"]}]),
        "links.0.ends: 'tokyo' is linked with itself; name two sites",
    ),
    "link twice": (
        top(links=[{"ends": ["tokyo", "osaka"]}, {"ends": ["osaka", "tokyo"]}]),
        "links.1.ends: osaka and tokyo are linked by links.0 already; remove one",
    ),
    "no admin CIDRs": (
        lambda raw: (raw.pop("siteDefaults"), raw["sites"]["osaka"].update(adminCidrs=["198.51.100.7/32"])),
        "sites.tokyo.adminCidrs: none given, here or in siteDefaults; VyOS is configured over SSH, so name the network that "
        "`pulumi` runs in, like 198.51.100.7/32",
    ),
    "unknown top-level key": (
        top(tunnels=1),
        "tunnels: no such key; there are links, sites, tunnelRange",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_named_with_field_value_and_fix(pair: dict[str, Any], case: str) -> None:
    change, expected = FAULTS[case]
    change(pair)
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(pair, CLOUDS))
    assert str(caught.value) == expected


def test_all_faults_are_reported_together(pair: dict[str, Any]) -> None:
    pair["sites"]["tokyo"].update(cloud="tokio", lan="x")
    pair["sites"]["osaka"].update(number=-1)
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(pair, CLOUDS)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "sites.tokyo.lan",
        "sites.osaka.number",
        "sites.tokyo.cloud",
    ]


def test_without_clouds_yaml_the_error_says_where_it_is_looked_for(pair: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"no clouds\.yaml was found; see OS_CLIENT_CONFIG_FILE"):
        parse_settings(pair, ())


def test_names_that_give_two_links_one_name() -> None:
    sites = {
        name: {"cloud": "tokyo", "lan": f"10.{n}.0.0/24", "number": n}
        for n, name in enumerate(("a", "b-c", "a-b", "c"), 1)
    }
    raw = {"sites": sites, "siteDefaults": {"adminCidrs": ["198.51.100.7/32"]}}
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(raw, CLOUDS))
    assert (
        "sites: the names a, a-b, b-c, c give two links the name 'a-b-c'; rename one without a hyphen"
        in caught.value.faults
    )


def test_two_keys_a_site_are_enough() -> None:
    raw = {
        "siteDefaults": {"adminCidrs": ["198.51.100.7/32"]},
        "sites": {name: {"cloud": name, "lan": f"10.{n}.0.0/24"} for n, name in enumerate(CLOUDS)},
    }
    settings = parse_settings({**raw, "links": None, "tunnelRange": None}, CLOUDS)
    assert settings.sites["tokyo"].lan == IPv4Network("10.0.0.0/24")
    assert settings.sites["tokyo"].vyos_image == "vyos"
    assert settings.sites["tokyo"].anti_spoofing == "strict"


def test_a_sites_own_value_wins_over_the_default(pair: dict[str, Any]) -> None:
    pair["siteDefaults"].update(vyosImage="vyos-1.4", linuxImage="debian-12")
    pair["sites"]["osaka"].update(vyosImage="vyos-1.4.1")
    settings = parse_settings(pair, CLOUDS)
    assert (settings.sites["tokyo"].vyos_image, settings.sites["osaka"].vyos_image) == ("vyos-1.4", "vyos-1.4.1")
    assert settings.sites["osaka"].linux_image == "debian-12"
