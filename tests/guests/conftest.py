"""busybox, whose shell runs the guests' scripts: the machine's, or that of an unpacked guest image."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from toolchain.paths import REPO, cache

SCRIPTS = REPO / "lab/guests/common/usr/libexec/guest"


@pytest.fixture(scope="session")
def busybox() -> str:
    built = sorted(cache("lab", "guests").glob("*-packages-*/root/bin/busybox"))
    found = shutil.which("busybox") or next(map(str, built), None)
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no busybox: neither here nor in the cache")
    return found


def script(name: str, directory: Path, **replaced: str) -> Path:
    """A copy of a guest's script in a directory, with some texts in it replaced: values by names of `TEXTS`."""
    text = (SCRIPTS / name).read_text()
    for old, new in replaced.items():
        assert TEXTS[old] in text
        text = text.replace(TEXTS[old], new)
    copy = directory / name
    copy.write_text(text)
    return copy


TEXTS = {"path": "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "resolv_conf": "/etc/resolv.conf"}
