"""What people and programs are shown."""

from __future__ import annotations

import dataclasses
import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from health import __main__ as command
from health import stack
from health.causes import ABOUT
from health.diagnosis import diagnose
from health.facts import Silent
from health.report import Report, link_states
from tests.health.sound import NONE, Sound, with_value
from toolchain.paths import REPO


def report(sound: Sound) -> Report:
    found = tuple(diagnose(sound.stack, sound.facts))
    links = link_states(sound.stack, sound.facts, found)
    return Report(stack=sound.stack, facts=sound.facts, links=links, found=found)


def printed(sound: Sound) -> str:
    console = Console(file=StringIO(), width=120)
    report(sound).print(console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture
def sound() -> Sound:
    return Sound("tokyo", "osaka")


def test_a_sound_stack(sound: Sound) -> None:
    text = printed(sound)
    row = "│ tokyo → osaka │ up    │ up     │ 60 s, 5.6 h │ 60 s, 50 min │ 5, 5    │ 0% lost, 4.0 ms │ 1374 of 1374 │"
    assert row in text, text
    assert "all is well" in text
    data = json.loads(report(sound).json())
    assert data["findings"] == []
    assert data["dns"] == {server: {"tokyo": 7, "osaka": 7} for server in ("tokyo", "osaka")}
    assert [(link["name"], link["state"], link["causes"]) for link in data["links"]] == [("tokyo-osaka", "up", [])]


@pytest.mark.parametrize(
    ("layer", "state"), [("tunnel", "down"), ("lan", "down"), ("", "up"), ("mtu", "degraded"), ("gone", "down")]
)
def test_a_links_state(sound: Sound, layer: str, state: str) -> None:
    if layer == "mtu":
        sound.spoil_linux("tokyo", mtus={"osaka": 1300})
    elif layer == "gone":
        sound.spoil_router("tokyo", tunnel_pings={"tokyo-osaka": NONE})
        sound.spoil("osaka", router=Silent("unreachable", "no SSH"), linux=None)
    elif layer:
        sound.break_link("tokyo-osaka", layer)
    (link,) = report(sound).links
    assert link.state == state
    assert link.causes == tuple(one.cause.value for one in report(sound).found)


def test_nothing_is_known_of_a_link_whose_ends_cannot_be_asked(sound: Sound) -> None:
    for name in ("tokyo", "osaka"):
        sound.spoil(name, router=Silent("unreachable", "no SSH"), linux=None)
    (link,) = report(sound).links
    assert link.state == "unknown"
    assert "router unreachable" in printed(sound)


def test_a_cause_has_its_place_evidence_and_fix(sound: Sound) -> None:
    sound.spoil_linux("tokyo", mtus=with_value({}, "osaka", 1300))
    text = printed(sound)
    assert re.search(
        r"✗ MTU black hole  link tokyo-osaka\n +Packets of .*\n +from tokyo to osaka: 1300 bytes .* 1374 +\n +→ Lower",
        text,
    ), text
    (found,) = json.loads(report(sound).json())["findings"]
    assert (found["cause"], found["link"], found["site"]) == ("MTU black hole", "tokyo-osaka", "")


def test_a_lost_site_is_told(sound: Sound) -> None:
    sites = with_value(sound.stack.sites, "osaka", dataclasses.replace(sound.stack.sites["osaka"], lost=True))
    sound.stack = dataclasses.replace(sound.stack, sites=sites, dns=None)
    del sound.facts["osaka"]
    assert "osaka is lost: nothing was asked there" in printed(sound)
    assert json.loads(report(sound).json())["lost"] == ["osaka"]
    assert report(sound).links[0].state == "lost"


def test_the_documentation_lists_every_cause_as_it_is_told() -> None:
    rows = re.findall(
        r"^\| (.*) \| (.*) \| (.*) \|$", (REPO / "docs/status.md").read_text().partition("## Causes")[2], re.M
    )
    assert rows[1:] == [(cause.value, about.explanation, about.fix) for cause, about in ABOUT.items()]


def test_it_ends_with_2_when_it_cannot_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["health"])
    monkeypatch.setattr(stack, "environment", lambda: {"PATH": str(tmp_path)})
    (tmp_path / "pulumi").write_text("#!/bin/sh\necho 'error: no stack selected' >&2\nexit 255\n")
    (tmp_path / "pulumi").chmod(0o755)
    assert command.main() == 2
    assert "pulumi stack output: error: no stack selected" in capsys.readouterr().err


URN = "urn:pulumi:tokyo-osaka::vpn-connect::"
SITE = {
    "floatingIp": "203.0.113.52",
    "vyosLanAddress": "192.168.20.254",
    "routerUser": "vyos",
    "routerHostKey": "ssh-ed25519 AAAA",
    "linuxAddress": "192.168.20.7",
    "linuxUser": "debian",
    "linuxHostKey": "ssh-ed25519 AAAB",
    "lan": "192.168.20.0/24",
    "eth0Address": "172.31.2.5",
}
EXPORT = {
    "deployment": {
        "resources": [
            {"urn": f"{URN}pulumi:providers:openstack::osaka", "type": "pulumi:providers:openstack", "id": "x",
             "inputs": {"cloud": "osaka-cloud"}},
            {"urn": f"{URN}vpn-connect:index:VpnSite$openstack:networking/port:Port::osaka-eth1",
             "type": "openstack:networking/port:Port", "id": "port-1", "inputs": {}},
            {"urn": f"{URN}vpn-connect:index:VpnLink$vyos:index:Configuration::tokyo-osaka-osaka",
             "type": "vyos:index:Configuration", "id": "y",
             "inputs": {"lines": ["set interfaces tunnel tun1 address '10.255.0.2/30'"], "nodes": ["interfaces tunnel tun1"]}},
        ]
    }
}  # fmt: skip
OUTPUTS = {
    "sites": {"osaka": SITE, "tokyo": {"lost": True}},
    "links": {"tokyo-osaka": {"tunnelAddresses": {"tokyo": "10.255.0.1", "osaka": "10.255.0.2"}, "mtu": 1374}},
    "sshPrivateKeys": {"osaka": "PRIVATE"},
}


def test_the_stack_as_pulumi_tells_it() -> None:
    found = stack.known(OUTPUTS, EXPORT)
    (link,) = found.stack.links
    assert found.stack.is_lost(link)
    assert found.routers.keys() == {"osaka"}
    end = link.ends[1]
    assert (end.site, end.interface, end.value("address")) == ("osaka", "tun1", "10.255.0.2/30")
    assert found.clouds["osaka"] == stack.CloudNames("osaka-cloud", {"Port eth1": "port-1"})
    assert "PRIVATE" not in repr(found)


def test_a_stack_that_is_not_whole_is_refused_without_its_secrets() -> None:
    sites = {"osaka": {name: value for name, value in SITE.items() if name != "linuxHostKey"}}
    with pytest.raises(stack.NotReadable, match="lack linuxHostKey") as refused:
        stack.known({**OUTPUTS, "sites": sites}, EXPORT)
    assert "PRIVATE" not in str(refused.value)
    with pytest.raises(stack.NotReadable, match="lack sites, sshPrivateKeys"):
        stack.known({}, EXPORT)
