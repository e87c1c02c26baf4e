"""What the plan decides of the internal DNS, and what servers are told: whole files in golden/dns.

`GOLDEN=write pytest tests/program/test_dns_plan.py` writes these anew; read the difference before it is kept.
"""

from __future__ import annotations

import os
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from components import dns_render
from components.dns_plan import DnsPlan
from components.dns_records import BadValue, reverse_zone, value_text
from components.plan import Plan, make_plan
from components.settings import parse_settings
from tests.guests.name_servers import SECRET, machines, missing
from tests.program.conftest import CLOUDS, configuration

GOLDEN = Path(__file__).parent / "golden/dns"


def plan_of(*names: str, dns: dict[str, Any] | None = None, sites: dict[str, Any] | None = None, **keys: Any) -> Plan:
    """The plan of some sites; `sites` has further keys of theirs."""
    raw = configuration(*names) | keys
    for name, more in (sites or {}).items():
        raw["sites"][name] |= more
    raw["dns"] = {"domain": "corp.example", **(dns or {})}
    return make_plan(parse_settings(raw, CLOUDS))


def dns_of(*names: str, **keys: Any) -> DnsPlan:
    made = plan_of(*names, **keys).dns
    assert made
    return made


def name_servers(plan: Plan) -> dict[str, list[str]]:
    return {site.name: [str(server) for server in site.name_servers] for site in plan.sites}


def test_without_dns_nothing_is_there_and_dhcp_hands_out_what_is_configured(pair: dict[str, Any]) -> None:
    pair["siteDefaults"]["dnsServers"] = ["192.0.2.53"]
    plan = make_plan(parse_settings(pair, CLOUDS))
    assert plan.dns is None
    assert name_servers(plan) == {"osaka": ["192.0.2.53"], "tokyo": ["192.0.2.53"]}
    assert {str(site.linux_address) for site in plan.sites} == {"192.168.10.253", "192.168.20.253"}


def test_dhcp_hands_out_the_own_server_and_then_those_of_near_numbers() -> None:
    plan = plan_of("tokyo", "osaka", "nagoya", "sapporo", "fukuoka")
    assert name_servers(plan)["nagoya"] == [f"192.168.{n}.253" for n in (30, 20, 40, 10, 50)]
    assert name_servers(plan)["tokyo"] == [f"192.168.{n}.253" for n in (10, 20, 30, 40, 50)]


def test_dhcp_hands_out_servers_that_are_reached_and_not_lost() -> None:
    star = [{"ends": ["tokyo", "*"]}]
    names = ("tokyo", "osaka", "nagoya")
    assert name_servers(plan_of(*names, links=star))["osaka"] == ["192.168.20.253", "192.168.10.253"]
    through = plan_of(*names, links=star, sites={"tokyo": {"hub": True}})
    assert name_servers(through)["osaka"] == [f"192.168.{n}.253" for n in (20, 10, 30)]
    lost = plan_of(*names, sites={"tokyo": {"lost": True}})
    assert name_servers(lost)["osaka"] == [f"192.168.{n}.253" for n in (20, 30)]


def test_primary_is_the_lowest_number_that_is_not_lost_unless_it_is_named() -> None:
    assert dns_of("osaka", "tokyo").primary == "tokyo"
    assert dns_of("osaka", "tokyo", dns={"primary": "osaka"}).primary == "osaka"
    assert dns_of("osaka", "tokyo", sites={"tokyo": {"lost": True}}).primary == "osaka"


def test_a_lost_site_serves_nothing_and_keeps_its_names() -> None:
    dns = dns_of("tokyo", "osaka", "nagoya", sites={"tokyo": {"lost": True}})
    assert {site: sorted(server.peers) for site, server in dns.servers.items() if not server.lost} == {
        "osaka": ["nagoya"],
        "nagoya": ["osaka"],
    }
    lines = [str(record) for record in dns.records]
    assert "corp.example. corp.example. 300 NS tokyo-linux.corp.example." not in lines
    assert "corp.example. tokyo-linux.corp.example. 300 A 192.168.10.253" in lines


