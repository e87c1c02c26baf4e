"""The child process that runs one Pulumi program: `python -m toolchain.language_host.program <engine address>`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

REPORTED = 32  # exit status of a program whose error the user has already been shown


def run_program(engine: str) -> int:
    """Run the program that the RunRequest on standard input describes; the error, if any, goes to the engine's log."""
    import pulumi
    from pulumi.runtime import Settings, configure, run_in_stack, set_all_config
    from pulumi.runtime.proto import language_pb2

    described = sys.stdin.buffer.read()
    if not described:  # the host has ended without a program to run
        return 0
    request = language_pb2.RunRequest.FromString(described)
    program = os.path.normpath(os.path.join(request.info.program_directory, request.info.entry_point))
    os.environ["PULUMI_CONFIG"] = json.dumps(dict(request.config))
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
    set_all_config(dict(request.config), list(request.configSecretKeys))
    configure(Settings(
        project=request.project, stack=request.stack, organization=request.organization or "organization",
        monitor=request.monitor_address, engine=engine, parallel=request.parallel, dry_run=request.dryRun,
        root_directory=request.info.root_directory))
    os.chdir(request.pwd or request.info.program_directory)
    directory = os.path.realpath(program if os.path.isdir(program) else os.path.dirname(program))
    sys.argv = [program, *request.args]
    sys.path[0] = directory  # instead of this package's, which the program has nothing to do with
    for name in [name for name in sys.modules if name.split(".")[0] == "toolchain"]:
        del sys.modules[name]
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pool = ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4)
    loop.set_default_executor(pool)

    def main() -> None:
        runpy.run_path(program, run_name="__main__")

    try:
        loop.run_until_complete(run_in_stack(main))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return REPORTED
    except Exception as error:
        pulumi.log.error("Program failed with an unhandled exception:\n" + own_frames(error, directory))
        return REPORTED
    finally:
        pool.shutdown(wait=True)
        loop.close()
    return 0


def own_frames(error: Exception, directory: str) -> str:
    """The traceback from the first frame that lies in the program's own directory (and not in a venv there)."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error))  # names its place itself
    frames = traceback.extract_tb(error.__traceback__)
    # "<frozen runpy>" and its like have no place
    files = [os.path.realpath(frame.filename) if os.path.isabs(frame.filename) else "" for frame in frames]
    own = (number for number, file in enumerate(files)
           if file.startswith(directory + os.sep) and "site-packages" not in file)
    return "".join(traceback.format_exception(error, limit=next(own, 0) - len(frames)))


if __name__ == "__main__":
    sys.exit(run_program(sys.argv[1]))
