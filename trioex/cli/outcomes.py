"""How a command ends: an exit code and, where it failed, one line that says why.

The rule: what somebody typed, sent or unplugged gives a line; only a mistake of ours gives a
traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import cast

from ..errors import BindingError, ConfigError, RecordingError, TrioexError

__all__ = ["BROKEN_PIPE", "FAILED", "INTERRUPTED", "OK", "USAGE", "guarded", "report"]

OK = 0
FAILED = 1
USAGE = 2
"""What was asked for cannot be done."""
INTERRUPTED = 130
"""128 and SIGINT, as shells have it."""
BROKEN_PIPE = 141
"""128 and SIGPIPE: whoever read the output went away."""


def report(text: str) -> None:
    """Write one line to stderr, with the program's name, whatever is in `text`."""
    sys.stderr.write(f"trioex: {' '.join(text.split())}\n")
    sys.stderr.flush()


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; report its failure in one line.

    Raises:
        Exception: something that is a mistake of ours.
    """
    try:
        return command()
    except BaseException as error:  # noqa: ASYNC103  outside of Trio
        code = _expected(error)
        if code is None:
            raise
        return code  # noqa: ASYNC104


def _expected(error: BaseException) -> int | None:
    """Report a failure and return its exit code; None where it is a mistake of ours."""
    leaves = list(_leaves(error))
    for leaf in leaves:
        if _code(leaf) is None:
            return None
    # Ctrl-C and a closed pipe explain whatever else went wrong at the same time.
    for kind in (KeyboardInterrupt, BrokenPipeError):
        for leaf in leaves:
            if isinstance(leaf, kind):
                if kind is BrokenPipeError:
                    _abandon_output()
                return _code(leaf)
    for leaf in leaves:
        report(str(leaf) or type(leaf).__name__)
    return max(filter(None, map(_code, leaves)), default=FAILED)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for each in group.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _code(error: BaseException) -> int | None:
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return None


_CODES: dict[type[BaseException], int] = {
    KeyboardInterrupt: INTERRUPTED,
    BrokenPipeError: BROKEN_PIPE,
    ConfigError: USAGE,
    BindingError: USAGE,
    RecordingError: USAGE,
    TrioexError: FAILED,
    OSError: FAILED,
}


def _abandon_output() -> None:
    """Keep Python from complaining at exit that it cannot flush what nobody reads."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
