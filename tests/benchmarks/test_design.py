"""The lines of the design's table are made from rows, and every benchmark makes its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.cli import NAMES
from benchmarks.design import LINES, design_lines
from benchmarks.harness import Bench, Result, Row, Target, Turns


class _Anything(dict[str, Any]):
    """A result in which every figure is 1."""

    def __missing__(self, key: str) -> float:
        return 1.0

    def __contains__(self, key: object) -> bool:
        return key != "missing"


@attrs.frozen
class _Idle(Bench):
    """A bench on which nothing runs."""

    def turns(self, runs: Mapping[str, Callable[[], Result]], count: int = 5) -> Turns:
        return {name: [_Anything()] for name in runs}


@pytest.fixture
def idle() -> Bench:
    return _Idle(True, {"ws": 1, "wss": 2}, Path("authority.pem"), 0)


def test_every_line_of_the_design_is_measured_by_the_benchmark_it_names(idle: Bench) -> None:
    found: dict[tuple[str, str], tuple[str, Row]] = {}
    for name in NAMES:
        for row in import_module(f"benchmarks.{name}").measure(idle):
            found[row.what, row.contender] = name, row
    for wanted in LINES:
        name, row = found[wanted.what, wanted.contender]

        assert wanted.benchmark == name
        assert row.target is not None, wanted.name


def test_names_of_lines_differ() -> None:
    assert len({wanted.name for wanted in LINES}) == len(LINES)


def test_what_was_not_measured_says_so_and_is_neither_met_nor_missed() -> None:
    lines = design_lines([])

    assert [line.name for line in lines] == [wanted.name for wanted in LINES]
    assert all(line.met is None and "not measured" in line.note for line in lines)


def _rows(what: str, unit: str, figures: Mapping[str, float], **of_first: Any) -> list[Row]:
    (first, value), (second, other) = figures.items()
    return [
        Row(what=what, contender=first, unit=unit, values=[value], ratios=[value / other],
            peer=second, **of_first),
        Row(what=what, contender=second, unit=unit, values=[other]),
    ]  # fmt: skip


def _line(rows: list[Row], name: str) -> Any:
    return next(line for line in design_lines(rows) if line.name == name)


@pytest.mark.parametrize(
    ("ours", "verdict", "ahead"), [(120, "aim", "trioex, direct"), (95, "at least", "picows")]
)
def test_a_rate_is_better_when_it_is_higher(ours: float, verdict: str, ahead: str) -> None:
    target = Target(0.9, 1.1, better="higher")
    figures = {"trioex, direct": ours, "picows": 100.0}
    rows = _rows("frames a second, plain", "/s", figures, target=target)
    line = _line(rows, "frames a second, plain")

    assert (line.ours, line.peer, line.peer_name) == (ours, 100, "picows")
    assert (line.verdict, line.met, line.ahead) == (verdict, True, ahead)


def test_a_time_is_better_when_it_is_lower() -> None:
    figures = {"trioex, direct": 2.0, "picows by hand": 1.0}
    rows = _rows("wire to handler at 1 kHz, p50", "us", figures, target=Target(1.5, 1.0))
    line = _line(rows, "wire to handler at 1 kHz, p50")

    assert (line.ratio, line.met, line.ahead) == (2, False, "picows by hand")


def test_a_row_of_a_peer_has_its_own_figure_as_the_peers() -> None:
    figures = {"cryptofeed": 20.0, "trioex, direct": 4.0}
    target = Target(5, 10, better="higher")
    rows = _rows("wire to typed, whole, a trade", "us", figures, target=target)
    line = _line(rows, "wire to typed message, Gate.io trade, cryptofeed")

    assert (line.ours, line.peer, line.peer_name) == (4, 20, "cryptofeed")
    assert (line.ratio, line.verdict, line.ahead) == (5, "at least", "trioex, direct")


def test_a_missing_peer_is_told() -> None:
    row = Row(
        what="wire to typed, whole, a trade",
        contender="ccxt pro",
        unit="us",
        note="ccxt is not installed",
    )
    line = _line([row], "wire to typed message, Gate.io trade, ccxt pro")

    assert (line.met, line.note) == (None, "ccxt is not installed")


def test_a_figure_whose_peer_is_missing_is_kept_without_a_verdict() -> None:
    row = Row(
        what="frames a second, plain",
        contender="trioex, direct",
        unit="/s",
        values=[5.0],
        target=Target(0.9, 1.1, better="higher"),
    )
    line = _line([row], "frames a second, plain")

    assert (line.ours, line.ratio, line.met) == (5, None, None)
    assert line.note == "its peer was not measured"


def test_nothing_lost_of_nothing_allowed_is_met() -> None:
    row = Row(
        what="lost messages, hot",
        contender="trioex",
        unit="messages",
        values=[0.0],
        target=Target(0, 0, "value"),
    )

    assert _line([row], "messages lost with a connection, hot").met
