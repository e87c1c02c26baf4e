"""`python -m health`: whether the links of the current Pulumi stack carry traffic, and why not.

Ends with 0 when all is well, 1 when something is wrong, and 2 when it could not look.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys

from rich.console import Console

from health import collect
from health.diagnosis import ask_clouds, diagnose
from health.findings import Finding
from health.report import Report, link_states
from health.stack import Known, NotReadable, read


async def look(known: Known) -> Report:
    """Ask all machines, and the clouds of those sites where these do not tell the cause."""
    facts = await collect.machines(known)
    found: list[Finding] = diagnose(known.stack, facts)
    if asked := ask_clouds(found, known.stack) & facts.keys():
        answers = await collect.clouds(known.clouds, asked)
        facts = {**facts, **{name: dataclasses.replace(facts[name], cloud=cloud) for name, cloud in answers.items()}}
        found = diagnose(known.stack, facts)
    links = link_states(known.stack, facts, found)
    return Report(stack=known.stack, facts=facts, links=links, found=tuple(found))


async def status() -> Report:
    known = await read()
    if not known.stack.sites:
        raise NotReadable("the stack has no sites yet: `pulumi up` makes them")
    return await look(known)


def main() -> int:
    """Look and print."""
    parser = argparse.ArgumentParser(prog="health", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    try:
        report = asyncio.run(status())
    except NotReadable as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(report.json())
    else:
        # a pipe has no width
        report.print(Console(width=None if sys.stdout.isatty() else 120))
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
