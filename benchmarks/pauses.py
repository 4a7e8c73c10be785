"""What Python's garbage collector does to the slowest frames, and what `gc.freeze` does about it.

A program that has half a million objects of its own routes and decodes book updates one by one, and
keeps the last ten thousand messages. A collection of the oldest generation looks at every object
that may be part of a cycle; `gc.freeze()`, called once when the program has started, takes those
that exist then out of its sight. Messages are never looked at: they cannot be part of a cycle. The
tuples in them are, once.
"""

from __future__ import annotations

from functools import partial

from .cli import main
from .harness import Bench, Row, compare

__all__ = ["measure"]

_FRAMES = 60_000
_PEER = "trioex, as Python begins"
_CONTENDERS = {_PEER: "default", "trioex, gc.freeze()": "frozen"}


def measure(bench: Bench) -> list[Row]:
    """Microseconds of the slowest frames."""
    count = bench.scaled(_FRAMES)
    turns = bench.turns(
        {
            name: partial(bench.client, "trioex pauses", "", work=work, warm=2000, count=count)
            for name, work in _CONTENDERS.items()
        }
    )
    return [
        row
        for key, label in (
            ("p50_us", "p50"),
            ("p99_us", "p99"),
            ("p999_us", "p99.9"),
            ("most_us", "slowest"),
        )
        for row in compare(f"a frame beside a large heap, {label}", turns, key, "us", peer=_PEER)
    ]


if __name__ == "__main__":
    main("pauses")
