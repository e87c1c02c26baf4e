"""From a bare host to an OpenStack: the provider's steps over real SSH, with the real PackStack and stand-ins for EL's tools.

Only Puppet's work is not done: its stand-in notes what it was asked, and leaves the administrator's credentials.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncssh
import pytest

from packstack.answers import answers, password
from packstack.facts import DIRECTORY
from packstack.provider import kinds, ssh
from packstack.provider.kinds import Step
from packstack.run import ANSWER_FILE
from packstack.settings import HostSettings
from tests.packstack.host import TestHost
from tests.packstack.samples import COMPUTE, settings
from vyos_provider.resources import Properties

SECRET, OWNER = "7" * 64, "this-stack"
T = TypeVar("T")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(kinds, "RETURN_PATIENCE", 5.0)
    monkeypatch.setattr(kinds, "PATIENCE", 5.0)
    monkeypatch.setattr(ssh, "PATIENCE", 5.0)


@dataclass
class Run:
    """One run of the provider on a host, and the hosts beside it: its steps, and what they told."""

    host: TestHost
    settings: HostSettings
    user: str = "root"
    further: tuple[TestHost, ...] = ()
    told: list[str] = field(default_factory=list)
    kinds: dict[str, Any] = field(default_factory=kinds.kinds)

    async def step(self, kind: str, **inputs: Any) -> Properties:
        step = self.kinds[kind]
        assert isinstance(step, Step)
        given = {"connection": self.host.connection(self.user), "settings": self.described, **inputs}
        return await step.create(given, self.log)

    async def log(self, severity: str, text: str) -> None:
        self.told.append(text if severity == "info" else f"{severity}: {text}")

    @property
    def described(self) -> Any:
        return self.settings.model_dump(mode="json", by_alias=True)

    @property
    def connections(self) -> list[dict[str, Any]]:
        return [host.connection(self.user) for host in (self.host, *self.further)]

    async def prechecks(self) -> list[str]:
        found = await self.step("Prechecks", connections=self.connections, owner=OWNER)
        return list(found["findings"])

    async def prepare(self, host: TestHost | None = None) -> list[str]:
        """Prepare a host; the controller if none is given."""
        host = host or self.host
        key = (await self.step("InstallerKey"))["publicKey"]
        about = {"connection": host.connection(self.user), "address": host.address, "authorizedKey": key}
        return list((await self.step("Preparation", **about, owner=OWNER))["changed"])

    async def to_answers(self, **more: str) -> str:
        """All steps up to the answer file; its digest."""
        await self.prechecks()
        for host in (self.host, *self.further):
            await self.prepare(host)
        await self.step("Installer")
        return await self.answer(**more)

    async def answer(self, **more: str) -> str:
        given = {**answers(self.settings), **more}
        return str((await self.step("AnswerFile", answers=given, secret=SECRET))["digest"])

    async def install(self, digest: str, **other: Any) -> None:
        await self.step("Installation", **{"connections": self.connections, **other}, digest=digest, secret=SECRET)

    def steps_told(self) -> list[str]:
        """PackStack's own steps among what was told."""
        return [line.partition(" [ DONE ]")[0].strip() for line in self.told if "[ DONE ]" in line]


def run(
    host: TestHost,
    work: Callable[[Run], Awaitable[T]],
    user: str = "root",
    compute: TestHost | None = None,
    **keys: Any,
) -> T:
    """Work with the provider on a host, and on one beside it, from the first one's network namespace."""
    further = (compute,) if compute else ()
    beside = [COMPUTE | {"hostKey": one.connection()["hostKey"]} for one in further]
    described = settings(hostKey=host.connection()["hostKey"], user=user, furtherHosts=beside, **keys)
    made = Run(host, described, user, further)

    async def main() -> T:
        try:
            return await work(made)
        finally:
            await made.kinds["Prechecks"].hosts.close()

    return host.inside(lambda: asyncio.run(main()))


async def until(true: Callable[[], bool]) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.05)


