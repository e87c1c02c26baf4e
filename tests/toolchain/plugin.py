"""Talks to the command plugin as the engine does: a process of its own, gRPC, secrets in their wrappers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from toolchain.command_plugin.values import SECRET, SIGNATURE, Properties, from_struct, to_struct
from toolchain.launch import module_arguments
from toolchain.paths import REPO

LOCAL, REMOTE, COPY = "command:local:Command", "command:remote:Command", "command:remote:CopyToRemote"
PATIENCE = 30  # seconds that a call may take before it counts as hanging


class Engine(engine_pb2_grpc.EngineServicer):
    """The engine's side: keeps what the plugin logs."""

    def __init__(self) -> None:
        self.logged: list[Any] = []

    def Log(self, request: Any, context: Any) -> Any:
        self.logged.append(request)
        return empty_pb2.Empty()

    def lines(self, name: str) -> list[str]:
        """The messages about one resource."""
        return [entry.message for entry in self.logged if entry.urn.endswith(f"::{name}")]


class Plugin:
    """The plugin's resources by name: each call is one of the engine's."""

    def __init__(self, process: subprocess.Popen[str], stub: Any, engine: Engine) -> None:
        self.process, self.stub, self.engine = process, stub, engine

    def create(self, name: str, kind: str = LOCAL, preview: bool = False, **inputs: Any) -> Properties:
        """The new resource's properties, `id` among them."""
        request = pb.CreateRequest(urn=urn(kind, name), properties=to_struct(inputs), preview=preview)
        answer = self.stub.Create(request, timeout=PATIENCE)
        return {"id": answer.id, **from_struct(answer.properties)}

    def update(self, name: str, old: Properties, kind: str = LOCAL, preview: bool = False, **inputs: Any) -> Properties:
        request = pb.UpdateRequest(
            urn=urn(kind, name), id="1", olds=to_struct(old), news=to_struct(inputs), preview=preview
        )
        return from_struct(self.stub.Update(request, timeout=PATIENCE).properties)

    def delete(self, name: str, properties: Properties, kind: str = LOCAL) -> None:
        self.stub.Delete(
            pb.DeleteRequest(urn=urn(kind, name), id="1", properties=to_struct(properties)), timeout=PATIENCE
        )

    def check(self, kind: str, **inputs: Any) -> list[tuple[str, str]]:
        """The refused properties, each with the reason."""
        answer = self.stub.Check(pb.CheckRequest(urn=urn(kind, "x"), news=to_struct(inputs)), timeout=PATIENCE)
        return [(failure.property, failure.reason) for failure in answer.failures]

    def diff(self, old: Properties, new: Properties, ignore: list[str] | None = None) -> Any:
        return self.stub.Diff(
            pb.DiffRequest(
                urn=urn(LOCAL, "x"), id="1", old_inputs=to_struct(old), news=to_struct(new), ignoreChanges=ignore or []
            ),
            timeout=PATIENCE,
        )

    def run(self, **arguments: Any) -> Properties:
        """The function local:run."""
        answer = self.stub.Invoke(
            pb.InvokeRequest(tok="command:local:run", args=to_struct(arguments)), timeout=PATIENCE
        )
        return from_struct(getattr(answer, "return"))

    def cancel(self) -> None:
        self.stub.Cancel(empty_pb2.Empty(), timeout=PATIENCE)


@contextmanager
def running_plugin() -> Iterator[Plugin]:
    """The plugin, started as its launcher starts it, with an engine to log to."""
    engine = Engine()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    command = [sys.executable, *module_arguments("toolchain.command_plugin", REPO), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield Plugin(process, provider_pb2_grpc.ResourceProviderStub(channel), engine)
        finally:
            process.terminate()
            server.stop(grace=None).wait()


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::project::vpn:Link${kind}::{name}"


def secret(value: Any) -> Properties:
    return {SIGNATURE: SECRET, "value": value}


def wait_until(true: Callable[[], bool]) -> None:
    """Poll until something is so; fail after a while."""
    for _ in range(400):
        if true():
            return
        time.sleep(0.025)
    pytest.fail("never came true")
