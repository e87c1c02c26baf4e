"""PID 1 of a container: starts OpenStack's services in order, watches them, starts again what dies.

Runs inside the container on Debian's own python3, without the project's packages:
    supervisor.py golden            migrate the databases, bootstrap Keystone, register the services; then stop
    supervisor.py images FILE...    put images (NAME=PATH) into Glance and into Nova's image cache; then stop
    supervisor.py site              run a site as /etc/lab/site.json describes it
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

LOGS = "/var/log/lab"
STATUS = "/run/lab-services.json"
PASSWORD = open("/etc/lab/password").read().strip()
STARTED = time.monotonic()
# 'Connection: close': without it clients see resets when uwsgi drops a kept connection
UWSGI = (
    "uwsgi --plugins python3 --http-socket 0.0.0.0:{} --master --lazy-apps --need-app --enable-threads --die-on-term"
    " --buffer-size 65535 --add-header 'Connection: close' --processes 1 --threads 4 --listen 100 --disable-logging"
    " --wsgi-file {}"
)
NEUTRON = "--config-file=/etc/neutron/neutron.conf --config-file=/etc/neutron/plugins/ml2/ml2_conf.ini"
SERVICES = {
    "mariadb": "mariadbd --defaults-file=/etc/mysql/my.cnf --user=root",
    "memcached": "memcached -u root -l 127.0.0.1 -m 64",
    "rabbitmq": "rabbitmq-server",
    "libvirtd": "libvirtd",
    "keystone": UWSGI.format(5000, "/usr/bin/keystone-wsgi-public"),
    "placement": UWSGI.format(8778, "/usr/bin/placement-api"),
    "glance": "glance-api --config-file=/etc/glance/glance-api.conf",
    "nova-api": "nova-api --config-file=/etc/nova/nova.conf",
    "nova-conductor": "nova-conductor --config-file=/etc/nova/nova.conf",
    "nova-scheduler": "nova-scheduler --config-file=/etc/nova/nova.conf",
    "nova-compute": "nova-compute --config-file=/etc/nova/nova.conf",
    "neutron-server": f"neutron-server {NEUTRON}",
    "neutron-linuxbridge": f"neutron-linuxbridge-agent {NEUTRON} "
    "--config-file=/etc/neutron/plugins/ml2/linuxbridge_agent.ini",
    "neutron-l3": "neutron-l3-agent --config-file=/etc/neutron/neutron.conf --config-file=/etc/neutron/l3_agent.ini",
    "neutron-dhcp": "neutron-dhcp-agent --config-file=/etc/neutron/neutron.conf "
    "--config-file=/etc/neutron/dhcp_agent.ini",
    "neutron-metadata": "neutron-metadata-agent --config-file=/etc/neutron/neutron.conf "
    "--config-file=/etc/neutron/metadata_agent.ini",
}
ADMIN = {
    "OS_AUTH_URL": "http://127.0.0.1:5000/v3",
    "OS_USERNAME": "admin",
    "OS_PASSWORD": PASSWORD,
    "OS_PROJECT_NAME": "admin",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_NAME": "Default",
    "OS_IDENTITY_API_VERSION": "3",
    "OS_INTERFACE": "internal",
}


def say(*words: object) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}]", *words, flush=True)


class Supervisor:
    """The services that should run, and what became of them. One thread reaps; only it calls wait()."""

    def __init__(self) -> None:
        self.running: dict[int, str] = {}
        self.restarts: dict[str, int] = {}
        self.ended: dict[int, int] = {}
        self.stopping = False
        threading.Thread(target=self.reap, daemon=True).start()

    def start(self, *names: str) -> None:
        for name in names:
            with open(f"{LOGS}/{name}.log", "ab") as log:
                process = subprocess.Popen(
                    shlex.split(SERVICES[name]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.running[process.pid] = name
            self.restarts.setdefault(name, 0)
        self.write_status()

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                time.sleep(0.1)
                continue
            self.ended[pid] = status
            name = self.running.pop(pid, None)
            if name and not self.stopping:
                say("service", name, "ended with status", os.waitstatus_to_exitcode(status))
                self.restarts[name] += 1
                self.write_status()
                threading.Timer(2, self.start, (name,)).start()

    def write_status(self) -> None:
        status = {
            name: {"running": name in self.running.values(), "restarts": count} for name, count in self.restarts.items()
        }
        pathlib.Path(STATUS + ".new").write_text(json.dumps(status))
        os.replace(STATUS + ".new", STATUS)

    def run(self, command: str, environment: dict[str, str] | None = None, text: str = "") -> int:
        """Run a shell command to its end, its output in setup.log; its exit status."""
        with open(f"{LOGS}/setup.log", "ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        assert process.stdin
        process.stdin.write(text.encode())
        process.stdin.close()
        while process.pid not in self.ended:
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(self.ended[process.pid])

    def must(self, command: str, environment: dict[str, str] | None = None, text: str = "") -> None:
        started = time.monotonic()
        if self.run(command, environment, text):
            say("FAILED:", command, "- see setup.log")
            os._exit(1)
        say(f"{time.monotonic() - started:5.1f} s", command[:100])

    def sql(self, statements: str) -> None:
        self.must("mariadb --protocol=socket -uroot", text=statements)

    def database(self) -> None:
        self.start("mariadb", "memcached")
        until(lambda: self.run("mariadb --protocol=socket -uroot -e 'select 1'") == 0, "mariadb")

    def stop(self) -> None:
        """End the services, MariaDB in good order: its files are what a layer is made of."""
        self.stopping = True
        for pid, _ in sorted(self.running.items(), key=lambda item: item[1] == "mariadb"):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while "mariadb" in self.running.values() and time.monotonic() < deadline:
            time.sleep(0.1)


def until(ready, what: str, limit: float = 180) -> None:  # type: ignore[no-untyped-def]
    """Poll until `ready()` holds; the container ends when it does not within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not ready():
        if time.monotonic() > deadline:
            say("FAILED:", what, "did not come up within", limit, "seconds")
            os._exit(1)
        time.sleep(0.2)
    say(what, "is up")


