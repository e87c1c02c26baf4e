"""What of a host stands in the way of an OpenStack: all of it is told together, before anything is touched. Pure.

What preparation sets right by itself (SELinux, the firewall, swap …) is told too, and stands in nobody's way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packstack.facts import KEYSTONERC, Facts, package_to_find
from packstack.releases import ARCHITECTURES, EL, RHEL

if TYPE_CHECKING:
    from packstack.settings import Access, HostSettings

GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """What a check found. `fine`; `will change`: preparation sets it right; `stop`: somebody has to."""

    check: str
    verdict: Literal["fine", "will change", "stop"]
    text: str


@dataclass(frozen=True)
class Subject:
    """A host that is checked, for whom: `owner` names the stack that its OpenStack belongs to."""

    host: Access
    settings: HostSettings
    facts: Facts
    owner: str

    @property
    def controller(self) -> bool:
        return self.host.address == self.settings.address

    @property
    def on_provider_network(self) -> bool:
        """Whether the host needs the interface to the external network."""
        return str(self.host.address) in self.settings.addresses("network")


Found = tuple[Literal["fine", "will change", "stop"], str]


def root(on: Subject) -> Found:
    if on.facts["uid"].text == "0":
        return "fine", "root"
    return (
        "stop",
        f"{on.host.user!r} is not root and cannot become it; allow `sudo` without a password, or log in as root",
    )


def operating_system(on: Subject) -> Found:
    os = on.facts.os
    name, version = os.get("PRETTY_NAME", "an unknown system"), os.get("VERSION_ID", "")
    if os.get("ID") != on.settings.distribution:
        return (
            "stop",
            f"{name} is not {on.settings.distribution!r}; set `distribution` to {os.get('ID', '')!r} if it is meant",
        )
    if version.partition(".")[0] != EL:
        return "stop", f"{name}: OpenStack {on.settings.release} is packaged for version {EL} only; install that"
    return "fine", f"{name}, OpenStack {on.settings.release}"


def subscription(on: Subject) -> Found:
    if on.settings.distribution != RHEL:
        return "fine", "needs none"
    if on.facts["subscription"].status == 0:
        return "fine", "registered"
    return "stop", "the system is not registered; run `subscription-manager register`"


def architecture(on: Subject) -> Found:
    found = on.facts["architecture"].text
    if found in ARCHITECTURES:
        return "fine", found
    return "stop", f"there are no packages for {found!r}; take a host with {' or '.join(ARCHITECTURES)}"


def virtualisation(on: Subject) -> Found:
    if on.settings.virt_type == "qemu":
        return "fine", "not needed: virtType is qemu"
    if on.facts.virtualisation:
        return "fine", "the processor has it"
    return "stop", "the processor offers none; switch it on in the firmware, or set virtType to qemu, which emulates"


def memory(on: Subject) -> Found:
    has, least = on.facts.memory / GIB, on.settings.minimum.memory_gib
    if has >= least:
        return "fine", f"{has:.1f} GiB"
    return "stop", f"{has:.1f} GiB, and an OpenStack needs {least}; add memory, or lower minimum.memoryGib"


def disk(on: Subject) -> Found:
    has, least = on.facts.disk / GIB, on.settings.minimum.disk_gib
    if has >= least:
        return "fine", f"{has:.0f} GiB free"
    return "stop", f"{has:.0f} GiB free on / or /var, and {least} are needed; make room, or lower minimum.diskGib"


def host_name(on: Subject) -> Found:
    fqdn, address = on.host.fqdn, str(on.host.address)
    resolved = {line.split()[0] for line in on.facts["resolved"].lines}
    elsewhere = sorted(found for found in resolved if found != address and not found.startswith("127."))
    if elsewhere:
        return "stop", f"{fqdn} leads to {', '.join(elsewhere)}, not to {address}; correct the name server, or fqdn"
    if on.facts["hostname"].text == fqdn and resolved == {address}:
        return "fine", fqdn
    return "will change", f"becomes {fqdn}, with a line in /etc/hosts"


def static_address(on: Subject) -> Found:
    address = str(on.host.address)
    found = on.facts.interface_of(address)
    if found is None:
        there = ", ".join(sorted(one["local"] for addresses in on.facts.interfaces.values() for one in addresses))
        return "stop", f"no interface has {address}, which OpenStack's services would listen at; the host has {there}"
    name, about = found
    if about.get("dynamic"):
        return "stop", (
            f"{name} has {address} from DHCP; make it permanent: `nmcli connection modify` with ipv4.method manual, "
            "ipv4.addresses and ipv4.gateway"
        )
    return "fine", f"{address} on {name}"


def provider_interface(on: Subject) -> Found:
    name, interfaces = on.settings.provider_interface, on.facts.interfaces
    if not on.on_provider_network:
        return "fine", "not needed on this host"
    if name not in interfaces:
        return "stop", f"there is no {name}; set providerInterface to one of {', '.join(sorted(interfaces))}"
    if addresses := [one["local"] for one in interfaces[name]]:
        return "stop", (
            f"{name} has the address {addresses[0]}, which it loses as a port of the provider bridge, and SSH with it; "
            "take another interface, or remove the address"
        )
    return "fine", name


def locale(on: Subject) -> Found:
    if "LANG=en_US.UTF-8" in on.facts["locale"].text:
        return "fine", "en_US.UTF-8"
    return "will change", "becomes en_US.UTF-8, the only one that PackStack is tested with"


def time(on: Subject) -> Found:
    if on.facts.values("clock").get("NTPSynchronized") == "yes":
        return "fine", "in sync"
    return "will change", "is not in sync; chronyd will see to it"


def repositories(on: Subject) -> Found:
    enabled, reachable = on.facts["repositories"], on.facts["reachable"]
    if enabled.status or not on.facts.repositories:
        return "stop", "dnf knows no repository; look at `dnf repolist`"
    if epel := sorted(name for name in on.facts.repositories if name.startswith("epel")):
        return "stop", (
            f"{', '.join(epel)} has newer packages than OpenStack can do with; "
            f"`dnf config-manager --set-disabled {' '.join(epel)}`"
        )
    package = package_to_find(on.settings)
    if reachable.status or not (reachable.text or package in on.facts.packages):
        return "stop", f"dnf finds no {package}; can the repositories be reached? See `dnf repoquery {package}`"
    return "fine", "reachable"


def selinux(on: Subject) -> Found:
    if on.facts["selinux"].text == "Enforcing":
        return "will change", "becomes permissive: on EL 9 its policy and RabbitMQ do not go together"
    return "fine", on.facts["selinux"].text.lower() or "none"


def firewall(on: Subject) -> Found:
    if any(on.facts.unit("firewalld")):
        return "will change", "firewalld is switched off: PackStack writes rules of its own"
    return "fine", "no firewalld"


def network_manager(on: Subject) -> Found:
    if all(on.facts.unit("networkmanager")):
        return "fine", "NetworkManager, which stays"
    return "will change", "NetworkManager is switched on: EL 9 has no other"


def ssh_as_root(on: Subject) -> Found:
    lines = on.facts["sshd"].lines
    if not {f"permitrootlogin {word}" for word in ("yes", "without-password", "prohibit-password")} & set(lines):
        return "stop", "PackStack logs in to its hosts as root; set `PermitRootLogin prohibit-password` in sshd_config"
    if not any(line.startswith("subsystem sftp ") for line in lines):
        return "stop", "PackStack fetches Puppet's logs by sftp; add `Subsystem sftp internal-sftp` to sshd_config"
    if "port 22" not in lines:
        return "stop", "PackStack logs in to its hosts at port 22; add `Port 22` to sshd_config"
    return "fine", "with a key, and with sftp"


def swap(on: Subject) -> Found:
    if on.facts["swap"].text:
        return "fine", "there is some"
    if not on.settings.swap_gib:
        return "fine", "none, as swapGib says"
    return "will change", f"a file of {on.settings.swap_gib} GiB is made"


def existing_openstack(on: Subject) -> Found:
    parts = on.facts.openstack
    if not parts:
        return "fine", "none"
    if on.facts["owner"].text == on.owner:
        return "fine", "this stack's own"
    return "stop", (
        f"there is one already ({', '.join(parts)}), and this stack has not made it; take a fresh host, or use that "
        f"OpenStack as any other cloud, with clouds.yaml (its administrator is in {KEYSTONERC})"
    )


#: every check, by the name that it is told by
CHECKS: dict[str, Callable[[Subject], Found]] = {
    "root": root,
    "operating system": operating_system,
    "subscription": subscription,
    "architecture": architecture,
    "virtualisation": virtualisation,
    "memory": memory,
    "disk": disk,
    "host name": host_name,
    "static address": static_address,
    "provider interface": provider_interface,
    "locale": locale,
    "time": time,
    "repositories": repositories,
    "SELinux": selinux,
    "firewall": firewall,
    "network": network_manager,
    "SSH as root": ssh_as_root,
    "swap": swap,
    "existing OpenStack": existing_openstack,
}


def findings(on: Subject) -> Iterator[Finding]:
    """What every check found. Where one is not root, nothing else is known for certain."""
    for name, check in CHECKS.items():
        verdict, text = check(on)
        yield Finding(name, verdict, text)
        if check is root and verdict == "stop":
            return
