"""What is to be known of a host before anything is done on it: one script that only reads, and what it found. Pure."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packstack.answers import SSH_KEY
from packstack.releases import CENTOS_RELEASE_PACKAGE, RDO_RELEASE_PACKAGE, RHEL

if TYPE_CHECKING:
    from packstack.settings import Access, HostSettings

#: what the program keeps on a host: whose OpenStack it is, the answer file, the runs of PackStack
DIRECTORY = "/var/lib/vpn-connect/packstack"
OWNER = f"{DIRECTORY}/owner"
SYSCTL_FILE = "/etc/sysctl.d/90-vpn-connect.conf"
UNMANAGED_FILE = "/etc/NetworkManager/conf.d/90-vpn-connect.conf"
SELINUX_FILE, HOSTS_FILE, FSTAB, ENVIRONMENT_FILE = (
    "/etc/selinux/config",
    "/etc/hosts",
    "/etc/fstab",
    "/etc/environment",
)
AUTHORIZED_KEYS = "/root/.ssh/authorized_keys"
KEYSTONERC = "/root/keystonerc_admin"
#: a fact begins and ends with, and its parts are separated by
START, SEPARATOR = "\x1e", "\x1f"
#: packages that are asked for: what preparation installs, and what an OpenStack has
PACKAGES = ("dnf-plugins-core", "glibc-langpack-en", "chrony", "openstack-packstack", "python3-openstackclient")
OPENSTACK_PACKAGES = ("openstack-keystone", "openstack-nova-api", "openstack-nova-compute", "openstack-neutron")


def commands(host: Access, settings: HostSettings) -> dict[str, str]:
    """Each fact's command. None of them changes anything but dnf's cache."""
    release = release_package(settings)
    packages = " ".join((*PACKAGES, *OPENSTACK_PACKAGES, release))
    unit = "systemctl is-enabled {0}; systemctl is-active {0}"
    found = {
        "uid": "id -u",
        "os": "cat /etc/os-release",
        "architecture": "uname -m",
        "cpu": "lscpu",
        "memory": "free --bytes",
        "disk": "df --block-size=1 --output=avail / /var",
        "hostname": "hostnamectl hostname",
        "resolved": f"getent ahostsv4 {shlex.quote(host.fqdn)}",
        "interfaces": "ip -json address show",
        "locales": "locale -a",
        "locale": "localectl status",
        "clock": "timedatectl show",
        "chronyd": unit.format("chronyd"),
        "repositories": "dnf --quiet repolist --enabled",
        "reachable": f"dnf --quiet repoquery --available {package_to_find(settings)}",
        "packages": f"rpm --query {packages}",
        "updates": "dnf --quiet check-update",
        "selinux": "getenforce",
        "firewalld": unit.format("firewalld"),
        "networkmanager": unit.format("NetworkManager"),
        "devices": "nmcli --terse --fields DEVICE,STATE device status",
        "swap": "swapon --show=NAME,SIZE --bytes --noheadings",
        "forwarding": "sysctl --values net.ipv4.ip_forward",
        "sshd": "sshd -T",
        "key": f"cat {SSH_KEY}.pub",
        "keystonerc": f"test -e {KEYSTONERC}",
        "owner": f"cat {OWNER}",
    }
    files = (HOSTS_FILE, SELINUX_FILE, FSTAB, ENVIRONMENT_FILE, SYSCTL_FILE, UNMANAGED_FILE, AUTHORIZED_KEYS)
    found |= {path: f"cat {path}" for path in files}
    if settings.distribution == RHEL:
        found["subscription"] = "subscription-manager identity"
    return found


def release_package(settings: HostSettings) -> str:
    """The package that brings the repository of the OpenStack release."""
    if settings.distribution == RHEL:
        return RDO_RELEASE_PACKAGE
    return CENTOS_RELEASE_PACKAGE.format(release=settings.release)


def package_to_find(settings: HostSettings) -> str:
    """A package that the enabled repositories have if they can be reached."""
    return "dnf-plugins-core" if settings.distribution == RHEL else release_package(settings)


def script(host: Access, settings: HostSettings) -> str:
    """The script that gathers the facts."""
    lines = ["export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    for name, command in commands(host, settings).items():
        lines.append(f"printf '{START}{name}{SEPARATOR}'; {{ {command}; }} 2> /dev/null < /dev/null")
        lines.append(f"printf '{SEPARATOR}%d' $?")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Fact:
    """What a command printed, and the status it ended with."""

    text: str
    status: int

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Facts:
    """What the script found, read where it needs reading."""

    def __init__(self, facts: dict[str, Fact]) -> None:
        self.facts = facts

    @classmethod
    def parse(cls, printed: str) -> Facts:
        """Read what the script printed; ValueError if it was cut short."""
        found = {}
        for part in printed.split(START)[1:]:
            name, text, status = part.split(SEPARATOR)
            found[name] = Fact(text.strip("\n"), int(status))
        return cls(found)

    def __getitem__(self, name: str) -> Fact:
        """A fact; an empty one that failed if the script did not come to it."""
        return self.facts.get(name, Fact("", 127))

    def file(self, path: str) -> str:
        """A file's text; empty if there is none."""
        fact = self[path]
        return f"{fact.text}\n" if fact.status == 0 and fact.text else ""

    @cached_property
    def os(self) -> dict[str, str]:
        """The values in /etc/os-release."""
        return self.values("os")

    def values(self, name: str) -> dict[str, str]:
        """A fact that is a list of NAME=value."""
        pairs = (line.partition("=") for line in self[name].lines if "=" in line)
        return {key.strip(): value.strip().strip('"') for key, _, value in pairs}

    def unit(self, name: str) -> tuple[bool, bool]:
        """Whether a systemd unit is enabled, and whether it is active."""
        lines = self[name].lines
        return "enabled" in lines, "active" in lines

    @cached_property
    def memory(self) -> int:
        """Bytes."""
        found = re.search(r"^Mem:\s+(\d+)", self["memory"].text, re.MULTILINE)
        return int(found[1]) if found else 0

    @cached_property
    def disk(self) -> int:
        """Bytes that are free on the fuller one of / and /var."""
        return min((int(line) for line in self["disk"].lines if line.strip().isdigit()), default=0)

    @cached_property
    def virtualisation(self) -> bool:
        """Whether the processor offers virtualisation to this system."""
        return bool(re.search(r"^Virtualization:\s+(VT-x|AMD-V)|^Architecture:\s+aarch64", self["cpu"].text, re.M))

    @cached_property
    def packages(self) -> frozenset[str]:
        """The packages that were asked for and are installed."""
        asked = (*PACKAGES, *OPENSTACK_PACKAGES, RDO_RELEASE_PACKAGE)
        lines = [line for line in self["packages"].lines if not line.endswith("is not installed")]
        names = {re.sub(r"-[^-]+-[^-]+$", "", line) for line in lines}
        return frozenset(name for name in names if name in asked or name.startswith("centos-release-"))

    @cached_property
    def interfaces(self) -> dict[str, list[dict[str, Any]]]:
        """The IPv4 addresses of each interface, as `ip -json` describes them."""
        listed = json.loads(self["interfaces"].text or "[]")
        return {
            one["ifname"]: [address for address in one.get("addr_info", ()) if address.get("family") == "inet"]
            for one in listed
            if "ifname" in one
        }

    def interface_of(self, address: str) -> tuple[str, dict[str, Any]] | None:
        """The interface that has an address, and what is known of it there."""
        for name, addresses in self.interfaces.items():
            for one in addresses:
                if one.get("local") == address:
                    return name, one
        return None

    @cached_property
    def repositories(self) -> frozenset[str]:
        """The ids of the enabled repositories."""
        return frozenset(line.split()[0] for line in self["repositories"].lines if line and line != "repo id")

    @cached_property
    def openstack(self) -> list[str]:
        """What of an OpenStack is here."""
        parts = sorted(self.packages & set(OPENSTACK_PACKAGES))
        return [*parts, KEYSTONERC] if self["keystonerc"].status == 0 else parts
