"""Serves a provider to Pulumi's engine: provider.proto on one side, plain values and kinds of resources behind it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from vyos_provider.resources import Function, Kind, Properties
from vyos_provider.ssh import RouterError

VERSION = "1.0.0"
MESSAGE_LIMIT = 400 << 20  # bytes; what the engine itself allows
T = TypeVar("T")
Values = Mapping[str, PropertyValue]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The requests that the engine makes. Secrets are accepted and stay marked."""

    def __init__(self, engine: str, name: str, kinds: Mapping[str, Kind], functions: Mapping[str, Function]) -> None:
        self.engine = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(engine))
        self.name, self.kinds, self.functions = name, kinds, functions
        self.running: set[asyncio.Task[Any]] = set()

    async def Handshake(self, request: Any, context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=True)

    async def Attach(self, request: Any, context: Any) -> Any:
        self.engine = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(request.address))
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    async def GetSchema(self, request: Any, context: Any) -> Any:
        return pb.GetSchemaResponse(schema=f'{{"name": "{self.name}", "version": "{VERSION}"}}')

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> Any:
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def Check(self, request: Any, context: Any) -> Any:
        kind = self.kinds.get(type_of(request.urn))
        if kind is None:
            reason = f"{self.name} has no resource {type_of(request.urn)!r}"
            return pb.CheckResponse(failures=[pb.CheckFailure(reason=reason)])
        old, new = PropertyValue.unmarshal_map(request.olds), PropertyValue.unmarshal_map(request.news)
        checked = await self.attempt(request, context, kind.check(plain(old), plain(new), self.log(request.urn)))
        return pb.CheckResponse(inputs=PropertyValue.marshal_map(merged(new, checked)))

    async def Diff(self, request: Any, context: Any) -> Any:
        old, new = (PropertyValue.unmarshal_map(values) for values in (request.old_inputs, request.news))
        kind = self.kinds[type_of(request.urn)]
        ignored = set(request.ignoreChanges)
        changed = [name for name in kind.diff(plain(old), plain(new)) if name not in ignored]
        detail = {}
        for name in changed:
            verb = "ADD" if name not in old else "DELETE" if name not in new else "UPDATE"
            detail[name] = pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(verb), inputDiff=True)
        some = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(changes=some, diffs=changed, detailedDiff=detail, hasDetailedDiff=True)

    async def Create(self, request: Any, context: Any) -> Any:
        inputs = PropertyValue.unmarshal_map(request.properties)
        kind = self.kinds[type_of(request.urn)]
        made = None if request.preview else kind.create(plain(inputs), self.log(request.urn))
        outputs = await self.outputs(kind, inputs, made, request, context)
        return pb.CreateResponse(id="" if request.preview else uuid.uuid4().hex, properties=outputs)

    async def Update(self, request: Any, context: Any) -> Any:
        old, inputs = (PropertyValue.unmarshal_map(values) for values in (request.olds, request.news))
        kind = self.kinds[type_of(request.urn)]
        made = None if request.preview else kind.update(plain(old), plain(inputs), self.log(request.urn))
        return pb.UpdateResponse(properties=await self.outputs(kind, inputs, made, request, context))

    async def Delete(self, request: Any, context: Any) -> Any:
        outputs = PropertyValue.unmarshal_map(request.properties)
        kind = self.kinds[type_of(request.urn)]
        await self.attempt(request, context, kind.delete(plain(outputs), self.log(request.urn)))
        return empty_pb2.Empty()

    async def Read(self, request: Any, context: Any) -> Any:
        inputs = PropertyValue.unmarshal_map(request.inputs)
        kind = self.kinds[type_of(request.urn)]
        found = await self.attempt(request, context, kind.read(plain(inputs), self.log(request.urn)))
        now = PropertyValue.marshal_map(merged(inputs, found))
        return pb.ReadResponse(id=request.id, properties=request.properties, inputs=now)

    async def Invoke(self, request: Any, context: Any) -> Any:
        function = self.functions.get(last_part(request.tok))
        if function is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{self.name} has no function {request.tok!r}")
            raise AssertionError  # abort does not return
        arguments = plain(PropertyValue.unmarshal_map(request.args))
        found = await self.attempt(request, context, function(arguments))
        returned = {name: marked(value) for name, value in found.items()}
        return pb.InvokeResponse(**{"return": PropertyValue.marshal_map(returned)})

    async def Cancel(self, request: Any, context: Any) -> Any:
        for task in self.running:
            task.cancel()
        return empty_pb2.Empty()

    async def outputs(
        self, kind: Kind, inputs: Values, made: Awaitable[Properties] | None, request: Any, context: Any
    ) -> Any:
        """The inputs and what the work has given; in a preview the latter is unknown."""
        if made is None:
            found = {name: PropertyValue(UNKNOWN, name in kind.secret_outputs) for name in kind.computed}
        else:
            found = {
                name: marked(value, name in kind.secret_outputs)
                for name, value in (await self.attempt(request, context, made)).items()
            }
        return PropertyValue.marshal_map({**inputs, **found})

    async def attempt(self, request: Any, context: Any, work: Awaitable[T]) -> T:
        """Do a piece of work; its failure ends the request with a text that holds no secret."""
        task = asyncio.ensure_future(work)
        self.running.add(task)
        try:
            return await task
        except (RouterError, asyncio.CancelledError) as error:
            text = str(error) or "cancelled"
        except Exception as error:  # any: gRPC would print it as it is
            text = f"{type(error).__name__}: {error}"
        finally:
            self.running.discard(task)
        for secret in sorted(secrets_of(request), key=len, reverse=True):
            text = text.replace(secret, "<secret>")
        await context.abort(grpc.StatusCode.UNKNOWN, text)
        raise AssertionError  # abort does not return

    def log(self, urn: str) -> Any:
        async def send(severity: str, text: str) -> None:
            await self.engine.Log(
                engine_pb2.LogRequest(
                    severity=engine_pb2.LogSeverity.Value(severity.upper()),
                    urn=urn,
                    message=text,
                    ephemeral=severity == "info",
                )
            )

        return send


