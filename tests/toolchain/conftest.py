"""What the tests of the stand-ins share: one plugin process, as it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.toolchain.plugin import Plugin, running_plugin


@pytest.fixture(scope="session")
def plugin() -> Iterator[Plugin]:
    with running_plugin() as started:
        yield started
