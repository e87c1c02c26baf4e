"""What the provider's resources do: as functions of their properties, which are plain values here."""

from __future__ import annotations

import asyncio
import posixpath
import secrets
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vyos_provider.apply import BOOT_PATIENCE, apply
from vyos_provider.lines import PSK, Part, difference, parse, with_key
from vyos_provider.ssh import END, Access, Router, RouterError, Unreachable, connect, host_key, run

#: seconds in which a router has to answer when it is only asked whether its lines have changed
READ_PATIENCE = 4.0
#: seconds that the scripts of a service may take; packages may have to be installed
SERVICE_PATIENCE = 900.0
Properties = dict[str, Any]
Log = Callable[[str, str], Coroutine[Any, Any, None]]
Function = Callable[[Properties], Coroutine[Any, Any, Properties]]


class Kind(ABC):
    """A type of resource. `log` takes a severity ("info", "warning") and a text for the user.

    None of the properties holds what is not known yet; inside a value that is partly known it stands as None.
    """

    #: outputs that are secrets
    secret_outputs: tuple[str, ...] = ()
    #: outputs that are not known before a create or update has been
    computed: tuple[str, ...] = ()

    async def check(self, old: Properties, new: Properties, log: Log) -> Properties:
        """The inputs to go on with. `old`, those of the last update, is empty for a new resource."""
        return new

    def diff(self, old: Properties, new: Properties) -> list[str]:
        """Names of the inputs for whose sake the resource has to be updated."""
        return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))

    @abstractmethod
    async def create(self, inputs: Properties, log: Log) -> Properties:
        """Make it; its outputs."""

    async def update(self, old: Properties, inputs: Properties, log: Log) -> Properties:
        """Change it; its outputs. `old` are its inputs and outputs of before."""
        return await self.create(inputs, log)

    async def delete(self, properties: Properties, log: Log) -> None:  # noqa: B027
        """Undo it, given its inputs and outputs."""

    async def read(self, inputs: Properties, log: Log) -> Properties:
        """The inputs as they really are."""
        return inputs


class PreSharedKey(Kind):
    """256 random bits as hexadecimal digits, which neither VyOS nor swanctl.conf reads as anything else.

    Input `rotation`: another number gives another key. Output `key`.
    """

    secret_outputs = computed = ("key",)

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return {"key": secrets.token_hex(32)}


class HostKey(Kind):
    """An SSH host key (ed25519): made for a machine, or recorded from it.

    Without inputs it is made. With `host` (and `machine`, for another of which it is recorded anew) it is what `host`
    shows at the first contact, which nothing vouches for. Outputs `publicKey`, and `privateKey` in OpenSSH's format,
    empty for a recorded one.
    """

    secret_outputs = ("privateKey",)
    computed = ("publicKey", "privateKey")

    async def create(self, inputs: Properties, log: Log) -> Properties:
        if host := inputs.get("host"):
            return {"publicKey": await host_key(host, BOOT_PATIENCE), "privateKey": ""}
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return {"publicKey": public.decode(), "privateKey": private.decode()}


class FirstBoot(Kind):
    """cloud-init user data that stays as it was when a machine was made.

    User data cannot be changed without another machine, and need not be: a machine that runs is changed otherwise.
    Inputs `text`, and `of`: values with which the machine is made anew. Output `userData`: `text`, as it was when `of`
    changed last.
    """

    secret_outputs = computed = ("userData",)

    def diff(self, old: Properties, new: Properties) -> list[str]:
        return ["of"] if old.get("of") != new.get("of") else []

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return {"userData": inputs["text"]}


