"""A site from a killed start to its end, on a third site: the two that others may use stay as they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from pyroute2 import NetNS, netns

from lab import clouds, control, network
from lab.openstack.site import RunningSite
from lab.sites import INTERNET, SITES
from toolchain.paths import REPO

pytestmark = pytest.mark.lab
SITE = RunningSite(SITES["nagoya"])
LAB = [sys.executable, "-m", "lab"]
NAMESPACES = ("mnt", "pid", "net", "uts", "ipc")


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, *arguments], cwd=REPO, capture_output=True, text=True, timeout=600)


def until(ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def in_clouds_namespace(work: Callable[[], None]) -> None:
    """Run something in a thread that has entered the namespace and ends with it."""
    with ThreadPoolExecutor(1, initializer=network.enter, initargs=(INTERNET,)) as pool:
        pool.submit(work).result()


def listening() -> set[str]:
    """The machine's own TCP and UDP sockets that wait for others, as protocol and address in the kernel's words."""
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/self/net", protocol).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == ("0A" if protocol.startswith("tcp") else "07"):
                found.add(f"{protocol} {columns[1]}")
    return found


def processes_of(namespaces: set[str]) -> list[str]:
    """The command lines of the processes in any of these namespaces."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        for kind in NAMESPACES:
            try:
                if os.readlink(f"/proc/{process.pid}/ns/{kind}") in namespaces:
                    found.append(f"{process.pid} {process.info['cmdline']}")
                    break
            except OSError:
                continue
    return found


def make_server() -> None:
    """A network with a router and a server on it, as the tenant: QEMU, dnsmasq, and the namespaces that Neutron makes."""
    with clouds.connect(SITE.site, "demo", SITE.passwords()["demo"]) as tenant:
        lan = tenant.network.create_network(name="lan")
        subnet = tenant.network.create_subnet(name="lan", network_id=lan.id, cidr="192.168.99.0/24", ip_version=4)
        external = tenant.network.find_network("ext")
        router = tenant.network.create_router(name="r", external_gateway_info={"network_id": external.id})
        tenant.network.add_interface_to_router(router, subnet=subnet.id)
        image, flavor = tenant.image.find_image("linux"), tenant.compute.find_flavor("linux")
        server = tenant.compute.create_server(
            name="linux", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": lan.id}]
        )
        assert tenant.compute.wait_for_server(server, interval=1, wait=180).status == "ACTIVE"


@pytest.fixture(scope="module")
def site() -> Iterator[RunningSite]:
    """The third site, up after an `up` that was killed once it had started the container."""
    control.build()
    lab("down", SITE.site.name)
    killed = subprocess.Popen([*LAB, "up", SITE.site.name], cwd=REPO, stderr=subprocess.DEVNULL)
    until(lambda: SITE.init() is not None)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = lab("up", SITE.site.name)
    assert done.returncode == 0, done.stderr
    yield SITE
    lab("down", SITE.site.name)


def test_a_killed_up_leaves_one_container_after_the_next(site: RunningSite) -> None:
    containers = [one for one in psutil.process_iter(["cmdline"]) if site.root in (one.info["cmdline"] or ())]
    assert len(containers) == 1, containers


def test_a_second_up_changes_nothing(site: RunningSite) -> None:
    init, identity = site.init(), site.identity()
    done = lab("up", site.site.name)
    assert done.returncode == 0, done.stderr
    assert (site.init(), site.identity()) == (init, identity)


def test_a_service_that_dies_is_started_again_and_reported_with_its_log(site: RunningSite) -> None:
    init = site.init()
    assert init
    for service, argument in (("glance", "glance-api"), ("neutron-l3", "neutron-l3-agent")):
        before = site.services()[service]["restarts"]
        (victim, *_) = [one for one in init.children() if any(argument in word for word in one.cmdline())]
        victim.kill()
        until(lambda: site.services()[service]["restarts"] > before)  # noqa: B023
        until(lambda: site.services()[service]["running"])  # noqa: B023
        report = lab("status")
        assert f"{site.site.name}: {service} has died" in report.stderr
        assert f"== lab/{service}.log" in report.stderr


def test_no_port_is_open_to_the_machine_or_beyond(site: RunningSite) -> None:
    own, inside = os.readlink("/proc/self/ns/net"), processes_of({os.readlink(f"/proc/{site.init().pid}/ns/pid")})  # type: ignore[union-attr]
    assert inside
    for line in inside:
        assert os.readlink(f"/proc/{line.split()[0]}/ns/net") != own, line
    with NetNS(site.site.namespace) as ip:
        links = {link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    assert {"prov0", "mgmt0"} <= links  # both lead to the clouds' namespace, which has no link to the machine's
    with NetNS(INTERNET) as ip:
        outward = [link for link in ip.get_links() if link.get_attr("IFLA_LINK_NETNSID") is not None]
        names = {str(link.get_attr("IFLA_IFNAME")) for link in outward}
    assert names <= {f"{kind}-{name}" for kind in "pm" for name in SITES}


def test_down_leaves_nothing(site: RunningSite) -> None:
    ports = listening()
    in_clouds_namespace(make_server)
    assert listening() <= ports
    init = site.init()
    assert init
    assert any("qemu-system" in name for name in processes_of({os.readlink(f"/proc/{init.pid}/ns/pid")}))
    own = {os.readlink(f"/proc/self/ns/{kind}") for kind in NAMESPACES}
    theirs = {
        os.readlink(f"/proc/{one.pid}/ns/{kind}")
        for one in (init, *init.children(recursive=True))
        for kind in NAMESPACES
    } - own
    assert processes_of(theirs)

    done = lab("down", site.site.name)

    assert done.returncode == 0, done.stderr
    until(lambda: not processes_of(theirs), 5)
    assert site.site.namespace not in netns.listnetns()
    assert str(site.directory) not in Path("/proc/self/mountinfo").read_text()
    assert not site.directory.exists()
    assert site.outer() is None
    if INTERNET in netns.listnetns():  # other sites run
        with NetNS(INTERNET) as ip:
            assert not [link for link in ip.get_links() if site.site.name in str(link.get_attr("IFLA_IFNAME"))]
    else:
        assert not network.namespaces()
