"""The checks after an `up` name the first step that is missing. Run for real, with stubs for what they ask."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components import render
from components.plan import make_plan
from components.settings import parse_settings
from tests.program.conftest import CLOUDS, configuration

ESTABLISHED = "tokyo-osaka: #1, ESTABLISHED, IKEv2"
INSTALLED = f"{ESTABLISHED}\n  tokyo-osaka-tunnel-0: #1, reqid 1, INSTALLED, TUNNEL"
PONG = """3 packets transmitted, 3 received, 0% packet loss, time 402ms
rtt min/avg/max/mdev = 2.1/5.123/7.0/1.0 ms"""


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "CHECK_LIMIT", 1)


def run(script: str, stubs: dict[str, str], scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in bash with commands whose bodies are given in front of the real ones."""
    for name, body in stubs.items():
        (scratch / name).write_text(f"#!/bin/sh\n{body}\n")
        (scratch / name).chmod(0o755)
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": f"{scratch}:{os.environ['PATH']}"},
        timeout=30,
    )


def router_check() -> str:
    (link,) = make_plan(parse_settings(configuration("tokyo", "osaka"), CLOUDS)).links
    return render.router_check(link, link.ends[0])


def lan_check() -> str:
    (link,) = make_plan(parse_settings(configuration("tokyo", "osaka"), CLOUDS)).links
    return render.lan_check(link, link.ends[0], "192.168.20.9")


@pytest.mark.parametrize(
    ("ping", "associations", "missing"),
    [
        ("exit 1", "", "no IPIP: 10.255.0.2 does not answer in the tunnel."),
        ("exit 0", "", "no IKE: the routers reach each other but agree on no keys."),
        ("exit 0", "tokyo-osaka: #1, CONNECTING, IKEv2", "no IKE: "),
        ("exit 0", ESTABLISHED, "no ESP: the keys are agreed, the traffic selectors or proposals are not."),
    ],
)
def test_first_missing_layer_is_named(ping: str, associations: str, missing: str, tmp_path: Path) -> None:
    done = run(router_check(), {"ping": ping, "sudo": f"echo '{associations}'"}, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"link tokyo-osaka at tokyo: {missing}")


def test_a_router_with_all_layers_passes(tmp_path: Path) -> None:
    done = run(router_check(), {"ping": "exit 0", "sudo": f"echo '{INSTALLED}'"}, tmp_path)
    assert (done.returncode, done.stdout) == (0, "IPIP, IKE and ESP are up\n")


def test_the_router_asks_for_its_own_link(tmp_path: Path) -> None:
    asked = f'[ "$*" = "swanctl --list-sas --ike tokyo-osaka" ] && echo \'{INSTALLED}\''
    pinged = '[ "$*" = "-n -c 1 -W 1 -I 10.255.0.1 10.255.0.2" ]'
    assert run(router_check(), {"ping": pinged, "sudo": asked}, tmp_path).returncode == 0


def test_a_peer_that_nobody_asks_any_more_is_asked(tmp_path: Path) -> None:
    """IKE gives up for good when it was refused once, as between two ends of which one has a new key."""
    asked = f"""case "$*" in
    "swanctl --initiate --child tokyo-osaka-tunnel-0 --timeout 10") touch {tmp_path}/up ;;
    *) [ -e {tmp_path}/up ] && echo '{INSTALLED}' ;;
    esac"""
    assert run(router_check(), {"ping": "exit 0", "sudo": asked}, tmp_path).returncode == 0


def test_a_lan_that_does_not_answer_is_a_missing_route(tmp_path: Path) -> None:
    done = run(lan_check(), {"ping": "exit 1", "ip": "echo 192.168.20.9 via 192.168.10.1 dev eth0"}, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "link tokyo-osaka at tokyo: no route: the tunnel is up, but 192.168.20.9 does not answer. "
        "This VM sends to it by: 192.168.20.9 via 192.168.10.1 dev eth0."
    )


def test_a_lan_that_answers_gives_its_round_trip_time(tmp_path: Path) -> None:
    done = run(lan_check(), {"ping": f"cat <<X\n{PONG}\nX"}, tmp_path)
    assert (done.returncode, done.stdout) == (0, "3 of 3 pings answered, 5.123 ms\n")


@pytest.mark.parametrize(
    ("sudo", "said"),
    [
        ('[ "$*" = "swanctl --rekey --ike tokyo-osaka --reauth" ]', ""),
        ("exit 1", "link tokyo-osaka: no IKE SA to renew\n"),
    ],
)
def test_a_renewal_asks_for_its_own_link_and_leaves_the_verdict_to_the_check(
    sudo: str, said: str, tmp_path: Path
) -> None:
    (link,) = make_plan(parse_settings(configuration("tokyo", "osaka"), CLOUDS)).links
    done = run(render.renew_keys(link), {"sudo": sudo}, tmp_path)
    assert (done.returncode, done.stderr) == (0, said)
