"""What is done on a host: everything on a bare one, nothing on one that is prepared, and each thing by itself."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from packstack.facts import HOSTS_FILE, SELINUX_FILE, SYSCTL_FILE, UNMANAGED_FILE
from packstack.preparation import actions, hosts_text, with_values
from tests.packstack.samples import BARE, COMPUTE, KEY, PREPARED, subject


def titles(changes: Any = None, **keys: Any) -> list[str]:
    return [action.title for action in actions(subject(changes, **keys), KEY)]


def test_a_prepared_host_is_left_as_it_is() -> None:
    assert titles() == []


def test_a_bare_host_gets_everything_in_this_order() -> None:
    assert titles(BARE) == [
        "host name nagoya.example.net",
        "/etc/hosts: nagoya.example.net",
        "package glibc-langpack-en",
        "locale en_US.UTF-8",
        "/etc/environment: en_US.UTF-8",
        "package dnf-plugins-core",
        "repository crb",
        "repository of OpenStack dalmatian",
        "updates of all packages",
        "package chrony",
        "chronyd",
        "clock in sync",
        "SELinux permissive",
        "/etc/selinux/config: permissive",
        "firewalld off",
        "/etc/NetworkManager/conf.d/90-vpn-connect.conf: eth1",
        "eth1 left alone by NetworkManager",
        "swap of 4 GiB",
        "/etc/fstab: /swapfile",
        "/etc/sysctl.d/90-vpn-connect.conf",
        "kernel settings",
        "PackStack's key for root",
        "mark of this stack",
    ]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ("hostname", ["host name nagoya.example.net"]),
        (HOSTS_FILE, ["/etc/hosts: nagoya.example.net"]),
        ("selinux", ["SELinux permissive"]),
        (SELINUX_FILE, ["/etc/selinux/config: permissive"]),
        ("firewalld", ["firewalld off"]),
        ("devices", ["eth1 left alone by NetworkManager"]),
        (UNMANAGED_FILE, ["/etc/NetworkManager/conf.d/90-vpn-connect.conf: eth1"]),
        ("forwarding", ["kernel settings"]),
        (SYSCTL_FILE, ["/etc/sysctl.d/90-vpn-connect.conf", "kernel settings"]),
        ("clock", ["clock in sync"]),
        ("updates", ["updates of all packages"]),
        ("owner", ["mark of this stack"]),
    ],
)
def test_what_differs_alone_is_done_alone(fact: str, expected: list[str]) -> None:
    assert titles({fact: BARE[fact]}) == expected


def test_network_manager_stays_and_is_switched_on() -> None:
    assert titles({"networkmanager": ("disabled\ninactive", 3)}) == ["NetworkManager on"]


def test_selinux_that_is_disabled_stays_so() -> None:
    assert titles({"selinux": "Disabled", SELINUX_FILE: "SELINUX=disabled"}) == []


def test_rhel_has_its_own_repositories() -> None:
    rhel = {
        "subscription": "",
        "os": 'ID="rhel"\nVERSION_ID="9.4"',
        "packages": "dnf-plugins-core-4-1.el9.noarch\nchrony-4-1.el9.x86_64",
    }
    found = {action.title: action.script for action in actions(subject(rhel, distribution="rhel"), KEY)}
    assert found["repository codeready-builder-for-rhel-9-x86_64-rpms"] == (
        "subscription-manager repos --enable=codeready-builder-for-rhel-9-x86_64-rpms"
    )
    assert found["repository of OpenStack dalmatian"].endswith("/rdo-release.el9s.rpm")


def test_swap_can_be_done_without() -> None:
    assert titles({"swap": ""}, swapGib=0) == []


def test_hosts_know_each_other_and_a_name_stands_at_one_address() -> None:
    before = "127.0.0.1 localhost nagoya\n127.0.1.1 nagoya.example.net nagoya\n# kept\n192.0.2.77 printer\n"
    names = {"192.0.2.10": "nagoya.example.net", "192.0.2.11": COMPUTE["fqdn"]}
    after = hosts_text(before, names)
    assert after == (
        "127.0.0.1 localhost\n# kept\n192.0.2.77 printer\n"
        "192.0.2.10 nagoya.example.net nagoya\n192.0.2.11 compute1.example.net compute1\n"
    )
    assert hosts_text(after, names) == after


def test_values_are_replaced_or_added() -> None:
    assert with_values("LANG=ja_JP.UTF-8\nX=1\n", {"LANG": "a", "LC_ALL": "b"}) == "LANG=a\nX=1\nLC_ALL=b\n"


def test_every_script_is_valid_shell() -> None:
    for action in actions(subject({**PREPARED, **BARE, "networkmanager": ("", 3)}), KEY):
        checked = subprocess.run(["bash", "-n"], input=action.script, capture_output=True, text=True)
        assert checked.returncode == 0, (action.title, checked.stderr)
