"""Work in the clouds' namespace, in a thread that ends with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from lab import network
from lab.sites import INTERNET

T = TypeVar("T")


def inside(work: Callable[[], T]) -> T:
    """Call `work` where both clouds can be reached; its result, or its exception."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        network.enter(INTERNET)
        try:
            results.append(work())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
