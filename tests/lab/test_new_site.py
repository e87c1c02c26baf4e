"""A bare host becomes the lab's third cloud and is joined to Tokyo, by one `pulumi up` of the example stack.

Where PackStack would run Puppet, the stand-in on the host asks here for an OpenStack, and the lab starts a real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyroute2 import NetNS

from lab import clouds, control, stack
from lab.guests import images as guest_images
from lab.machines import Machines
from lab.network import inside
from lab.openstack.site import RunningSite
from lab.sites import INTERNET, SITES
from tests.packstack.host import STANDIN_HOME, TestHost
from tests.packstack.host import running as running_host
from toolchain.environment import environment
from toolchain.paths import REPO

pytestmark = pytest.mark.lab
EXAMPLE, STACK = REPO / "examples/new-site", "nagoya"
NAGOYA = SITES["nagoya"]
#: the host's management address, and the lab's end of the wire to it
ADDRESS, LAB_ADDRESS = "198.18.9.2", "198.18.9.1"


@pytest.fixture(scope="module")
def host(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHost]:
    """A bare host that the lab's client can reach, and an OpenStack for it once PackStack wants one."""
    over = threading.Event()
    control.down(["nagoya"])
    with running_host(tmp_path_factory.mktemp("host"), ADDRESS) as started:
        with NetNS(INTERNET) as internet, NetNS(started.namespace) as own:
            internet.link("add", ifname="m-host", kind="veth", peer={"ifname": "lab0", "net_ns_fd": started.namespace})
            for ip, name, address in ((internet, "m-host", LAB_ADDRESS), (own, "lab0", None)):
                index = ip.link_lookup(ifname=name)[0]
                if address:
                    ip.addr("add", index=index, address=address, prefixlen=24)
                else:
                    ip.link("set", index=index, master=own.link_lookup(ifname="eth0")[0])
                ip.link("set", index=index, state="up")
        serving = threading.Thread(target=serve, args=(started, over))
        serving.start()
        try:
            yield started
        finally:
            over.set()
            serving.join()
            control.down(["nagoya"])


def serve(host: TestHost, over: threading.Event) -> None:
    """Puppet's place: start the third cloud when the host asks for one, and leave it as bare as PackStack leaves one."""
    outside = host.root / STANDIN_HOME / "outside"
    outside.mkdir(parents=True)
    while not over.wait(0.2):
        if (outside / "ask").exists() and not (outside / "answer").exists():
            control.up(["nagoya"])
            password = RunningSite(NAGOYA).passwords()["admin"]
            inside(strip)
            about = clouds.cloud(NAGOYA, "admin", password)
            answer = {
                "auth_url": about["auth"]["auth_url"],
                "region": NAGOYA.region,
                "user": "admin",
                "password": password,
            }
            (outside / "answer.new").write_text(json.dumps(answer))
            (outside / "answer.new").rename(outside / "answer")


def strip() -> None:
    """Take away what the lab gives its clouds and PackStack does not: the external network and the flavors."""
    password = RunningSite(NAGOYA).passwords()["admin"]
    with clouds.connect(NAGOYA, "admin", password) as admin:
        admin.network.delete_network(admin.network.find_network("ext", ignore_missing=False))
        for flavor in admin.compute.flavors():
            admin.compute.delete_flavor(flavor)


def image(name: str, file: Path) -> dict[str, Any]:
    """A guest image from its file, with the properties that the lab's images have; kernels are in every cloud."""
    with clouds.connect(SITES["tokyo"], "admin", RunningSite(SITES["tokyo"]).passwords()["admin"]) as admin:
        known = admin.image.find_image(name, ignore_missing=False)
    properties = {
        "kernel_id": known.kernel_id, "ramdisk_id": known.ramdisk_id, "os_command_line": known.os_command_line,
        "hw_rng_model": known.hw_rng_model,
    }  # fmt: skip
    return {"file": str(file), "properties": {key: value for key, value in properties.items() if value}}