def port(number: int) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", number)) == 0

    until(answers, f"port {number}")


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
        lab.must("openstack", ADMIN, open("/etc/lab/catalog").read())
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
        lab.must(f"openstack image create --public --id {identity} --disk-format {form} --container-format {kind} "
                 f"{options} --file {path} {name}", ADMIN)
        # Nova's own cache (its name there is a digest of the identity): the first server need not wait for it
        shutil.copy(path, base / hashlib.sha1(identity.encode()).hexdigest())
        return identity

    for entry in files:
        name, disk = entry.split("=", 1)
        path, properties = pathlib.Path(disk), {"hw_rng_model": "virtio"}
        kernel, initrd = path.with_suffix(".vmlinuz"), path.with_suffix(".initrd.img")
        if kernel.exists():
            properties |= {"kernel_id": create(f"{name}-kernel", kernel, "aki", {}),
                           "ramdisk_id": create(f"{name}-initrd", initrd, "ari", {}),
                           "os_command_line": path.with_name("arguments").read_text()}
        create(name, path, "qcow2", properties)


def site(lab: Supervisor) -> None:
    import bcrypt  # Keystone's own dependency, in the container

    about = json.loads(pathlib.Path("/etc/lab/site.json").read_text())
    address, region = about["address"], about["region"]
    for file in ("/etc/nova/nova.conf", "/etc/neutron/neutron.conf", "/etc/neutron/plugins/ml2/linuxbridge_agent.ini"):
        path = pathlib.Path(file)
        path.write_text(path.read_text().replace("MANAGEMENT_ADDRESS", address).replace("= RegionOne", f"= {region}"))
    lab.database()
    lab.start("rabbitmq", "libvirtd")
    host = socket.gethostname()
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
        case ["images", *files]:
            images(lab, files)
        case ["site"]:
            site(lab)
    lab.stop()
    say("done")
    os._exit(0)


if __name__ == "__main__":
    main()