@pytest.mark.parametrize(
    ("lan", "zone"),
    [
        ("192.168.10.0/24", "10.168.192.in-addr.arpa."),
        ("192.168.10.128/25", "10.168.192.in-addr.arpa."),
        ("172.16.16.0/20", "16.172.in-addr.arpa."),
        ("10.32.0.0/12", "10.in-addr.arpa."),
    ],
)
def test_a_reverse_zone_ends_at_an_octet(lan: str, zone: str) -> None:
    network = IPv4Network(lan)
    assert {reverse_zone(address, network) for address in (network[1], network[-2])} == {zone}


def test_sites_may_share_a_reverse_zone() -> None:
    halves = {"tokyo": {"lan": "192.168.10.0/25"}, "osaka": {"lan": "192.168.10.128/25"}}
    dns = dns_of("tokyo", "osaka", sites=halves)
    assert dns.zones == ("corp.example.", "10.168.192.in-addr.arpa.")
    owners = [record.owner.split(".")[0] for record in dns.records if record.type == "PTR"]
    assert owners == ["125", "126", "253", "254"]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("CNAME", "www", "www.corp.example."),
        ("CNAME", "www.elsewhere.example.", "www.elsewhere.example."),
        ("MX", "10 mail", "10 mail.corp.example."),
        ("A", "192.168.10.50", "192.168.10.50"),
        ("TXT", "two words; 'quoted'", '"two words; \\039quoted\\039"'),
        ("TXT", '"', '"\\""'),
        ("TXT", "", '""'),
        ("TXT", "x" * 300, f'"{"x" * 255}" "{"x" * 45}"'),
    ],
)
def test_values_are_whole(kind: str, value: str, text: str) -> None:
    assert value_text(kind, value, "corp.example") == text


@pytest.mark.parametrize("value", ["", "a b", "192.168.10", "192.168.10.50\n192.168.10.51", "$(reboot)"])
def test_what_is_no_address_is_none(value: str) -> None:
    with pytest.raises(BadValue):
        value_text("A", value, "corp.example")


RECORDS = [
    {"name": "www", "type": "A", "values": ["192.168.10.50"], "ttl": 60},
    {"name": "192.168.10.50", "type": "PTR", "values": ["www"]},
]


def golden_plan() -> DnsPlan:
    upstream = {"dnsServers": ["192.0.2.53", "192.0.2.54"]}
    return dns_of("tokyo", "osaka", "nagoya", dns={"records": RECORDS, "primary": "osaka"}, sites={"osaka": upstream})


@pytest.mark.parametrize(("site", "role"), [("osaka", "primary"), ("tokyo", "secondary")])
def test_files_are_the_golden_ones(site: str, role: str) -> None:
    dns = golden_plan()
    for path, lines in dns_render.files(dns, dns.servers[site]).items():
        file, text = GOLDEN / f"{role}-{Path(path).name}", "".join(f"{line}\n" for line in lines)
        if os.environ.get("GOLDEN") == "write":
            file.write_text(text)
        assert text == file.read_text()


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_knot_takes_its_configuration() -> None:
    with machines({"tokyo": IPv4Address("192.168.10.253")}) as at:
        for role in ("primary", "secondary"):
            text = (GOLDEN / f"{role}-knot.conf").read_text().replace("$TSIG_KEY", SECRET)
            said = at.run("tokyo", f"cat > /tmp/knot.conf <<'END'\n{text}END\nknotc -c /tmp/knot.conf conf-check")
            assert said == "Configuration is valid\n"


@pytest.mark.parametrize("script", ["prepare", "apply", "remove"])
@pytest.mark.parametrize("site", ["osaka", "tokyo"])
def test_scripts_are_shell(site: str, script: str) -> None:
    dns = golden_plan()
    text = getattr(dns_render, script)(dns, dns.servers[site])
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_small_lan_has_room_for_all() -> None:
    (site,) = plan_of("tokyo", sites={"tokyo": {"lan": "192.168.10.0/29"}}).sites
    assert site.lan_pool == (IPv4Address("192.168.10.2"), IPv4Address("192.168.10.4"))
    assert (site.linux_address, site.vyos_lan_address) == (IPv4Address("192.168.10.5"), IPv4Address("192.168.10.6"))