class NewSite:
    """The example stack with the lab's values."""

    def __init__(self, host: TestHost, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            **environment(),
            "OS_CLIENT_CONFIG_FILE": str(clouds.clouds_yaml()),
            "PULUMI_BACKEND_URL": f"file://{directory}",
            "PULUMI_STACK": STACK,
            "PULUMI_OPTION_CONFIG_FILE": str(directory / f"Pulumi.{STACK}.yaml"),
        }
        shutil.copy(EXAMPLE / "Pulumi.yaml", directory)
        guests = guest_images(control.say)
        nagoya = {
            "address": ADDRESS,
            "fqdn": "nagoya.example.net",
            "hostKey": host.key.export_public_key().decode().strip(),
            "providerInterface": "eth1",
            "virtType": "qemu",
            "region": NAGOYA.region,
            "floatingRange": {
                "network": "203.0.113.0/24", "gateway": "203.0.113.1", "first": NAGOYA.pool[0], "last": NAGOYA.pool[1],
                "physicalNetwork": "physnet1",
            },
            "images": {
                name: inside(lambda name=name, file=file: image(name, file))  # type: ignore[misc]
                for name, file in (("vyos", guests.router), ("linux", guests.linux))
            },
            "flavors": {
                "vyos": {"ramMib": 256, "diskGib": 1},
                "linux": {"ramMib": 192, "diskGib": 1},
            },
        }  # fmt: skip
        self.configure(
            hosts={"nagoya": nagoya},
            siteDefaults={"adminCidrs": ["203.0.113.1/32"]},
            sites={
                "tokyo": {"number": 1, "cloud": "tokyo", "lan": "192.168.10.0/24"},
                "nagoya": {"number": 3, "cloud": "nagoya", "lan": "192.168.30.0/24", "vyosHostKey": "first-contact"},
            },
        )
        self.pulumi("stack", "select", "--create", STACK, where=directory)
        key = host.private_key
        self.pulumi("config", "set", "--secret", "hostPrivateKey", where=directory, stdin=key)

    def configure(self, **keys: Any) -> None:
        """Set values of the configuration; the others stay."""
        file = self.directory / f"Pulumi.{STACK}.yaml"
        found = yaml.safe_load(file.read_text()) if file.exists() else {"config": {}}
        found["config"] |= {f"new-site:{key}": value for key, value in keys.items()}
        file.write_text(yaml.safe_dump(found, sort_keys=False))

    def pulumi(self, *arguments: str, where: Path = EXAMPLE, stdin: str = "", status: int = 0) -> str:
        """Run a Pulumi command in the clouds' namespace; what it printed. AssertionError when it ends otherwise."""
        done = subprocess.run(
            stack.command(*arguments, project=where),
            env=self.environment,
            text=True,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def up(self, *arguments: str) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments)

    def outputs(self) -> dict[str, Any]:
        done = subprocess.run(
            ["pulumi", "-C", str(self.directory), "stack", "output", "--json", "--show-secrets"],
            env=self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return dict(json.loads(done.stdout))

    def resources(self) -> list[dict[str, Any]]:
        exported = json.loads(self.pulumi("stack", "export"))
        return list(exported["deployment"].get("resources", ()))


@pytest.fixture(scope="module")
def new_site(host: TestHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewSite]:
    """The stack, with nothing in it at first and afterwards."""
    made = NewSite(host, tmp_path_factory.mktemp("new-site"))
    try:
        yield made
    finally:
        with contextlib.suppress(AssertionError):  # nothing was made
            made.configure(protectHosts=False)
            made.pulumi("state", "unprotect", "--all", "--yes")
        made.pulumi("destroy", "--yes", "--skip-preview")


def test_a_bare_host_is_part_of_the_vpn_after_one_up(new_site: NewSite, host: TestHost) -> None:
    shown = new_site.pulumi("preview")
    assert "nagoya-openstack create" in shown
    assert host.changed() == [], "a preview does not touch the host"

    host.state(memory=1 << 30)
    refused = new_site.pulumi("up", "--yes", "--skip-preview", status=1)
    assert "nothing on the hosts has been touched; set these right first:" in refused
    assert host.changed() == []
    host.state(memory=33 << 30)

    started = time.monotonic()
    shown = new_site.up()
    print(f"one up from a bare host: {time.monotonic() - started:.0f} s")
    assert "192.0.2" not in shown
    assert "198.18.9.2_controller.pp:" in shown, "PackStack's progress, line by line"
    outputs = new_site.outputs()
    assert outputs["hosts"]["nagoya"]["packstack"] == "26.0.0"
    opened = Machines(outputs, INTERNET)
    try:
        for site, peer in (("nagoya", "tokyo"), ("tokyo", "nagoya")):
            target = outputs["sites"][peer]["linuxAddress"]
            assert "3 received" in opened.run(site, "linux", f"ping -n -c 3 -i 0.2 -W 2 {target}").stdout
        assert "ESTABLISHED" in opened.run("nagoya", "router", "sudo swanctl --list-sas").stdout
    finally:
        opened.close()
    new_site.up("--expect-no-changes")


def test_the_vpns_user_is_an_ordinary_one_with_quotas(new_site: NewSite) -> None:
    """It was made by the administrator, and can do no more than its project needs."""
    (provider,) = [one for one in new_site.resources() if one["urn"].endswith("providers:openstack::nagoya-user")]
    assert provider["inputs"]["userName"] == provider["inputs"]["tenantName"] == "vpn"
    password = RunningSite(NAGOYA).passwords()["admin"]

    def quotas() -> tuple[list[int], list[str]]:
        with clouds.connect(NAGOYA, "admin", password) as admin:
            project = admin.identity.find_project("vpn", ignore_missing=False)
            user = admin.identity.find_user("vpn", ignore_missing=False)
            roles = [
                admin.identity.get_role(one.role["id"]).name
                for one in admin.identity.role_assignments(user_id=user.id, scope_project_id=project.id)
            ]
            nova, neutron = admin.compute.get_quota_set(project), admin.network.get_quota(project.id)
            return [nova.instances, nova.cores, neutron.networks, neutron.ports, neutron.floating_ips], roles

    assert inside(quotas) == ([10, 20, 10, 100, 10], ["member"])


def test_no_secret_is_printed_or_kept_in_plain(new_site: NewSite, host: TestHost) -> None:
    outputs = new_site.outputs()
    secrets = [
        RunningSite(NAGOYA).passwords()["admin"],
        *host.private_key.splitlines()[2:-1],
    ]
    assert secrets[0] in outputs["keystonerc"]["nagoya"]
    kept = [path.read_text(errors="replace") for path in new_site.directory.rglob("*") if path.is_file()]
    assert len(kept) > 2
    assert not [one for one in secrets if any(one in text for text in kept)]


def test_destroy_never_deletes_an_openstack_silently(new_site: NewSite) -> None:
    before = [one["urn"] for one in new_site.resources()]
    shown = new_site.pulumi("destroy", "--yes", status=1)
    assert "cannot be deleted" in shown
    assert "because it is protected" in shown
    assert [one["urn"] for one in new_site.resources()] == before
    new_site.configure(protectHosts=False)
    new_site.up()
    shown = new_site.pulumi("destroy", "--yes", "--skip-preview")
    assert "its OpenStack goes on running; it goes when the host is installed anew" in shown
    assert new_site.resources() == []
