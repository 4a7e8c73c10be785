"""Rows become text and JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.design import Line
from benchmarks.harness import Row, Target
from benchmarks.report import (
    compared,
    cpu_model,
    describe,
    design_cells,
    machine,
    plain_lines,
    quantity,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1_571_234.0, "/s", "1.57 M/s"),
        (345.6, "ns", "346 ns"),
        (1160, "ns", "1.16 µs"),
        (0.43, "us", "0.43 µs"),
        (2089, "KiB", "2.04 MiB"),
        (1010, "KiB", "1010 KiB"),
        (12_345, "messages", "12,345 messages"),
        (0, "messages", "0 messages"),
        (0.9, "×", "0.9 ×"),
    ],
)
def test_a_quantity_has_the_unit_that_suits_it(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_a_line_of_the_design_as_text() -> None:
    line = Line("frames", "/s", 2e6, 1e6, peer_name="picows", ratio=2.0, target=Target(0.9, 1.1),
                verdict="aim")  # fmt: skip

    assert design_cells(line) == (
        *("frames", "2 M/s", "picows: 1 M/s", "2.00 x", "0.9 x", "1.1 x", "yes, aim"),
    )


def test_a_line_without_a_figure_has_its_note() -> None:
    assert design_cells(Line("bind", note="not measured"))[:2] == ("bind", "not measured")


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert list(plain_lines(("a", "bb"), [("ccc", "d")])) == ["a    bb", "ccc  d"]


def test_json_has_rows_of_ours_and_of_those_compared_with_us() -> None:
    rows = [
        Row(what="w", contender="trioex", unit="us", values=[2.0], ratios=[2.0], peer="fast"),
        Row(what="w", contender="fast", unit="us", values=[1.0]),
        Row(what="w", contender="slow", unit="us", values=[8.0], ratios=[8.0], peer="fast"),
        Row(what="w", contender="other", unit="us", values=[8.0], ratios=[4.0], peer="trioex"),
    ]
    first, second = compared(rows)

    assert (first["ours"], first["peer"], first["peer_name"], first["ratio"]) == (2, 1, "fast", 2)
    assert (second["ours"], second["peer"], second["peer_name"]) == (2, 8, "other")
    assert not first["design"]


def test_the_name_of_the_processor_is_read(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Fast 9000\nprocessor : 1\nmodel name : Other\n")

    assert cpu_model(info) == "Fast 9000"
    assert cpu_model(tmp_path / "none")


def test_the_machine_is_described_without_packages_that_are_missing() -> None:
    facts = machine() | {"cpu": "Fast 9000", "packages": {"trio": "0.31", "picows": None}}

    assert describe(facts).startswith("Fast 9000, ")
    assert describe(facts).endswith("trio 0.31.")
