"""The tables of the documents, made from the JSON of a run: pure.

A document has blocks, each between two comments, whose content is written anew:

    <!-- benchmarks: design -->
    ...
    <!-- benchmarks: end -->
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .report import MET, describe, figure, quantity

__all__ = ["BLOCKS", "UnknownBlock", "rewrite"]

_BLOCK = re.compile(
    r"(<!-- benchmarks: (?!end)([a-z]+) -->\n).*?(<!-- benchmarks: end -->)", re.DOTALL
)
_BOOK = re.compile(r"book of (\d+) levels a side, (\d+) changed")
Facts = Mapping[str, Any]


class UnknownBlock(ValueError):
    """A document asks for a table that there is not."""


def rewrite(text: str, facts: Facts) -> str:
    """The document with every block made from `facts`; one with nothing to show stays as it is.

    Raises:
        UnknownBlock: no table has the name of a block.
    """

    def anew(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        if name not in BLOCKS:
            raise UnknownBlock(f"there is no table {name!r}; there are {', '.join(BLOCKS)}")
        made = BLOCKS[name](facts)
        return f"{begin}{made}{end}" if made else match[0]

    return _BLOCK.sub(anew, text)


def _machine(facts: Facts) -> str:
    kind = " A quick run: a look, not a measurement." if facts["quick"] else ""
    return f"{facts['date']}. {describe(facts)}{kind}\n"


def _design(facts: Facts) -> str:
    lines = [
        (
            row["name"],
            _ours(row),
            _peer(row),
            _ratio(row),
            _bound(row, "at_least"),
            _bound(row, "aim"),
            MET[row["verdict"]] or row["note"],
        )
        for row in facts["rows"]
        if row["design"]
    ]
    return _table(("what", "trioex", "peer", "ratio", "at least", "aim", "met"), lines)


def _peers(facts: Facts) -> str:
    """The lines that have a peer: who is ahead, and how far."""
    lines = [
        (row["name"], _ours(row), _peer(row), _ahead(row), MET[row["verdict"]])
        for row in facts["rows"]
        if row["design"] and row["peer"] is not None
    ]
    return _table(("what", "trioex", "peer", "ahead", "as much as asked"), lines)


def _ahead(row: Mapping[str, Any]) -> str:
    ratio = row["ratio"]
    times = f"{max(ratio, 1 / ratio):.2g} ×"
    return (
        f"trioex, {times}" if row["ahead"] != row["peer_name"] else f"**{row['ahead']}**, {times}"
    )


def _measured(facts: Facts) -> str:
    """Every row but those of books, which have a table of their own."""
    lines = []
    last = ""
    for row in facts["measured"]:
        if _BOOK.fullmatch(row["what"]):
            continue
        values, ratios = row["values"], row["ratios"]
        lines.append(
            (
                "" if row["what"] == last else row["what"],
                row["contender"],
                row["note"] or f"{quantity(row['median'], row['unit'])}{_spread(values, row)}",
                f"{row['peer']}: {row['ratio']:.2f}{_spread(ratios)}" if ratios else "",
            )
        )
        last = row["what"]
    return _table(("what", "contender", "median [least, most]", "ratio to"), lines)


def _spread(values: Sequence[float], row: Mapping[str, Any] | None = None) -> str:
    if len(values) < 2:
        return ""
    ends = (min(values), max(values))
    low, high = (quantity(end, row["unit"]) if row else f"{end:.2f}" for end in ends)
    return f" [{low}, {high}]"


def _books(facts: Facts) -> str:
    """Levels and changes down, contenders across."""
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in facts["measured"]:
        if match := _BOOK.fullmatch(row["what"]):
            found.setdefault((match[1], match[2]), {})[row["contender"]] = row
    if not found:
        return ""
    contenders = list(next(iter(found.values())))
    lines = [
        (f"{levels}, {changes}", *(_book(cells.get(name)) for name in contenders))
        for (levels, changes), cells in found.items()
    ]
    return _table(("levels, changes", *contenders), lines)


def _book(row: Mapping[str, Any] | None) -> str:
    if row is None or row["median"] is None:
        return ""
    ratio = "" if row["ratio"] is None else f" ({row['ratio']:.3g})"
    return f"{figure(row['median'])}{ratio}"


def _ours(row: Mapping[str, Any]) -> str:
    return "" if row["ours"] is None else quantity(row["ours"], row["unit"])


def _peer(row: Mapping[str, Any]) -> str:
    if row["peer"] is None:
        return ""
    return f"{row['peer_name']}: {quantity(row['peer'], row['unit'])}"


def _ratio(row: Mapping[str, Any]) -> str:
    return "" if row["ratio"] is None else f"{row['ratio']:.2f}{_spread(row['ratios'])}"


def _bound(row: Mapping[str, Any], name: str) -> str:
    target = row["target"]
    if target is None:
        return ""
    return quantity(target[name], "×" if target["of"] == "ratio" else row["unit"])


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return ""
    rule = "---|" * len(heads)
    rows = (f"| {' | '.join(line)} |" for line in (heads, *lines))
    head, *others = rows
    return "\n".join((head, f"|{rule}", *others)) + "\n"


BLOCKS: Mapping[str, Callable[[Facts], str]] = {
    "machine": _machine,
    "design": _design,
    "peers": _peers,
    "measured": _measured,
    "books": _books,
}
"""What can stand in a document, by the name in its comment."""
