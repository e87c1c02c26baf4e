"""Where built things and running state lie, outside the work tree.

Standard library only: it runs before the venv exists.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
COMPLETE = ".complete"  # the mark in a directory that was filled to the end


def cache(*parts: str) -> Path:
    """A path among the built things: $VPN_CONNECT_CACHE, by default ~/.cache/vpn-connect."""
    return _base("VPN_CONNECT_CACHE", "XDG_CACHE_HOME", ".cache").joinpath(*parts)


def state(*parts: str) -> Path:
    """A path in the state of stacks and clouds: $VPN_CONNECT_STATE, by default ~/.local/state/vpn-connect."""
    return _base("VPN_CONNECT_STATE", "XDG_STATE_HOME", ".local/state").joinpath(*parts)


def key(*sources: Path | str) -> str:
    """A short digest of texts and files (directories: every file below, with its mode), to name a built thing by."""
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, str):
            digest.update(source.encode() + b"\0")
            continue
        files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            name = file.relative_to(source) if file != source else file.name
            digest.update(f"{name}\0{file.stat().st_mode & 0o111}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def build_once(target: Path, builder: Callable[[Path], None]) -> Path:
    """Return `target`, a directory, after letting `builder` fill it if it is not complete.

    A mark written last tells a complete one from one that was cut off, which is removed and built again. Others that
    want the same thing wait.
    """
    if complete(target):
        return target
    with locked(target.with_name(target.name + ".lock")):
        if not complete(target):
            remove(target)
            target.mkdir(parents=True)
            builder(target)
            (target / COMPLETE).touch()
    return target


def complete(target: Path) -> bool:
    """Whether `build_once` has finished this directory."""
    return (target / COMPLETE).exists()


def remove(tree: Path) -> None:
    """Delete a directory tree, whether it is there or not."""
    if tree.exists():
        shutil.rmtree(tree)


@contextlib.contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel releases it when the process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _base(variable: str, xdg: str, default: str) -> Path:
    own, shared = os.environ.get(variable), os.environ.get(xdg)
    if own:
        return Path(own).absolute()
    return (Path(shared) if shared else Path.home() / default) / "vpn-connect"
