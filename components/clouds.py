"""The clouds that OpenStack clients on this machine know."""

from __future__ import annotations

from openstack.config.loader import OpenStackConfig

NOT_FROM_A_FILE = {"defaults", "envvars"}


def cloud_names() -> frozenset[str]:
    """The names in clouds.yaml, looked for where OpenStack clients look (OS_CLIENT_CONFIG_FILE, ., ~/.config, /etc)."""
    return frozenset(OpenStackConfig().get_cloud_names()) - NOT_FROM_A_FILE
