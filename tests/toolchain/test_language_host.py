"""The Python language host's stand-in, as the real engine uses it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc

from toolchain import versions
from toolchain.environment import environment
from toolchain.launch import module_arguments
from toolchain.paths import REPO

VENV = Path(sys.prefix)
HOST = [sys.executable, *module_arguments("toolchain.language_host", REPO), "127.0.0.1:1"]


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with the built tools, and a state of its own."""
    state = tmp_path_factory.mktemp("state")
    return {**os.environ, **environment(), "PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": "x"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Path:
    """A project with a stack `dev` and the project's own provider for routers; each test writes its program anew."""
    directory = tmp_path_factory.mktemp("project")
    (directory / "Pulumi.yaml").write_text(
        f"name: project\nruntime:\n  name: python\n  options:\n    virtualenv: {VENV}\n"
        f"plugins:\n  providers:\n    - name: vyos\n      path: {REPO}/vyos_provider\n"
    )
    shutil.copy(REPO / "components/vyos.py", directory)
    assert pulumi(directory, variables, "stack", "init", "dev").returncode == 0
    return directory


def pulumi(project: Path, variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["pulumi", "--non-interactive", "--color=never", *arguments]
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, timeout=60)


def test_a_program_with_config_and_secrets(project: Path, variables: dict[str, str]) -> None:
    (project / "helper.py").write_text("WHO = 'a module beside the program'\n")
    (project / "__main__.py").write_text(
        "import os, sys, helper, pulumi, vyos\n"
        "config = pulumi.Config()\n"
        "typed = vyos.FirstBoot('first boot', text=config.require_secret('password'), of=['a machine'])\n"
        "pulumi.export('plain', config.require('greeting'))\n"
        "pulumi.export('secret', config.require_secret('password'))\n"
        "pulumi.export('provider', pulumi.get(typed, 'userData'))\n"  # secret only if the provider says so
        "pulumi.export('of', pulumi.get(typed, 'of'))\n"
        "pulumi.export('who', [helper.WHO, __name__, os.path.realpath(sys.prefix), pulumi.get_stack(), os.getcwd()])\n"
        "pulumi.export('path', [p for p in sys.path if os.path.exists(os.path.join(p, 'toolchain'))])\n"
        "pulumi.export('modules', [m for m in sys.modules if m.startswith('toolchain')])\n"
    )
    pulumi(
        project,
        variables,
        "config",
        "set-all",
        "--plaintext",
        "greeting=hello",
        "--secret",
        "password=hunter22",
        "--stack",
        "dev",
    )
    up = pulumi(project, variables, "up", "--yes", "--skip-preview", "--stack", "dev")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "hunter22" not in up.stdout + up.stderr
    assert {'plain   : "hello"', "secret  : [secret]", "provider: [secret]"} <= {
        line.strip() for line in up.stdout.splitlines()
    }
    shown = json.loads(
        pulumi(project, variables, "stack", "output", "--json", "--show-secrets", "--stack", "dev").stdout
    )
    assert shown == {
        "plain": "hello",
        "secret": "hunter22",
        "provider": "hunter22",
        "of": ["a machine"],
        "path": [],
        "modules": [],
        "who": ["a module beside the program", "__main__", str(VENV.resolve()), "dev", str(project)],
    }


def test_an_error_shows_the_programs_own_frames_only(project: Path, variables: dict[str, str]) -> None:
    (project / "helper.py").write_text("def divide():\n    return 1 / 0\n")
    (project / "__main__.py").write_text("import helper\nhelper.divide()\n")
    preview = pulumi(project, variables, "preview", "--stack", "dev")
    assert preview.returncode != 0
    said = preview.stdout + preview.stderr
    assert "Program failed with an unhandled exception:" in said
    assert "ZeroDivisionError: division by zero" in said
    assert [line.strip() for line in said.splitlines() if line.strip().startswith("File ")] == [
        f'File "{project}/__main__.py", line 2, in <module>',
        f'File "{project}/helper.py", line 2, in divide',
    ]


def test_a_run_error_is_told_without_a_traceback(project: Path, variables: dict[str, str]) -> None:
    (project / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('sites.tokyo.lan: missing')\n")
    preview = pulumi(project, variables, "preview", "--stack", "dev")
    assert preview.returncode != 0
    said = preview.stdout + preview.stderr
    assert "error: sites.tokyo.lan: missing" in said
    assert not any(noise in said for noise in ("Traceback", "RunError", "File ", "unhandled", "exited with"))


# What the engine asks before it runs a program, asked without it: it is faster, and the answers are seen whole.


@pytest.fixture(scope="module")
def host() -> Iterator[language_pb2_grpc.LanguageRuntimeStub]:
    with subprocess.Popen(HOST, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield language_pb2_grpc.LanguageRuntimeStub(channel)
        process.terminate()


def info(directory: Path, virtualenv: str) -> pb.ProgramInfo:
    options = struct_pb2.Struct()
    options.update({"virtualenv": virtualenv})
    return pb.ProgramInfo(
        root_directory=str(directory), program_directory=str(directory), entry_point=".", options=options
    )


def test_the_plugins_that_a_program_needs(host: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path) -> None:
    asked = pb.GetRequiredPackagesRequest(info=info(tmp_path, str(VENV)))
    needed = host.GetRequiredPackages(asked, timeout=30).packages
    assert [(package.name, package.kind, package.version) for package in needed] == [
        ("openstack", "resource", versions.OPENSTACK_PLUGIN)
    ]


def test_a_virtualenv_that_is_not_there_is_named(host: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        host.GetRequiredPackages(pb.GetRequiredPackagesRequest(info=info(tmp_path, "venv")), timeout=30)
    assert str(refused.value.details()).endswith(
        f"the project file's virtualenv 'venv' has no {tmp_path}/venv/bin/python: create it first"
    )


def test_it_ends_with_an_engine_that_is_gone() -> None:
    with subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *HOST], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout
        assert int(engine.stdout.readline())
        engine.kill()
        # the pipe's other end is the host's and its program's alone now
        assert engine.communicate(timeout=10)[0] == ""


def test_the_official_tools_or_ours_are_on_the_path(variables: dict[str, str]) -> None:
    version = subprocess.run(["pulumi", "version"], env=variables, capture_output=True, text=True)
    assert version.stdout.startswith("v3.")
