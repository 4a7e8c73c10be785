"""What one more connection with thirty bindings takes, in a process that has some already."""

from __future__ import annotations

from functools import partial

from .cli import main
from .harness import Bench, Row, Target, compare

__all__ = ["measure"]

_CONNECTIONS = 20


def measure(bench: Bench) -> list[Row]:
    """Growth of the process, and what Python itself allocated."""
    url = bench.url(kind="gate")
    turns = bench.turns(
        {"trioex": partial(bench.client, "trioex memory", url, count=_CONNECTIONS)}, 3
    )
    target = {"trioex": Target(2.04 * 1024, 0.1 * 1024, "value")}
    return [
        *compare("a connection, resident memory", turns, "resident_kib", "KiB", targets=target),
        *compare("a connection, Python's memory", turns, "traced_kib", "KiB"),
    ]


if __name__ == "__main__":
    main("memory")
