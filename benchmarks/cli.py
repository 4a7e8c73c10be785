"""The command line of all benchmarks, and of one module alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from .harness import Row, open_bench
from .report import print_design, print_table, write_json

__all__ = ["NAMES", "main"]

NAMES = (
    *("frames", "typed", "peers", "routing", "hop", "latency", "binding", "memory", "connecting"),
    *("reconnect", "instrumentation", "pauses", "log_record", "book", "wire_to_book"),
)


def main(only: str | None = None, arguments: Sequence[str] | None = None) -> None:
    """Measure and print.

    Args:
        only: the one benchmark to run, for a module that is run alone.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks{f'.{only}' if only else ''}",
        description="Measure trioex beside its peers: five minutes, one with --quick.",
    )
    parser.add_argument("--json", metavar="FILE", help="write JSON, too; - for stdout alone")
    parser.add_argument("--quick", action="store_true", help="one turn, fewer messages")
    if only is None:
        parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    options = parser.parse_args(arguments)
    names: Sequence[str] = (only,) if only else options.names or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    rows: list[Row] = []
    with open_bench(quick=options.quick) as bench:
        for number, name in enumerate(names, 1):
            _tell(f"[{number}/{len(names)}] {name} ... ")
            begin = time.perf_counter()
            rows += import_module(f".{name}", __package__).measure(bench)
            _tell(f"{time.perf_counter() - begin:.0f} s\n")
    if options.json:
        write_json(options.json, rows, quick=options.quick)
    if options.json != "-":
        print_table(rows)
        if only is None and not options.names:
            print_design(rows)


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