@pytest.mark.thorough
def test_a_bare_host_becomes_an_openstack(host: TestHost) -> None:
    async def work(on: Run) -> None:
        found = await on.prechecks()
        assert len(found) >= 10
        assert (
            "nagoya.example.net: SELinux: becomes permissive: on EL 9 its policy and RabbitMQ do not go together (will change)"
            in found
        )
        assert host.changed() == [], "looking changes nothing"
        changed = await on.prepare()
        assert "SELinux permissive" in changed
        assert on.told[-len(changed) :] == changed
        host.forget()
        assert await on.prepare() == []
        assert host.changed() == [], "the second run changes nothing"
        await refreshed(on)
        assert (await on.step("Installer"))["version"] == "26.0.0"
        with pytest.raises(ssh.HostError, match="CONFIG_NEUTRON_L2_AGENT: Given value is not member of allowed"):
            await on.answer(CONFIG_NEUTRON_L2_AGENT="linuxbridge")
        assert not host.exists(ANSWER_FILE)
        digest = await on.answer()
        on.told.clear()
        await on.install(digest)
        assert on.told[0] == "PackStack: started"
        assert {"Preparing Neutron API entries", "192.0.2.10_controller.pp:", "Applying Puppet manifests"} <= set(
            on.steps_told()
        )
        assert any("Installation completed successfully" in line for line in on.told)
        credentials = await on.step("Credentials", digest=digest)
        assert credentials["password"] == password(SECRET, "CONFIG_KEYSTONE_ADMIN_PW")
        assert credentials["authUrl"] == "http://192.0.2.10:5000/v3"
        # once more, as after a provider that was killed at the very end
        on.told.clear()
        await on.install(digest)
        assert on.told == ["PackStack: finished"]
        assert host.runs_of_packstack() == 1
        # another run of the whole stack's steps finds its own OpenStack, another stack's finds somebody's
        assert await on.prechecks()
        with pytest.raises(ssh.HostError, match="there is one already"):
            await on.step("Prechecks", connections=[host.connection()], owner="another-stack")

    run(host, work)
    assert host.refused() == []
    text = host.file(ANSWER_FILE)
    assert f"CONFIG_KEYSTONE_ADMIN_PW={password(SECRET, 'CONFIG_KEYSTONE_ADMIN_PW')}" in text
    assert len(re.findall(r"^CONFIG_\w+=", text, re.MULTILINE)) > 250, "over PackStack's own defaults"
    assert host.mode(ANSWER_FILE) == 0o600
    assert host.mode(DIRECTORY) == 0o700
    assert leaks(host) == {ANSWER_FILE, "/root/keystonerc_admin"}, "no secret is left in any log"
    assert "SELINUX=permissive" in host.file("/etc/selinux/config")
    assert "192.0.2.10 nagoya.example.net nagoya" in host.file("/etc/hosts")


async def refreshed(on: Run) -> None:
    """A refresh finds what somebody changes on a prepared host, and the next run sets it right."""
    key = on.host.file("/root/.ssh/id_rsa.pub").strip()
    inputs = {
        "connection": on.host.connection(), "settings": on.described, "address": "192.0.2.10", "authorizedKey": key,
        "owner": OWNER,
    }  # fmt: skip
    preparation = on.kinds["Preparation"]
    assert await preparation.read(inputs, on.log) == inputs
    on.host.state(selinux="Enforcing")
    drifted = await preparation.read(inputs, on.log)
    assert drifted["drift"] == ["SELinux permissive"]
    assert preparation.diff(inputs, drifted) == ["drift"]
    assert await on.prepare() == ["SELinux permissive"]


def leaks(host: TestHost) -> set[str]:
    """The files that have the administrator's password."""
    own = password(SECRET, "CONFIG_KEYSTONE_ADMIN_PW")
    root = host.root
    found = set()
    for place in ("root", "var/log", "var/tmp", "var/lib/vpn-connect", "tmp", "etc"):
        for path in (root / place).rglob("*"):
            if path.is_file() and not path.is_symlink() and own in path.read_text(errors="replace"):
                found.add("/" + str(path.relative_to(root)))
    return found


