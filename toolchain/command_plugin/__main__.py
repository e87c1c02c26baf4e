"""The resource provider; see the package's docstring."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from toolchain.command_plugin.local import Children, run_local
from toolchain.command_plugin.ssh import Failed, Log, copy_to_remote, run_remote
from toolchain.command_plugin.values import (
    UNKNOWN,
    Properties,
    Scrubber,
    from_struct,
    holds_secret,
    plain,
    secret,
    secrets_of,
    to_struct,
)
from toolchain.serving import serve
from toolchain.versions import COMMAND_PLUGIN

LOCAL, REMOTE, COPY = "command:local:Command", "command:remote:Command", "command:remote:CopyToRemote"
T = TypeVar("T")


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Creates, updates and deletes by running the resource's command for that step."""

    def __init__(self, engine: str | None = None) -> None:
        self.children: Children = set()
        self.tasks: set[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = set()
        self.engine = self.attach(engine) if engine else None

    @staticmethod
    def attach(address: str) -> Any:
        return engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def Handshake(self, request: Any, context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_outputs=False)

    def Attach(self, request: Any, context: Any) -> Any:
        self.engine = self.attach(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=COMMAND_PLUGIN)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return pb.GetSchemaResponse(schema=json.dumps({"name": "command", "version": COMMAND_PLUGIN}))

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        kind, inputs = kind_of(request.urn), from_struct(request.news)
        required = {LOCAL: (), REMOTE: ("connection",), COPY: ("connection", "remotePath", "source")}.get(kind)
        if required is None:
            failures = [pb.CheckFailure(reason=f"{kind} is not provided here")]
        else:
            failures = [pb.CheckFailure(property=name, reason="required") for name in required if name not in inputs]
            failures += [pb.CheckFailure(property=name, reason="not supported here")
                         for name in ("archivePaths", "assetPaths") if name in inputs]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        changed = [name for name in sorted({*old, *new} - set(request.ignoreChanges))
                   if plain(old.get(name)) != plain(new.get(name))]
        detail = {}
        for name in changed:
            kind = "ADD" if name not in old else "DELETE" if name not in new else "UPDATE"
            kind += "_REPLACE" if name == "triggers" else ""
            detail[name] = pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(kind), inputDiff=True)
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE, diffs=changed,
            replaces=[name for name in changed if name == "triggers"], detailedDiff=detail, hasDetailedDiff=True)

    def Create(self, request: Any, context: Any) -> Any:
        outputs = self.step(request.urn, from_struct(request.properties), "create", {}, context, request.preview)
        return pb.CreateResponse(id="" if request.preview else uuid.uuid4().hex, properties=to_struct(outputs))

    def Update(self, request: Any, context: Any) -> Any:
        outputs = self.step(request.urn, from_struct(request.news), "update", from_struct(request.olds), context,
                            request.preview)
        return pb.UpdateResponse(properties=to_struct(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        properties = from_struct(request.properties)
        if kind_of(request.urn) != COPY:
            self.step(request.urn, properties, "delete", properties, context)
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:
        return pb.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Invoke(self, request: Any, context: Any) -> Any:
        if request.tok != "command:local:run":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, request.tok)
        wrapped = from_struct(request.args)
        inputs = plain(wrapped)
        outputs = self.attempt(context, Scrubber(secrets_of(wrapped)), lambda: run_local(
            inputs["command"], inputs, environment_of(inputs, {}), lambda stream, line: None, self.children))
        return pb.InvokeResponse(**{"return": to_struct({**inputs, **outputs})})

    def Cancel(self, request: Any, context: Any) -> Any:
        self.stop()
        return empty_pb2.Empty()

    def step(self, urn: str, wrapped: Properties, step: str, old: Properties, context: Any,
             preview: bool = False) -> Properties:
        """Run the command for a step (create's also for an update without its own); the resource's new properties."""
        kind, inputs, previous = kind_of(urn), plain(wrapped), plain(old)
        # the old ones' too: the previous output, which may hold them, is in the command's environment
        scrub = Scrubber([*secrets_of(wrapped), *secrets_of(old)])
        if kind == COPY:
            if not preview:
                self.attempt(context, scrub, lambda: self.to_the_end(copy_to_remote(inputs)))
            return wrapped
        command = inputs.get(step) or (inputs.get("create") if step == "update" else None)
        if preview:
            outputs = {"stdout": UNKNOWN, "stderr": UNKNOWN}
        elif not command:
            outputs = {name: previous.get(name) or "" for name in ("stdout", "stderr")}
        else:
            log, environment = self.log(urn, inputs, scrub), environment_of(inputs, previous)
            outputs = self.attempt(context, scrub, lambda: (
                run_local(command, inputs, environment, log, self.children) if kind == LOCAL
                else self.to_the_end(run_remote(command, inputs, environment, log))))
        if any(holds_secret(wrapped.get(name)) for name in ("create", "update", "delete", "stdin", "environment")):
            return {**wrapped, **{name: secret(value) for name, value in outputs.items()}}
        return {**wrapped, **outputs}

    def log(self, urn: str, inputs: Properties, scrub: Scrubber) -> Log:
        """Send a command's output to the engine as `logging` asks (stdoutAndStderr), without secrets."""
        mode = str(inputs.get("logging") or "stdoutAndStderr").lower()

        def send(stream: str, line: str) -> None:
            if self.engine and stream in mode:
                self.engine.Log(engine_pb2.LogRequest(
                    severity=engine_pb2.INFO, urn=urn, message=scrub(line.rstrip("\n")), ephemeral=True))

        return send

    def attempt(self, context: Any, scrub: Scrubber, work: Callable[[], T]) -> T:
        """Run a piece of work; its failure ends the request with a text that holds no secret."""
        try:
            return work()
        except Exception as error:  # any: gRPC would print it as it is
            text = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            context.abort(grpc.StatusCode.UNKNOWN, scrub(text))
            raise

    def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, or until the engine cancels."""
        async def main() -> T:
            task = asyncio.current_task()
            assert task
            entry = (asyncio.get_running_loop(), task)
            self.tasks.add(entry)
            try:
                return await work
            except asyncio.CancelledError:
                raise Failed("cancelled") from None
            finally:
                self.tasks.discard(entry)

        return asyncio.run(main())

    def stop(self) -> None:
        """End every command that is still running."""
        for child in list(self.children):
            os.killpg(child.pid, signal.SIGTERM)
        for loop, task in list(self.tasks):
            loop.call_soon_threadsafe(task.cancel)


def kind_of(urn: str) -> str:
    """The resource's own type in a URN, without its parents' types."""
    return urn.split("::")[2].split("$")[-1]


def environment_of(inputs: Properties, previous: Properties) -> dict[str, str]:
    """The variables of the `environment` input, and the previous output unless `addPreviousOutputInEnv` is off."""
    environment = {name: str(value) for name, value in (inputs.get("environment") or {}).items()}
    if previous and inputs.get("addPreviousOutputInEnv", True):
        environment["PULUMI_COMMAND_STDOUT"] = previous.get("stdout") or ""
        environment["PULUMI_COMMAND_STDERR"] = previous.get("stderr") or ""
    return environment


if __name__ == "__main__":
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    provider = Provider(addresses[0] if addresses else None)
    serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server), provider.stop,
          workers=64)
