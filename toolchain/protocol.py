"""Pulumi's protocol messages without the SDK around them, whose import takes longer than all else that a host does."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def bare(*packages: str) -> None:
    """Have packages be nothing but the place of their modules: their own code is not run."""
    for name in packages:
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.submodule_search_locations
        module = ModuleType(name)
        module.__path__ = list(spec.submodule_search_locations)
        sys.modules[name] = module


if "pulumi" not in sys.modules:
    bare("pulumi", "pulumi.runtime")