def test_all_that_stands_in_the_way_is_told_together_and_nothing_is_touched(host: TestHost) -> None:
    host.state(memory=4 << 30, disk=10 << 30, virtualization="", repositories=["baseos", "epel"])

    async def work(on: Run) -> str:
        with pytest.raises(ssh.HostError) as refused:
            await on.prechecks()
        return str(refused.value)

    text = run(host, work, providerInterface="ens9")
    head, *faults = text.splitlines()
    assert head == "nothing on the hosts has been touched; set these right first:"
    assert [fault.split(": ")[1] for fault in faults] == [
        "virtualisation", "memory", "disk", "provider interface", "repositories",
    ]  # fmt: skip
    assert host.changed() == []
    assert not host.exists(DIRECTORY)


@pytest.mark.thorough
def test_a_compute_host_beside_the_controller_becomes_a_part_of_its_openstack(
    host: TestHost, compute: TestHost
) -> None:
    async def work(on: Run) -> None:
        found = await on.prechecks()
        assert {line.partition(":")[0] for line in found} == {"nagoya.example.net", "compute1.example.net"}
        assert "compute1.example.net: provider interface: not needed on this host" in found
        for one in (host, compute):
            changed = await on.prepare(one)
            assert {"/etc/hosts: nagoya.example.net, compute1.example.net", "PackStack's key for root"} <= set(changed)
            one.forget()
            assert await on.prepare(one) == []
            assert one.changed() == [], "the second run changes nothing"
        await on.step("Installer")
        digest = await on.answer()
        mistaken = [host.connection(), compute.connection(key=asyncssh.generate_private_key("ssh-ed25519"))]
        with pytest.raises(ssh.HostError, match="Host key verification failed"):
            await on.install(digest, connections=mistaken)
        assert compute.logins("RSA") == 0, "nothing is sent to a host that shows another key"
        left_behind(compute)
        on.told.clear()
        await on.install(digest)
        assert {"192.0.2.10_controller.pp:", "192.0.2.10_network.pp:", "192.0.2.11_compute.pp:"} <= set(on.steps_told())
        assert (await on.step("Credentials", digest=digest))["authUrl"] == "http://192.0.2.10:5000/v3"

    run(host, work, compute=compute)
    assert compute.logins("RSA") > 0
    assert compute.manifests() == ["192.0.2.11_compute.pp"]
    assert host.manifests() == ["192.0.2.10_controller.pp", "192.0.2.10_network.pp", "192.0.2.10_controller_post.pp"]
    assert host.runs_of_packstack() == 2
    for one in (host, compute):
        assert one.refused() == []
        assert "192.0.2.10 nagoya.example.net nagoya" in one.file("/etc/hosts")
        assert "192.0.2.11 compute1.example.net compute1" in one.file("/etc/hosts")
    assert (host.state()["hostname"], compute.state()["hostname"]) == ("nagoya.example.net", "compute1.example.net")
    # it is no port of the provider bridge there
    assert (host.state()["unmanaged"], compute.state()["unmanaged"]) == (["eth1"], [])
    assert leaks(compute) == set(), "no secret is left where none is needed"
    assert not compute.exists(ANSWER_FILE)
    assert "no matching host key" not in compute.console, "nobody asks it for its host keys, of whatever kind"


def left_behind(host: TestHost) -> None:
    """What PackStack leaves on a further host when it is killed: Puppet's data and its output."""
    for name in ("hieradata/common.yaml", "manifests/192.0.2.11_compute.pp.finished"):
        path = host.root / "var/tmp/packstack/0123" / name
        path.parent.mkdir(parents=True)
        path.write_text(password(SECRET, "CONFIG_KEYSTONE_ADMIN_PW"))


def test_a_fault_on_one_host_alone_keeps_all_untouched(host: TestHost, compute: TestHost) -> None:
    compute.state(memory=4 << 30, repositories=["baseos", "epel"])

    async def work(on: Run) -> str:
        with pytest.raises(ssh.HostError) as refused:
            await on.prechecks()
        return str(refused.value)

    head, *faults = run(host, work, compute=compute).splitlines()
    assert head == "nothing on the hosts has been touched; set these right first:"
    assert [fault.split(": ")[:2] for fault in faults] == [
        ["compute1.example.net", "memory"], ["compute1.example.net", "repositories"],
    ]  # fmt: skip
    for one in (host, compute):
        assert one.asked()
        assert one.changed() == []
        assert not one.exists(DIRECTORY)


