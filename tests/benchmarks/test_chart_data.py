"""What the charts show."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.chart_data import frame_panels, ours, score, scores, where
from benchmarks.design import Line
from benchmarks.harness import Row, Target


@pytest.mark.parametrize(
    ("figure", "bound", "better", "expected"),
    [
        (0.6, 0.9, "higher", 0.6 / 0.9),
        (2.0, 1.0, "higher", 2.0),
        (2.0, 1.0, "lower", 0.5),
        (100.0, 280.0, "lower", 2.8),
        (0.0, 0.0, "lower", None),
        (3.0, 0.0, "lower", None),
    ],
)
def test_a_score_is_above_one_where_more_is_reached_than_asked(
    figure: float, bound: float, better: str, expected: float | None
) -> None:
    assert score(figure, bound, better) == pytest.approx(expected)


def _score(**fields: Any) -> Any:
    (only,) = scores([Line("a line", **fields).as_dict(), {"design": False}])
    return only


def test_a_peer_that_is_ahead_is_named() -> None:
    shown = _score(
        unit="/s",
        ours=6e5,
        peer=1e6,
        peer_name="picows",
        ratio=0.6,
        target=Target(0.9, 1.1, better="higher"),
        verdict="below",
        ahead="picows",
    )

    assert (shown.value, shown.behind) == (pytest.approx(0.6 / 0.9), "picows")
    assert shown.aim == pytest.approx(1.1 / 0.9)
    assert shown.text == "600 k/s; 0.6 × picows; asked 0.9 ×"


def test_a_peer_that_takes_longer_says_how_long() -> None:
    shown = _score(
        unit="us",
        ours=4.0,
        peer=24.0,
        peer_name="cryptofeed",
        ratio=6.0,
        target=Target(5, 10, better="higher"),
        verdict="at least",
        ahead="trioex, direct",
    )

    assert (shown.value, shown.behind) == (pytest.approx(1.2), "")
    assert shown.text == "4 µs; cryptofeed takes 6 × as long; asked 5 ×"


def test_what_was_not_measured_has_no_bar() -> None:
    shown = _score(note="ccxt is not installed")

    assert (shown.value, shown.verdict, shown.text) == (None, "", "ccxt is not installed")


def test_panels_have_the_best_first_and_leave_out_who_is_missing() -> None:
    what = "frames a second, plain"
    rows = [
        Row(what=what, contender="picows", unit="/s", values=[2e6]),
        Row(what=what, contender="trioex, direct", unit="/s", values=[3e6]),
        Row(what=what, contender="aiohttp", unit="/s", note="aiohttp is not installed"),
        Row(what="CPU a frame, plain", contender="picows", unit="us", values=[0.5]),
        Row(what="CPU a frame, plain", contender="trioex, direct", unit="us", values=[0.4]),
    ]
    rates, _, times, _ = frame_panels([row.as_dict() for row in rows])

    assert [(bar.name, bar.is_ours) for bar in rates.bars] == [
        ("trioex, direct", True),
        ("picows", False),
    ]
    assert [bar.text for bar in times.bars] == ["0.4 µs", "0.5 µs"]


def test_a_quick_run_is_no_measurement() -> None:
    facts = {"quick": True, "date": "2026-11-30", "cpu": "Fast 9000", "cpus": 2, "python": "3.11"}

    assert where(facts) == (
        "2026-11-30; Fast 9000, 2 CPUs, Python 3.11; a quick run, not a measurement"
    )
    assert "medians" in where(facts | {"quick": False})


def test_trio_websocket_is_not_ours() -> None:
    assert ours("trioex, direct, spin")
    assert not ours("trio-websocket")
