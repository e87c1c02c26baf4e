"""A third site joins a mesh that runs, and leaves it again: the link that was there is not touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab import control
from lab.machines import Machines
from lab.sites import INTERNET
from tests.lab.conftest import Stack
from tests.lab.routers import associations, commands, ping

pytestmark = pytest.mark.lab
NAGOYA = {"cloud": "nagoya", "lan": "192.168.30.0/24", "number": 3, "vyosHostKey": "first-contact"}


@pytest.fixture(scope="module")
def nagoya(running: Stack) -> Iterator[None]:
    """The third cloud; what the stack has there is destroyed before it is stopped."""
    before = {key: running.configuration(key) for key in ("sites", "links")}
    control.up(["nagoya"])
    running.environment.update(OS_CLIENT_CONFIG_FILE=control.client_environment()["OS_CLIENT_CONFIG_FILE"])
    yield
    running.configure(**before)
    running.up()
    control.down(["nagoya"])


def test_a_third_site_joins_and_leaves(running: Stack, nagoya: None) -> None:
    pair, link = running.configuration("sites"), running.configuration("links") or [{"ends": ["tokyo", "osaka"]}]
    before = {one["urn"] for one in running.resources()}
    sas = spis(running)
    running.configure(sites={**pair, "nagoya": NAGOYA}, links=[*link, {"ends": ["nagoya", "*"]}])
    shown = running.up()
    changed = set(re.findall(r"(\S+) (?:updat|delet|replac)ed \(", shown))
    grown = {"tokyo-eth1", "osaka-eth1", "tokyo-lan", "osaka-lan", "dns-tokyo", "dns-osaka"}
    assert changed == grown, "only address pairs and name servers grow"
    opened = Machines(running.outputs(), INTERNET)
    try:
        assert spis(running) & sas, "the link between Tokyo and Osaka has not authenticated anew"
        for site, peer in (("nagoya", "tokyo"), ("osaka", "nagoya")):
            assert "3 received" in ping(opened, running, site, peer).stdout
        established = set(re.findall(r"(\S+): #\d+, ESTABLISHED", associations(opened, "nagoya")))
        assert established == {"tokyo-nagoya", "osaka-nagoya"}
        running.up("--expect-no-changes")
        passes_through_the_hub(running, opened, pair, link)
        running.configure(sites=pair, links=link)
        running.up()
        assert {one["urn"] for one in running.resources()} == before
        for site in ("tokyo", "osaka"):
            assert "nagoya" not in commands(opened, site)
    finally:
        opened.close()


def passes_through_the_hub(running: Stack, opened: Machines, pair: dict[str, Any], link: list[Any]) -> None:
    """Without a link of their own, Osaka and Nagoya reach each other through Tokyo once it is a hub."""
    spokes = [*link, {"ends": ["nagoya", "tokyo"]}]
    running.configure(sites={**pair, "nagoya": NAGOYA}, links=spokes)
    running.up()
    assert "0 received" in ping(opened, running, "osaka", "nagoya").stdout
    running.configure(sites={**pair, "tokyo": {**pair["tokyo"], "hub": True}, "nagoya": NAGOYA})
    running.up()
    for site, peer in (("osaka", "nagoya"), ("nagoya", "osaka")):
        assert "3 received" in ping(opened, running, site, peer).stdout


def spis(running: Stack) -> set[str]:
    """The IKE SPIs of the link between Tokyo and Osaka."""
    opened = Machines(running.outputs(), INTERNET)
    try:
        about = opened.run("tokyo", "router", "sudo swanctl --list-sas --ike tokyo-osaka").stdout
        return set(re.findall(r"[0-9a-f]{16}_[ir]", about))
    finally:
        opened.close()
