"""`python -m lab.demo up|preview|status|destroy|shell`: the stack tokyo-osaka on the two clouds, as `make` calls it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab import control, stack
from lab.budget import resource_phases
from toolchain.build import BuildFailed
from toolchain.paths import locked, state


def up(since: float) -> None:
    """Build what is missing, start the clouds, bring the stack up, show that it works.

    `since`: Unix time of the start, for the time budget.
    """
    budget = {"Debian and Python packages": time.time() - since}
    with control.phase(budget, "tools, OpenStack, images"):
        control.build()
    with control.phase(budget, "two OpenStacks"):
        control.up([])
    events = state("stack", "events.json")
    with locked(state("stack.lock")):
        events.unlink(missing_ok=True)
        with control.phase(budget, "pulumi up"):
            inside = stack.prepare()
            inside["PULUMI_DEBUG_COMMANDS"] = "true"  # or there is no --event-log
            stack.pulumi(inside, "up", "--yes", "--skip-preview", "--suppress-outputs", "--event-log", str(events))
        with control.phase(budget, "demonstration"):
            from lab.demonstration import demonstrate  # its SSH takes a while to import, for nothing in a preview

            demonstrate(stack.outputs(inside))
    print_budget(budget, events)


def print_budget(budget: dict[str, float], events: Path) -> None:
    """Where the time went, in seconds."""
    table = Table("phase", "seconds", title="time budget")
    table.columns[1].justify = "right"
    for name, seconds in budget.items():
        table.add_row(name, f"{seconds:.1f}")
        if name == "pulumi up":
            for part, (start, end) in resource_phases(events).items():
                table.add_row(f"  [dim]{part}[/dim]", f"[dim]{start:.1f} … {end:.1f}[/dim]")
    table.add_section()
    table.add_row("all", f"{sum(budget.values()):.1f}")
    Console().print(table)


def main() -> int:
    """Run one command; 1 when it failed."""
    parser = argparse.ArgumentParser(prog="lab.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "preview", "status", "destroy", "shell"])
    parser.add_argument("--since", type=float, default=time.time(), help="Unix time of the start, for the time budget")
    options = parser.parse_args()
    try:
        match options.command:
            case "up":
                up(options.since)
            case "preview":
                stack.pulumi(stack.prepare(), "preview", "--diff")
            case "status":
                return control.execute([sys.executable, "-m", "health"], stack.prepare())
            case "destroy":
                with locked(state("stack.lock")):
                    stack.pulumi(stack.prepare(), "destroy", "--yes", "--skip-preview")
            case "shell":
                return stack.shell()
    except (BuildFailed, RuntimeError, TimeoutError) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
