"""The clouds that the OpenStack plugin knows."""

from __future__ import annotations

import os
from pathlib import Path

import yaml


def cloud_names() -> frozenset[str]:
    """The names in clouds.yaml, looked for as the plugin does (gophercloud's clientconfig).

    That is $OS_CLIENT_CONFIG_FILE, else clouds.yaml, and then clouds.yml, in the current directory, in
    ~/.config/openstack or in /etc/openstack. openstacksdk would look in more places than the plugin, and takes longer
    to import than all else of a preview.
    """
    for file in candidates():
        if file.is_file():
            found = yaml.safe_load(file.read_text()) or {}
            return frozenset(found.get("clouds") or {})
    return frozenset()


def candidates() -> list[Path]:
    """The files, the first that exists counts."""
    directories = (Path(), Path.home() / ".config/openstack", Path("/etc/openstack"))
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    return [
        *([Path(named)] if named else []),
        *(directory / name for name in ("clouds.yaml", "clouds.yml") for directory in directories),
    ]
