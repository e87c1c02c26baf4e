"""A host as the tests of the pure parts see it: what its tools print, bare and prepared, and its settings."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from packstack.facts import (
    AUTHORIZED_KEYS,
    ENVIRONMENT_FILE,
    FSTAB,
    HOSTS_FILE,
    SELINUX_FILE,
    SEPARATOR,
    START,
    SYSCTL_FILE,
    UNMANAGED_FILE,
    Facts,
    commands,
)
from packstack.prechecks import Subject
from packstack.preparation import SYSCTL_TEXT, UNMANAGED_TEXT
from packstack.settings import HostSettings, parse_hosts

KEY = "ssh-rsa AAAAB3NzaC1yc2E root@nagoya"
RAW: dict[str, Any] = {
    "address": "192.0.2.10",
    "fqdn": "nagoya.example.net",
    "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA root@nagoya",
    "providerInterface": "eth1",
    "floatingRange": {
        "network": "203.0.113.0/24", "gateway": "203.0.113.1", "first": "203.0.113.200", "last": "203.0.113.249",
    },
}  # fmt: skip
COMPUTE = {"address": "192.0.2.11", "fqdn": "compute1.example.net", "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB"}
INTERFACES = json.dumps(
    [
        {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1"}]},
        {
            "ifname": "eth0",
            "addr_info": [{"family": "inet", "local": "192.0.2.10"}, {"family": "inet6", "local": "fe80::1"}],
        },
        {"ifname": "eth1", "addr_info": []},
    ]
)
#: what each fact's command prints, and its status where it is not 0, on a host that needs no preparation
PREPARED: dict[str, str | tuple[str, int]] = {
    "uid": "0",
    "os": 'ID="centos"\nVERSION_ID="9"\nPRETTY_NAME="CentOS Stream 9"',
    "architecture": "x86_64",
    "cpu": "Architecture:    x86_64\nVirtualization:  VT-x",
    "memory": f"       total\nMem:   {33 << 30}  1  1",
    "disk": f"Avail\n{200 << 30}\n{180 << 30}",
    "hostname": "nagoya.example.net",
    "resolved": "192.0.2.10      STREAM nagoya.example.net\n192.0.2.10      DGRAM",
    "interfaces": INTERFACES,
    "locales": "C.utf8\nen_US.utf8",
    "locale": "System Locale: LANG=en_US.UTF-8",
    "clock": "NTP=yes\nNTPSynchronized=yes",
    "chronyd": "enabled\nactive",
    "repositories": "repo id   repo name\nbaseos  BaseOS\ncrb  CRB\ncentos-openstack-dalmatian  OpenStack",
    "reachable": "centos-release-openstack-dalmatian-0:1-1.el9s.noarch",
    "packages": (
        "dnf-plugins-core-4.3.0-13.el9.noarch\nglibc-langpack-en-2.34-100.el9.x86_64\nchrony-4.3-1.el9.x86_64\n"
        "centos-release-openstack-dalmatian-1-1.el9s.noarch\npackage openstack-packstack is not installed",
        1,
    ),
    "updates": "",
    "selinux": "Permissive",
    "firewalld": ("disabled\ninactive", 3),
    "networkmanager": "enabled\nactive",
    "devices": "eth0:connected\neth1:unmanaged",
    "swap": "/swapfile 4294967296",
    "forwarding": "1",
    "sshd": "port 22\npermitrootlogin without-password\nsubsystem sftp /usr/libexec/openssh/sftp-server",
    "key": KEY,
    "keystonerc": ("", 1),
    "owner": "me",
    HOSTS_FILE: "127.0.0.1 localhost\n192.0.2.10 nagoya.example.net nagoya",
    SELINUX_FILE: "SELINUX=permissive",
    FSTAB: "/dev/vda1 / xfs defaults 0 0\n/swapfile none swap defaults 0 0",
    ENVIRONMENT_FILE: "LANG=en_US.UTF-8\nLC_ALL=en_US.UTF-8",
    SYSCTL_FILE: SYSCTL_TEXT,
    UNMANAGED_FILE: UNMANAGED_TEXT.format(interface="eth1"),
    AUTHORIZED_KEYS: KEY,
}
#: what differs on a bare host
BARE: dict[str, str | tuple[str, int]] = {
    "hostname": "localhost",
    "resolved": ("", 2),
    "locales": "C.utf8",
    "locale": "System Locale: LANG=C.UTF-8",
    "clock": "NTP=no\nNTPSynchronized=no",
    "chronyd": ("disabled\ninactive", 3),
    "repositories": "repo id   repo name\nbaseos  BaseOS",
    "packages": ("package dnf-plugins-core is not installed", 9),
    "updates": ("kernel.x86_64 2 baseos", 100),
    "selinux": "Enforcing",
    "firewalld": "enabled\nactive",
    "devices": "eth0:connected\neth1:disconnected",
    "swap": "",
    "forwarding": "0",
    "key": ("", 1),
    "owner": ("", 1),
    HOSTS_FILE: "127.0.0.1 localhost localhost.localdomain",
    SELINUX_FILE: "# a comment\nSELINUX=enforcing\nSELINUXTYPE=targeted",
    FSTAB: "/dev/vda1 / xfs defaults 0 0",
    ENVIRONMENT_FILE: "",
    SYSCTL_FILE: ("", 1),
    UNMANAGED_FILE: ("", 1),
    AUTHORIZED_KEYS: ("", 1),
}


def settings(**keys: Any) -> HostSettings:
    """The least settings of a host, with other keys."""
    return parse_hosts({"nagoya": copy.deepcopy(RAW) | keys})["nagoya"]


def subject(changes: Mapping[str, str | tuple[str, int]] | None = None, owner: str = "me", **keys: Any) -> Subject:
    """A prepared host with what differs, by the names of its facts, and other settings."""
    found = settings(**keys)
    printed = ""
    for name, said in {**PREPARED, **(changes or {})}.items():
        text, status = said if isinstance(said, tuple) else (said, 0)
        printed += f"{START}{name}{SEPARATOR}{text}\n{SEPARATOR}{status}"
    facts = Facts.parse(printed)
    assert commands(found, found).keys() <= facts.facts.keys() | {"subscription"}, "a sample for each fact"
    return Subject(found, found, facts, owner)