class Configuration(Kind):
    """A part of a router's configuration.

    Inputs: `lines` (`set` lines; the pre-shared key stands in them as "$PSK"), `nodes` (paths that are this part's
    alone), `title` for messages, `machine` (on another one the lines are applied anew), `key` (the pre-shared key),
    `connection` (`host`, `user`, `privateKey`, `hostKey`, and `port` unless it is 22) and `removable` (whether a delete
    takes the nodes off the router). A check adds `drift`: the lines that somebody else changed on the router, if any.
    """

    def __init__(self, routers: Routers) -> None:
        self.routers = routers

    async def check(self, old: Properties, new: Properties, log: Log) -> Properties:
        new = {name: value for name, value in new.items() if name != "drift"}
        if old.get("machine") == new.get("machine") and (drift := await self.drift({**old, **connection(new)}, log)):
            new["drift"] = [f"found on the router at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC:", *drift]
        return new

    def diff(self, old: Properties, new: Properties) -> list[str]:
        names = super().diff(old, new)
        # that there is no drift any more is no change
        return [name for name in names if name != "drift" or "drift" in new]

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return await self.update({}, inputs, log)

    async def update(self, old: Properties, inputs: Properties, log: Log) -> Properties:
        part = part_of(inputs)
        if old and old.get("machine") == inputs.get("machine"):
            part = part.instead_of(part_of(old))
        await self.apply(part, inputs, log)
        return {}

    async def delete(self, properties: Properties, log: Log) -> None:
        if properties.get("removable"):
            await self.apply(part_of({**properties, "lines": []}), properties, log)

    async def read(self, inputs: Properties, log: Log) -> Properties:
        drift = await self.drift(inputs, log)
        known = {name: value for name, value in inputs.items() if name != "drift"}
        return {**known, "drift": drift} if drift else known

    async def apply(self, part: Part, properties: Properties, log: Log) -> None:
        said: list[asyncio.Task[None]] = []

        def report(step: str) -> None:
            said.append(asyncio.create_task(log("info", step)))

        try:
            await apply(self.routers.of(properties["connection"]), part, properties["title"], report=report)
        finally:
            await asyncio.gather(*said, return_exceptions=True)

    async def drift(self, applied: Properties, log: Log) -> list[str]:
        """How the router differs from what was applied last; nothing when that cannot be found out now."""
        if any(applied.get(name) is None for name in ("lines", "nodes", "connection")):
            return []
        if applied.get("key") is None and any(PSK in line for line in applied["lines"]):
            return []
        try:
            active = await self.routers.of(applied["connection"]).lines(READ_PATIENCE)
        except RouterError as error:
            await log("warning", f"{applied['title']}: whether it was changed on the router is not known: {error}")
            return []
        return difference(active, part_of(applied)).shown()


class Check(Kind):
    """Scripts that tell whether something works: `script` on a router, then `behindScript` on a machine behind it.

    Inputs besides: `connection` and `behind` as a Configuration's `connection`; `triggers`, any other values for whose
    sake to look again; `renew`, a script that runs first on the router when `renewal` has another value than before.
    Output `result`: what the second script printed. A script that ends with another status than 0 fails, with what it
    wrote.
    """

    computed = ("result",)

    def __init__(self, routers: Routers) -> None:
        self.routers = routers

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return await self.update(inputs, inputs, log)

    async def update(self, old: Properties, inputs: Properties, log: Log) -> Properties:
        router = await self.routers.of(inputs["connection"]).connection(BOOT_PATIENCE)
        if inputs.get("renew") and old.get("renewal") != inputs["renewal"]:
            await run(router, inputs["renew"])
        await run(router, inputs["script"])
        machine = await connect(access_of(inputs["behind"]), BOOT_PATIENCE, tunnel=router)
        try:
            return {"result": await run(machine, inputs["behindScript"])}
        finally:
            machine.close()


