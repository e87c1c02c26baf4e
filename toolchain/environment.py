"""The environment in which `pulumi` runs: tools, plugins, a local state backend and its passphrase."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from toolchain.build import Tools, tools
from toolchain.paths import state


def environment(found: Tools | None = None) -> dict[str, str]:
    """Variables to add to a process's environment; what the user has set for the backend and the secrets stays.

    The default backend is a directory in the state, the default passphrase is generated on first use.
    """
    found = found or tools(lambda _: None)
    others = [directory for directory in os.environ.get("PATH", os.defpath).split(":") if directory != str(found.bin)]
    added = {"PATH": ":".join([str(found.bin), *others]), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if found.home:
        added["PULUMI_HOME"] = str(found.home)
        # without it every command spends seconds on asking for plugins that cannot be had
        added["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if "PULUMI_BACKEND_URL" not in os.environ:
        backend = state("pulumi")
        backend.mkdir(parents=True, exist_ok=True)
        added["PULUMI_BACKEND_URL"] = f"file://{backend}"
    if not os.environ.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        added["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase_file())
    return added


def passphrase_file() -> Path:
    """The file with the passphrase that encrypts the stacks' secrets; made on first use, for its owner's eyes only."""
    file = state("passphrase")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, new = tempfile.mkstemp(dir=file.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):  # another process was first: its passphrase counts
            os.link(new, file)
        os.unlink(new)
    return file
