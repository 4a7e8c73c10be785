"""Rows as a table for people, or as JSON for programs."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

from trioex.speedups import IS_COMPILED

from .design import Line, design_lines
from .harness import Row

__all__ = [
    "MET",
    "compared",
    "cpu_model",
    "describe",
    "design_cells",
    "figure",
    "machine",
    "plain_lines",
    "print_design",
    "print_table",
    "quantity",
    "write_json",
]

_PACKAGES = (
    *("trioex", "trio", "trio-websocket", "msgspec", "protobuf", "picows", "uvloop", "websockets"),
    *("aiohttp", "cryptofeed", "ccxt", "orjson", "order-book", "sortedcontainers"),
)
_NAME = "trioex"
_HEADS = ("what", "contender", "median [least - most]", "ratio to", "at least", "aim", "")
_RIGHT = range(2, 6)
_CAPTION = (
    "Medians over turns, with the least and the most. A ratio is to the peer in the same turn; "
    "contenders take turns, each in a process of its own, on one loopback server."
)
_DESIGN_HEADS = ("what the design asks for", "trioex", "peer", "ratio", "at least", "aim", "met")
_DESIGN_RIGHT = range(1, 6)
_DESIGN_CAPTION = (
    "trioex with handoff=direct, where that makes a difference. A ratio is of trioex to the peer; "
    "beside cryptofeed and ccxt pro it says how many times as long as trioex they take."
)
MET = {"aim": "yes, aim", "at least": "yes", "below": "no", "": ""}


def machine() -> dict[str, Any]:
    """What it ran on, and beside what."""
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "compiled": IS_COMPILED,
        "packages": versions,
    }


def cpu_model(info: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the processor, as far as the system says it."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def describe(facts: Mapping[str, Any]) -> str:
    """The machine and the versions, in a sentence each."""
    versions = ", ".join(
        f"{name} {number}" for name, number in facts["packages"].items() if number is not None
    )
    return (
        f"{facts['cpu']}, {facts['cpus']} CPUs, {facts['system']}, Python {facts['python']}, "
        f"trioex {'with' if facts.get('compiled') else 'without'} what is compiled of it. "
        f"{versions}."
    )


def write_json(file: str, rows: Sequence[Row], *, quick: bool) -> None:
    """Write one object: the machine and the rows; to stdout for `-`.

    The lines of the design's table come first, each with a name of its own and `design` true; then
    every row that was measured of trioex, or beside it. A row has `name`, `ours`, `peer`,
    `peer_name`, `ratio`, `target` (`at_least` and `aim`, of the ratio or of our figure) and `met`:
    whether it is at least what it has to be, None without a target. Where we are the one compared
    with, the ratio says how many times as much the peer has. `measured` has the rows as they are,
    also those of peers beside each other.
    """
    lines = [line.as_dict() for line in design_lines(rows)]
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        **machine(),
        "quick": quick,
        "rows": lines + compared(rows),
        "measured": [row.as_dict() for row in rows],
    }
    text = json.dumps(facts, indent=1) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text)


def compared(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    medians = {(row.what, row.contender): row.median for row in rows}
    compared = []
    for row in rows:
        is_ours = row.contender == _NAME or row.contender.startswith(f"{_NAME},")
        ours, peer = row.median, medians.get((row.what, row.peer or ""))
        names = row.contender, row.peer
        if not is_ours:
            if row.peer is None or not row.peer.startswith(_NAME):
                continue  # a peer beside another one
            ours, peer, names = peer, ours, (row.peer, row.contender)
        compared.append(
            {
                "name": row.what,
                "contender": names[0],
                "unit": row.unit,
                "ours": ours,
                "peer": peer,
                "peer_name": names[1],
                "ratio": row.ratio,
                "target": None if row.target is None else attrs.asdict(row.target),
                "met": None if not row.verdict else row.verdict != "below",
                "verdict": row.verdict,
                "values": list(row.values),
                "ratios": list(row.ratios),
                "note": row.note,
                "design": False,
            }
        )
    return compared


def print_table(rows: Sequence[Row]) -> None:
    """Print what was measured, with rich where it is installed."""
    cells, last = [], ""
    for row in rows:
        what, *others = _cells(row)
        cells.append(("" if what == last else what, *others))
        last = what
    _print("measured", _HEADS, cells, _RIGHT, _CAPTION)


def print_design(rows: Sequence[Row]) -> None:
    """Print the design's table: what it asks for, and what was reached."""
    cells = [design_cells(line) for line in design_lines(rows)]
    _print("the design's table", _DESIGN_HEADS, cells, _DESIGN_RIGHT, _DESIGN_CAPTION)
    print(describe(machine()))


def _print(
    title: str,
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    right: Container[int],
    caption: str,
) -> None:
    if importlib.util.find_spec("rich") is None:
        print(title, *plain_lines(heads, cells), caption, sep="\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=caption)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number in right else "left")
    for number, line in enumerate(cells):
        if number and line[0] and heads is _HEADS:
            table.add_section()
        table.add_row(*line)
    console = Console()
    console.print(table) if console.is_terminal else Console(width=150).print(table)


def plain_lines(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table in columns."""
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for line in (heads, *cells):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def design_cells(line: Line) -> tuple[str, ...]:
    """A line of the design's table, as text."""
    if line.ours is None:
        return line.name, line.note, "", "", "", "", ""
    peer = "" if line.peer is None else f"{line.peer_name}: {quantity(line.peer, line.unit)}"
    ratio = "" if line.ratio is None else f"{line.ratio:.2f} x"
    bounds = ("", "")
    if line.target is not None:
        unit = "x" if line.target.of == "ratio" else line.unit
        bounds = quantity(line.target.at_least, unit), quantity(line.target.aim, unit)
    return line.name, quantity(line.ours, line.unit), peer, ratio, *bounds, MET[line.verdict]


_LARGER = {"/s": ("k/s", "M/s"), "ns": ("us", "ms"), "us": ("ms", "s"), "KiB": ("MiB", "GiB")}


def quantity(value: float, unit: str) -> str:
    """A figure with its unit, in one that suits its size."""
    step = 1024 if unit == "KiB" else 1000
    for larger in _LARGER.get(unit, ()):
        if abs(value) < step:
            break
        value, unit = value / step, larger
    return f"{figure(value)} {'µs' if unit == 'us' else unit}"


def _cells(row: Row) -> tuple[str, ...]:
    if not row.values:
        return row.what, row.contender, row.note, "", "", "", ""
    spread = f"[{figure(min(row.values))} - {figure(max(row.values))}]"
    target = row.target
    at_least, aim = (
        ("", "")
        if target is None
        else (
            _bound(row, target.at_least),
            _bound(row, target.aim),
        )
    )
    ratio = ""
    if row.ratio is not None:
        low, high = min(row.ratios), max(row.ratios)
        ratio = f"{row.peer}: {row.ratio:.2f} x [{low:.2f} - {high:.2f}]"
    median = f"{figure(row.median or 0.0)} {row.unit} {spread}"
    return row.what, row.contender, median, ratio, at_least, aim, row.verdict


def _bound(row: Row, bound: float) -> str:
    assert row.target is not None
    return f"{bound:g} x" if row.target.of == "ratio" else f"{bound:g} {row.unit}"


def figure(value: float) -> str:
    """Three digits, or all of those before the point."""
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
