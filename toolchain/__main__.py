"""`python3 -m toolchain venv|build|env`: set up the Python packages, set up everything, or print the environment."""

from __future__ import annotations

import shlex
import sys

from toolchain.build import BuildFailed, debian_packages, everything, virtual_environment
from toolchain.environment import environment


def main(arguments: list[str]) -> int:
    """Run one command; 1 when a step failed, 2 when the command is unknown."""
    try:
        match arguments:
            case ["venv"]:
                debian_packages()
                virtual_environment()
            case ["build"]:
                everything()
            case ["env"]:
                for name, value in environment().items():
                    print(f"export {name}={shlex.quote(value)}")
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except BuildFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
