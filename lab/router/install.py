"""Puts the stand-in into an unpacked router image."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.openstack.debian import in_root

HERE = Path(__file__).parent
PLACES = {
    "script-template": (["opt/vyatta/etc/functions/script-template"], 0o644),
    "vyatta-op-cmd-wrapper": (["opt/vyatta/bin/vyatta-op-cmd-wrapper"], 0o755),
    "my_command": (["opt/vyatta/sbin/my_set", "opt/vyatta/sbin/my_delete", "opt/vyatta/sbin/my_commit"], 0o755),
    "config-mgmt": (["usr/bin/config-mgmt"], 0o755),
    "configd": (["usr/libexec/vyos-standin/configd"], 0o755),
    "boot-hook": (["usr/libexec/guest/boot.d/vyos-standin"], 0o755),
    "strongswan.conf": (["etc/strongswan.d/guest.conf"], 0o644),
    "inittab": (["etc/inittab"], 0o644),
    "swanctl-tool.conf": (["etc/strongswan.d/swanctl.conf"], 0o644),
}


def install(root: Path) -> None:
    """Copy the files, compile the daemon, and give the user `vyos` VyOS's shell and group."""
    for name, (targets, mode) in PLACES.items():
        for target in targets:
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / "files" / name, root / target)
            (root / target).chmod(mode)
    library = root / "usr/lib/vyos-standin/vyos_standin"
    shutil.copytree(HERE / "vyos_standin", library, ignore=shutil.ignore_patterns("__pycache__"))
    in_root(root, "set -e; groupadd -rf vyattacfg; usermod -aG vyattacfg vyos; "
                  "ln -sf bash /bin/vbash; usermod -s /bin/vbash vyos; "
                  "mkdir -p /config; chgrp vyattacfg /config; chmod 2775 /config; "
                  "python3 -m compileall -q /usr/lib/vyos-standin")
