"""Reads from the source of the pulumi_openstack SDK which properties each resource and function has, and their shapes.

A shape is "str", "bool", "int" or "float", ["list", shape], ["map", shape], or an object of shapes: the same form in
which `openstack-dump` prints the plugin's.
"""

from __future__ import annotations

import ast
import gc
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Shape = Any
SCALARS = {"str", "bool", "int", "float"}


@dataclass
class Sdk:
    """Shapes of every resource and function by token, and the tokens of those that the SDK calls deprecated."""

    resources: dict[str, Shape] = field(default_factory=dict)
    functions: dict[str, Shape] = field(default_factory=dict)
    deprecated: set[str] = field(default_factory=set)


@dataclass
class Class:
    """A generated class: its type token, if it is a resource's, and the annotation of each property."""

    token: str | None
    properties: dict[str, ast.expr]


def read_sdk() -> Sdk:
    """Parse the installed SDK; nothing of it is imported."""
    spec = importlib.util.find_spec("pulumi_openstack")
    assert spec
    assert spec.origin
    sdk = Sdk()
    for directory in sorted({file.parent for file in Path(spec.origin).parent.rglob("*.py")}):
        nested = classes(directory / "outputs.py")
        for file in sorted(directory.glob("*.py")):
            if file.name in ("outputs.py", "_inputs.py", "__init__.py", "_utilities.py", "provider.py"):
                continue
            text = file.read_text()
            called = re.search(r"runtime\.invoke\('([^']+)'", text)
            old = re.search(r"^(warnings\.warn|@_utilities\.deprecated)\(", text, re.M)  # a property's is indented
            for name, generated in classes(file).items():
                function = called and name.endswith("Result") and not name.startswith("Awaitable")
                token = called[1] if called and function else generated.token
                if token:
                    shapes = sdk.functions if function else sdk.resources
                    shapes[token] = {key: shape_of(value, nested) for key, value in generated.properties.items()}
                    sdk.deprecated.update([token] if old else [])
    return sdk


def classes(file: Path) -> dict[str, Class]:
    """The classes of a generated module by name."""
    gc.disable()  # Python 3.11's ast.parse fails when a collection runs other code in its midst
    try:
        tree = ast.parse(file.read_text()) if file.exists() else ast.Module([], [])
    finally:
        gc.enable()
    return {
        node.name: Class(token_of(node), dict(properties_of(node)))
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def token_of(node: ast.ClassDef) -> str | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pulumi.type_token":
            return str(ast.literal_eval(decorator.args[0]))
    return None


def properties_of(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Every property with a getter, under its name on the wire."""
    for method in node.body:
        for decorator in method.decorator_list if isinstance(method, ast.FunctionDef) else []:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(method, ast.FunctionDef) and ast.unparse(call) == "pulumi.getter" and method.returns:
                keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
                names = {keyword.arg: ast.literal_eval(keyword.value) for keyword in keywords}
                yield names.get("name", method.name), method.returns


def shape_of(annotation: ast.expr, nested: dict[str, Class]) -> Shape:
    if isinstance(annotation, ast.Subscript):
        head = ast.unparse(annotation.value).split(".")[-1]
        parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        match head:
            case "Output" | "Optional":
                return shape_of(parts[0], nested)
            case "Sequence":
                return ["list", shape_of(parts[0], nested)]
            case "Mapping":
                return ["map", shape_of(parts[1], nested)]
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        properties = nested[annotation.value.split(".")[-1]].properties
        return {name: shape_of(value, nested) for name, value in properties.items()}
    name = ast.unparse(annotation).split(".")[-1]
    assert name in SCALARS, f"an annotation of a kind not met before: {ast.unparse(annotation)}"
    return name
