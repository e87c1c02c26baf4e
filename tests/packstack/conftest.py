"""What the tests of PackStack's hosts share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packstack.host import TestHost, running
from tests.packstack.samples import COMPUTE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root or Linux there is no host, and its tests are skipped, but never in CI."""
    if os.environ.get("CI") == "true" or (os.geteuid() == 0 and sys.platform == "linux"):
        return
    for item in items:
        if "host" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason="a host needs namespaces: root on Linux"))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TestHost]:
    """A bare host."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def compute(host: TestHost, tmp_path: Path) -> Iterator[TestHost]:
    """A second bare host, which the first one reaches."""
    with running(tmp_path / "compute1", COMPUTE["address"]) as started:
        started.wire(host)
        yield started
