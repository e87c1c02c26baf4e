"""How long the main job takes on the running lab: `python -m benchmarks.main_job [RUNS]`, after `make up`.

Each run destroys the stack, previews it, brings it up, and brings it up again with nothing to do. Printed in seconds,
as minimum, median and maximum over the runs; on a shared machine only the medians and their ratios mean something.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lab import stack
from lab.budget import resource_phases
from toolchain.paths import state

STEPS = {
    "destroy": ("destroy", "--yes", "--skip-preview"),
    "first preview": ("preview",),
    "up": ("up", "--yes", "--skip-preview"),
    "up, nothing to do": ("up", "--yes", "--skip-preview", "--expect-no-changes"),
    "preview, nothing to do": ("preview", "--expect-no-changes"),
}


def main(runs: int) -> None:
    """Measure and print."""
    inside = {**stack.prepare(), "PULUMI_DEBUG_COMMANDS": "true"}
    events = state("stack", "benchmark-events.json")
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in track(range(runs), console=Console(stderr=True)):
        for name, arguments in STEPS.items():
            log = ("--event-log", str(events)) if name == "up" else ()
            events.unlink(missing_ok=True)
            started = time.monotonic()
            stack.quietly(inside, *arguments, *log)
            seconds[name].append(time.monotonic() - started)
            for phase, (_, end) in resource_phases(events).items():
                seconds[f"up, until: {phase}"].append(end)
    table = Table("step", "min", "median", "max", title=f"seconds over {runs} runs")
    for name, values in seconds.items():
        table.add_row(name, *(f"{value:.1f}" for value in (min(values), statistics.median(values), max(values))))
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
