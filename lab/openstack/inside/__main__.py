"""PID 1 of a container, on Debian's own python3, without the project's packages.

python3 -m inside golden            migrate the databases, bootstrap Keystone, register the services; then stop
python3 -m inside images FILE...    put images (NAME=PATH) into Glance and into Nova's image cache; then stop
python3 -m inside site              run a site as /etc/lab/site.json describes it
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shlex
import shutil
import socket
import sys
import threading
from typing import Any

from .services import ADMIN, NEUTRON, PASSWORD
from .supervisor import LOGS, Supervisor, port, say

#: there once a site has been started for the first time; it may be switched off and on
SET_UP = pathlib.Path("/etc/lab/set-up")


def golden(lab: Supervisor) -> None:
    lab.database()
    names = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron")
    lab.sql(
        "".join(f"create database {name} character set utf8; " for name in names)
        + "".join(
            f"create user os@{host} identified by '{PASSWORD}'; grant all on *.* to os@{host}; "
            for host in ("127.0.0.1", "localhost")
        )
    )

    def nova() -> None:
        lab.must(
            "nova-manage api_db sync && nova-manage cell_v2 map_cell0 && nova-manage cell_v2 create_cell --name=cell1"
            " && nova-manage db sync"
        )

    def neutron() -> None:
        lab.must(f"neutron-db-manage {NEUTRON} upgrade heads")

    def the_rest() -> None:
        keys = "--keystone-user root --keystone-group root"
        url = "http://127.0.0.1:5000/v3"
        lab.must(
            "mkdir -p /etc/keystone/fernet-keys /etc/keystone/credential-keys && keystone-manage db_sync"
            f" && keystone-manage fernet_setup {keys} && keystone-manage credential_setup {keys}"
        )
        lab.must(
            f"keystone-manage bootstrap --bootstrap-region-id RegionOne --bootstrap-internal-url {url}"
            f" --bootstrap-admin-url {url} --bootstrap-public-url http://PUBLIC:5000/v3",
            {"OS_BOOTSTRAP_PASSWORD": PASSWORD},
        )
        lab.start("keystone")
        port(5000)
        lab.must("openstack", ADMIN, pathlib.Path("/etc/lab/catalog").read_text())
        lab.must("glance-manage db_sync && placement-manage db sync")

    works = [threading.Thread(target=work) for work in (nova, neutron, the_rest)]
    for work in works:
        work.start()
    for work in works:
        work.join()


def images(lab: Supervisor, files: list[str]) -> None:
    lab.database()
    lab.start("keystone", "glance")
    port(5000)
    port(9292)
    base = pathlib.Path("/var/lib/nova/instances/_base")
    base.mkdir(parents=True, exist_ok=True)
    identities = (f"00000000-0000-4000-8000-{number:012}" for number in range(1, 100))

    def create(name: str, path: pathlib.Path, form: str, properties: dict[str, str]) -> str:
        identity = next(identities)
        kind = "bare" if form == "qcow2" else form
        options = " ".join(f"--property {key}={shlex.quote(value)}" for key, value in properties.items())
        lab.must(
            f"openstack image create --public --id {identity} --disk-format {form} --container-format {kind} "
            f"{options} --file {path} {name}",
            ADMIN,
        )
        # Nova's own cache (its name there is a digest of the identity): the first server need not wait for it
        shutil.copy(path, base / hashlib.sha1(identity.encode()).hexdigest())
        return identity

    for entry in files:
        name, disk = entry.split("=", 1)
        path, properties = pathlib.Path(disk), {"hw_rng_model": "virtio"}
        kernel, initrd = path.with_suffix(".vmlinuz"), path.with_suffix(".initrd.img")
        if kernel.exists():
            properties |= {
                "kernel_id": create(f"{name}-kernel", kernel, "aki", {}),
                "ramdisk_id": create(f"{name}-initrd", initrd, "ari", {}),
                "os_command_line": path.with_name("arguments").read_text(),
            }
        create(name, path, "qcow2", properties)


def site(lab: Supervisor) -> None:
    about = json.loads(pathlib.Path("/etc/lab/site.json").read_text())
    address, region = about["address"], about["region"]
    for file in ("/etc/nova/nova.conf", "/etc/neutron/neutron.conf", "/etc/neutron/plugins/ml2/linuxbridge_agent.ini"):
        path = pathlib.Path(file)
        path.write_text(path.read_text().replace("MANAGEMENT_ADDRESS", address).replace("= RegionOne", f"= {region}"))
    lab.start("rabbitmq", "libvirtd")
    lab.hatch("neutron", "nova", "privsep")
    lab.database()
    if not SET_UP.exists():
        make_the_sites_own(lab, about)
        SET_UP.touch()
    lab.start("keystone", "placement")
    port(5672)
    lab.start("neutron-server", "nova-conductor", "nova-api", "nova-scheduler", "glance")
    port(5000)
    port(9696)
    lab.start("neutron-linuxbridge", "neutron-dhcp", "neutron-l3", "neutron-metadata")
    port(8778)
    port(8774)
    lab.start("nova-compute")
    port(9292)
    say("all services are started")
    threading.Event().wait()


def make_the_sites_own(lab: Supervisor, about: dict[str, Any]) -> None:
    """What tells the site's databases from the golden layer's: region, addresses, passwords, the host."""
    import bcrypt  # type: ignore[import-not-found]  # Keystone's own dependency, in the container

    address, region, host = about["address"], about["region"], socket.gethostname()
    passwords = "".join(
        "update password p join local_user u on p.local_user_id=u.id set p.password_hash="
        f"'{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}' where u.name='{user}'; "
        for user, password in about["passwords"].items()
    )
    # discovery of the host by Nova would take up to a minute
    lab.sql(
        f"use keystone; insert into region (id, description, extra) values ('{region}', '', '{{}}'); "
        f"update endpoint set region_id='{region}', url=replace(url, 'PUBLIC', '{address}'); "
        f"delete from region where id='RegionOne'; {passwords}"
        "insert into nova_api.host_mappings (created_at, cell_id, host) "
        f"select now(), id, '{host}' from nova_api.cell_mappings where name='cell1';"
    )


def forget_logs() -> None:
    """A site's logs begin with the site."""
    for log in pathlib.Path("/var/log").glob("*/*.log"):
        log.write_text("")


def main() -> None:
    for directory in (
        LOGS,
        "/run/mysqld",
        "/run/libvirt",
        "/run/memcached",
        "/var/lock/nova",
        "/var/lock/neutron",
        *(
            f"/var/log/{name}"
            for name in ("keystone", "glance", "placement", "nova", "neutron", "libvirt", "mysql", "rabbitmq")
        ),
    ):
        os.makedirs(directory, exist_ok=True)
    lab = Supervisor()
    match sys.argv[1:]:
        case ["golden"]:
            golden(lab)
            forget_logs()
        case ["images", *files]:
            images(lab, files)
            forget_logs()
        case ["site"]:
            site(lab)
    lab.stop()
    say("done")
    os._exit(0)


if __name__ == "__main__":
    main()
