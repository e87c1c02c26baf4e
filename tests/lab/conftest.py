"""The lab for tests: two clouds and the stack tokyo-osaka on them, left as they were found."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import control, network, stack
from lab.clouds import as_tenant
from lab.machines import Machines
from lab.network import inside
from lab.sites import INTERNET

#: the modules that share the running stack, up to the one that destroys it; then those that make what they need
ORDER = (
    "test_end_to_end",
    "test_dns",
    "test_router_trust",
    "test_status",
    "test_faults",
    "test_mesh",
    "test_failover",
    "test_teardown",
    "test_new_site",
    "test_lab_lifecycle",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of the modules. Without root or Linux the lab's tests are skipped, but never in CI."""
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else -1)
    if os.environ.get("CI") == "true" or (os.geteuid() == 0 and sys.platform == "linux"):
        return
    for item in items:
        if item.get_closest_marker("lab"):
            item.add_marker(pytest.mark.skip(reason="the lab needs root on Linux"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test on the lab shows the end of what the routers say on their consoles."""
    report = yield
    if report.failed and item.get_closest_marker("lab"):
        for site in stack.SITES:
            with contextlib.suppress(Exception):  # a cloud that is off or gone, a router that was never there
                report.sections.append((f"console of {site}'s router", inside(partial(console, site))))
    return report


def console(site: str) -> str:
    """The last lines on the console of a site's router."""
    with as_tenant(site) as cloud:
        router = cloud.compute.find_server(f"{site}-vyos", ignore_missing=False)
        return str(cloud.compute.get_server_console_output(router.id, length=20)["output"])


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """Both clouds run; they are stopped afterwards unless they ran before."""
    found = network.namespaces()
    control.build()
    control.up([])
    yield
    if not found:
        control.down()


@dataclass
class Stack:
    """The stack tokyo-osaka, its Pulumi commands, and what they printed."""

    environment: dict[str, str]
    scratch: Path
    printed: list[str] = field(default_factory=list)
    #: by the time when the state was written
    known_outputs: dict[int, dict[str, Any]] = field(default_factory=dict)

    def pulumi(self, *arguments: str, status: int = 0) -> str:
        """Run a Pulumi command in the clouds' namespace; what it printed. AssertionError when it ends otherwise."""
        done = subprocess.run(
            stack.command(*arguments),
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        self.printed.append(done.stdout)
        assert done.returncode == status, done.stdout.partition("Diagnostics:\n")[2] or done.stdout
        return done.stdout

    def up(self, *arguments: str) -> str:
        """`pulumi up`, without asking."""
        return self.pulumi("up", "--yes", "--skip-preview", *arguments)

    def outputs(self) -> dict[str, Any]:
        """The outputs in plain; Pulumi is asked when the state is another than before."""
        file = stack.state_file()
        written = file.stat().st_mtime_ns if file.exists() else time.monotonic_ns()  # another backend: ask each time
        if written not in self.known_outputs:
            self.known_outputs = {written: stack.outputs(self.environment)}
        return self.known_outputs[written]

    def resources(self) -> list[dict[str, Any]]:
        """The stack's resources as its state has them, secrets still encrypted."""
        exported = json.loads(self.pulumi("stack", "export"))
        return list(exported["deployment"].get("resources", ()))

    def resource(self, kind: str, name: str) -> dict[str, Any]:
        """A resource as the state has it, by the last part of its type and its name."""
        (found,) = [one for one in self.resources() if one["urn"].endswith(f":{kind}::{name}")]
        return dict(found)

    def urn(self, kind: str, name: str) -> str:
        """A resource's URN."""
        return str(self.resource(kind, name)["urn"])

    def configuration(self, key: str) -> Any:
        """A value of the configuration in use."""
        found = yaml.safe_load(Path(self.environment["PULUMI_OPTION_CONFIG_FILE"]).read_text())
        return found["config"].get(f"vpn-connect:{key}")

    def configure(self, **keys: Any) -> None:
        """Use the configuration with other values, without those that are None."""
        own = self.scratch / "Pulumi.tokyo-osaka.yaml"
        found = yaml.safe_load(Path(self.environment["PULUMI_OPTION_CONFIG_FILE"]).read_text())
        found["config"] |= {f"vpn-connect:{key}": value for key, value in keys.items()}
        found["config"] = {key: value for key, value in found["config"].items() if value is not None}
        own.write_text(yaml.safe_dump(found, sort_keys=False))
        self.environment["PULUMI_OPTION_CONFIG_FILE"] = str(own)


@pytest.fixture(scope="session")
def tokyo_osaka(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, with nothing in it at first; it is there again afterwards if it was there before."""
    inside = stack.prepare()
    made = Stack(inside, tmp_path_factory.mktemp("stack"))
    committed = dict(inside)
    was_there = bool(made.resources())
    made.pulumi("destroy", "--yes", "--skip-preview")
    yield made
    made.environment = committed
    made.up() if was_there else made.pulumi("destroy", "--yes", "--skip-preview")


@pytest.fixture(scope="session")
def running(tokyo_osaka: Stack) -> Stack:
    """The stack after its first `up`."""
    tokyo_osaka.pulumi("preview", "--diff")
    tokyo_osaka.up()
    return tokyo_osaka


@pytest.fixture
def machines(running: Stack) -> Iterator[Machines]:
    """SSH to the stack's routers and Linux VMs."""
    opened = Machines(running.outputs(), INTERNET)
    yield opened
    opened.close()
