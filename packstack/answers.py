"""PackStack's answer file: what the settings say, laid over the defaults that PackStack itself writes. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packstack.settings import HostSettings

#: the key that PackStack logs in to the hosts with; it only reads RSA keys' names right
SSH_KEY = "/root/.ssh/id_rsa"
#: the provider bridge, as PackStack calls it by default
BRIDGE = "br-ex"
#: the options that are made from other settings, and from which
OWNED = {
    **dict.fromkeys(
        (
            "CONFIG_CONTROLLER_HOST",
            "CONFIG_STORAGE_HOST",
            "CONFIG_AMQP_HOST",
            "CONFIG_MARIADB_HOST",
            "CONFIG_REDIS_HOST",
        ),
        "address",
    ),
    "CONFIG_COMPUTE_HOSTS": "furtherHosts",
    "CONFIG_NETWORK_HOSTS": "furtherHosts",
    "CONFIG_SSH_KEY": "the key that the program makes on the host",
    "CONFIG_KEYSTONE_REGION": "region",
    "CONFIG_KEYSTONE_ADMIN_PW": "a secret that the program makes",
    "CONFIG_DEFAULT_PASSWORD": "secrets that the program makes",
    "CONFIG_NTP_SERVERS": "ntpServers",
    "CONFIG_NOVA_LIBVIRT_VIRT_TYPE": "virtType",
    "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": "floatingRange.physicalNetwork",
    "CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET": "floatingRange.physicalNetwork",
    "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": "providerInterface",
    "CONFIG_PROVISION_DEMO": "floatingRange, project and images, which take the demonstration's place",
}
#: a value that PackStack draws at random for each answer file: 8 or 16 bytes as hexadecimal digits
DRAWN = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
LINE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
#: characters; Heat's key must have 16, 24 or 32
PASSWORD_LENGTH = 32


class UnknownOptions(ValueError):
    """Answers that this PackStack has no option for."""


def answers(settings: HostSettings) -> dict[str, str]:
    """The options that differ from PackStack's defaults, without secrets.

    What a site of the VPN does not need is left out (object storage, telemetry, the demonstration); `answers` in the
    settings may add it again.
    """
    controller, floating = str(settings.address), settings.floating_range
    made = {
        **{name: controller for name, source in OWNED.items() if source == "address"},
        "CONFIG_COMPUTE_HOSTS": ",".join(settings.addresses("compute")),
        "CONFIG_NETWORK_HOSTS": ",".join(settings.addresses("network")),
        "CONFIG_SSH_KEY": f"{SSH_KEY}.pub",
        "CONFIG_DEFAULT_PASSWORD": "",
        "CONFIG_KEYSTONE_REGION": settings.region,
        "CONFIG_NTP_SERVERS": ",".join(settings.ntp_servers),
        "CONFIG_NOVA_LIBVIRT_VIRT_TYPE": settings.virt_type,
        "CONFIG_NEUTRON_OVN_BRIDGE_MAPPINGS": f"{floating.physical_network}:{BRIDGE}",
        "CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET": floating.physical_network,
        "CONFIG_NEUTRON_OVN_BRIDGE_IFACES": f"{BRIDGE}:{settings.provider_interface}",
        "CONFIG_PROVISION_DEMO": "n",
        "CONFIG_PROVISION_TEMPEST": "n",
        "CONFIG_SWIFT_INSTALL": "n",
        "CONFIG_CEILOMETER_INSTALL": "n",
        "CONFIG_AODH_INSTALL": "n",
    }
    return {**made, **settings.answers}


def render(defaults: str, given: Mapping[str, str], secret: str) -> str:
    """The answer file: PackStack's defaults with the given answers, and passwords made from `secret`.

    The passwords are the same each time, so that a run can be repeated; PackStack would draw others. UnknownOptions if
    the defaults lack an option that is given.
    """
    found = dict(LINE.findall(defaults))
    if unknown := sorted(given.keys() - found.keys()):
        raise UnknownOptions(f"this PackStack has no {', '.join(unknown)}")

    def line(match: re.Match[str]) -> str:
        name, default = match.groups()
        if name in given:
            return f"{name}={given[name]}"
        return f"{name}={password(secret, name)}" if DRAWN.fullmatch(default) else match.group()

    return LINE.sub(line, defaults)


def password(secret: str, purpose: str) -> str:
    """A password for a purpose, made from the stack's secret: 155 bits, the first character a letter.

    Lower-case letters and digits only, which no file of OpenStack's reads as anything else. It is no number: PackStack
    would replace one.
    """
    digest = hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)
    return f"p{base64.b32encode(digest).decode().lower()}"[:PASSWORD_LENGTH]


def secrets_in(text: str, secret: str) -> list[str]:
    """The passwords in an answer file."""
    return [value for name, value in LINE.findall(text) if value == password(secret, name)]
