"""What has to be done on a host's system before PackStack can run: from facts to actions. Pure.

A host that is as it should be gets no action, so that a second run changes nothing. What is done and why follows RDO's
guide to PackStack (https://www.rdoproject.org/deploy/packstack/) for Enterprise Linux 9.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from packstack.facts import (
    AUTHORIZED_KEYS,
    DIRECTORY,
    ENVIRONMENT_FILE,
    FSTAB,
    HOSTS_FILE,
    OWNER,
    SELINUX_FILE,
    SYSCTL_FILE,
    UNMANAGED_FILE,
    release_package,
)
from packstack.prechecks import GIB, Subject
from packstack.releases import CRB, RDO_RELEASE_URL, RHEL, RHEL_CRB

LOCALE = "en_US.UTF-8"
SWAP_FILE = "/swapfile"
#: routers forward; NetworkManager leaves alone what Open vSwitch has
SYSCTL_TEXT = "# for OpenStack's routers\nnet.ipv4.ip_forward = 1\n"
UNMANAGED_TEXT = (
    "# Open vSwitch has these\n[keyfile]\nunmanaged-devices=interface-name:{interface};interface-name:br-*\n"
)
INSTALL = "dnf --assumeyes install {0}"


@dataclass(frozen=True)
class Action:
    """One thing that is done: what people read, and the shell script that does it."""

    title: str
    script: str


def actions(on: Subject, authorized_key: str) -> list[Action]:
    """What is left to be done, in order. `authorized_key`: the public key that PackStack logs in with."""
    return [
        *host_name(on),
        *locale(on),
        *repositories(on),
        *updates(on),
        *time(on),
        *selinux(on),
        *firewall(on),
        *network(on),
        *swap(on),
        *kernel(on),
        *ssh(on, authorized_key),
        *mark(on),
    ]


def host_name(on: Subject) -> Iterator[Action]:
    fqdn = on.host.fqdn
    if on.facts["hostname"].text != fqdn:
        yield Action(f"host name {fqdn}", f"hostnamectl set-hostname {fqdn}")
    before = on.facts.file(HOSTS_FILE)
    names = {str(host.address): host.fqdn for host in on.settings.hosts}
    if (after := hosts_text(before, names)) != before:
        yield write(f"{HOSTS_FILE}: {', '.join(names.values())}", HOSTS_FILE, after)


def hosts_text(before: str, names: dict[str, str]) -> str:
    """/etc/hosts with these names at these addresses, and nowhere else; a name on loopback would hide the address."""
    ours = {name for fqdn in names.values() for name in (fqdn, fqdn.partition(".")[0])}
    wanted = {f"{address} {fqdn} {fqdn.partition('.')[0]}" for address, fqdn in names.items()}
    lines = []
    for line in before.splitlines():
        words = line.partition("#")[0].split()
        kept = [word for word in words[1:] if word not in ours]
        if line in wanted:
            wanted.remove(line)
            lines.append(line)
        elif kept == words[1:]:
            lines.append(line)
        elif kept:
            lines.append(" ".join([words[0], *kept]))
    added = [f"{address} {fqdn} {fqdn.partition('.')[0]}" for address, fqdn in names.items()]
    return "".join(f"{line}\n" for line in [*lines, *(line for line in added if line in wanted)])


def locale(on: Subject) -> Iterator[Action]:
    if not {"en_US.utf8", LOCALE} & set(on.facts["locales"].lines):
        yield Action("package glibc-langpack-en", INSTALL.format("glibc-langpack-en"))
    if f"LANG={LOCALE}" not in on.facts["locale"].text:
        yield Action(f"locale {LOCALE}", f"localectl set-locale LANG={LOCALE}")
    before = on.facts.file(ENVIRONMENT_FILE)
    after = with_values(before, {"LANG": LOCALE, "LC_ALL": LOCALE})
    if after != before:
        yield write(f"{ENVIRONMENT_FILE}: {LOCALE}", ENVIRONMENT_FILE, after)


def with_values(text: str, values: dict[str, str]) -> str:
    """A file of NAME=value lines with these values."""
    for name, value in values.items():
        line = f"{name}={value}"
        if re.search(rf"^{name}=", text, re.MULTILINE):
            text = re.sub(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
        else:
            text += f"{line}\n"
    return text


def repositories(on: Subject) -> Iterator[Action]:
    package, packages = release_package(on.settings), on.facts.packages
    if "dnf-plugins-core" not in packages:
        yield Action("package dnf-plugins-core", INSTALL.format("dnf-plugins-core"))
    if on.settings.distribution == RHEL:
        crb = RHEL_CRB.format(architecture=on.facts["architecture"].text)
        enable, install = f"subscription-manager repos --enable={crb}", RDO_RELEASE_URL
    else:
        crb = CRB
        enable, install = f"dnf config-manager --set-enabled {crb}", package
    if crb not in on.facts.repositories:
        yield Action(f"repository {crb}", enable)
    if package not in packages:
        yield Action(f"repository of OpenStack {on.settings.release}", INSTALL.format(install))


def updates(on: Subject) -> Iterator[Action]:
    # `dnf check-update` ends with 100 when there are some. A repository that is only now enabled brings others.
    if on.facts["updates"].status == 100 or release_package(on.settings) not in on.facts.packages:
        yield Action("updates of all packages", "dnf --assumeyes update")


def time(on: Subject) -> Iterator[Action]:
    if "chrony" not in on.facts.packages:
        yield Action("package chrony", INSTALL.format("chrony"))
    if not all(on.facts.unit("chronyd")):
        yield Action("chronyd", "systemctl enable --now chronyd")
    if on.facts.values("clock").get("NTPSynchronized") != "yes":
        # 60 tries, 1 second apart, until the clock is right within 0.1 s
        yield Action("clock in sync", "chronyc -a makestep && chronyc waitsync 60 0.1 0 1")


def selinux(on: Subject) -> Iterator[Action]:
    if on.facts["selinux"].text == "Enforcing":
        yield Action("SELinux permissive", "setenforce 0")
    before = on.facts.file(SELINUX_FILE)
    after = re.sub(r"^SELINUX=enforcing$", "SELINUX=permissive", before, flags=re.MULTILINE)
    if after != before:
        yield write(f"{SELINUX_FILE}: permissive", SELINUX_FILE, after)


def firewall(on: Subject) -> Iterator[Action]:
    if any(on.facts.unit("firewalld")):
        yield Action("firewalld off", "systemctl disable --now firewalld")


def network(on: Subject) -> Iterator[Action]:
    if not all(on.facts.unit("networkmanager")):
        yield Action("NetworkManager on", "systemctl enable --now NetworkManager")
    if not on.on_provider_network:
        return
    interface = on.settings.provider_interface
    text = UNMANAGED_TEXT.format(interface=interface)
    if on.facts.file(UNMANAGED_FILE) != text:
        yield write(f"{UNMANAGED_FILE}: {interface}", UNMANAGED_FILE, text, "nmcli general reload")
    states = dict(line.split(":", 1) for line in on.facts["devices"].lines if ":" in line)
    if states.get(interface) != "unmanaged":
        yield Action(f"{interface} left alone by NetworkManager", f"nmcli device set {interface} managed no")


def swap(on: Subject) -> Iterator[Action]:
    if on.facts["swap"].text or not on.settings.swap_gib:
        return
    size = on.settings.swap_gib * GIB
    yield Action(
        f"swap of {on.settings.swap_gib} GiB",
        f"umask 077; fallocate --length {size} {SWAP_FILE}; chmod 600 {SWAP_FILE}; mkswap {SWAP_FILE}; "
        f"swapon {SWAP_FILE}",
    )
    if SWAP_FILE not in (before := on.facts.file(FSTAB)):
        yield write(f"{FSTAB}: {SWAP_FILE}", FSTAB, f"{before}{SWAP_FILE} none swap defaults 0 0\n")


def kernel(on: Subject) -> Iterator[Action]:
    if on.facts.file(SYSCTL_FILE) != SYSCTL_TEXT:
        yield write(f"{SYSCTL_FILE}", SYSCTL_FILE, SYSCTL_TEXT)
    if on.facts["forwarding"].text != "1" or on.facts.file(SYSCTL_FILE) != SYSCTL_TEXT:
        yield Action("kernel settings", f"sysctl --load={SYSCTL_FILE}")


def ssh(on: Subject, key: str) -> Iterator[Action]:
    if " ".join(key.split()[:2]) not in on.facts.file(AUTHORIZED_KEYS):
        directory = AUTHORIZED_KEYS.rpartition("/")[0]
        yield Action(
            "PackStack's key for root",
            f"umask 077; mkdir -p {directory}; echo {shlex.quote(key)} >> {AUTHORIZED_KEYS}; restorecon -r {directory}",
        )


def mark(on: Subject) -> Iterator[Action]:
    """Whose host it is: the OpenStack that is found here later is this stack's own."""
    if on.facts["owner"].text != on.owner:
        script = f"umask 077; mkdir -p {DIRECTORY}; echo {shlex.quote(on.owner)} > {OWNER}"
        yield Action("mark of this stack", script)


def write(title: str, path: str, text: str, then: str = "") -> Action:
    """An action that writes a whole file, which keeps its owner, mode and SELinux label where it is there."""
    quoted = shlex.quote(text)
    return Action(title, f"printf %s {quoted} > {path}" + (f"; {then}" if then else ""))