class Service(Kind):
    """A service on a machine behind a router: its files, and what has to be done before and after they are written.

    Inputs: `files` (lists of lines by path; `$NAME` stands in them for the secret of that name), `secrets`, the scripts
    `prepare`, `apply` and `remove` for root's bash, `title` for messages, `machine` (on another one all is done anew),
    and `connection` and `behind` as a Check's. Files are written when `prepare` has ended well, readable by root alone;
    `apply` comes after them, and `remove` with a delete. Everything travels by standard input.
    """

    def __init__(self, routers: Routers) -> None:
        self.routers = routers

    async def create(self, inputs: Properties, log: Log) -> Properties:
        return await self.update({}, inputs, log)

    async def update(self, old: Properties, inputs: Properties, log: Log) -> Properties:
        before = old.get("files", {}) if old.get("machine") == inputs["machine"] else {}
        gone = [path for path in before if path not in inputs["files"]]
        steps = {"prepare": inputs["prepare"], "write the files": writing(inputs, gone), "apply": inputs["apply"]}
        await self.carry_out(steps, inputs)
        return {}

    async def delete(self, properties: Properties, log: Log) -> None:
        await self.carry_out({"remove": properties["remove"]}, properties)

    async def carry_out(self, steps: Mapping[str, str], properties: Properties) -> None:
        """Run the scripts one after another, each in a shell of its own; RouterError names the one that failed."""
        router = await self.routers.of(properties["connection"]).connection(BOOT_PATIENCE)
        machine = await connect(access_of(properties["behind"]), BOOT_PATIENCE, tunnel=router)
        try:
            await run(machine, "sudo -n bash -s", sequence(steps), SERVICE_PATIENCE)
        except Unreachable:
            raise
        except RouterError as error:
            step, _, text = str(error).rpartition(END)
            step = step.rpartition(END)[2] or "log in as root"
            raise RouterError(f"{properties['title']}: failed at the step '{step}': {text.strip()}") from error
        finally:
            machine.close()


def sequence(steps: Mapping[str, str]) -> str:
    """Scripts one after another, each in a shell of its own and told by its name, until one fails."""
    parts = [
        f"echo {END}{shlex.quote(step)}{END}\n(\n{script}\n) < /dev/null || exit" for step, script in steps.items()
    ]
    # in braces: bash reads all of it before it begins, so that a lost connection cuts nothing short
    return "{\n" + "\n".join(parts) + "\nexit\n}\n"


def writing(properties: Properties, gone: Iterable[str]) -> str:
    """A script that writes the files with their secrets, each of them whole, and removes those that are `gone`."""
    script = ["set -e", "umask 077"]
    for path, lines in sorted(properties["files"].items()):
        for name, secret in (properties.get("secrets") or {}).items():
            lines = [line.replace(f"${name}", secret) for line in lines]
        file = shlex.quote(path)
        # bash's own printf: a process has arguments that others can see
        script += [
            f"mkdir -p {shlex.quote(posixpath.dirname(path))}",
            f"printf '%s\\n' {shlex.join(lines)} > {file}.new",
            f"mv {file}.new {file}",
        ]
    return "\n".join([*script, *(f"rm -f {shlex.quote(path)}" for path in gone)])


class Routers:
    """The routers of a run, one for each way to reach one."""

    def __init__(self) -> None:
        self.known: dict[Access, Router] = {}

    def of(self, connection: Properties) -> Router:
        access = access_of(connection)
        return self.known.setdefault(access, Router(access))

    async def read_ahead(self, arguments: Properties) -> Properties:
        """The function `readAhead`: begins to read the lines of the router at `connection`, and waits for nothing.

        The engine asks for one resource's check after another's: without it, routers would be read one after another.
        """
        self.of(arguments["connection"]).read_ahead(READ_PATIENCE)
        return {}


def access_of(connection: Properties) -> Access:
    """A `connection` input."""
    host, user, private_key, host_key = (connection[name] for name in ("host", "user", "privateKey", "hostKey"))
    return Access(host, user, private_key, host_key, int(connection.get("port", 22)))


def part_of(properties: Properties) -> Part:
    """The part of the configuration that the properties describe."""
    lines = with_key(parse("\n".join(properties["lines"])), properties.get("key") or "")
    return Part(lines, tuple(tuple(node.split()) for node in properties["nodes"]))


def connection(properties: Properties) -> Properties:
    """The way to the router as it is now, where it is known."""
    found = properties.get("connection")
    return {"connection": found} if found and None not in found.values() else {}


def package() -> tuple[dict[str, Kind], dict[str, Function]]:
    """The provider's types of resources and its functions by their names."""
    routers = Routers()
    kinds: dict[str, Kind] = {
        "PreSharedKey": PreSharedKey(),
        "HostKey": HostKey(),
        "FirstBoot": FirstBoot(),
        "Configuration": Configuration(routers),
        "Check": Check(routers),
        "Service": Service(routers),
    }
    return kinds, {"readAhead": routers.read_ahead}
