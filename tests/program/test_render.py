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

from components import render
from components.plan import EndPlan, LinkPlan, Plan, make_plan
from components.settings import parse_settings
from tests.program.conftest import CLOUDS, configuration

GOLDEN = Path(__file__).parent / "golden"
REPO = Path(__file__).parent.parent.parent
SCHEMA_CHECK = REPO.parent / "shared/vyos-schema/check.py"
ADDRESSES = {name: (f"172.31.{n}.5", f"203.0.113.{50 + n}") for n, name in enumerate(CLOUDS, 1)}


def plan_of(count: int) -> Plan:
    return make_plan(parse_settings(configuration(*CLOUDS[:count]), CLOUDS))


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
        render.link_lines(link, end, underlay(end)) for link, end in ends(plan, name)
    )


CASES = [(count, name) for count in (2, 3, 5) for name in CLOUDS[:count]]


@pytest.mark.parametrize(("count", "name"), CASES)
def test_router_lines_are_the_golden_ones(count: int, name: str) -> None:
    lines, file = router_lines(plan_of(count), name), GOLDEN / f"{count}-sites" / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(lines)
    assert lines == file.read_text()


@pytest.mark.parametrize(("count", "name"), CASES)
def test_router_lines_follow_vyos_schema(count: int, name: str) -> None:
    if not SCHEMA_CHECK.exists():
        pytest.skip("VyOS's schema is not here")
    checked = subprocess.run(
        [sys.executable, str(SCHEMA_CHECK), "-", "--version", "1.4", "--strict"],
        input=router_lines(plan_of(count), name).replace('"$PSK"', "'0123456789abcdef'"),
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_line_is_one_set_command_with_its_value_in_quotes() -> None:
    valueless = ("disable-host-validation", "disable-password-authentication", "match-ipsec")
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


def test_removal_deletes_the_links_nodes_and_sets_nothing() -> None:
    (link,) = plan_of(2).links
    script = render.apply_script("removed", render.link_nodes(link, link.ends[0]))
    lines = script.split("<<'LINES'\n")[1].split("\nLINES")[0].splitlines()
    assert lines == [f"delete {node}" for node in render.link_nodes(link, link.ends[0])]


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
        "link": render.apply_script("link", render.link_nodes(link, end), render.link_lines(link, end, underlay(end))),
        "removal": render.apply_script("removal", render.link_nodes(link, end)),
        "router check": render.router_check(link, end),
        "LAN check": render.lan_check(link, end, "192.168.20.9"),
    }


@pytest.mark.parametrize("name", scripts())
def test_scripts_are_shell(name: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=scripts()[name], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_user_data_is_small_and_holds_no_quote_in_a_value() -> None:
    for site in plan_of(5).sites:
        text = render.user_data(site)
        assert text.startswith("#cloud-config\n")
        assert len(text.encode()) < 16384
