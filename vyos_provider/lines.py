"""Configuration lines as VyOS prints them: which of them are ours, what differs, and the commands between. Pure.

A line is what `show configuration commands` prints without its `set`: a path's words, the last one perhaps a value.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

Line = tuple[str, ...]

#: what stands in lines for the pre-shared key
PSK = "$PSK"
#: leaf nodes whose value is for nobody's eyes
SECRET_LEAVES = frozenset(
    {
        "secret",
        "key",
        "password",
        "plaintext-password",
        "encrypted-password",
        "passphrase",
        "private-key",
        "pre-shared-key",
        "preshared-key",
        "md5-key",
    }
)


def parse(text: str) -> tuple[Line, ...]:
    """The lines of a text of `set …`; what is not one (an empty line, a comment) is left out."""
    found = (words_of(line) for line in text.splitlines() if line.startswith("set "))
    return tuple(tuple(words[1:]) for words in found)


def words_of(line: str) -> list[str]:
    """A line's words; of one whose quotes do not match, which VyOS does not print, what lies between the spaces."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def with_key(lines: Iterable[Line], key: str) -> tuple[Line, ...]:
    """The lines with the pre-shared key in its place."""
    return tuple(tuple(key if word == PSK else word for word in line) for line in lines)


@dataclass(frozen=True)
class Part:
    """The part of a router's configuration that one resource answers for."""

    #: what is to be there
    lines: tuple[Line, ...]
    #: nodes that are this part's alone: nothing else may lie below them
    nodes: tuple[Line, ...] = ()

    def instead_of(self, former: Part) -> Part:
        """This part for a router that has its former lines: what it does not have any more is to go."""
        return replace(self, nodes=tuple(dict.fromkeys((*self.nodes, *former.nodes, *former.lines))))

    def concerns(self, line: Line) -> bool:
        """Whether a line of the router is this part's: below its nodes, or another value where it has one."""
        return self.owns(line) or any(line[:-1] == own[:-1] for own in self.lines)

    def owns(self, line: Line) -> bool:
        """Whether a line lies below one of the part's nodes."""
        return any(line[: len(node)] == node for node in self.nodes)


@dataclass(frozen=True)
class Difference:
    """What a router has too few and too many of."""

    missing: tuple[Line, ...] = ()
    surplus: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)

    def shown(self) -> list[str]:
        """The difference for people: "-" on the router only, "+" in the configuration only; secrets are hidden."""
        return [f"- {hidden(line)}" for line in self.surplus] + [f"+ {hidden(line)}" for line in self.missing]


def difference(active: Sequence[Line], part: Part) -> Difference:
    """What has to be set and deleted on a router with these active lines."""
    here, wanted = set(active), set(part.lines)
    return Difference(
        missing=tuple(line for line in part.lines if line not in here),
        surplus=tuple(line for line in active if part.owns(line) and line not in wanted),
    )


def commands(found: Difference, part: Part) -> list[str]:
    """The `delete` and `set` commands that take the difference away.

    A node that holds nothing wanted goes as a whole: VyOS would keep, and may refuse, what is left of it when its
    values are deleted one by one.
    """
    kept = {line[:length] for line in part.lines for length in range(1, len(line) + 1)}
    gone: dict[Line, None] = {}
    for line in found.surplus:
        shortest = min((len(node) for node in part.nodes if line[: len(node)] == node), default=len(line))
        gone[next((line[:n] for n in range(shortest, len(line)) if line[:n] not in kept), line)] = None
    return [f"delete {written(line)}" for line in gone] + [f"set {written(line)}" for line in found.missing]


def restoring(before: Sequence[Line], now: Sequence[Line], part: Part) -> list[str]:
    """The commands that bring a part's lines back to what they were before."""
    old = tuple(line for line in before if part.concerns(line))
    nodes = (*part.nodes, *(line for line in now if part.concerns(line)))
    back = Part(old, tuple(dict.fromkeys(nodes)))
    return commands(difference(now, back), back)


def written(line: Line) -> str:
    """The line for VyOS's shell: single quotes around what the shell could read as something else."""
    return shlex.join(line)


def hidden(line: Line) -> str:
    """The line as a `set` command for people, without the value of a secret."""
    if is_secret(line):
        return f"set {written(line[:-1])} <secret>"
    return f"set {written(line)}"


def is_secret(line: Line) -> bool:
    return len(line) > 1 and line[-2] in SECRET_LEAVES


def without_secrets(text: str, lines: Iterable[Line]) -> str:
    """A text without the secret values of these lines: the router repeats what it refuses."""
    secrets = {line[-1] for line in lines if is_secret(line) and len(line[-1]) > 3}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "<secret>")
    return text
