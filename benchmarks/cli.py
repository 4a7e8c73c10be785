"""The command line of all benchmarks, and of one module alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from .harness import Row, open_bench
from .report import print_table, write_json

__all__ = ["NAMES", "main"]

NAMES = (
    *("frames", "typed", "routing", "hop", "latency", "binding", "memory", "connecting"),
    *("instrumentation", "log_record", "book", "wire_to_book"),
)


def main(only: str | None = None, arguments: Sequence[str] | None = None) -> None:
    """Measure and print.

    Args:
        only: the one benchmark to run, for a module that is run alone.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks{f'.{only}' if only else ''}",
        description="Measure trioex beside its peers: three minutes, 40 seconds with --quick.",
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
        for name in names:
            begin = time.perf_counter()
            rows += import_module(f".{name}", __package__).measure(bench)
            taken = time.perf_counter() - begin
            print(f"{name}: measured in {taken:.0f} s", file=sys.stderr, flush=True)
    if options.json:
        write_json(options.json, rows, quick=options.quick)
    if options.json != "-":
        print_table(rows)
