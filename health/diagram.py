"""Draws a stack as one SVG file: `python -m health.diagram`, which `make diagram` calls.

A Jinja2 template, since with any library the positions would have to be computed here, and Jinja2 is there already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from health.drawing import LinkState, Outputs, draw
from toolchain.build import BuildFailed
from toolchain.environment import environment
from toolchain.paths import REPO


def svg(outputs: Outputs, states: Mapping[str, LinkState]) -> str:
    """The stack's outputs as a drawing. `states`: how links are now, by name, as far as it is known."""
    return TEMPLATES.get_template("diagram.svg.j2").render(drawing=draw(outputs, states))


def shown(value: object) -> object:
    """A value in the template: numbers are short, and texts hold nothing that XML does not allow or nobody can see."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, str) and not isinstance(value, Markup):  # which a macro made of such texts
        return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value)
    return value


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    finalize=shown,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def read_stack(name: str | None, in_lab: bool) -> tuple[str, Outputs, dict[str, LinkState]]:
    """The stack's name, its outputs without their secrets, and how its links are; by default the selected stack.

    Raises BuildFailed when there is none, after Pulumi's own words on standard error.
    """
    if in_lab:
        from lab import stack  # what it needs is of no use to others
        from lab.sites import INTERNET

        inside, reach = stack.prepare(), ["ip", "netns", "exec", INTERNET]
    else:
        inside, reach = {**os.environ, **environment()}, []
    if name:
        inside["PULUMI_STACK"] = name
    outputs = json.loads(pulumi(inside, "output", "--json"))
    seen = subprocess.run([*reach, sys.executable, "-m", "health", "--json"], env=inside, stdout=subprocess.PIPE)
    # a stack that cannot be looked at is drawn as it was at the last `up`
    states = link_states(json.loads(seen.stdout)) if seen.stdout else {}
    return pulumi(inside, "--show-name").strip(), outputs, states


def link_states(report: Mapping[str, Any]) -> dict[str, LinkState]:
    """How links are, from what `python -m health --json` prints; those with a lost end are left out."""
    return {
        link["name"]: LinkState(link["state"], link_text(link)) for link in report["links"] if link["state"] != "lost"
    }


def link_text(link: Mapping[str, Any]) -> str:
    """What is wrong with a link, else a few figures."""
    if link["causes"]:
        return ", ".join(link["causes"])
    end = link["ends"][0]
    figures = (
        ("milliseconds", "{:.1f} ms"),
        ("mtu", "MTU {}"),
        ("ike_age", "keys {} s old"),
    )
    return ", ".join(form.format(end[name]) for name, form in figures if end[name] is not None)


def pulumi(inside: dict[str, str], *arguments: str) -> str:
    """What one of the commands about a stack prints."""
    command = ["pulumi", "-C", str(REPO), "--non-interactive", "stack", *arguments]
    done = subprocess.run(command, env=inside, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise BuildFailed(f"`pulumi stack {' '.join(arguments)}` ended with {done.returncode}")
    return done.stdout


def main() -> int:
    """Write the drawing; 1 when there is nothing to draw."""
    parser = argparse.ArgumentParser(prog="health.diagram", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--stack", metavar="NAME", help="by default the one that is selected")
    source.add_argument("--lab", action="store_true", help="the lab's stack")
    source.add_argument("--outputs", metavar="FILE", type=Path, help="what `pulumi stack output --json` has printed")
    parser.add_argument(
        "--output", metavar="FILE", help="by default <stack>.svg in this directory; - is standard output"
    )
    options = parser.parse_args()
    try:
        if options.outputs:
            name, outputs = options.outputs.stem, json.loads(options.outputs.read_text())
            states: dict[str, LinkState] = {}
        else:
            name, outputs, states = read_stack(options.stack, options.lab)
        if not outputs.get("sites"):
            raise BuildFailed(f"{name} has no sites yet; `pulumi up` makes them")
        drawing = svg(outputs, states)
        if options.output == "-":
            sys.stdout.write(drawing)
        else:
            file = Path(options.output or f"{name}.svg")
            file.write_text(drawing, encoding="utf-8")
            print(f"written: {file}")
    except (BuildFailed, OSError, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
