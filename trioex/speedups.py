"""The loops that run for every frame: in C where that could be built, else as they stand in Python.

The extension module is built with the package where there is a compiler, and does without where
there is none. Each of its functions has a twin in Python, which is the one that explains itself;
both give the same results, and the tests run with both. `TRIOEX_PURE=1` in the environment
leaves the compiled ones alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import Any, TypeVar

__all__ = ["IS_COMPILED", "accelerated"]

T = TypeVar("T")

_compiled: Any = None
if not os.environ.get("TRIOEX_PURE"):
    with contextlib.suppress(ImportError):
        _compiled = importlib.import_module("._speedups", __package__)

IS_COMPILED: bool = _compiled is not None
"""Whether the functions in C are used."""


def accelerated(name: str, twin: T) -> T:
    """The compiled function `name`, or its twin in Python."""
    found: T = getattr(_compiled, name, twin)
    return found
