"""What the routers are told, as whole files, and scripts that behave on a shell.

`GOLDEN=write pytest tests/program/test_render.py` writes the files in golden/ anew; read the difference before it is kept.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import render
from components.errors import ConfigurationError
from components.plan import EndPlan, LinkPlan, Plan, make_plan
from components.settings import parse_settings
from tests.program.conftest import CLOUDS, configuration

GOLDEN = Path(__file__).parent / "golden"
REPO = Path(__file__).parent.parent.parent
SCHEMA_CHECK = REPO.parent / "shared/vyos-schema/check.py"
ADDRESSES = {name: (f"172.31.{n}.5", f"203.0.113.{50 + n}") for n, name in enumerate(CLOUDS, 1)}


VERSIONS = ("1.4", "1.5", "rolling")


def plan_of(count: int, version: str = "1.4") -> Plan:
    raw = configuration(*CLOUDS[:count])
    raw["siteDefaults"]["vyosVersion"] = version
    return make_plan(parse_settings(raw, CLOUDS))


def underlay(end: EndPlan) -> render.Underlay:
    return render.Underlay(
        source_address=ADDRESSES[end.site][0], remote=ADDRESSES[end.peer][1], tunnel_mtu="1430", mss="1334"
    )


def ends(plan: Plan, site: str) -> list[tuple[LinkPlan, EndPlan]]:
    return [(link, end) for link in plan.links for end in link.ends if end.site == site]


def router_lines(plan: Plan, name: str) -> str:
    """All of a router's lines: its own, then each link's."""
    site = next(site for site in plan.sites if site.name == name)
    return render.base_lines(site, "1450") + "".join(
        render.link_lines(link, end, underlay(end), site.vyos_version) for link, end in ends(plan, name)
    )


CASES = [(version, count, name) for version in VERSIONS for count in (2, 3, 5) for name in CLOUDS[:count]]


@pytest.mark.parametrize(("version", "count", "name"), CASES)
def test_router_lines_are_the_golden_ones(version: str, count: int, name: str) -> None:
    lines = router_lines(plan_of(count, version), name)
    file = GOLDEN / version / f"{count}-sites" / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(lines)
    assert lines == file.read_text()


@pytest.mark.parametrize(("version", "count", "name"), CASES)
def test_router_lines_follow_vyos_schema(version: str, count: int, name: str) -> None:
    if not SCHEMA_CHECK.exists():
        pytest.skip("VyOS's schema is not here")
    checked = subprocess.run(
        [sys.executable, str(SCHEMA_CHECK), "-", "--version", version, "--strict"],
        input=router_lines(plan_of(count, version), name).replace('"$PSK"', "'0123456789abcdef'"),
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_line_is_one_set_command_with_its_value_in_quotes() -> None:
    valueless = ("disable-host-validation", "disable-password-authentication", "match-ipsec", "match-ipsec-in")
    for line in router_lines(plan_of(5), "tokyo").splitlines():
        assert re.fullmatch(r"set [^'\"]+ ('[^']+'|\"\$PSK\")", line) or line.endswith(valueless), line


def test_a_link_owns_all_that_it_sets_and_nothing_else() -> None:
    plan = plan_of(5)
    for site in plan.sites:
        owned = [(link.name, render.link_nodes(link, end)) for link, end in ends(plan, site.name)]
        for link, end in ends(plan, site.name):
            for line in render.link_lines(link, end, underlay(end)).splitlines():
                owners = [name for name, nodes in owned if any(line.startswith(f"set {node} ") for node in nodes)]
                assert owners == [link.name], line
        base = next(render.base_lines(one, "1450") for one in plan.sites if one.name == site.name)
        assert not [
            line
            for line in base.splitlines()
            for _, nodes in owned
            for node in nodes
            if line.startswith(f"set {node} ")
        ]


def test_the_two_ends_fit_together() -> None:
    (link,) = plan_of(2).links
    first, second = (render.link_lines(link, end, underlay(end)) for end in link.ends)
    swapped = {"local-id": "remote-id", "remote-id": "local-id", "local-address": "remote-address",
               "remote-address": "local-address", "local prefix": "remote prefix", "remote prefix": "local prefix"}  # fmt: skip
    peer = [line for line in first.splitlines() if "site-to-site" in line or "psk" in line or "-group" in line]
    mirrored = sorted(re.sub("|".join(swapped), lambda found: swapped[found[0]], line) for line in peer)
    assert mirrored == sorted(
        line for line in second.splitlines() if "site-to-site" in line or "psk" in line or "-group" in line
    )


def test_cryptography_is_what_was_promised() -> None:
    lines = router_lines(plan_of(2), "tokyo")
    for expected in (
        "ike-group tokyo-osaka key-exchange 'ikev2'",
        "ike-group tokyo-osaka proposal 1 encryption 'aes256gcm128'",
        "ike-group tokyo-osaka proposal 1 prf 'prfsha384'",
        "ike-group tokyo-osaka proposal 1 dh-group '20'",
        "esp-group tokyo-osaka proposal 1 encryption 'aes256gcm128'",
        "esp-group tokyo-osaka pfs 'dh-group20'",
        "ike-group tokyo-osaka dead-peer-detection action 'restart'",
        "site-to-site peer tokyo-osaka connection-type 'initiate'",
    ):
        assert f"set vpn ipsec {expected}\n" in lines


def test_a_hub_lets_through_between_tunnels_and_no_stranger_in_from_its_lan() -> None:
    raw = configuration(*CLOUDS[:3])
    raw["sites"]["tokyo"]["hub"] = True
    raw["links"] = [{"ends": ["tokyo", "*"]}]
    plan = make_plan(parse_settings(raw, CLOUDS))
    link, end = next(one for one in ends(plan, "tokyo") if one[1].peer == "osaka")
    lines = [line for line in render.link_lines(link, end, underlay(end)).splitlines() if "forward filter" in line]
    pairs = {
        number: tuple(
            next(line.split("'")[1] for line in lines if f" rule {number} {field}" in line)
            for field in ("inbound-interface", "source", "destination")
        )
        for number in dict.fromkeys(line.split(" rule ")[1].split()[0] for line in lines)
    }
    assert pairs == {
        "2000": ("tun2", "192.168.20.0/24", "192.168.10.0/24"),
        "2001": ("tun2", "192.168.20.0/24", "192.168.30.0/24"),
        "2500": ("eth1", "192.168.10.0/24", "192.168.20.0/24"),
    }


def test_placeholders_stand_where_values_are_not_known_yet() -> None:
    (link,) = plan_of(2).links
    unknown = render.Underlay(
        source_address="<address of tokyo's eth0>", remote="<floating IP of osaka>", tunnel_mtu="<MTU>", mss="<MSS>"
    )
    lines = render.link_lines(link, link.ends[0], unknown)
    assert "set interfaces tunnel tun2 remote '<floating IP of osaka>'\n" in lines


def scripts() -> dict[str, str]:
    plan = plan_of(2)
    (link,) = plan.links
    end = link.ends[0]
    return {
        "key renewal": render.renew_keys(link),
        "router check": render.router_check(link, end),
        "LAN check": render.lan_check(link, end, "192.168.20.9"),
    }


@pytest.mark.parametrize("name", scripts())
def test_scripts_are_shell(name: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=scripts()[name], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_user_data_has_the_base_configuration_and_the_host_key() -> None:
    site = plan_of(5).sites[0]
    text = render.vyos_user_data(site, render.base_lines(site, "1450"), "PRIVATE\nKEY\n", "ssh-ed25519 AAAA")
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert data["vyos_config_options"] == {"network_config": "disabled"}, "no DHCP on eth1"
    assert data["vyos_config_commands"] == render.base_lines(site, "1450").splitlines()
    private, public = data["write_files"]
    assert (private["path"], private["permissions"], private["content"]) == (
        "/etc/ssh/ssh_host_ed25519_key", "0600", "PRIVATE\nKEY\n")  # fmt: skip
    assert (public["path"], public["content"]) == ("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA\n")


def test_user_data_without_a_made_host_key_writes_no_file() -> None:
    site = plan_of(2).sites[0]
    assert set(yaml.safe_load(render.vyos_user_data(site, "set a 'b'\n", None, None))) == {
        "vyos_config_commands", "vyos_config_options"
    }  # fmt: skip


def test_user_data_that_a_router_would_not_take_is_refused() -> None:
    site = plan_of(2).sites[0]
    with pytest.raises(ConfigurationError, match=f"sites.{site.name}"):
        render.vyos_user_data(site, "set interfaces dummy dum0 description 'x'\n" * 500, None, None)


def test_linux_user_data_has_the_host_key() -> None:
    assert yaml.safe_load(render.linux_user_data("PRIVATE", "ssh-ed25519 AAAA"))["ssh_keys"] == {
        "ed25519_private": "PRIVATE", "ed25519_public": "ssh-ed25519 AAAA"}  # fmt: skip
