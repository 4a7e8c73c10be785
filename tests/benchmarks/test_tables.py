"""The tables of the documents are made from JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.design import Line
from benchmarks.harness import Row, Target
from benchmarks.tables import BLOCKS, UnknownBlock, rewrite

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def facts() -> dict[str, Any]:
    line = Line(
        "frames",
        "/s",
        6e5,
        1e6,
        peer_name="picows",
        ratio=0.6,
        values=[5e5, 6e5],
        ratios=[0.5, 0.6],
        target=Target(0.9, 1.1, better="higher"),
        verdict="below",
        ahead="picows",
    )
    rows = [
        Row(what="w", contender="trioex", unit="us", values=[1.0, 3.0]),
        Row(what="w", contender="other", unit="us", note="other is not installed"),
        Row(what="book of 100 levels a side, 5 changed", contender="trioex", unit="us",
            values=[2.0]),
        Row(what="book of 100 levels a side, 5 changed", contender="tree", unit="us",
            values=[4.0], ratios=[2.0], peer="trioex"),
    ]  # fmt: skip
    return {
        "date": "2026-11-30",
        "cpu": "Fast 9000",
        "cpus": 2,
        "system": "Linux",
        "quick": True,
        "python": "3.11.7",
        "packages": {"trio": "0.31"},
        "rows": [line.as_dict()],
        "measured": [row.as_dict() for row in rows],
    }


def _block(name: str, facts: dict[str, Any]) -> list[str]:
    text = f"before\n<!-- benchmarks: {name} -->\nold\n<!-- benchmarks: end -->\nafter\n"
    first, _, *lines, _, last = rewrite(text, facts).splitlines()
    assert (first, last) == ("before", "after")
    return lines


def test_the_table_of_the_design(facts: dict[str, Any]) -> None:
    *_, line = _block("design", facts)

    assert line == ("| frames | 600 k/s | picows: 1 M/s | 0.60 [0.50, 0.60] | 0.9 × | 1.1 × | no |")


def test_the_peer_that_is_ahead_stands_out(facts: dict[str, Any]) -> None:
    *_, line = _block("peers", facts)

    assert line == "| frames | 600 k/s | picows: 1 M/s | **picows**, 1.7 × | no |"


def test_the_machine_and_that_it_was_a_quick_run(facts: dict[str, Any]) -> None:
    (line,) = _block("machine", facts)

    assert line.startswith("2026-11-30. Fast 9000, 2 CPUs")
    assert "quick run" in line


def test_all_rows_and_books_apart(facts: dict[str, Any]) -> None:
    assert _block("measured", facts)[2:] == [
        "| w | trioex | 2 µs [1 µs, 3 µs] |  |",
        "|  | other | other is not installed |  |",
    ]
    assert _block("books", facts) == [
        "| levels, changes | trioex | tree |",
        "|---|---|---|",
        "| 100, 5 | 2 | 4 (2) |",
    ]


def test_a_table_with_nothing_to_show_is_left(facts: dict[str, Any]) -> None:
    facts["measured"] = []

    assert _block("books", facts) == ["old"]


def test_making_it_again_changes_nothing(facts: dict[str, Any]) -> None:
    text = "<!-- benchmarks: design -->\n<!-- benchmarks: end -->\n"
    once = rewrite(text, facts)

    assert rewrite(once, facts) == once != text


def test_an_unknown_table_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(UnknownBlock, match="no table 'desing'"):
        rewrite("<!-- benchmarks: desing -->\n<!-- benchmarks: end -->\n", facts)


@pytest.mark.parametrize("name", ["README.md", "docs/benchmarks.md"])
def test_the_documents_ask_for_tables_that_there_are(name: str) -> None:
    asked = re.findall(r"<!-- benchmarks: (\w+) -->", (_ROOT / name).read_text())

    assert set(asked) - {"end"} <= set(BLOCKS)
    assert asked[1::2] == ["end"] * (len(asked) // 2)
