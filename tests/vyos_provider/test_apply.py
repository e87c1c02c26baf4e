"""A change of a router's configuration holds, or is taken back."""

from __future__ import annotations

import asyncio

from tests.vyos_provider.conftest import VyosHost, serving
from vyos_provider.apply import apply
from vyos_provider.lines import Part, parse

NODE = ("interfaces", "tunnel", "tun3")
LINES = """
set interfaces tunnel tun3 address '10.255.0.1/30'
set interfaces tunnel tun3 encapsulation 'ipip'
set interfaces tunnel tun3 remote '192.0.2.2'
set interfaces tunnel tun3 source-address '192.0.2.1'
"""
PART = Part(parse(LINES), (NODE,))
UP = "4: tun3    inet 10.255.0.1/30 scope global tun3\n"


def tunnel_lines(host: VyosHost) -> list[str]:
    return [line for line in host.show() if " tun3 " in line]


def test_lines_are_committed_confirmed_and_saved(vyos: VyosHost) -> None:
    vyos.says(addresses=UP)
    steps: list[str] = []

    async def main() -> tuple[bool, bool]:
        async with serving(vyos) as router:
            first = await apply(router, PART, "link", report=steps.append, patience=2)
            return first, await apply(router, PART, "link", patience=2)

    assert asyncio.run(main()) == (True, False)
    assert tunnel_lines(vyos) == LINES.strip().splitlines()
    assert "tun3" in vyos.saved()
    assert steps == [
        "read the active lines",
        "look at the tunnels",
        "set",
        "commit",
        "log in anew",
        "compare the tunnels",
        "compare what is active",
        "confirm",
        "save",
        "read back",
    ]
