"""Minimal Debian trees, from the machine's own package sources."""

from __future__ import annotations

import os
from pathlib import Path

from toolchain.build import run
from toolchain.versions import DEBIAN_SUITE

# in front of a command: it is killed when the build that started it is, and does not write into the next one's tree
TIED = ("setpriv", "--pdeathsig", "KILL")
# the same for a command's children: the kernel ends a PID namespace with its first process
ALONE = (*TIED, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def debian_root(root: Path, include: list[str]) -> None:
    """A minimal Debian in a directory, from the machine's own package sources, without manuals and translations."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    if not sources.exists():
        sources = Path("/etc/apt/sources.list")
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]
    run(
        [
            *ALONE,
            "mmdebstrap",
            "--variant=minbase",
            "--format=directory",
            "--mode=root",
            *excluded,
            "--dpkgopt=force-unsafe-io",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Languages "none"',
            f"--include={','.join(include)}",
            DEBIAN_SUITE,
            str(root),
            str(sources),
        ]
    )
    policy = root / "usr/sbin/policy-rc.d"  # nothing is started by installing it
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def in_root(root: Path, script: str) -> None:
    """Run a shell script with `root` as its root directory, /proc mounted in a namespace that goes with it."""
    run(
        [
            *ALONE,
            "sh",
            "-c",
            f'mount -t proc proc "{root}/proc" && exec chroot "{root}" bash -c "$1"',
            "sh",
            script,
        ],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C",
            "HOME": "/root",
            **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
        },
    )
