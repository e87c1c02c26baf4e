"""The OpenStack releases that RDO packages for Enterprise Linux 9, and where their repositories come from. Pure.

Sources: the OpenStack installation guide, "OpenStack packages for RHEL and CentOS", and RDO's guide to PackStack
(https://www.rdoproject.org/deploy/packstack/). EL 8 has Yoga at most and is not maintained any more.
"""

from __future__ import annotations

from typing import Literal

Release = Literal["yoga", "zed", "antelope", "bobcat", "caracal", "dalmatian"]

#: the major version of Enterprise Linux
EL = "9"
#: what the distributions call themselves in /etc/os-release (`ID`)
CENTOS_LIKE = ("centos", "rocky", "almalinux")
RHEL = "rhel"
#: packages are built for these
ARCHITECTURES = ("x86_64", "aarch64")
#: in CentOS's `extras`; brings the repository of a release
CENTOS_RELEASE_PACKAGE = "centos-release-openstack-{release}"
#: on RHEL, which has no such package; it brings the newest release's repository only
RDO_RELEASE_PACKAGE = "rdo-release"
RDO_RELEASE_URL = "https://trunk.rdoproject.org/rdo_release/rdo-release.el9s.rpm"
NEWEST: Release = "dalmatian"
#: CodeReady Builder, which OpenStack's packages draw on
CRB = "crb"
RHEL_CRB = "codeready-builder-for-rhel-9-{architecture}-rpms"
