"""A host of the tests: an SSH server in namespaces of its own, on the tree that `root` makes, thrown away afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import psutil
from pyroute2 import NetNS, netns

from lab.openstack.debian import TIED
from lab.openstack.layers import container
from packstack.facts import DIRECTORY
from tests.packstack.root import OS_RELEASE, STANDIN, base
from tests.packstack.standin import DEFAULTS, SIMPLE, TOOLS

T = TypeVar("T")
ADDRESS = "192.0.2.10"
#: of the namespaces' names; the number of the process that made one, and the host's address, come behind it
PREFIX = "packstack"
FQDN = "nagoya.example.net"
PORT = 22
SSHD = f"""Port {PORT}
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
STANDIN_HOME = "var/lib/standin"
PUPPET_APPLY = ["puppet", "apply"]


class TestHost:
    """The host, as bare as it comes; `state` makes it another one."""

    __test__ = False  # pytest: this is no test

    def __init__(self, directory: Path, namespace: str, address: str) -> None:
        self.directory, self.namespace, self.address = directory, namespace, address
        self.user_key, self.key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        # each export is another text
        self.private_key = self.user_key.export_private_key().decode()
        self._process: subprocess.Popen[bytes] | None = None
        #: the host's first process, its SSH server
        self._init = 0

    def start(self) -> None:
        """Make its namespaces and its tree, and wait until its SSH server listens."""
        self.make_network()
        self.write_tree()
        command = container(
            "localhost", self.directory, [base()], ["sh", "-c", "mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e"]
        )
        with (self.directory / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                [*TIED, "nsenter", f"--net=/run/netns/{self.namespace}", *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        deadline = time.monotonic() + 20
        while "listening" not in self.console:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.console)
            time.sleep(0.05)
        (init,) = psutil.Process(self._process.pid).children()
        self._init = init.pid

    def make_network(self) -> None:
        """Its interfaces: eth0 with its address, eth1 for the external network. Bridges, which need no other end."""
        netns.create(self.namespace)
        with NetNS(self.namespace) as ip:
            ip.link("set", index=1, state="up")
            for name in ("eth0", "eth1"):
                ip.link("add", ifname=name, kind="bridge")
                index = ip.link_lookup(ifname=name)[0]
                if name == "eth0":
                    ip.addr("add", index=index, address=self.address, prefixlen=24)
                ip.link("set", index=index, state="up")
            # PackStack draws its own address from the default gateway's
            ip.route("add", dst="default", gateway=f"{self.address.rpartition('.')[0]}.1")

    def wire(self, other: TestHost) -> None:
        """A wire to another host, from eth0 to eth0."""
        with NetNS(self.namespace) as here, NetNS(other.namespace) as there:
            here.link("add", ifname="wire", kind="veth", peer={"ifname": "wire", "net_ns_fd": other.namespace})
            for ip in (here, there):
                index = ip.link_lookup(ifname="wire")[0]
                ip.link("set", index=index, master=ip.link_lookup(ifname="eth0")[0])
                ip.link("set", index=index, state="up")

    def write_tree(self) -> None:
        """What is this host's own, over the base."""
        upper = self.directory / "upper"
        programs = upper / "usr/sbin"
        programs.mkdir(parents=True)
        standin = programs / "el9-standin"
        shutil.copy(STANDIN, standin)
        standin.chmod(0o755)
        for tool in (*TOOLS, *SIMPLE, "puppet"):
            (programs / tool).symlink_to("el9-standin")
        for path, text, mode in (
            ("etc/os-release", OS_RELEASE, 0o644),
            ("etc/selinux/config", "# a comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n", 0o644),
            ("etc/fstab", "/dev/vda1 / xfs defaults 0 0\n", 0o644),
            ("etc/ssh/sshd_config", SSHD, 0o600),
            ("etc/ssh/ssh_host_ed25519_key", self.key.export_private_key().decode(), 0o600),
            ("etc/puppet/hiera.yaml", ":datadir: /etc/puppet/hieradata\n", 0o644),
            ("root/.ssh/authorized_keys", self.user_key.export_public_key().decode(), 0o600),
            ("home/stack/.ssh/authorized_keys", self.user_key.export_public_key().decode(), 0o644),
            ("etc/sudoers.d/stack", "stack ALL=(root) NOPASSWD: ALL\n", 0o440),
        ):
            file = upper / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(mode)
        (upper / "etc/NetworkManager/conf.d").mkdir(parents=True)
        (upper / "root").chmod(0o700)
        (upper / "root/.ssh").chmod(0o700)

    def stop(self) -> None:
        """End all of it."""
        if self._process and self._process.poll() is None:
            # the kernel ends the PID namespace with its first process
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(FileNotFoundError):
            netns.remove(self.namespace)

    @property
    def root(self) -> Path:
        """Its root directory, as it sees it itself."""
        return Path(f"/proc/{self._init}/root")

    @property
    def console(self) -> str:
        """What its SSH server tells."""
        return (self.directory / "console.log").read_text()

    def file(self, path: str) -> str:
        """A file's text."""
        return (self.root / path.lstrip("/")).read_text()

    def mode(self, path: str) -> int:
        return (self.root / path.lstrip("/")).stat().st_mode & 0o777

    def exists(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    def touch(self, name: str, there: bool = True) -> None:
        """Set or clear one of the stand-ins' marks: `hold` keeps Puppet waiting, `fail` has it fail."""
        home = self.root / STANDIN_HOME
        home.mkdir(parents=True, exist_ok=True)
        (home / name).touch() if there else (home / name).unlink(missing_ok=True)

    def state(self, **changes: Any) -> dict[str, Any]:
        """The stand-ins' state, after changes."""
        path = self.root / STANDIN_HOME / "state.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        now = {**DEFAULTS, **(json.loads(path.read_text()) if path.exists() else {}), **changes}
        path.write_text(json.dumps(now))
        return now

    def asked(self) -> list[dict[str, Any]]:
        """What the stand-ins were asked, since `forget`."""
        path = self.root / STANDIN_HOME / "log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        (self.root / STANDIN_HOME / "log").unlink(missing_ok=True)

    def changed(self) -> list[str]:
        """The commands that have changed something."""
        return [" ".join([one["tool"], *one["words"]]) for one in self.asked() if one.get("changed")]

    def refused(self) -> list[dict[str, Any]]:
        return [one for one in self.asked() if "refused" in one]

    def cut(self) -> None:
        """End the provider's SSH session, the oldest one, as when the network fails. PackStack has some of its own."""
        listener = psutil.Process(self._init)
        min(listener.children(), key=lambda session: session.create_time()).kill()

    def logins(self, kind: str = "ED25519") -> int:
        """How often the provider has logged in; PackStack does so with a key of the kind RSA."""
        return self.console.count(f"ssh2: {kind}")

    def manifests(self) -> list[str]:
        """What Puppet was to apply, in order, since `forget`."""
        return [Path(one["words"][-1]).name for one in self.asked() if [one["tool"], *one["words"]][:2] == PUPPET_APPLY]

    def runs_of_packstack(self) -> int:
        """How often PackStack was started with the answer file: each start has a directory of its own there."""
        return sum(
            "Executing script" in log.read_text()
            for log in (self.root / "var/tmp/packstack").glob("2*/openstack-setup.log")
        )

    def connection(self, user: str = "root", key: asyncssh.SSHKey | None = None) -> dict[str, Any]:
        """How it is reached, as a resource's input."""
        return {
            "host": self.address,
            "user": user,
            "privateKey": self.private_key,
            "hostKey": (key or self.key).export_public_key().decode().strip(),
            "port": float(PORT),
        }

    def inside(self, work: Callable[[], T]) -> T:
        """Call `work` in the host's network namespace, in a thread that ends with it; its result, or its exception."""

        def run() -> T:
            netns.setns(self.namespace)
            return work()

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(run).result()


@contextlib.contextmanager
def running(directory: Path, address: str = ADDRESS) -> Iterator[TestHost]:
    """A host for as long as the block lasts."""
    for left in netns.listnetns():  # by tests that were killed
        prefix, _, rest = left.partition("-")
        if prefix == PREFIX and not psutil.pid_exists(int(rest.partition("-")[0])):
            netns.remove(left)
    host = TestHost(directory, f"{PREFIX}-{os.getpid()}-{address}", address)
    try:
        host.start()
        yield host
    finally:
        host.stop()


__all__ = ["ADDRESS", "DIRECTORY", "FQDN", "TestHost", "running"]
