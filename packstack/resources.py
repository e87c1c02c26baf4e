"""The resources of the project's own provider for PackStack's hosts; what they do is told in packstack/provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi


class Provider(pulumi.ProviderResource):
    """The provider; the engine finds it by Pulumi.yaml's `plugins`."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("packstack", name, {}, opts)


class Step(pulumi.CustomResource):
    """A step of a kind, such as "Prechecks"; its inputs and outputs are told in packstack/provider/kinds.py."""

    def __init__(
        self,
        kind: str,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"packstack:index:{kind}", name, {**inputs, **dict.fromkeys(outputs)}, opts)

    def output_of(self, name: str) -> pulumi.Output[Any]:
        """One of the outputs."""
        return pulumi.get(self, name)  # type: ignore[no-any-return]

    def secret_of(self, name: str) -> pulumi.Output[str]:
        """One of the outputs, a secret."""
        return pulumi.Output.secret(pulumi.get(self, name))
