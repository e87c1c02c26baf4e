"""The command plugin's stand-in over SSH, against real servers on loopback: one as the host, one as its jump host."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncssh
import grpc
import pytest

from tests.toolchain.plugin import COPY, REMOTE, Plugin, secret, wait_until
from tests.toolchain.ssh_hosts import Host, Loop, free_port, listener
from toolchain.command_plugin.values import ASSET, SIGNATURE, Properties

USER_KEY = asyncssh.generate_private_key("ssh-ed25519")
KEY = USER_KEY.export_private_key().decode()
OTHER_HOST_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def host(loop: Loop) -> Iterator[Host]:
    made = Host(loop, USER_KEY)
    yield made
    made.close()


@pytest.fixture
def jump(loop: Loop) -> Iterator[Host]:
    made = Host(loop, USER_KEY)
    yield made
    made.close()


def run(plugin: Plugin, connection: Properties, create: str = "echo done", name: str = "x", **more: Any) -> Properties:
    """Create a remote command; the SDK makes the whole of `connection` secret."""
    return plugin.create(name, REMOTE, create=create, connection=secret(connection), **more)


def refusal(plugin: Plugin, connection: Properties, **more: Any) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        run(plugin, connection, **more)
    return str(refused.value.details())


def test_a_command_gets_stdin_and_environment(plugin: Plugin, host: Host) -> None:
    created = run(
        plugin, host.connection(KEY), "echo $NAME; cat; echo bad >&2", stdin="one\ntwo\n", environment={"NAME": "a b"}
    )
    assert (created["stdout"], created["stderr"]) == ("a b\none\ntwo", "bad")
    assert host.seen.logins == ["operator"]


def test_a_command_need_not_read_its_input(plugin: Plugin, host: Host) -> None:
    assert run(plugin, host.connection(KEY), stdin="x" * 3_000_000)["stdout"] == "done"


def test_steps_and_previous_output(plugin: Plugin, host: Host) -> None:
    old = {"create": "echo a", "stdout": "a", "connection": secret(host.connection(KEY))}
    inputs: dict[str, Any] = {
        "create": "echo b",
        "update": "echo after $PULUMI_COMMAND_STDOUT",
        "connection": secret(host.connection(KEY)),
    }
    assert plugin.update("x", old, REMOTE, **inputs)["stdout"] == "after a"
    assert plugin.update("x", old, REMOTE, **inputs, addPreviousOutputInEnv=False)["stdout"] == "after"
    plugin.delete("x", {**old, "delete": "echo gone $PULUMI_COMMAND_STDOUT"}, REMOTE)
    assert host.seen.commands[-1] == "echo gone $PULUMI_COMMAND_STDOUT"


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_the_expected_host_key_is_accepted_whichever_of_the_hosts_it_is(
    plugin: Plugin, host: Host, algorithm: str
) -> None:
    assert run(plugin, host.connection(KEY, hostKey=host.host_key(algorithm)))["stdout"] == "done"


def test_a_wrong_host_key_is_refused_before_anything_is_said(plugin: Plugin, host: Host) -> None:
    text = refusal(plugin, host.connection(KEY, hostKey=OTHER_HOST_KEY, dialErrorLimit=-1), stdin=secret("hunter22"))
    assert text == f"cannot connect to 127.0.0.1:{host.port}, tried 1 times: the host's key is not the expected one"
    assert (host.seen.connections, host.seen.logins, host.seen.commands) == (1, [], [])


def test_without_a_host_key_any_is_accepted_as_by_the_official_plugin(plugin: Plugin, host: Host) -> None:
    assert run(plugin, host.connection(KEY, hostKey=None))["stdout"] == "done"


def test_a_proxy_is_the_only_one_to_connect_to_the_host(plugin: Plugin, host: Host, jump: Host) -> None:
    created = run(
        plugin, host.connection(KEY, proxy=jump.connection(KEY)), "echo $SSH_CONNECTION; cat", stdin="through"
    )
    assert created["stdout"].endswith("through")
    assert jump.seen.forwards == [("127.0.0.1", host.port)]
    assert (jump.seen.commands, len(host.seen.commands)) == ([], 1)
    wait_until(lambda: host.seen.open == jump.seen.open == 0)  # nothing stays connected


def test_a_proxys_host_key_is_compared_too(plugin: Plugin, host: Host, jump: Host) -> None:
    proxy = jump.connection(KEY, hostKey=OTHER_HOST_KEY)
    assert f"127.0.0.1:{jump.port}, tried 1 times: the host's key is not" in refusal(
        plugin, host.connection(KEY, proxy=proxy)
    )
    assert (jump.seen.logins, jump.seen.forwards, host.seen.connections) == ([], [], 0)


def test_a_hosts_key_is_compared_behind_a_proxy(plugin: Plugin, host: Host, jump: Host) -> None:
    connection = host.connection(KEY, proxy=jump.connection(KEY), hostKey=OTHER_HOST_KEY)
    assert f"127.0.0.1:{host.port}, tried 1 times: the host's key is not" in refusal(plugin, connection)
    assert host.seen.logins == []


@pytest.mark.parametrize(("limit", "attempts"), [(0, 1), (2, 3)])
def test_that_many_errors_are_let_pass(plugin: Plugin, limit: int, attempts: int) -> None:
    with listener(answer=True) as (port, seen):
        text = refusal(plugin, {"host": "127.0.0.1", "port": port, "privateKey": KEY, "dialErrorLimit": limit})
    assert f"cannot connect to 127.0.0.1:{port}, tried {attempts} times: " in text
    assert len(seen) == attempts


def test_a_host_that_boots_is_waited_for(plugin: Plugin, loop: Loop) -> None:
    port = free_port()
    unknown = {"host": "127.0.0.1", "port": port, "privateKey": KEY, "dialErrorLimit": -1}
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(run, plugin, unknown)
        time.sleep(0.4)
        assert not waiting.done()
        host = Host(loop, USER_KEY, port)
        assert waiting.result()["stdout"] == "done"
    host.close()


def test_a_silent_host_is_given_up(plugin: Plugin) -> None:
    silent = {"host": "127.0.0.1", "privateKey": KEY, "dialErrorLimit": 0, "perDialTimeout": 1}
    with listener(answer=False) as (port, seen):
        assert "tried 1 times: TimeoutError" in refusal(plugin, {**silent, "port": port})
    assert len(seen) == 1


def test_a_key_that_the_host_does_not_know(plugin: Plugin, host: Host) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    assert refusal(plugin, host.connection(stranger)).endswith("tried 1 times: the host refused the user or the key")
    assert host.seen.commands == []


def test_a_key_with_a_password(plugin: Plugin, host: Host) -> None:
    locked = USER_KEY.export_private_key("pkcs8-pem", "hunter22").decode()
    assert run(plugin, host.connection(locked, privateKeyPassword="hunter22"))["stdout"] == "done"


def test_a_key_of_an_agent(plugin: Plugin, host: Host, tmp_path: Path) -> None:
    socket, key = tmp_path / "agent", tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        wait_until(socket.exists)
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True)
        assert run(plugin, host.connection("", agentSocketPath=str(socket)))["stdout"] == "done"
        agent.terminate()


def test_a_failure_tells_its_status_and_output_without_secrets(plugin: Plugin, host: Host) -> None:
    text = refusal(
        plugin,
        host.connection(KEY),
        create="echo first; sleep 0.2; echo root said $(cat) >&2; exit 7",
        stdin=secret("hunter22"),
    )
    assert text == "exit status 7: first\nroot said [secret]"


def test_a_command_that_is_killed(plugin: Plugin, host: Host) -> None:
    assert refusal(plugin, host.connection(KEY), create="kill -TERM $$") == "signal TERM:"


def test_a_private_key_is_in_no_error(plugin: Plugin, host: Host) -> None:
    broken = KEY.replace("BEGIN OPENSSH", "BEGIN BROKEN")
    text = refusal(plugin, host.connection(broken))
    assert not any(line in text for line in broken.splitlines())


def test_no_secret_is_logged(plugin: Plugin, host: Host) -> None:
    run(
        plugin,
        host.connection(KEY),
        "echo for operator on 127.0.0.1; cat; echo $A >&2",
        name="logged-remotely",
        stdin=secret("hunter22"),
        environment={"A": secret("hunter23")},
    )
    assert sorted(plugin.engine.lines("logged-remotely")) == ["[secret]", "[secret]", "for operator on 127.0.0.1"]


def test_nothing_is_logged_when_told_so(plugin: Plugin, host: Host) -> None:
    assert run(plugin, host.connection(KEY), name="quiet", logging="none")["stdout"] == "done"
    assert plugin.engine.lines("quiet") == []


def test_a_secret_connection_makes_no_output_secret_and_a_secret_stdin_does(plugin: Plugin, host: Host) -> None:
    assert run(plugin, host.connection(KEY), "cat", stdin="a")["stdout"] == "a"
    assert run(plugin, host.connection(KEY), "cat", stdin=secret("a"))["stdout"] == secret("a")


def test_cancelling_ends_a_command_and_a_wait(plugin: Plugin, host: Host, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        began = tmp_path / "began"
        running = pool.submit(run, plugin, host.connection(KEY), f"touch {began}; exec sleep 5")
        waiting = pool.submit(run, plugin, host.connection(KEY, port=free_port(), dialErrorLimit=-1))
        wait_until(began.exists)
        plugin.cancel()
        for one in (running, waiting):
            with pytest.raises(grpc.RpcError, match="cancelled"):
                one.result()


@pytest.mark.parametrize("kind", ["text", "path"])
def test_a_file_is_copied(plugin: Plugin, host: Host, tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("content\n")
    asset = {SIGNATURE: ASSET, kind: "content\n" if kind == "text" else str(source)}
    plugin.create("x", COPY, connection=secret(host.connection(KEY)), source=asset, remotePath=str(target))
    assert target.read_text() == "content\n"
