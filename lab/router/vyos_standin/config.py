"""A configuration: a set of paths, each ending in its value. Pure; nothing here touches the system."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from .schema import SCHEMA, Node, resolve

Path = tuple[str, ...]


class Config:
    """The lines of a configuration, and questions to it."""

    def __init__(self, lines: Iterable[Path] = ()) -> None:
        self.lines = set(lines)

    def copy(self) -> Config:
        return Config(self.lines)

    def set(self, path: list[str]) -> bool:
        """Add a line, replacing a single-valued leaf's; False when it is there already. Refused when not valid."""
        stored, node = resolve(path, needs_value=True)
        if self.has(stored):
            return False
        if node.kind == "leaf":
            self.lines = {line for line in self.lines if line[:-1] != stored[:-1]}
        self.lines.add(stored)
        return True

    def delete(self, path: list[str]) -> bool:
        """Remove all at and below a path; False when there is nothing. Refused when not valid."""
        stored, _ = resolve(path, needs_value=False)
        if not self.has(stored):
            return False
        self.lines = {line for line in self.lines if line[:len(stored)] != stored}
        return True

    def has(self, path: Path) -> bool:
        return any(line[:len(path)] == path for line in self.lines)

    def names(self, *path: str) -> list[str]:
        """The words that follow a path, in natural order: a tag node's tags, or a leaf's values."""
        return sorted({line[len(path)] for line in self.lines if len(line) > len(path) and line[:len(path)] == path}, key=natural)

    def value(self, *path: str, default: str = "") -> str:
        return next(iter(self.names(*path)), default)

    def part(self, prefixes: Iterable[Path]) -> set[Path]:
        """The lines below any of the prefixes."""
        wanted = list(prefixes)
        return {line for line in self.lines if any(line[:len(prefix)] == prefix for prefix in wanted)}

    def commands(self) -> list[str]:
        """`set` lines as `show configuration commands` prints them: values quoted, tags bare, secrets in clear."""
        printed = []
        for line in sorted(self.lines, key=lambda line: [natural(word) for word in line]):
            if any(other != line and other[:len(line)] == line for other in self.lines):
                continue  # a node that has others below it
            node = node_at(line)
            printed.append(f"set {' '.join(line[:-1])} '{line[-1]}'" if node.kind in ("leaf", "multi") else f"set {' '.join(line)}")
        return printed

    def boot_text(self) -> str:
        """The configuration in the form of VyOS's config.boot."""
        return "".join(curly(SCHEMA, (), self, 0))


def curly(node: Node, path: Path, config: Config, depth: int) -> Iterator[str]:
    indent = "    " * depth
    for name in sorted(node.children):
        child, at = node.children[name], (*path, name)
        if not config.has(at):
            continue
        if child.kind == "valueless":
            yield f"{indent}{name}\n"
        elif child.kind in ("leaf", "multi"):
            for value in config.names(*at):
                yield f'{indent}{name} "{value}"\n'
        else:
            tags = [(f"{name} {tag}", (*at, tag)) for tag in config.names(*at)] if child.kind == "tag" else [(name, at)]
            for title, below in tags:
                yield f"{indent}{title} {{\n"
                yield from curly(child, below, config, depth + 1)
                yield f"{indent}}}\n"


def parse_boot(text: str) -> Config:
    """Read what `boot_text` wrote. Refused, or ValueError for braces that do not match, when it is not a configuration."""
    config, stack = Config(), [()]
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words == ["}"]:
            stack.pop()
        elif words[-1] == "{":
            stack.append((*stack[-1], *words[:-1]))
            config.lines.add(resolve(list(stack[-1]), needs_value=True)[0])
        else:
            config.set([*stack[-1], *words])
    if len(stack) != 1:
        raise ValueError("config.boot: braces do not match")
    return config


def node_at(line: Path) -> Node:
    return resolve(list(line), needs_value=False)[1]


def natural(word: str) -> list[tuple[int, int, str]]:
    """A sort key under which eth2 comes before eth10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", word) if part]


def difference(old: Config, new: Config) -> list[str]:
    """`compare`'s lines: what `new` adds and removes."""
    before, after = old.commands(), new.commands()
    return [f"- {line[4:]}" for line in before if line not in after] + [f"+ {line[4:]}" for line in after if line not in before]
