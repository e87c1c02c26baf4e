"""A part of a router's configuration: its lines to read in a preview, and the command that applies them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import pulumi
import pulumi_command as command

from components import render


class RouterConfiguration(pulumi.ComponentResource):
    """Lines on one router. They are the component's input, one by one, so that a preview shows which of them change."""

    #: changes with the lines; for what has to look again when they do
    digest: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        title: str,
        lines: pulumi.Output[str],
        owned: Callable[[str], Sequence[str]],
        machine: pulumi.Output[str],
        connection: command.remote.ConnectionArgs,
        key: pulumi.Input[str] = "",
        removable: bool = False,
        needs: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`owned` gives the nodes that are this part's alone, for its lines.

        `machine`: on another one the lines are applied anew. `key`: the pre-shared key, a secret, that stands in the
        lines as "$PSK". `removable`: whether deleting this takes the owned nodes off the router; what goes with its
        machine need not. `needs`: what must be there before.
        """
        super().__init__(
            "vpn-connect:index:RouterConfiguration", name, {"lines": lines.apply(lambda text: text.splitlines())}, opts
        )
        script = pulumi.Output.all(machine, lines).apply(
            lambda known: render.apply_script(f"{title}, on {known[0]}", owned(known[1]), known[1])
        )
        nodes = owned("")
        self.digest = script.apply(lambda text: sha256(text.encode()).hexdigest()[:16])
        self.applied = command.remote.Command(
            name,
            connection=connection,
            create=script,
            delete=render.apply_script(f"{title}: removed", nodes) if removable else None,
            stdin=pulumi.Output.from_input(key).apply(lambda secret: f"{secret}\n"),
            logging=command.remote.Logging.NONE,
            # other nodes: those of before are removed first
            triggers=list(nodes) if removable else None,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=list(needs)),
        )
        self.register_outputs({"digest": self.digest})
