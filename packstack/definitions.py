"""PackStack's own definitions of its options, here: wrong answers are refused before any host is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from packstack.answers import answers
from packstack.settings import HostSettings
from toolchain.paths import build_once, cache, key

HERE = Path(__file__).parent
CHECKER = HERE / "checker.py"
REQUIREMENTS = HERE / "requirements.txt"


class Unavailable(Exception):
    """PackStack cannot be had here, or does not work here."""


def environment() -> Path:
    """A virtual environment of its own with PackStack, made on first use; Unavailable with pip's words."""

    def build(target: Path) -> None:
        install = [str(target / "bin/pip"), "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
        for command in ([sys.executable, "-m", "venv", str(target)], install):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                raise Unavailable(done.stderr.strip()[-2000:])

    return build_once(cache("packstack", key(REQUIREMENTS, sys.version)), build)


def faults(hosts: Mapping[str, HostSettings]) -> Iterator[str]:
    """What PackStack refuses of the hosts' answers. Unavailable if it cannot be asked."""
    python = environment() / "bin/python"
    for name, settings in hosts.items():
        yield from (f"hosts.{name}.answers.{fault}" for fault in ask(python, answers(settings)))


def ask(python: Path, given: Mapping[str, str]) -> list[str]:
    """The checker's faults, from a Python that has PackStack."""
    # in a directory of its own, and isolated: this project's package has PackStack's name
    done = subprocess.run([python, "-I", CHECKER], input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(done.stderr.strip()[-2000:])
    return list(json.loads(done.stdout))
