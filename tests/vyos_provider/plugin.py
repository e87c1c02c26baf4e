"""Talks to the provider as the engine does: its launcher as a process, gRPC, secrets and unknown values as Pulumi marks them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from toolchain.paths import REPO

LAUNCHER = REPO / "vyos_provider/pulumi-resource-vyos"
PATIENCE = 30  # seconds that a call may take before it counts as hanging
#: severities of a log's entries
INFO, WARNING = engine_pb2.LogSeverity.Value("INFO"), engine_pb2.LogSeverity.Value("WARNING")
Properties = dict[str, PropertyValue]


class Engine(engine_pb2_grpc.EngineServicer):
    """The engine's side: keeps what the provider logs."""

    def __init__(self) -> None:
        self.logged: list[Any] = []

    async def Log(self, request: Any, context: Any) -> Any:
        self.logged.append(request)
        return empty_pb2.Empty()


class Plugin:
    """The provider; each method is one of the engine's calls."""

    def __init__(self, process: asyncio.subprocess.Process, stub: Any, engine: Engine) -> None:
        self.process, self.stub, self.engine = process, stub, engine

    async def check(self, kind: str, old: Properties, new: Properties) -> Properties:
        request = pb.CheckRequest(urn=urn(kind), olds=struct(old), news=struct(new))
        answer = await self.stub.Check(request, timeout=PATIENCE)
        assert not answer.failures, answer.failures
        return PropertyValue.unmarshal_map(answer.inputs)

    async def diff(self, kind: str, old: Properties, new: Properties, ignore: tuple[str, ...] = ()) -> Any:
        request = pb.DiffRequest(
            urn=urn(kind), id="1", olds=struct(old), old_inputs=struct(old), news=struct(new), ignoreChanges=ignore
        )
        return await self.stub.Diff(request, timeout=PATIENCE)

    async def create(self, kind: str, inputs: Properties, preview: bool = False) -> tuple[str, Properties]:
        """The new resource's id and outputs."""
        request = pb.CreateRequest(urn=urn(kind), properties=struct(inputs), preview=preview)
        answer = await self.stub.Create(request, timeout=PATIENCE)
        return answer.id, PropertyValue.unmarshal_map(answer.properties)

    async def update(self, kind: str, old: Properties, inputs: Properties, preview: bool = False) -> Properties:
        request = pb.UpdateRequest(urn=urn(kind), id="1", olds=struct(old), news=struct(inputs), preview=preview)
        return PropertyValue.unmarshal_map((await self.stub.Update(request, timeout=PATIENCE)).properties)

    async def delete(self, kind: str, outputs: Properties) -> None:
        await self.stub.Delete(pb.DeleteRequest(urn=urn(kind), id="1", properties=struct(outputs)), timeout=PATIENCE)

    async def read(self, kind: str, inputs: Properties) -> tuple[Properties, Properties]:
        """The resource's outputs and inputs as they really are."""
        request = pb.ReadRequest(urn=urn(kind), id="1", properties=struct(inputs), inputs=struct(inputs))
        answer = await self.stub.Read(request, timeout=PATIENCE)
        return PropertyValue.unmarshal_map(answer.properties), PropertyValue.unmarshal_map(answer.inputs)

    async def cancel(self) -> None:
        await self.stub.Cancel(empty_pb2.Empty(), timeout=PATIENCE)

    async def logged(self, text: str) -> Any:
        """The first message that holds a text, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for entry in self.engine.logged:
                    if text in entry.message:
                        return entry
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running_engine() -> AsyncIterator[tuple[Engine, str]]:
    """An engine to log to, and its address."""
    engine = Engine()
    server = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield engine, address
    finally:
        await server.stop(None)


@contextlib.asynccontextmanager
async def running_plugin() -> AsyncIterator[Plugin]:
    """The provider, started as the engine starts it."""
    async with running_engine() as (engine, address):
        process = await asyncio.create_subprocess_exec(LAUNCHER, address, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout
            port = int(await process.stdout.readline())
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Plugin(process, provider_pb2_grpc.ResourceProviderStub(channel), engine)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def urn(kind: str) -> str:
    return f"urn:pulumi:dev::vpn-connect::vpn-connect:index:VpnLink$vyos:index:{kind}::tokyo-osaka"


def struct(values: Properties) -> Any:
    return PropertyValue.marshal_map(values)


def known(value: Any) -> PropertyValue:
    """A plain value for the provider; values in it may be marked already."""
    if isinstance(value, PropertyValue):
        return value
    if isinstance(value, dict):
        return PropertyValue({name: known(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([known(item) for item in value])
    return PropertyValue(value)


def secret(value: Any) -> PropertyValue:
    return known(value).with_secret(True)
