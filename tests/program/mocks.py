"""Pulumi's mocks for the program's parts: clouds and routers that answer, and what they were asked for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pulumi
from pulumi.runtime import mocks, settings

from components import Plan, make_plan, parse_settings
from tests.program.conftest import CLOUDS, configuration

SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
PRE_SHARED_KEY = "c0ffee" * 10
Registered = pulumi.runtime.MockResourceArgs


class Failure(grpc.RpcError):  # type: ignore[misc]
    """What the engine answers when a plugin fails."""

    def __init__(self, text: str) -> None:
        self.text = text

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return self.text


class Cloud(pulumi.runtime.Mocks):
    """Answers as clouds and routers would, and remembers what was asked for."""

    def __init__(self) -> None:
        self.made: dict[str, Registered] = {}
        #: the requests that they came by, with parents, providers and other options
        self.requests: dict[str, Any] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        #: other outputs than the usual ones, by a resource's name
        self.outputs: dict[str, dict[str, Any]] = {}
        #: what a site's cloud answers a question with, by the site and the name that is asked for
        self.failures: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, str, str]] = []
        #: the ways to the routers that are read ahead
        self.read_ahead: list[dict[str, Any]] = []

    def new_resource(self, args: Registered) -> tuple[str, dict[str, Any]]:
        key = f"{args.typ}::{args.name}"
        assert key not in self.made, f"{key} twice"
        self.made[key] = args
        identity, outputs = f"id-of-{args.name}", self.answer(args)
        self.answers[key] = outputs
        return identity, outputs

    def answer(self, args: Registered) -> dict[str, Any]:
        """A resource's outputs."""
        outputs = dict(args.inputs)
        match args.typ:
            case "openstack:networking/network:Network":
                outputs["mtu"] = 1450
            case "openstack:networking/floatingIp:FloatingIp":
                outputs["address"] = f"203.0.113.{51 + CLOUDS.index(args.name.split('-')[0])}"
            case "openstack:networking/port:Port":
                outputs["allFixedIps"] = [f"192.0.2.{1 + sum(map(ord, args.name)) % 250}"]
            case "openstack:compute/keypair:Keypair":
                outputs |= {"privateKey": f"LOGIN KEY of {args.name}", "name": args.name}
            case "vyos:index:PreSharedKey":
                outputs["key"] = PRE_SHARED_KEY
            case "vyos:index:HostKey":
                private = "" if args.inputs.get("host") else f"PRIVATE HOST KEY of {args.name}"
                outputs |= {"publicKey": f"ssh-ed25519 {args.name}", "privateKey": private}
            case "vyos:index:FirstBoot":
                outputs["userData"] = args.inputs["text"]
            case "vyos:index:Check":
                outputs["result"] = "3 of 3 pings answered, 5.1 ms"
        return outputs | self.outputs.get(args.name, {})

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token == "vyos:index:readAhead":
            self.read_ahead.append(dict(args.args["connection"]))
            return {}, []
        name = args.args.get("name") or "ext"
        site = (args.provider or "").split("::")[-2]
        self.asked.append((site, args.token.split(":")[-1], name))
        if failure := self.failures.get((site, name)):
            time.sleep(0.5)  # what does not wait for the answer is made by then
            raise Failure(failure)
        return {**args.args, "id": f"id-of-{name}-at-{site}", "name": name}, []

    def of(self, kind: str) -> dict[str, Registered]:
        """The resources of a type, by name."""
        return {args.name: args for args in self.made.values() if args.typ.endswith(f":{kind}")}

    def outputs_of(self, kind: str, name: str) -> dict[str, Any]:
        """A resource's outputs."""
        return next(outputs for key, outputs in self.answers.items() if key.endswith(f":{kind}::{name}"))

    @contextlib.contextmanager
    def used(self) -> Iterator[Cloud]:
        """Pulumi's runtime with these answers, on a loop of its own: Pulumi would leave one that it makes itself open."""
        loop = asyncio.new_event_loop()
        # as Pulumi's language host: what fails besides the program's own error is not told
        loop.set_exception_handler(lambda _, context: None)
        asyncio.set_event_loop(loop)
        mocks.set_mocks(self, project="vpn-connect", stack="test", preview=False)
        self.record_requests()
        yield self
        settings.reset_options()
        loop.run_until_complete(end_of(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()

    def inputs(self, kind: str, name: str) -> dict[str, Any]:
        """A resource's inputs."""
        found: dict[str, Any] = self.of(kind)[name].inputs
        return found

    def request(self, kind: str, name: str) -> Any:
        """The request that made a resource."""
        return next(request for key, request in self.requests.items() if key.endswith(f":{kind}::{name}"))

    def record_requests(self) -> None:
        monitor = settings.get_monitor()
        original = monitor.RegisterResource  # type: ignore[union-attr]

        def record(request: Any) -> Any:
            self.requests[f"{request.type}::{request.name}"] = request
            return original(request)

        monitor.RegisterResource = record  # type: ignore[union-attr]


async def end_of(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel what a failed program has left."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def plan_of(*names: str, **keys: Any) -> Plan:
    """The plan of some sites; `keys` are further ones of the configuration, those of `siteDefaults` added to its own."""
    raw = configuration(*names)
    keys["siteDefaults"] = raw["siteDefaults"] | keys.get("siteDefaults", {})
    return make_plan(parse_settings(raw | keys, CLOUDS))


def run(program: Callable[[], Any]) -> Any:
    """Run a program under the mocks to its end, every apply included."""
    result: list[Any] = []

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def decorated() -> None:
        result.append(program())

    decorated()
    return result[0]


def plain(value: Any) -> str:
    """All that is not marked as a secret in inputs, as text."""
    if isinstance(value, dict):
        secret = SECRET_SIGNATURE in value
        return "" if secret else "\n".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "\n".join(map(plain, value))
    return str(value)


def revealed(value: Any) -> Any:
    """A secret input's value; it must be one."""
    assert SECRET_SIGNATURE in value, "not a secret"
    return value["value"]
