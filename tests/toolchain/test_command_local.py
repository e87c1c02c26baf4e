"""The command plugin's stand-in on this machine: steps, differences, previews, and where secrets do not go."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from pulumi.runtime.proto import provider_pb2 as pb

from tests.toolchain.plugin import COPY, LOCAL, PATIENCE, REMOTE, Plugin, secret, wait_until
from toolchain.command_plugin.values import UNKNOWN, Scrubber
from toolchain.launch import module_arguments
from toolchain.paths import REPO

PASSWORD = "hunter22"
NOTHING: dict[str, Any] = {}


def test_each_step_runs_its_command(plugin: Plugin, tmp_path: Path) -> None:
    steps: dict[str, Any] = {
        step: f"echo {step} | tee -a {tmp_path / 'steps'}" for step in ("create", "update", "delete")
    }
    created = plugin.create("steps", **steps)
    assert (created["stdout"], created["stderr"]) == ("create", "")
    assert created["id"]
    updated = plugin.update("steps", created, **steps)
    assert updated["stdout"] == "update"
    plugin.delete("steps", updated)
    assert (tmp_path / "steps").read_text() == "create\nupdate\ndelete\n"


def test_an_update_without_its_own_command_runs_creates(plugin: Plugin) -> None:
    assert plugin.update("x", {"create": "echo a", "stdout": "a"}, create="echo b")["stdout"] == "b"


def test_a_step_without_a_command_keeps_the_output(plugin: Plugin) -> None:
    assert plugin.update("x", {"stdout": "kept", "stderr": ""}, delete="true")["stdout"] == "kept"
    plugin.delete("x", {"create": "true", "stdout": ""})


@pytest.mark.parametrize(
    ("more", "seen"),
    [({}, "old"), ({"addPreviousOutputInEnv": True}, "old"), ({"addPreviousOutputInEnv": False}, "none")],
)
def test_the_previous_output_is_in_the_environment(plugin: Plugin, more: Any, seen: str) -> None:
    updated = plugin.update(
        "x", {"stdout": "old", "stderr": "bad"}, create="echo ${PULUMI_COMMAND_STDOUT-none}", **more
    )
    assert updated["stdout"] == seen


def test_stdin_environment_interpreter_and_directory(plugin: Plugin, tmp_path: Path) -> None:
    created = plugin.create(
        "x",
        create="echo $0 $NAME $PWD; cat",
        stdin="line 1\nline 2\n",
        dir=str(tmp_path),
        environment={"NAME": "value with spaces"},
        interpreter=["/bin/bash", "-c"],
    )
    assert created["stdout"] == f"/bin/bash value with spaces {tmp_path}\nline 1\nline 2"


def test_a_command_need_not_read_its_input(plugin: Plugin) -> None:
    assert plugin.create("x", create="echo done", stdin="x" * 1_000_000)["stdout"] == "done"


def test_output_that_is_no_text_is_no_failure(plugin: Plugin) -> None:
    assert plugin.create("x", create=r"printf 'a\377b'")["stdout"] == "a\ufffdb"


def test_a_command_gets_the_users_environment_and_nothing_of_ours(plugin: Plugin) -> None:
    named = plugin.create("x", create="env -0 | cut -z -d= -f1 | tr '\\0' ' '")["stdout"].split()
    assert {*named} - os.environ.keys() <= {"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES"}  # the shell's, pytest's
    assert "PATH" in named


def test_the_function_runs_a_command(plugin: Plugin) -> None:
    assert plugin.run(command="echo $A", environment={"A": "1"})["stdout"] == "1"


@pytest.mark.parametrize("update", [False, True])
def test_a_preview_runs_nothing_and_knows_no_output(plugin: Plugin, tmp_path: Path, update: bool) -> None:
    touch = f"touch {tmp_path / 'ran'}"
    previewed = (
        plugin.update("x", {"stdout": "old"}, preview=True, create=touch)
        if update
        else plugin.create("x", preview=True, create=touch)
    )
    assert (previewed["stdout"], previewed["stderr"]) == (UNKNOWN, UNKNOWN)
    assert not previewed.get("id")
    assert not (tmp_path / "ran").exists()


def test_a_preview_of_a_secret_command_says_so(plugin: Plugin) -> None:
    assert plugin.create("x", preview=True, create="cat", stdin=secret(PASSWORD))["stdout"] == secret(UNKNOWN)


KINDS = pb.PropertyDiff.Kind


@pytest.mark.parametrize(
    ("old", "new", "ignored", "detail"),
    [
        ({"create": "a"}, {"create": "a"}, [], {}),
        ({"create": "a"}, {"create": "b"}, [], {"create": KINDS.UPDATE}),
        ({"create": "a"}, {"create": "a", "stdin": "x"}, [], {"stdin": KINDS.ADD}),
        ({"create": "a", "stdin": "x"}, {"create": "a"}, [], {"stdin": KINDS.DELETE}),
        ({"triggers": [1]}, {"triggers": [2]}, [], {"triggers": KINDS.UPDATE_REPLACE}),
        ({}, {"triggers": [2]}, [], {"triggers": KINDS.ADD_REPLACE}),
        (
            {"triggers": [1], "create": "a"},
            {"create": "b"},
            [],
            {"triggers": KINDS.DELETE_REPLACE, "create": KINDS.UPDATE},
        ),
        ({"create": "a", "stdin": "x"}, {"create": "b", "stdin": "y"}, ["create"], {"stdin": KINDS.UPDATE}),
        ({"stdin": "x"}, {"stdin": secret("x")}, [], {}),
        ({"create": "a"}, {"create": UNKNOWN}, [], {"create": KINDS.UPDATE}),
    ],
)
def test_differences(plugin: Plugin, old: Any, new: Any, ignored: list[str], detail: dict[str, int]) -> None:
    answer = plugin.diff(old, new, ignored)
    assert {name: entry.kind for name, entry in answer.detailedDiff.items()} == detail
    assert sorted(answer.diffs) == sorted(detail)
    assert list(answer.replaces) == [name for name in detail if name == "triggers"]
    assert answer.changes == (pb.DiffResponse.DIFF_SOME if detail else pb.DiffResponse.DIFF_NONE)


@pytest.mark.parametrize(
    ("kind", "inputs", "failures"),
    [
        (LOCAL, {}, []),
        (REMOTE, {"create": "true"}, [("connection", "required")]),
        (COPY, {"connection": {}, "remotePath": "/x"}, [("source", "required")]),
        (LOCAL, {"assetPaths": ["*"]}, [("assetPaths", "not supported here")]),
        ("command:local:Other", {}, [("", "command:local:Other is not provided here")]),
    ],
)
def test_inputs_are_checked(plugin: Plugin, kind: str, inputs: Any, failures: list[tuple[str, str]]) -> None:
    assert plugin.check(kind, **inputs) == failures


@pytest.mark.parametrize(
    "inputs",
    [
        {"create": secret(f"echo {PASSWORD}")},
        {"create": "echo", "stdin": secret(PASSWORD)},
        {"create": "echo", "environment": {"A": secret(PASSWORD)}},
        {"create": "echo", "environment": secret({"A": PASSWORD})},
        {"create": "echo", "update": secret("echo")},
        {"create": "echo", "delete": secret("echo")},
    ],
    ids=str,
)
def test_what_a_secret_goes_into_comes_out_secret(plugin: Plugin, inputs: Any) -> None:
    created = plugin.create("x", **inputs)
    assert created["stdout"] == secret(PASSWORD if "create" in inputs and isinstance(inputs["create"], dict) else "")
    assert created["stderr"] == secret("")
    assert {name: created[name] for name in inputs} == inputs


@pytest.mark.parametrize(
    ("mode", "logged"),
    [
        (None, ["err", "out"]),
        ("stdoutAndStderr", ["err", "out"]),
        ("stdout", ["out"]),
        ("stderr", ["err"]),
        ("none", []),
    ],
)
def test_logging_shows_what_it_is_told_to(plugin: Plugin, mode: str | None, logged: list[str]) -> None:
    name = f"logging-{mode}"
    plugin.create(name, create="echo out; echo err >&2", **({"logging": mode} if mode else NOTHING))
    assert sorted(plugin.engine.lines(name)) == logged


def test_no_secret_is_logged(plugin: Plugin) -> None:
    key = "first line\nsecond line\n"
    plugin.create(
        "logged", create="echo it is $PASSWORD; cat", stdin=secret(key), environment=secret({"PASSWORD": PASSWORD})
    )
    assert plugin.engine.lines("logged") == ["it is [secret]", "[secret]", "[secret]"]


def test_no_old_secret_is_logged(plugin: Plugin) -> None:
    old = {"create": "cat", "stdin": secret(PASSWORD), "stdout": secret(f"greeting\n{PASSWORD}")}
    plugin.update("old", old, create='echo "$PULUMI_COMMAND_STDOUT"', stdin=secret("another one"))
    assert plugin.engine.lines("old") == ["greeting", "[secret]"]


def test_a_failure_tells_its_status_and_output_without_secrets(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(
            "x", create="echo first; sleep 0.2; echo wrong: $A >&2; exit 3", environment={"A": secret(PASSWORD)}
        )
    assert failed.value.details() == "exit status 3: first\nwrong: [secret]"


def test_a_fault_of_the_inputs_is_told_without_secrets(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create("x", create="true", dir=secret(f"/nowhere/{PASSWORD}"))
    assert failed.value.details() == "FileNotFoundError: [Errno 2] No such file or directory: '[secret]'"


def test_no_secret_is_in_the_arguments_of_a_process(plugin: Plugin) -> None:
    created = plugin.create(
        "x",
        create="cat /proc/$$/cmdline /proc/$PPID/cmdline; cat",
        logging="none",
        stdin=secret("by stdin " + PASSWORD),
        environment=secret({"A": "by environment " + PASSWORD}),
    )
    arguments, _, stdin = created["stdout"]["value"].partition("by stdin")
    assert "/proc/$$/cmdline" in arguments
    assert "command_plugin" in arguments
    assert PASSWORD not in arguments
    assert PASSWORD in stdin


def test_scrubbing_leaves_nothing_of_a_longer_secret() -> None:
    assert Scrubber(["abcd", "abcdefgh"])("x abcdefgh abcd abc") == "x [secret] [secret] abc"


def test_cancelling_ends_a_command(plugin: Plugin, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(plugin.create, "x", create=f"touch {tmp_path / 'began'}; sleep 60")
        wait_until((tmp_path / "began").exists)
        plugin.cancel()
        with pytest.raises(grpc.RpcError) as failed:
            running.result()
    assert failed.value.details() == "signal 15:"


def test_the_plugin_ends_when_its_engine_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, *module_arguments("toolchain.command_plugin", REPO)]
    # an engine that starts it, waits until it serves, and dies without a word
    engine = ["/bin/sh", "-c", 'mkfifo "$0"; "$@" >"$0" 2>&1 & read -r port <"$0"; echo $!', str(tmp_path / "port")]
    printed = subprocess.run([*engine, *command], capture_output=True, text=True, timeout=PATIENCE).stdout
    wait_until(lambda: not is_running(int(printed)))


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # whose it is now may be slow to take note
    except psutil.NoSuchProcess:
        return False
