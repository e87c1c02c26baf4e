"""The environment in which `pulumi` runs: tools, plugins, a local state backend and its passphrase."""

from __future__ import annotations

import os
import secrets

from toolchain.build import Tools, tools
from toolchain.paths import state


def environment(found: Tools | None = None) -> dict[str, str]:
    """Variables to add to a process's environment; what the user has set for the backend and the secrets stays.

    The default backend is a directory in the state, the default passphrase is generated on first use.
    """
    found = found or tools(lambda _: None)
    added = {"PATH": f"{found.bin}:{os.environ['PATH']}", "PULUMI_SKIP_UPDATE_CHECK": "true"}
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


def passphrase_file() -> os.PathLike[str]:
    """The file with the passphrase that encrypts the stacks' secrets; made on first use, for its owner's eyes only."""
    file = state("passphrase")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_urlsafe(32))
    return file
