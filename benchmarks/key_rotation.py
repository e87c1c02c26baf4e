"""How long traffic stops while a link's key is rotated: `python -m benchmarks.key_rotation [RUNS]`, after `make up`.

Each run bumps the link's `keyRotation` and brings the stack up, while Tokyo's Linux VM pings Osaka's every 10 ms. The
loss is the longest row of pings without an answer. Goal: at most 1 s. At the end the stack is as it was, with a key
of its own.
"""

from __future__ import annotations

import itertools
import re
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from rich.console import Console

from lab import stack
from lab.machines import machines
from lab.sites import INTERNET
from toolchain.paths import state

INTERVAL = 0.01  # seconds
SECONDS = 60


def main(runs: int) -> None:
    """Measure and print."""
    inside = stack.prepare()
    committed = inside["PULUMI_OPTION_CONFIG_FILE"]
    own = state("stack", "rotation.yaml")
    lost = []
    try:
        for run in range(1, runs + 1):
            configuration = yaml.safe_load(Path(committed).read_text())
            configuration["config"]["vpn-connect:links"] = [{"ends": list(stack.SITES), "keyRotation": 100 + run}]
            own.write_text(yaml.safe_dump(configuration))
            lost.append(longest_gap({**inside, "PULUMI_OPTION_CONFIG_FILE": str(own)}))
            Console().print(f"run {run}: {lost[-1]:.2f} s without an answer")
    finally:
        stack.quietly(inside, "up", "--yes", "--skip-preview")
        own.unlink(missing_ok=True)
    Console().print(f"minimum {min(lost):.2f} s, median {statistics.median(lost):.2f} s, maximum {max(lost):.2f} s")


def longest_gap(inside: dict[str, str]) -> float:
    """Seconds between two answers at the most while the stack is brought up."""
    outputs = stack.outputs(inside)
    with machines(outputs, INTERNET) as at, ThreadPoolExecutor() as pool:
        target = outputs["sites"]["osaka"]["linuxAddress"]
        command = f"sudo ping -n -D -i {INTERVAL} -w {SECONDS} {target}"
        pinged = pool.submit(at.run, "tokyo", "linux", command, check=False, timeout=SECONDS + 30)
        stack.quietly(inside, "up", "--yes", "--skip-preview")
        at.run("tokyo", "linux", "sudo pkill -INT ping", check=False)
        answered = [
            float(found) for found in re.findall(r"^\[([\d.]+)\] \d+ bytes", pinged.result().stdout, re.MULTILINE)
        ]
    return max(later - earlier for earlier, later in itertools.pairwise(answered))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