def type_of(urn: str) -> str:
    """The last part of the resource's own type in a URN."""
    return last_part(urn.split("::")[2].split("$")[-1])


def last_part(token: str) -> str:
    """The name in a token of a type or a function, without its package and module."""
    return token.split(":")[-1]


def is_unknown(value: PropertyValue) -> bool:
    """The SDK's `PropertyValue` leaves Pulumi's mark of an unknown value as the text that it is."""
    return bool(value.value == UNKNOWN)


def plain(values: Values) -> Properties:
    """The values as Python's own, without what is unknown; None for what is unknown inside another value."""
    return {name: plain_value(value) for name, value in values.items() if not is_unknown(value)}


def plain_value(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, Mapping):
        return {name: plain_value(item) for name, item in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [plain_value(item) for item in inner]
    return None if is_unknown(value) else inner


def merged(values: Values, found: Properties) -> dict[str, PropertyValue]:
    """What was found, for the engine: the same values marked as it sent them, and what is unknown as it is."""
    unknown = {name: value for name, value in values.items() if is_unknown(value)}
    kept = {name: value for name, value in values.items() if name in found and plain_value(value) == found[name]}
    return {**unknown, **{name: marked(value) for name, value in found.items() if name not in kept}, **kept}


def marked(value: Any, secret: bool = False) -> PropertyValue:
    """A plain text or list of texts for the engine."""
    inner = [PropertyValue(item) for item in value] if isinstance(value, list) else value
    return PropertyValue(inner, is_secret=secret)


def secrets_of(request: Any) -> set[str]:
    """Every secret text in a request's properties; what tells where a machine is is none, though Pulumi marks it."""
    found: set[str] = set()

    def collect(value: PropertyValue, secret: bool) -> None:
        secret = secret or value.is_secret
        inner = value.value
        if isinstance(inner, str):
            if secret and len(inner) > 3:
                found.add(inner)
        elif isinstance(inner, Mapping | Sequence):
            named = inner.items() if isinstance(inner, Mapping) else (("", item) for item in inner)
            for name, item in named:
                if name not in ("host", "user", "hostKey"):
                    collect(item, secret)  # type: ignore[arg-type]

    for field in ("properties", "olds", "old_inputs", "news", "inputs", "args"):
        if field in request.DESCRIPTOR.fields_by_name:
            for value in PropertyValue.unmarshal_map(getattr(request, field)).values():
                collect(value, False)
    return found


def main(name: str, kinds: Mapping[str, Kind], functions: Mapping[str, Function] | None = None) -> None:
    """Serve the provider of a package; the engine's address is this process's argument that is no option."""
    engine_address = next(argument for argument in sys.argv[1:] if not argument.startswith("-"))
    asyncio.run(serve(engine_address, name, kinds, functions or {}))


async def serve(engine_address: str, name: str, kinds: Mapping[str, Kind], functions: Mapping[str, Function]) -> None:
    """Serve until the engine ends this process, or has gone without a word."""
    engine = os.getppid()
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    server = grpc.aio.server(options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(engine_address, name, kinds, functions), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    print(port, flush=True)
    while not ended.is_set() and os.getppid() == engine:
        try:
            await asyncio.wait_for(ended.wait(), 1)
        except TimeoutError:
            continue
    os._exit(0)  # a running request must not hold the process
