"""Which clouds.yaml counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.clouds import cloud_names


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with the current directory in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def write(file: Path, *names: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(["clouds:\n", *(f"  {name}: {{}}\n" for name in names)]))


def test_the_first_file_that_exists_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {
        "last": home / ".config/openstack/clouds.yml",
        "third": home / ".config/openstack/clouds.yaml",
        "second": home / "here/clouds.yaml",
        "first": home / "elsewhere.yaml",
    }
    for name, file in places.items():
        write(file, name, "common")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(home / "elsewhere.yaml"))
        assert cloud_names() == {name, "common"}


def test_no_file_and_an_empty_one_name_no_cloud(home: Path) -> None:
    if not Path("/etc/openstack/clouds.yaml").exists():
        assert cloud_names() == frozenset()
    write(home / "here/clouds.yaml")
    assert cloud_names() == frozenset()
