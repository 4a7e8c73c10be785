"""The command line: `trioex demo`, `watch`, `book`, `replay`, `decode`.

What it needs beyond the library (cyclopts, rich) is the extra `cli`. This module imports
neither, so that a missing extra is one line to read and not a traceback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

__all__ = ["main"]

_EXTRA = ("cyclopts", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments behind the program's name; None for those of the process.

    Returns:
        The exit code: 0 when all went well, 1 when something failed, 2 when what was asked
        for cannot be done or the extra `cli` is not installed, 130 after Ctrl-C, 141 when
        whoever read the output went away.
    """
    try:
        for needed in _EXTRA:
            importlib.import_module(needed)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"trioex: the command line needs {error.name}; "
            "install it with: pip install 'trioex[cli]'\n"
        )
        return 2
    from .app import run

    return run(sys.argv[1:] if argv is None else argv)
