"""The stack tokyo-osaka on the lab's clouds: Pulumi's commands for it, run where both clouds can be reached.

Pulumi keeps the salt of a stack's secrets in the stack's configuration file. Here that is a copy in the state,
refreshed from the committed file, so that the work tree stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from lab import control
from lab.files import write_whole
from lab.sites import INTERNET
from toolchain import versions
from toolchain.build import BuildFailed, run, tools
from toolchain.paths import REPO, key, state

STACK = "tokyo-osaka"
SITES = ("tokyo", "osaka")


def prepare() -> dict[str, str]:
    """Make the stack ready to be used, made if there is none; the environment of Pulumi's commands for it."""
    project = state("stack")
    project.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "Pulumi.yaml", project)
    configuration = refreshed(project / f"Pulumi.{STACK}.yaml")
    inside = {**control.client_environment(), "PULUMI_STACK": STACK}
    install_official_plugin(inside)
    remove_dead_locks(inside.get("PULUMI_BACKEND_URL", ""))
    command = ["pulumi", "-C", str(project), "--non-interactive", "stack"]
    drop_state_of_other_clouds(command, inside)
    if not is_there(inside.get("PULUMI_BACKEND_URL", ""), configuration):
        # in the state, and not in the work tree: this writes the salt beside Pulumi.yaml
        run([*command, "select", "--create", STACK], env=inside)
    return {**inside, "PULUMI_OPTION_CONFIG_FILE": str(configuration)}


def is_there(backend: str, configuration: Path) -> bool:
    """Whether the stack is known to have been made, with its salt; only of the backend in the state."""
    own = backend == f"file://{state('pulumi')}"
    return own and state_file().exists() and "encryptionsalt:" in configuration.read_text()


def state_file() -> Path:
    """The stack in the backend in the state."""
    return state("pulumi", ".pulumi", "stacks", "vpn-connect", f"{STACK}.json")


def refreshed(own: Path) -> Path:
    """Bring the committed configuration into the stack's own file, which keeps its salt."""
    text = (REPO / own.name).read_text()
    if own.exists() and "encryptionsalt:" not in text:
        text += "".join(f"{line}\n" for line in own.read_text().splitlines() if line.startswith("encryptionsalt:"))
    if not own.exists() or own.read_text() != text:
        write_whole(own, text)
    return own


def drop_state_of_other_clouds(command: list[str], inside: dict[str, str]) -> None:
    """Forget what the stack had in clouds that `down` has thrown away, if this stack was last used on such clouds.

    A stack of the same name in a backend where the lab has not put it is never touched.
    """
    record = state("stack", "clouds.json")
    now = {"backend": inside.get("PULUMI_BACKEND_URL", ""), "clouds": key(*control.identities(SITES))}
    before = json.loads(record.read_text()) if record.exists() else now
    if before["backend"] == now["backend"] and before["clouds"] != now["clouds"]:
        control.say("the clouds are new: the stack's former resources are gone with the old ones")
        with contextlib.suppress(BuildFailed):  # there is no such stack any more
            run([*command, "rm", STACK, "--yes", "--force", "--preserve-config"], env=inside)
    write_whole(record, json.dumps(now))


def remove_dead_locks(backend: str) -> None:
    """Remove the locks of Pulumi commands that were killed, from the backend in the state."""
    if backend != f"file://{state('pulumi')}":
        return
    for lock in state("pulumi").glob(f".pulumi/locks/**/{STACK}/*.json"):
        if not psutil.pid_exists(json.loads(lock.read_text())["pid"]):
            lock.unlink()


def install_official_plugin(inside: dict[str, str]) -> None:
    """The official engine fetches its OpenStack plugin; the clouds' namespace has no way to where it comes from."""
    if tools(lambda _: None).official:
        run(["pulumi", "plugin", "install", "resource", "openstack", versions.OPENSTACK_PLUGIN], env=inside)


def command(*arguments: str, project: Path = REPO) -> list[str]:
    """One of Pulumi's commands, to be run where the clouds can be reached, without a terminal."""
    return ["ip", "netns", "exec", INTERNET, "pulumi", "-C", str(project), "--non-interactive", *arguments]


def quietly(inside: dict[str, str], *arguments: str) -> None:
    """Run one of Pulumi's commands and print nothing of it; CalledProcessError unless it ends well."""
    subprocess.run(command(*arguments), env=inside, check=True, stdout=subprocess.DEVNULL)


def pulumi(inside: dict[str, str], *arguments: str) -> None:
    """Run one of Pulumi's commands on the terminal; raises BuildFailed unless it ends well."""
    status = control.execute(["pulumi", "-C", str(REPO), *arguments], inside)
    if status:
        raise BuildFailed(f"pulumi {arguments[0]} ended with {status}")


def outputs(inside: dict[str, str]) -> dict[str, Any]:
    """The stack's outputs in plain, its secrets included: not for printing."""
    done = subprocess.run(
        ["pulumi", "-C", str(state("stack")), "stack", "output", "--json", "--show-secrets"],
        env=inside,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def shell() -> int:
    """The user's shell with `pulumi` set to the stack and `openstack` to the clouds; its exit status."""
    inside = prepare()
    print(f"`pulumi` is set to the stack {STACK}; the clouds: `openstack --os-cloud tokyo …`, osaka. Leave with: exit")
    inside["PATH"] += f":{Path(sys.executable).parent}"  # `openstack`; last, so that it hides nothing
    return control.execute([os.environ.get("SHELL", "/bin/bash")], inside)


__all__ = ["STACK", "command", "outputs", "prepare", "pulumi", "quietly", "shell"]
