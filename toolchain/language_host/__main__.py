"""The LanguageRuntime server; see the package's docstring."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2

import toolchain.protocol  # noqa: F401 - before Pulumi's modules

# isort: split
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

from toolchain.language_host.program import REPORTED
from toolchain.launch import module_arguments
from toolchain.serving import serve

LIBRARY = Path(__file__).resolve().parent.parent.parent  # the directory that holds this package


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """What the engine asks of a language: which plugins a program needs, to run it, to install what it needs."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.children: set[subprocess.Popen[bytes]] = set()
        # the first program's process, which loads Pulumi's SDK while the engine gets ready
        self.ahead: subprocess.Popen[bytes] | None = self.program(sys.executable)

    def Handshake(self, request: Any, context: Any) -> Any:
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo()

    def About(self, request: Any, context: Any) -> Any:
        return pb.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        packages = []
        site = os.path.join(os.path.dirname(interpreter(request.info)), "..", "lib", "python*", "site-packages", "*")
        for path in sorted(glob.glob(os.path.join(site, "pulumi-plugin.json"))):
            with open(path, encoding="utf-8") as file:
                about = json.load(file)
            if about.get("resource"):
                name = about.get("name") or os.path.basename(os.path.dirname(path)).removeprefix("pulumi_")
                version = about.get("version", "")
                packages.append(plugin_pb2.PackageDependency(name=name, kind="resource", version=version))
        return pb.GetRequiredPackagesResponse(packages=packages)

    def Run(self, request: Any, context: Any) -> Any:
        python = interpreter(request.info)
        child, self.ahead = self.ahead, None
        if child is None or not same_environment(python, sys.executable):
            if child:
                child.kill()
            child = self.program(python)
        child.communicate(request.SerializeToString())
        self.children.discard(child)
        if child.returncode == REPORTED:
            return pb.RunResponse(bail=True)
        return pb.RunResponse(error=f"Program exited with status {child.returncode}" if child.returncode else "")

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        python = interpreter(request.info)
        child = self.spawn([python, "-m", "pip", "install", "-r", "requirements.txt"],
                           cwd=request.info.root_directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert child.stdout
        for line in child.stdout:
            yield pb.InstallDependenciesResponse(stdout=line)
        if child.wait():
            context.abort(grpc.StatusCode.INTERNAL, f"pip ended with {child.returncode}")

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return pb.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        listing = subprocess.run([interpreter(request.info), "-m", "pip", "list", "--format=json"],
                                 capture_output=True, check=True).stdout
        return pb.GetProgramDependenciesResponse(dependencies=[
            pb.DependencyInfo(name=entry["name"], version=entry["version"]) for entry in json.loads(listing)])

    def Cancel(self, request: Any, context: Any) -> Any:
        self.stop()
        return empty_pb2.Empty()

    def program(self, python: str) -> subprocess.Popen[bytes]:
        """A process that waits for what to run."""
        return self.spawn([python, *module_arguments("toolchain.language_host.program", LIBRARY), self.engine],
                          stdin=subprocess.PIPE)

    def spawn(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, **options)
        self.children.add(child)
        return child

    def stop(self) -> None:
        for child in list(self.children):
            child.terminate()


def same_environment(one: str, other: str) -> bool:
    """Whether two interpreters belong to the same virtual environment; their own links would lead out of it."""
    return os.path.realpath(os.path.dirname(one)) == os.path.realpath(os.path.dirname(other))


def interpreter(info: Any) -> str:
    """The Python that the project's `virtualenv` option names, by default this one."""
    virtualenv = dict(info.options).get("virtualenv", "")
    if not virtualenv:
        return sys.executable
    python = os.path.join(info.root_directory, virtualenv, "bin", "python")
    if not os.access(python, os.X_OK):
        raise RuntimeError(f"the project file's virtualenv {virtualenv!r} has no {python}: create it first")
    return python


if __name__ == "__main__":
    host = LanguageHost(sys.argv[-1])
    serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server), host.stop, workers=16)
