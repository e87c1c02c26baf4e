"""Router lines that the tests start from: the golden file of a router with one link, its secret filled in."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from lab.router.vyos_standin.config import Config

REPO = Path(__file__).parent.parent.parent
SECRET = "recognisable-secret"


def router_lines() -> list[str]:
    """`set` lines of a whole router, with one link."""
    golden = REPO / "tests/program/golden/1.4/2-sites/tokyo.txt"
    return [
        line.replace('"$PSK"', f"'{SECRET}'") for line in golden.read_text().splitlines() if line.startswith("set ")
    ]


def config_of(*lines: str) -> Config:
    """A configuration of lines, with or without `set` before them."""
    config = Config()
    for line in lines:
        config.set(shlex.split(line.removeprefix("set ")))
    return config


@pytest.fixture
def router() -> Config:
    return config_of(*router_lines())