def test_a_user_with_sudo_will_do_and_one_without_is_refused(host: TestHost) -> None:
    async def prepare(on: Run) -> list[str]:
        await on.prechecks()
        return await on.prepare()

    assert "chronyd" in run(host, prepare, user="stack")
    (host.root / "etc/sudoers.d/stack").unlink()

    async def refused(on: Run) -> None:
        with pytest.raises(ssh.HostError, match="root: 'stack' is not root and cannot become it"):
            await on.prechecks()

    run(host, refused, user="stack")


def test_a_failed_action_is_taken_up_where_it_stopped(host: TestHost) -> None:
    host.state(broken=["systemctl enable --now chronyd"])

    async def work(on: Run) -> None:
        with pytest.raises(ssh.HostError, match="chronyd: systemctl: broken"):
            await on.prepare()
        assert "package chrony" in on.told
        host.state(broken=[])
        changed = await on.prepare()
        assert changed[0] == "chronyd"
        assert "package chrony" not in changed

    run(host, work)


@pytest.mark.thorough
def test_a_lost_session_is_made_anew_and_the_run_goes_on(host: TestHost) -> None:
    async def work(on: Run) -> None:
        digest = await on.to_answers()
        host.touch("hold")
        on.told.clear()
        installing = asyncio.create_task(on.install(digest))
        await until(lambda: any("Applying 192.0.2.10_controller.pp" in line for line in on.told))
        before = host.logins()
        host.cut()
        await until(lambda: host.logins() > before)
        host.touch("hold", False)
        await installing
        assert len(on.steps_told()) == len(set(on.steps_told())), "no line comes twice"
        assert {"Clean Up", "Finalizing"} <= set(on.steps_told()), "and none is lost"
        assert host.runs_of_packstack() == 1

    run(host, work)


@pytest.mark.thorough
def test_the_next_up_attaches_to_a_run_that_an_earlier_one_has_left(host: TestHost) -> None:
    digests = []

    async def killed(on: Run) -> None:
        digests.append(await on.to_answers())
        host.touch("hold")
        installing = asyncio.create_task(on.install(digests[0]))
        await until(lambda: any("Applying 192.0.2.10_controller.pp" in line for line in on.told))
        installing.cancel()
        await asyncio.gather(installing, return_exceptions=True)

    async def attached(on: Run) -> None:
        with pytest.raises(ssh.HostError, match="PackStack runs with other answers"):
            await on.install("0" * 64)
        host.touch("hold", False)
        on.told.clear()
        await on.install(digests[0])
        assert on.told[0] == "PackStack: attached"
        assert {"Clean Up", "Finalizing"} <= set(on.steps_told())
        assert host.runs_of_packstack() == 1

    run(host, killed)
    run(host, attached)


@pytest.mark.thorough
def test_a_failed_run_names_the_fault_without_secrets_and_runs_again(host: TestHost) -> None:
    async def work(on: Run) -> None:
        digest = await on.to_answers()
        host.touch("fail")
        with pytest.raises(ssh.HostError) as failed:
            await on.install(digest)
        text = str(failed.value)
        assert "PackStack ended with 1" in text
        assert "Could not start Service[nova]: <secret>" in text
        assert password(SECRET, "CONFIG_NOVA_KS_PW") not in "\n".join([text, *on.told])
        host.touch("fail", False)
        await on.install(digest)
        assert host.runs_of_packstack() == 2

    run(host, work)


def test_another_host_key_ends_it_before_anything_is_sent(host: TestHost) -> None:
    async def work(on: Run) -> None:
        other = host.connection(key=asyncssh.generate_private_key("ssh-ed25519"))
        with pytest.raises(ssh.HostError, match="answers with another host key than hostKey has; nothing was sent"):
            await on.step("InstallerKey", connection=other)

    run(host, work)
    assert host.asked() == []


def test_deleting_leaves_the_openstack_as_it_is(host: TestHost) -> None:
    async def work(on: Run) -> None:
        await on.kinds["Installation"].delete({"connection": host.connection()}, on.log)
        assert on.told == [
            "warning: 192.0.2.10: its OpenStack goes on running; it goes when the host is installed anew"
        ]

    run(host, work)
    assert host.asked() == []
