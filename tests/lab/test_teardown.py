"""The end of the main job: a link is removed, then everything. What comes before shares the running stack."""

from __future__ import annotations

import re

import pytest

from lab.clouds import as_tenant
from lab.machines import Machines
from lab.network import inside
from tests.lab.conftest import Stack
from tests.lab.routers import ENDS, OPERATORS_OWN, associations, commands

pytestmark = pytest.mark.lab


def test_a_removed_link_leaves_no_line_on_either_router(running: Stack, machines: Machines) -> None:
    before = {site: commands(machines, site).splitlines() for site, _ in ENDS}
    assert all("tokyo-osaka" in "\n".join(lines) for lines in before.values())
    running.configure(links=[], dns=None)  # which needs the link
    running.up()
    for site, peer in ENDS:
        after = commands(machines, site).splitlines()
        about = running.outputs()["sites"]
        traces = ("tokyo-osaka", "tunnel tun", about[peer]["lan"], about[peer]["floatingIp"], "10.255.0.")
        assert not [line for line in after if any(trace in line for trace in traces)]
        kept = ("set system", "set interfaces ethernet", "set firewall", "set service")
        own_rule = re.compile(r"filter rule \d{4,} ")
        assert [line for line in after if line.startswith(kept)] == [
            line for line in before[site] if line.startswith(kept) and not own_rule.search(line)
        ]
        assert not re.search(r"\btun\d", machines.run(site, "router", "ip -br link").stdout)
        assert associations(machines, site).strip() == ""


def test_an_operators_own_lines_have_outlived_the_link(running: Stack, machines: Machines) -> None:
    left = set(commands(machines, "tokyo").splitlines())
    assert {line for line in OPERATORS_OWN if "dummy" in line or "rule 50" in line} <= left


def test_destroy_leaves_nothing_in_either_project(running: Stack) -> None:
    running.pulumi("destroy", "--yes", "--skip-preview")

    def left(site: str) -> list[object]:
        with as_tenant(site) as cloud:
            own = cloud.current_project_id
            neutron = cloud.network
            return [
                *cloud.compute.servers(),
                *cloud.compute.keypairs(),
                *(one for one in neutron.networks(project_id=own) if not one.is_router_external),
                *neutron.subnets(project_id=own),
                *neutron.ports(project_id=own),
                *neutron.routers(project_id=own),
                *neutron.ips(project_id=own),
                *(one for one in neutron.security_groups(project_id=own) if one.name != "default"),
            ]

    assert inside(lambda: {site: left(site) for site, _ in ENDS}) == {"tokyo": [], "osaka": []}
