"""Values that a preview cannot know yet, shown by a name instead of not at all."""

from __future__ import annotations

from typing import TypeVar

import pulumi

T = TypeVar("T", str, int)


def known_or(value: pulumi.Output[T], placeholder: str) -> pulumi.Output[str]:
    """`value`, or `<placeholder>` in a preview that does not know it yet."""

    def shown(known: T) -> str:
        return f"<{placeholder}>" if pulumi.contains_unknowns(known) else str(known)

    return value.apply(shown, run_with_unknowns=True)
