"""Every fault of a configuration is named with its field, its value and the fix."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ConfigurationError
from components.plan import make_plan
from components.settings import parse_settings
from tests.program.conftest import configuration

CLOUDS = ("tokyo", "osaka")
Change = Callable[[dict[str, Any]], Any]


def tokyo(**keys: Any) -> Change:
    """A change that gives the site Tokyo other values."""
    return lambda raw: raw["sites"]["tokyo"].update(keys)


def top(**keys: Any) -> Change:
    """A change that gives the configuration other keys."""
    return lambda raw: raw.update(keys)


def osaka_too(**keys: Any) -> Change:
    """A change that gives both sites other values."""
    return lambda raw: [site.update(keys) for site in raw["sites"].values()]


def renamed(name: str) -> Change:
    """A change of the name of the site Tokyo."""
    return lambda raw: raw["sites"].update({name: raw["sites"].pop("tokyo")})


def among(*names: str, links: list[list[str]], hubs: tuple[str, ...]) -> Change:
    """A change to other sites, with these links, some of them hubs."""

    def change(raw: dict[str, Any]) -> None:
        raw["sites"] = {
            name: {"cloud": "tokyo", "lan": f"10.{number}.0.0/24", "number": number, "hub": name in hubs}
            for number, name in enumerate(names, 1)
        }
        raw["links"] = [{"ends": ends} for ends in links]

    return change


def without(key: str) -> Change:
    """A change that takes a key of the site Tokyo away."""
    return lambda raw: raw["sites"]["tokyo"].pop(key)


KEYS = (
    "adminCidrs, antiSpoofing, cloud, dnsServers, externalNetwork, hub, lan, linuxFlavor, linuxImage, linuxUser, lost, number, transit, "
    "vyosFlavor, vyosHostKey, vyosImage, vyosUser, vyosVersion"
)
NO_NAME = (
    "is not a name; write a text of 1 to 255 characters, without blanks at its ends and without control characters"
)
NO_SITE = (
    "cannot name a site, since VyOS and Nova have names made from it; take at most 30 lower-case letters, digits and "
    "hyphens, a letter first and no hyphen last"
)
NO_LOGIN = "is not a login; take at most 32 lower-case letters, digits, '_', '-' and '.', a letter or '_' first"
NOT_FOR_VMS = "is a range that VMs cannot use (RFC 6890); take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
NOT_PRIVATE = "is not private; take a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10"
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
        "letters, digits and hyphens, a letter first and no hyphen last",
    ),
    "no cloud": (without("cloud"), "sites.tokyo.cloud: missing; add it (the cloud's name in clouds.yaml)"),
    "no lan": (
        without("lan"),
        "sites.tokyo.lan: missing; add it (the prefix of the VMs' network, like 192.168.10.0/24)",
    ),
    "unknown cloud": (
        tokyo(cloud="tokio"),
        "sites.tokyo.cloud: 'tokio' is not in clouds.yaml; there are osaka, tokyo (did you mean tokyo?)",
    ),
    "cloud not a name": (tokyo(cloud=7), f"sites.tokyo.cloud: 7 {NO_NAME}"),
    "empty image name": (tokyo(vyosImage=""), f"sites.tokyo.vyosImage: '' {NO_NAME}"),
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
        "sites.tokyo.lan: 'fd00::/64' is IPv6, and the links carry IPv4; write a prefix like 192.168.10.0/24",
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
    "same number": (
        tokyo(number=2),
        "sites.tokyo.number: 2 is also osaka's; set the newer site's to one that is free, like 1",
    ),
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
        "tunnels: no such key; there are dns, links, siteDefaults, sites, tunnelRange (did you mean tunnelRange?)",
    ),
    "site defaults as a list": (
        top(siteDefaults=[]),
        "siteDefaults: [] is not an object; write keys and values below it",
    ),
    "a site with a password": (
        tokyo(cloud={"auth": {"password": "correct horse"}}),
        f"sites.tokyo.cloud: an object with auth in it {NO_NAME}",
    ),
    "an unknown key with a password": (
        top(links=[{"ends": ["tokyo", "osaka"], "secret": "correct horse"}]),
        "links.0.secret: no such key; there are ends, keyRotation",
    ),
    "a key with a letter wrong": (
        tokyo(vyosimage="x"),
        f"sites.tokyo.vyosimage: no such key; there are {KEYS} (did you mean vyosImage?)",
    ),
    "a cloud that is like none": (
        tokyo(cloud="prod"),
        "sites.tokyo.cloud: 'prod' is not in clouds.yaml; there are osaka, tokyo",
    ),
    "site name too long": (renamed("t" * 31), f"sites: '{'t' * 31}' {NO_SITE}"),
    "site name with a hyphen last": (renamed("tokyo-"), f"sites: 'tokyo-' {NO_SITE}"),
    "site name with a quote": (renamed("tokyo'"), f'sites: "tokyo\'" {NO_SITE}'),
    "site name with a dot": (renamed("tokyo.jp"), f"sites: 'tokyo.jp' {NO_SITE}"),
    "site name with a new line": (renamed("tokyo\n"), f"sites: 'tokyo\\n' {NO_SITE}"),
    "site name with a digit first": (renamed("1tokyo"), f"sites: '1tokyo' {NO_SITE}"),
    "site name that stands for all": (renamed("*"), f"sites: '*' {NO_SITE}"),
    "image with a new line": (tokyo(vyosImage="vyos\n1.4"), f"sites.tokyo.vyosImage: 'vyos\\n1.4' {NO_NAME}"),
    "flavor of blanks": (tokyo(linuxFlavor="  "), f"sites.tokyo.linuxFlavor: '  ' {NO_NAME}"),
    "external network as a number": (tokyo(externalNetwork=5), f"sites.tokyo.externalNetwork: 5 {NO_NAME}"),
    "image too long": (
        tokyo(linuxImage="x" * 256),
        f"sites.tokyo.linuxImage: '{'x' * 79}… {NO_NAME}",
    ),
    "image in the defaults": (
        lambda raw: raw["siteDefaults"].update(vyosImage=""),
        f"siteDefaults.vyosImage: '' {NO_NAME}",
    ),
    "login with shell characters": (tokyo(vyosUser="vyos; reboot"), f"sites.tokyo.vyosUser: 'vyos; reboot' {NO_LOGIN}"),
    "login with a quote": (tokyo(linuxUser="o'hara"), f'sites.tokyo.linuxUser: "o\'hara" {NO_LOGIN}'),
    "login with a new line": (tokyo(linuxUser="debian\n"), f"sites.tokyo.linuxUser: 'debian\\n' {NO_LOGIN}"),
    "login as an option": (tokyo(linuxUser="-debian"), f"sites.tokyo.linuxUser: '-debian' {NO_LOGIN}"),
    "login as root": (
        tokyo(vyosUser="root"),
        "sites.tokyo.vyosUser: 'root' cannot log in to VyOS over SSH; write the image's own user, like vyos",
    ),
    "netmask of nonsense": (
        tokyo(lan="192.168.10.0/33"),
        "sites.tokyo.lan: '192.168.10.0/33' is not an IPv4 prefix; write one like 192.168.10.0/24",
    ),
    "lan as a number": (tokyo(lan=24), "sites.tokyo.lan: 24 is not an IPv4 prefix; write one like 192.168.10.0/24"),
    "lan of everything": (tokyo(lan="0.0.0.0/0"), f"sites.tokyo.lan: '0.0.0.0/0' {NOT_FOR_VMS}"),
    "lan in this network": (tokyo(lan="0.10.0.0/16"), f"sites.tokyo.lan: '0.10.0.0/16' {NOT_FOR_VMS}"),
    "lan in loopback": (tokyo(lan="127.1.0.0/16"), f"sites.tokyo.lan: '127.1.0.0/16' {NOT_FOR_VMS}"),
    "lan in multicast": (tokyo(lan="239.1.0.0/16"), f"sites.tokyo.lan: '239.1.0.0/16' {NOT_FOR_VMS}"),
    "lan in what is reserved": (tokyo(lan="250.0.0.0/8"), f"sites.tokyo.lan: '250.0.0.0/8' {NOT_FOR_VMS}"),
    "transit on the metadata address": (
        tokyo(transit="169.254.169.240/28"),
        f"sites.tokyo.transit: '169.254.169.240/28' {NOT_FOR_VMS}",
    ),
    "transit with host bits": (
        tokyo(transit="10.9.0.1/28"),
        "sites.tokyo.transit: '10.9.0.1/28' has bits set behind the prefix; write 10.9.0.0/28",
    ),
    "transit in the tunnel range": (
        tokyo(transit="10.255.9.0/28"),
        "sites.tokyo.transit: '10.255.9.0/28' overlaps tunnelRange (10.255.0.0/16); take a prefix that is nowhere else in use",
    ),
    "transit as another's": (
        osaka_too(transit="10.9.0.0/28"),
        "sites.tokyo.transit: '10.9.0.0/28' overlaps sites.osaka.transit (10.9.0.0/28); take a prefix that is nowhere else in use",
    ),
    "admin CIDR with host bits": (
        tokyo(adminCidrs=["198.51.100.7/24"]),
        "sites.tokyo.adminCidrs.0: '198.51.100.7/24' has bits set behind the prefix; write 198.51.100.0/24",
    ),
    "admin CIDR of everything": (
        tokyo(adminCidrs=["0.0.0.0/0"]),
        "sites.tokyo.adminCidrs.0: '0.0.0.0/0' lets the whole internet try the routers' SSH; name your own network, like "
        "198.51.100.7/32 (if it has to be all: 0.0.0.0/1 and 128.0.0.0/1)",
    ),
    "admin CIDR of IPv6": (
        tokyo(adminCidrs=["::/0"]),
        "sites.tokyo.adminCidrs.0: '::/0' is IPv6, and the links carry IPv4; write a prefix like 192.168.10.0/24",
    ),
    "admin CIDR twice": (
        tokyo(adminCidrs=["198.51.100.7/32", "198.51.100.7/32"]),
        "sites.tokyo.adminCidrs: ['198.51.100.7/32', '198.51.100.7/32'] has 198.51.100.7/32 twice; remove one",
    ),
    "empty admin CIDRs": (
        tokyo(adminCidrs=[]),
        "sites.tokyo.adminCidrs: none given, here or in siteDefaults; VyOS is configured over SSH, so name the network that "
        "`pulumi` runs in, like 198.51.100.7/32",
    ),
    "name server of IPv6": (
        tokyo(dnsServers=["2001:db8::53"]),
        "sites.tokyo.dnsServers.0: '2001:db8::53' is not an IPv4 address; write one like 192.168.10.53",
    ),
    "name server on this machine": (
        tokyo(dnsServers=["127.0.0.53"]),
        "sites.tokyo.dnsServers.0: '127.0.0.53' cannot be a name server's address (RFC 6890); write one like 192.168.10.53",
    ),
    "name server twice": (
        tokyo(dnsServers=["9.9.9.9", "9.9.9.9"]),
        "sites.tokyo.dnsServers: ['9.9.9.9', '9.9.9.9'] has 9.9.9.9 twice; remove one",
    ),
    "too many name servers": (
        tokyo(dnsServers=[f"9.9.9.{n}" for n in range(6)]),
        "sites.tokyo.dnsServers: ['9.9.9.0', '9.9.9.1', '9.9.9.2', '9.9.9.3', '9.9.9.4', '9.9.9.5'] has 6 name servers, and "
        "Neutron takes 5; remove some",
    ),
    "number as true": (tokyo(number=True), "sites.tokyo.number: True is not a site number; take a whole number from 1"),
    "number made from the name and too high": (
        lambda raw: (raw.update(tunnelRange="10.0.0.0/28"), raw["sites"]["tokyo"].update(number=4)),
        "sites.tokyo.number: 4 is too high for the tunnel range 10.0.0.0/28; take one from 1 to 3, or a larger tunnelRange",
    ),
    "more sites than the tunnel range takes": (
        lambda raw: (
            raw.update(tunnelRange="10.0.0.0/29"),
            raw["sites"].update(kobe={"cloud": "osaka", "lan": "10.1.0.0/24"}),
        ),
        "tunnelRange: '10.0.0.0/29' has room for the links of 2 sites, and there are 3; take a shorter prefix length, or "
        "fewer sites",
    ),
    "version": (
        tokyo(vyosVersion="1.3"),
        "sites.tokyo.vyosVersion: '1.3' is not one of the choices; write '1.4', '1.5' or 'rolling'",
    ),
    "version as an unknown number": (
        tokyo(vyosVersion=1.6),
        "sites.tokyo.vyosVersion: '1.6' is not one of the choices; write '1.4', '1.5' or 'rolling'",
    ),
    "host key": (
        tokyo(vyosHostKey="none"),
        "sites.tokyo.vyosHostKey: 'none' is not one of the choices; write 'cloud-init' or 'first-contact'",
    ),
    "hub as text": (tokyo(hub="yes"), "sites.tokyo.hub: 'yes' is not true or false; write one of these"),
    "hub in the defaults": (
        lambda raw: raw["siteDefaults"].update(hub=True),
        "siteDefaults.hub: no such key; there are adminCidrs, antiSpoofing, dnsServers, externalNetwork, linuxFlavor, "
        "linuxImage, linuxUser, vyosFlavor, vyosHostKey, vyosImage, vyosUser, vyosVersion",
    ),
    "hub without links": (
        lambda raw: (raw.update(links=[]), raw["sites"]["tokyo"].update(hub=True)),
        "sites.tokyo.hub: true, and no link ends at tokyo; add links to it, or remove hub",
    ),
    "two hubs between the same sites": (
        among("a", "b", "x", "y", links=[["a", "x"], ["a", "y"], ["b", "x"], ["b", "y"]], hubs=("a", "b")),
        "sites.b.hub: a and b would both pass on between x and y; link these two, or take hub from one of the hubs",
    ),
    "two hubs in a row": (
        among("a", "b", "x", "y", links=[["a", "b"], ["a", "x"], ["b", "y"]], hubs=("a", "b")),
        "sites.b.hub: the hubs a and b are linked, x is only a's and y only b's; packets pass one hub, not two, so remove "
        "that link, or hub from one of them",
    ),
    "key rotation 0": (
        top(links=[{"ends": ["tokyo", "osaka"], "keyRotation": 0}]),
        "links.0.keyRotation: 0 is not a key's number; take a whole number from 1, another one for another key",
    ),
    "key rotation as text": (
        top(links=[{"ends": ["tokyo", "osaka"], "keyRotation": "2"}]),
        "links.0.keyRotation: '2' is not a key's number; take a whole number from 1, another one for another key",
    ),
    "two key rotations": (
        top(links=[{"ends": ["tokyo", "*"], "keyRotation": 2}, {"ends": ["osaka", "*"], "keyRotation": 3}]),
        "links.1.keyRotation: 3 for osaka and tokyo, and 2 in links.0; add an entry with the ends osaka and tokyo and the "
        "one that counts",
    ),
    "links to all twice": (
        top(links=[{"ends": ["tokyo", "*"]}, {"ends": ["*", "tokyo"]}]),
        "links.1.ends: * and tokyo are linked by links.0 already; remove one",
    ),
    "link to a site with a letter wrong": (
        top(links=[{"ends": ["tokyo", "oskaa"]}]),
        "links.0.ends: 'oskaa' is not a site; there are osaka, tokyo (did you mean osaka?)",
    ),
    "tunnel range that is public": (top(tunnelRange="8.8.0.0/16"), f"tunnelRange: '8.8.0.0/16' {NOT_PRIVATE}"),
    "tunnel range partly public": (top(tunnelRange="172.0.0.0/8"), f"tunnelRange: '172.0.0.0/8' {NOT_PRIVATE}"),
    "tunnel range of the cloud's own": (
        top(tunnelRange="169.254.0.0/16"),
        f"tunnelRange: '169.254.0.0/16' {NOT_PRIVATE}",
    ),
    "tunnel range with host bits": (
        top(tunnelRange="10.255.0.1/16"),
        "tunnelRange: '10.255.0.1/16' has bits set behind the prefix; write 10.255.0.0/16",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_named_with_field_value_and_fix(pair: dict[str, Any], case: str) -> None:
    change, expected = FAULTS[case]
    change(pair)
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(pair, CLOUDS))
    assert str(caught.value) == expected


def test_no_message_holds_a_password(pair: dict[str, Any]) -> None:
    password = {"auth": {"password": "correct horse"}}
    tokyo(cloud=password, lan=[password], adminCidrs=password, hub=password, number=[password], dnsServers=[password])(
        pair
    )
    top(links=[password, {"ends": password, "keyRotation": password}], tunnelRange=password)(pair)
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(pair, CLOUDS)
    assert len(caught.value.faults) == 11
    assert "correct" not in str(caught.value)


def test_all_addresses_may_be_administrators_if_that_is_meant(pair: dict[str, Any]) -> None:
    tokyo(adminCidrs=["0.0.0.0/1", "128.0.0.0/1"])(pair)
    assert len(parse_settings(pair, CLOUDS).sites["tokyo"].admin_cidrs) == 2


@pytest.mark.parametrize(("written", "version"), [(1.4, "1.4"), ("1.5", "1.5"), (1.5, "1.5"), ("rolling", "rolling")])
def test_a_version_may_be_a_number(pair: dict[str, Any], written: object, version: str) -> None:
    tokyo(vyosVersion=written)(pair)
    assert parse_settings(pair, CLOUDS).sites["tokyo"].vyos_version == version


def test_a_fault_in_the_defaults_is_reported_once(pair: dict[str, Any]) -> None:
    pair["siteDefaults"].update(vyosUser="o'hara")
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(pair, CLOUDS)
    assert caught.value.faults == (f'siteDefaults.vyosUser: "o\'hara" {NO_LOGIN}',)


def test_conflicts_of_all_kinds_are_reported_together(pair: dict[str, Any]) -> None:
    tokyo(lan="10.255.0.0/24", adminCidrs=[])(pair)
    top(links=[{"ends": ["tokyo", "tokyo"]}])(pair)
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(pair, CLOUDS))
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "sites.tokyo.adminCidrs",
        "sites.tokyo.lan",
        "links.0.ends",
    ]


def test_sites_with_one_number_are_each_given_another(pair: dict[str, Any]) -> None:
    pair["sites"]["kobe"] = {"cloud": "osaka", "lan": "10.1.0.0/24", "number": 2}
    tokyo(number=2)(pair)
    with pytest.raises(ConfigurationError) as caught:
        make_plan(parse_settings(pair, CLOUDS))
    assert caught.value.faults == (
        "sites.osaka.number: 2 is also kobe's; set the newer site's to one that is free, like 1",
        "sites.tokyo.number: 2 is also kobe's; set the newer site's to one that is free, like 3",
    )


def test_all_faults_are_reported_together(pair: dict[str, Any]) -> None:
    pair["sites"]["tokyo"].update(cloud="tokio", lan="x")
    pair["sites"]["osaka"].update(number=-1)
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(pair, CLOUDS)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "sites.tokyo.cloud",
        "sites.tokyo.lan",
        "sites.osaka.number",
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


def test_all_keys_but_the_sites_may_be_left_out() -> None:
    """Pulumi refuses a stack that lacks a key without a default."""
    project = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.yaml").read_text())
    defaults = {name: about["default"] for name, about in project["config"].items() if "default" in about}
    assert project["config"].keys() - defaults.keys() == {"sites"}
    given = configuration("tokyo", "osaka")
    assert parse_settings({**defaults, **given}, CLOUDS) == parse_settings(given, CLOUDS)
