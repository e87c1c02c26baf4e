"""How a module of this package is started so that the process's environment stays the user's own."""

from __future__ import annotations

from pathlib import Path


def module_arguments(module: str, library: Path) -> list[str]:
    """A Python interpreter's arguments that run `module` from `library`, unbuffered.

    No PYTHONPATH: the commands and programs that the module starts would inherit it.
    """
    return ["-P", "-u", "-c", f"import runpy, sys; sys.path.insert(0, {str(library)!r}); "
            f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"]
