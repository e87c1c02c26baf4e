"""`python -m lab`: two real OpenStack clouds on this machine."""

from __future__ import annotations

import argparse
import os
import sys

from lab import control
from lab.openstack.site import RunningSite
from lab.sites import SITES
from toolchain.build import BuildFailed


def main() -> int:
    """Run one command; 1 when it failed."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build what is missing: tools, OpenStack's root, guest images")
    up = commands.add_parser("up", help="start sites (tokyo and osaka)")
    up.add_argument("sites", nargs="*", choices=[*SITES, []], metavar="SITE")
    down = commands.add_parser("down", help="stop sites (all) and leave nothing behind")
    down.add_argument("sites", nargs="*", choices=[*SITES, []], metavar="SITE")
    off = commands.add_parser("off", help="lose sites as by a power failure")
    off.add_argument("sites", nargs="+", choices=SITES, metavar="SITE")
    on = commands.add_parser("on", help="bring sites back that are off, with what they had")
    on.add_argument("sites", nargs="+", choices=SITES, metavar="SITE")
    commands.add_parser("status", help="the sites' services and memory")
    logs = commands.add_parser("logs", help="the end of a site's logs")
    logs.add_argument("site", choices=SITES)
    logs.add_argument("service", nargs="?")
    run = commands.add_parser("exec", help="run a command where both clouds can be reached")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("shell", help="a shell where both clouds can be reached")
    options = parser.parse_args()
    try:
        match options.command:
            case "build":
                control.build()
            case "up":
                control.up(options.sites)
            case "down":
                control.down(options.sites)
            case "off":
                control.switch_off(options.sites)
            case "on":
                control.switch_on(options.sites)
            case "status":
                return control.status()
            case "logs":
                site = RunningSite(SITES[options.site])
                for service in [options.service] if options.service else sorted(site.services()):
                    print(site.log(service))
            case "exec":
                return control.execute([word for word in options.arguments if word != "--"])
            case "shell":
                return control.execute([os.environ.get("SHELL", "/bin/bash")])
    except (BuildFailed, TimeoutError) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
