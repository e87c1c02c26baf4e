"""The clouds as their users see them: clouds.yaml, and what an administrator sets up in a fresh site."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lab.files import write_whole
from lab.openstack.site import RunningSite
from lab.sites import PROVIDER_GATEWAY, PROVIDER_NETWORK, SITES, Site
from toolchain.paths import state

if TYPE_CHECKING:
    import openstack

logging.getLogger("keystoneauth").setLevel(logging.ERROR)  # a Keystone that does not answer yet is no news
AGENTS = {"neutron-linuxbridge-agent", "neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"}


def clouds_yaml() -> Path:
    """The clouds for users: ordinary members of a project, nothing more."""
    return state("lab", "clouds.yaml")


def admin_clouds_yaml() -> Path:
    """The administrator's view, for the lab itself and its tests."""
    return state("lab", "admin-clouds.yaml")


def write_clouds(running: list[RunningSite]) -> None:
    """Write both files, for their owner's eyes only."""
    for path, user in ((clouds_yaml(), "demo"), (admin_clouds_yaml(), "admin")):
        text = yaml.safe_dump(
            {"clouds": {one.site.name: cloud(one.site, user, one.passwords()[user]) for one in running}},
            sort_keys=False,
        )
        write_whole(path, text)


def cloud(site: Site, user: str, password: str) -> dict[str, Any]:
    return {
        "auth": {
            "auth_url": f"http://{site.api_address}:5000/v3",
            "username": user,
            "password": password,
            "project_name": user,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": site.region,
        "identity_api_version": 3,
    }


def connect(site: Site, user: str, password: str) -> openstack.connection.Connection:
    """A connection as a user; the calling thread must be in a namespace that reaches the site."""
    import openstack  # takes most of a second, which only those pay who talk to a cloud

    return openstack.connection.Connection(**cloud(site, user, password), app_name="lab")


def as_tenant(site: str) -> openstack.connection.Connection:
    """A running site as its ordinary user sees it; the calling thread must be where the site can be reached."""
    return connect(SITES[site], "demo", RunningSite(SITES[site]).passwords()["demo"])


def set_up(running: RunningSite, real_vyos: bool, limit: float = 240) -> None:
    """Wait for a site's services, create its flavors and its external network; TimeoutError after `limit` seconds."""
    deadline = time.monotonic() + limit
    with connect(running.site, "admin", running.passwords()["admin"]) as admin:
        retry(lambda: create_external_network(admin, running.site), running, deadline)
        retry(lambda: create_flavors(admin, real_vyos), running, deadline)
        retry(lambda: must_be_ready(admin), running, deadline)


def create_external_network(admin: openstack.connection.Connection, site: Site) -> None:
    network = admin.network.find_network("ext") or admin.network.create_network(
        name="ext", is_router_external=True, provider_network_type="flat", provider_physical_network="physnet1"
    )
    first, last = site.pool
    if not admin.network.find_subnet("ext", network_id=network.id):
        admin.network.create_subnet(
            name="ext",
            network_id=network.id,
            cidr=PROVIDER_NETWORK,
            ip_version=4,
            enable_dhcp=False,
            gateway_ip=PROVIDER_GATEWAY,
            allocation_pools=[{"start": first, "end": last}],
        )


def create_flavors(admin: openstack.connection.Connection, real_vyos: bool) -> None:
    flavors: Mapping[str, tuple[int, int]] = {"vyos": (1024, 10) if real_vyos else (256, 1), "linux": (192, 1)}
    for name, (ram, disk) in flavors.items():
        if not admin.compute.find_flavor(name):
            admin.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=disk)


def must_be_ready(admin: openstack.connection.Connection) -> None:
    """Raise unless every Neutron agent and the hypervisor have reported."""
    alive = {agent.binary for agent in admin.network.agents() if agent.is_alive}
    if missing := AGENTS - alive:
        raise NotReady(f"Neutron agents: {', '.join(sorted(missing))}")
    # without details: these would ask the host itself for its uptime, for a minute if it does not listen yet
    if not any(hypervisor.state == "up" for hypervisor in admin.compute.hypervisors()):
        raise NotReady("hypervisor")


class NotReady(Exception):
    """A part of a site has not reported yet."""


def retry(work: Any, running: RunningSite, deadline: float) -> None:
    """Try every half second until it works or the site has ended or the time is over."""
    from openstack.exceptions import SDKException

    while True:
        try:
            work()
            return
        except (NotReady, SDKException, OSError) as error:
            if running.outer() is None:
                console = (running.directory / "console.log").read_text(errors="replace")
                raise RuntimeError(f"site {running.site.name} ended:\n{console[-2000:]}") from error
            if time.monotonic() > deadline:
                raise TimeoutError(f"site {running.site.name} did not become ready: {error}") from error
            time.sleep(0.5)
        except Exception as error:  # keystoneauth has no common base for a service that is not there yet
            if time.monotonic() > deadline or "keystoneauth1" not in type(error).__module__:
                raise
            time.sleep(0.5)
