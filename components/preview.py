"""Values that a preview cannot know yet, shown by a name instead of not at all."""

from __future__ import annotations

from typing import TypeVar

import pulumi

T = TypeVar("T", str, int)


def known_or(value: pulumi.Output[T], placeholder: str) -> pulumi.Output[str]:
    """`value`, or `<placeholder>` in a preview that does not know it yet."""

    async def shown() -> str:
        known = await value.future()
        return str(known) if await value.is_known() else f"<{placeholder}>"

    async def always() -> bool:
        return True

    return pulumi.Output(value.resources(), shown(), always(), value.is_secret())
