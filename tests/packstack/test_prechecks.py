"""What stands in a host's way: every check has a host that it stops or would change, and words that tell what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from packstack.prechecks import CHECKS, Finding, findings
from tests.packstack.samples import BARE, COMPUTE, INTERFACES, PREPARED, settings, subject

DYNAMIC = json.loads(INTERFACES)
DYNAMIC[1]["addr_info"][0]["dynamic"] = True
TAKEN = json.loads(INTERFACES)
TAKEN[2]["addr_info"] = [{"family": "inet", "local": "203.0.113.7"}]
Changes = dict[str, str | tuple[str, int]]


def found(check: str, changes: Changes, **keys: Any) -> Finding:
    (finding,) = [one for one in findings(subject(changes, **keys)) if one.check == check]
    return finding


def test_a_prepared_host_is_fine() -> None:
    assert {finding.verdict for finding in findings(subject())} == {"fine"}
    assert len(CHECKS) >= 10


STOPS: list[tuple[str, Changes, dict[str, Any], str]] = [
    ("root", {"uid": "1000"}, {"user": "stack"}, "'stack' is not root and cannot become it; allow `sudo` without a password, or log in as root"),
    ("operating system", {"os": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"'}, {}, "Debian 12 is not 'centos'; set `distribution` to 'debian' if it is meant"),
    ("operating system", {"os": 'ID="centos"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Stream 8"'}, {}, "CentOS Stream 8: OpenStack dalmatian is packaged for version 9 only; install that"),
    ("subscription", {"subscription": ("", 1), "os": 'ID="rhel"\nVERSION_ID="9.4"'}, {"distribution": "rhel"}, "the system is not registered; run `subscription-manager register`"),
    ("architecture", {"architecture": "riscv64"}, {}, "there are no packages for 'riscv64'; take a host with x86_64 or aarch64"),
    ("virtualisation", {"cpu": "Architecture: x86_64"}, {}, "the processor offers none; switch it on in the firmware, or set virtType to qemu, which emulates"),
    ("memory", {"memory": f"Mem: {8 << 30}"}, {}, "8.0 GiB, and an OpenStack needs 15; add memory, or lower minimum.memoryGib"),
    ("disk", {"disk": f"Avail\n{200 << 30}\n{20 << 30}"}, {}, "20 GiB free on / or /var, and 50 are needed; make room, or lower minimum.diskGib"),
    ("host name", {"resolved": "198.51.100.9 STREAM"}, {}, "nagoya.example.net leads to 198.51.100.9, not to 192.0.2.10; correct the name server, or fqdn"),
    ("static address", {"interfaces": json.dumps(DYNAMIC)}, {}, "eth0 has 192.0.2.10 from DHCP; make it permanent: `nmcli connection modify` with ipv4.method manual, ipv4.addresses and ipv4.gateway"),
    ("static address", {}, {"address": "192.0.2.99"}, "no interface has 192.0.2.99, which OpenStack's services would listen at; the host has 127.0.0.1, 192.0.2.10"),
    ("provider interface", {}, {"providerInterface": "ens9"}, "there is no ens9; set providerInterface to one of eth0, eth1, lo"),
    ("provider interface", {"interfaces": json.dumps(TAKEN)}, {}, "eth1 has the address 203.0.113.7, which it loses as a port of the provider bridge, and SSH with it; take another interface, or remove the address"),
    ("repositories", {"repositories": ("", 1)}, {}, "dnf knows no repository; look at `dnf repolist`"),
    ("repositories", {"reachable": ("", 1)}, {}, "dnf finds no centos-release-openstack-dalmatian; can the repositories be reached? See `dnf repoquery centos-release-openstack-dalmatian`"),
    ("repositories", {"repositories": "repo id\nbaseos B\nepel E"}, {}, "epel has newer packages than OpenStack can do with; `dnf config-manager --set-disabled epel`"),
    ("SSH as root", {"sshd": "permitrootlogin no"}, {}, "PackStack logs in to its hosts as root; set `PermitRootLogin prohibit-password` in sshd_config"),
    ("SSH as root", {"sshd": "permitrootlogin yes"}, {}, "PackStack fetches Puppet's logs by sftp; add `Subsystem sftp internal-sftp` to sshd_config"),
    ("SSH as root", {"sshd": "port 2222\npermitrootlogin yes\nsubsystem sftp internal-sftp"}, {}, "PackStack logs in to its hosts at port 22; add `Port 22` to sshd_config"),
    ("existing OpenStack", {"keystonerc": "", "owner": ("", 1)}, {}, "there is one already (/root/keystonerc_admin), and this stack has not made it; take a fresh host, or use that OpenStack as any other cloud, with clouds.yaml (its administrator is in /root/keystonerc_admin)"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "changes", "keys", "text"), STOPS)
def test_what_somebody_has_to_set_right(check: str, changes: Changes, keys: dict[str, Any], text: str) -> None:
    assert found(check, changes, **keys) == Finding(check, "stop", text)


@pytest.mark.parametrize("check", ["host name", "locale", "time", "SELinux", "firewall", "network", "swap"])
def test_what_preparation_sets_right_stands_in_nobodys_way(check: str) -> None:
    assert found(check, {**BARE, "networkmanager": ("disabled\ninactive", 3)}).verdict == "will change"


def test_every_check_is_seen_to_object() -> None:
    changing = {finding.check for finding in findings(subject(BARE)) if finding.verdict == "will change"}
    assert {check for check, *_ in STOPS} | changing | {"network"} == set(CHECKS)


def test_an_openstack_of_the_same_stack_is_its_own() -> None:
    assert found("existing OpenStack", {"keystonerc": "", "owner": "me"}).verdict == "fine"
    assert found("existing OpenStack", {"keystonerc": "", "owner": "someone"}).verdict == "stop"


def test_emulation_needs_no_virtualisation_and_a_compute_host_no_provider_interface() -> None:
    assert found("virtualisation", {"cpu": ""}, virtType="qemu").verdict == "fine"
    both = settings(furtherHosts=[COMPUTE], providerInterface="ens9")
    on = subject(PREPARED)
    compute = type(on)(both.further_hosts[0], both, on.facts, on.owner)
    assert {one.check: one.verdict for one in findings(compute)}["provider interface"] == "fine"
