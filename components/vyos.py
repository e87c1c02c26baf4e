"""The resources of the project's own provider for VyOS routers; what they do is told in vyos_provider/resources.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import pulumi
from pulumi.runtime import invoke_async


class Connection(TypedDict):
    """How a machine is reached by SSH; its host key is required to be this one."""

    host: pulumi.Input[str]
    user: pulumi.Input[str]
    privateKey: pulumi.Input[str]
    hostKey: pulumi.Input[str]


def read_ahead(connection: Connection, opts: pulumi.InvokeOptions) -> None:
    """Have the provider read a router's lines as soon as the way to it is known, before its resources ask for them."""
    # in an apply: nobody waits for it, and what is unknown in a preview is not asked for
    pulumi.Output.from_input(None).apply(
        lambda _: invoke_async("vyos:index:readAhead", {"connection": connection}, opts)
    )


class Provider(pulumi.ProviderResource):
    """The provider; the engine finds it by Pulumi.yaml's `plugins`."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vyos", name, {}, opts)


class PreSharedKey(pulumi.CustomResource):
    """256 random bits as hexadecimal digits, a secret; another `rotation` gives another key."""

    def __init__(self, name: str, *, rotation: int, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vyos:index:PreSharedKey", name, {"rotation": rotation, "key": None}, opts)

    @property
    def key(self) -> pulumi.Output[str]:
        return pulumi.Output.secret(pulumi.get(self, "key"))


class HostKey(pulumi.CustomResource):
    """An SSH host key: made, or with `host` recorded from it at the first contact, anew for another `machine`."""

    def __init__(
        self,
        name: str,
        *,
        host: pulumi.Input[str] | None = None,
        machine: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties = {"host": host, "machine": machine, "publicKey": None, "privateKey": None}
        super().__init__("vyos:index:HostKey", name, properties, opts)

    @property
    def public_key(self) -> pulumi.Output[str]:
        """As in known_hosts, without the host's name."""
        return pulumi.get(self, "publicKey")  # type: ignore[no-any-return]

    @property
    def private_key(self) -> pulumi.Output[str]:
        """In OpenSSH's format, a secret; empty for a recorded key."""
        return pulumi.Output.secret(pulumi.get(self, "privateKey"))


class FirstBoot(pulumi.CustomResource):
    """cloud-init user data that stays as it was when its machine was made, until a value in `of` changes."""

    def __init__(
        self,
        name: str,
        *,
        text: pulumi.Input[str],
        of: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`of`: what the machine is made of; with another one it is made anew, and takes the `text` of then."""
        properties = {"text": pulumi.Output.secret(text), "of": of, "userData": None}
        super().__init__("vyos:index:FirstBoot", name, properties, opts)

    @property
    def user_data(self) -> pulumi.Output[str]:
        """A secret."""
        return pulumi.Output.secret(pulumi.get(self, "userData"))


class Configuration(pulumi.CustomResource):
    """A part of a router's configuration, applied safely; a preview shows its lines, and how the router differs."""

    def __init__(
        self,
        name: str,
        *,
        title: str,
        lines: pulumi.Input[Sequence[str]],
        nodes: pulumi.Input[Sequence[str]],
        machine: pulumi.Input[str],
        connection: Connection,
        key: pulumi.Input[str] = "",
        removable: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`nodes` are this part's alone. On another `machine` the lines are applied anew.

        `key`: the pre-shared key, which stands in the lines as "$PSK". `removable`: whether deleting this takes the
        nodes off the router; what goes with its machine need not.
        """
        properties = {
            "title": title,
            "lines": lines,
            "nodes": nodes,
            "machine": machine,
            "connection": connection,
            "key": pulumi.Output.secret(key),
            "removable": removable,
        }
        super().__init__("vyos:index:Configuration", name, properties, opts)


class Service(pulumi.CustomResource):
    """A service on a machine behind a router; a preview shows its files' lines."""

    def __init__(
        self,
        name: str,
        *,
        title: str,
        files: Mapping[str, Sequence[str]],
        secrets: Mapping[str, pulumi.Input[str]],
        prepare: str,
        apply: str,
        remove: str,
        machine: pulumi.Input[str],
        connection: Connection,
        behind: Connection,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`secrets`: values by the names that stand in the files as "$NAME". On another `machine` all is done anew."""
        properties = {
            "title": title,
            "files": files,
            "secrets": pulumi.Output.secret(secrets),
            "prepare": prepare,
            "apply": apply,
            "remove": remove,
            "machine": machine,
            "connection": connection,
            "behind": behind,
        }
        super().__init__("vyos:index:Service", name, properties, opts)


class Check(pulumi.CustomResource):
    """A script on a router and then one on a machine behind it; run at first and whenever an input changes."""

    def __init__(
        self,
        name: str,
        *,
        connection: Connection,
        script: pulumi.Input[str],
        behind: Connection,
        behind_script: pulumi.Input[str],
        triggers: Sequence[pulumi.Input[str]],
        renewal: int = 1,
        renew: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`renew`: a script that runs on the router first when `renewal` has another value than before."""
        properties = {
            "connection": connection,
            "script": script,
            "behind": behind,
            "behindScript": behind_script,
            "triggers": triggers,
            "renewal": renewal,
            "renew": renew,
            "result": None,
        }
        super().__init__("vyos:index:Check", name, properties, opts)

    @property
    def result(self) -> pulumi.Output[str]:
        """What the second script printed."""
        return pulumi.get(self, "result")  # type: ignore[no-any-return]
