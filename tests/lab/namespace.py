"""Work in the clouds' namespace, in a thread that ends with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lab import network
from lab.sites import INTERNET

T = TypeVar("T")


def inside(work: Callable[[], T]) -> T:
    """Call `work` where both clouds can be reached; its result, or its exception."""

    def run() -> T:
        network.enter(INTERNET)
        return work()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run).result()
