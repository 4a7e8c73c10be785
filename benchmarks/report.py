"""Rows as a table for people, or as JSON for programs."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

from .harness import Row

__all__ = ["print_table", "write_json"]

_PACKAGES = (
    *("trio", "trio-websocket", "msgspec", "protobuf", "picows", "uvloop", "websockets"),
    *("cryptofeed", "order-book", "sortedcontainers", "ccxt", "orjson"),
)
_NAME = "trioex"
_HEADS = ("what", "contender", "median [least - most]", "ratio to", "at least", "aim", "")
_CAPTION = (
    "Medians over turns, with the least and the most. A ratio is to the peer in the same turn; "
    "contenders take turns, each in a process of its own, on one loopback server."
)


def _machine() -> dict[str, Any]:
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
        "cpus": os.cpu_count(),
        "packages": versions,
    }


def write_json(file: str, rows: Sequence[Row], *, quick: bool) -> None:
    """Write one object: the machine and the rows; to stdout for `-`.

    A row has `name`, `ours`, `peer`, `peer_name`, `ratio`, `target` (`at_least` and `aim`, of the
    ratio or of our figure) and `met`: whether it is at least what it has to be, None without a
    target. Where we are the one compared with, the ratio says how many times as much the peer has.
    """
    facts = {**_machine(), "quick": quick, "rows": _compared(rows)}
    text = json.dumps(facts, indent=1) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text)


def _compared(rows: Sequence[Row]) -> list[dict[str, Any]]:
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
            }
        )
    return compared


def print_table(rows: Sequence[Row]) -> None:
    """Print a table, with rich where it is installed."""
    machine = _machine()
    title = f"Python {machine['python']}, {machine['system']}, {machine['cpus']} CPUs"
    cells = [_cells(row) for row in rows]
    if importlib.util.find_spec("rich") is None:
        _print_plain(title, cells)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=_CAPTION)
    for number, head in enumerate(_HEADS):
        table.add_column(head, justify="right" if 2 <= number <= 5 else "left")
    last = ""
    for line in cells:
        if last and line[0] != last:
            table.add_section()
        table.add_row("" if line[0] == last else line[0], *line[1:])
        last = line[0]
    console = Console()
    console.print(table) if console.is_terminal else Console(width=150).print(table)


def _print_plain(title: str, cells: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(_HEADS, *cells, strict=True)]
    print(title)
    for line in (_HEADS, *cells):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
    print(_CAPTION)


def _cells(row: Row) -> tuple[str, ...]:
    if not row.values:
        return row.what, row.contender, row.note, "", "", "", ""
    spread = f"[{_figure(min(row.values))} - {_figure(max(row.values))}]"
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
    median = f"{_figure(row.median or 0.0)} {row.unit} {spread}"
    return row.what, row.contender, median, ratio, at_least, aim, row.verdict


def _bound(row: Row, bound: float) -> str:
    assert row.target is not None
    return f"{bound:g} x" if row.target.of == "ratio" else f"{bound:g} {row.unit}"


def _figure(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
