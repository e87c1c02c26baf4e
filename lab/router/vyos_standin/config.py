"""A configuration: a tree of words. Pure; nothing here touches the system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from .schema import SCHEMA, Node, resolve

Path = tuple[str, ...]
Tree = dict[str, Any]  # each word to what is below it; a value is a word with nothing below it
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


class Config:
    """The tree, and questions to it; a dictionary of dictionaries, as a commit asks some hundred of them."""

    def __init__(self, tree: Tree | None = None) -> None:
        self.tree: Tree = {} if tree is None else tree

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.tree == other.tree

    def copy(self) -> Config:
        return Config(copied(self.tree))

    def set(self, path: list[str]) -> bool:
        """Add a path, replacing a single-valued leaf's value; False when it is there. Refused when not valid."""
        stored, node, _ = resolve(path, for_set=True)
        if self.has(stored):
            return False
        at = self.tree
        for word in stored[:-1]:
            at = at.setdefault(word, {})
        if node.kind == "leaf":
            at.clear()
        at[stored[-1]] = {}
        return True

    def delete(self, path: list[str]) -> bool:
        """Remove a path and all below it; False when there is nothing. Refused when not valid.

        As in VyOS a tag node or leaf goes with its last tag or value, while a plain node that is left empty stays.
        """
        stored, _, valued = resolve(path, for_set=False)
        if not self.has(stored):
            return False
        self.cut(stored)
        if valued and not self.below(stored[:-1]):
            self.cut(stored[:-1])
        return True

    def cut(self, path: Path) -> None:
        """Remove a path that is there, and nothing else."""
        del (self.below(path[:-1]) or {})[path[-1]]

    def below(self, path: Path) -> Tree | None:
        """What lies below a path; None when it is not there."""
        at = self.tree
        for word in path:
            if word not in at:
                return None
            at = at[word]
        return at

    def has(self, path: Path) -> bool:
        return self.below(path) is not None

    def names(self, *path: str) -> list[str]:
        """The words that follow a path, in natural order: a tag node's tags, or a leaf's values."""
        return sorted(self.below(path) or {}, key=natural)

    def value(self, *path: str, default: str = "") -> str:
        return next(iter(self.below(path) or {}), default)

    def with_part(self, path: Path, other: Config) -> Config:
        """This configuration with `other`'s part at and below a path in place of its own."""
        result, part = self.copy(), other.below(path)
        if result.has(path):
            result.cut(path)
        if part is not None:
            at = result.tree
            for word in path[:-1]:
                at = at.setdefault(word, {})
            at[path[-1]] = copied(part)
        return result

    def changed(self, base: Config, session: Config) -> Config:
        """This configuration with what a session has changed since `base`; what others have changed stays."""
        result, kept = self.copy(), session.paths()
        for path in sorted(base.paths() - kept):
            if result.has(path):
                result.cut(path)
        for path in sorted(kept - base.paths()):
            if not session.below(path):
                result.set(list(path))
        return result

    def paths(self) -> AbstractSet[Path]:
        """Every path, those of inner nodes too."""
        return frozenset(path for path, _ in walk(self.tree, ()))

    def commands(self) -> list[str]:
        """`set` lines as `show configuration commands` prints them: values quoted, tags bare, secrets in clear."""
        return [f"set {line}" for line in self.lines().values()]

    def lines(self) -> dict[Path, str]:
        """What stands after `set`, by the paths of the leaves and of nodes with nothing below."""
        printed = {}
        for path, below in walk(self.tree, ()):
            if not below:
                valued = resolve(list(path), for_set=False).node.kind in ("leaf", "multi")
                printed[path] = f"{' '.join(path[:-1])} '{path[-1]}'" if valued else " ".join(path)
        return printed

    def boot_text(self) -> str:
        """The configuration in the form of VyOS's config.boot."""
        return "".join(curly(SCHEMA, self.tree, ""))


def copied(tree: Tree) -> Tree:
    return {word: copied(below) for word, below in tree.items()}


def walk(tree: Tree, above: Path) -> Iterator[tuple[Path, Tree]]:
    for word in sorted(tree, key=natural):
        yield (*above, word), tree[word]
        yield from walk(tree[word], (*above, word))


def curly(node: Node, tree: Tree, indent: str) -> Iterator[str]:
    for name in sorted(tree):
        child = node.children[name]
        if child.kind == "valueless":
            yield f"{indent}{name}\n"
        elif child.kind in ("leaf", "multi"):
            for value in sorted(tree[name], key=natural):
                escaped = value.replace("\\", "\\\\").replace('"', '\\"')
                yield f'{indent}{name} "{escaped}"\n'
        elif child.kind == "tag":
            for tag in sorted(tree[name], key=natural):
                yield from block(f"{name} {tag}", child, tree[name][tag], indent)
        else:
            yield from block(name, child, tree[name], indent)


def block(title: str, node: Node, tree: Tree, indent: str) -> Iterator[str]:
    yield f"{indent}{title} {{\n"
    yield from curly(node, tree, indent + "    ")
    yield f"{indent}}}\n"


def parse_boot(text: str) -> Config:
    """Read what `boot_text` wrote; Refused for a line that is not valid, ValueError for braces that do not match."""
    config = Config()
    stack: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.lstrip().startswith(("//", "/*")) or not line.strip():
            continue
        words = [bare or re.sub(r"\\(.)", r"\1", quoted) for quoted, bare in WORD.findall(line)]
        if words == ["}"] and len(stack) > 1:
            stack.pop()
        elif words[-1] == "{":
            stack.append([*stack[-1], *words[:-1]])
            config.set(stack[-1])
        else:
            config.set([*stack[-1], *words])
    if len(stack) != 1:
        raise ValueError("config.boot: braces do not match")
    return config


def natural(word: str) -> list[tuple[int, int, str]]:
    """A sort key under which eth2 comes before eth10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", word) if part]


def difference(old: Config, new: Config) -> list[str]:
    """`compare commands`: the commands that lead from one configuration to the other."""
    return [*(f"delete {line}" for path, line in old.lines().items() if not new.has(path)),
            *(f"set {line}" for path, line in new.lines().items() if not old.has(path))]


def comparison(old: Config, new: Config) -> list[str]:
    """`compare`: what goes and comes, below the path of the node above it."""
    lines: list[str] = []
    above: Path = ()
    for path, mark, printed in changes(SCHEMA, old.tree, new.tree, ()):
        if path != above:
            lines.append(f"[{' '.join(path)}]")
            above = path
        lines += [f"{mark} {line}" for line in printed]
    return lines


def changes(node: Node, old: Tree, new: Tree, path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Each difference: the path above it, `-` or `+`, and the lines of the form of config.boot."""
    for name in [*sorted(old), *sorted(new.keys() - old.keys())]:
        child = Node("node", children=node.children) if node.kind == "tag" else node.children[name]
        before, after = old.get(name), new.get(name)
        if before is not None and after is not None and child.kind not in ("leaf", "multi"):
            yield from changes(child, before, after, (*path, name))
            continue
        for mark, tree, other in (("-", before, after), ("+", after, before)):
            if tree is None:
                continue
            shown = tree if other is None else {value: {} for value in tree if value not in other}
            if shown or other is None:
                text = "".join(curly(Node("node", children={name: child}), {name: shown}, ""))
                yield path, mark, text.splitlines()
