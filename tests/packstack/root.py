"""The tree that a host of the tests runs on: Debian with an SSH server, the real PackStack, and stand-ins for EL's tools."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.openstack.debian import debian_root, in_root
from packstack import definitions
from toolchain.paths import build_once, cache, key
from toolchain.versions import DEBIAN_SUITE

HERE = Path(__file__).parent
PACKAGES = ["openssh-server", "openssh-client", "python3", "iproute2", "procps", "sudo", "netbase"]
STANDIN = HERE / "standin.py"
#: what PackStack copies to each host for Puppet; here empty directories
PUPPET_MODULES = (
    "aodh", "apache", "ceilometer", "cinder", "concat", "firewall", "glance", "gnocchi", "heat", "horizon", "inifile",
    "ironic", "keystone", "magnum", "manila", "memcached", "mysql", "neutron", "nova", "nssdb", "openstacklib", "oslo",
    "ovn", "packstack", "placement", "rabbitmq", "redis", "remote", "rsync", "ssh", "stdlib", "swift", "sysctl",
    "systemd", "tempest", "trove", "vcsrepo", "vswitch", "xinetd",
)  # fmt: skip
OS_RELEASE = 'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nVERSION_ID="9"\nPRETTY_NAME="CentOS Stream 9"\n'


def base() -> Path:
    """Debian with the few packages, and PackStack."""
    real = definitions.environment()

    def build(target: Path) -> None:
        root = target / "root"
        debian_root(root, PACKAGES)
        in_root(
            root, "rm -f /etc/ssh/ssh_host_*; mkdir -p /run/sshd; passwd -d root; useradd -m -s /bin/bash -p '*' stack"
        )
        libraries = next(real.glob("lib/python3*/site-packages"))
        shutil.copytree(libraries, root / "usr/local/lib/python3.11/dist-packages", dirs_exist_ok=True)
        shutil.copytree(real / "share/packstack", root / "usr/share/packstack")
        for module in PUPPET_MODULES:
            (root / "usr/share/openstack-puppet/modules" / module).mkdir(parents=True)

    return (
        build_once(cache("packstack", "root-" + key(DEBIAN_SUITE, *PACKAGES, str(real), Path(__file__))), build)
        / "root"
    )
