"""What the charts show, from the JSON of a run: pure, and without a library that draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .report import quantity

__all__ = [
    "Bar",
    "Panel",
    "Score",
    "frame_panels",
    "ours",
    "score",
    "scores",
    "where",
    "whole_panels",
]


@attrs.frozen
class Score:
    """How a line of the design's table stands to what it asks for.

    Attributes:
        value: how many times as good as asked at least; below 1 is worse. None where that has
            no meaning, as with nothing lost of nothing allowed, or where it was not measured.
        aim: how many times as good the aim is.
        verdict: `aim`, `at least`, `below`, or empty where it was not measured.
        behind: the name of the peer that is ahead, or empty.
        text: the figures.
    """

    name: str
    value: float | None
    aim: float | None
    verdict: str
    behind: str
    text: str


@attrs.frozen
class Bar:
    """One contender."""

    name: str
    value: float
    text: str
    is_ours: bool


@attrs.frozen
class Panel:
    """Bars to be compared, best first."""

    title: str
    bars: Sequence[Bar]


def score(figure: float, bound: float, better: str) -> float | None:
    """How many times as good a figure is as a bound; None beside a bound or a figure of 0."""
    if not figure or not bound:
        return None
    return figure / bound if better == "higher" else bound / figure


def scores(rows: Sequence[Mapping[str, Any]]) -> list[Score]:
    """One for each line of the design's table, in its order."""
    return [_score(row) for row in rows if row["design"]]


def _score(row: Mapping[str, Any]) -> Score:
    target, ours_ = row["target"], row["ours"]
    figure = row["ratio"] if target and target["of"] == "ratio" else ours_
    if target is None or figure is None:
        return Score(row["name"], None, None, "", "", row["note"] or "not measured")
    at_least, better = target["at_least"], target["better"]
    text = quantity(ours_, row["unit"])
    if row["ratio"] is not None:
        text += f"; {_beside(row)}"
    unit = "×" if target["of"] == "ratio" else row["unit"]
    text += f"; asked {quantity(at_least, unit)}"
    behind = row["peer_name"] if row["ahead"] and row["ahead"] == row["peer_name"] else ""
    aim = score(target["aim"], at_least, better)
    return Score(row["name"], score(figure, at_least, better), aim, row["verdict"], behind, text)


def _beside(row: Mapping[str, Any]) -> str:
    if row["target"]["better"] == "higher" and row["unit"] != "/s":  # the ratio is of the peer
        return f"{row['peer_name']} takes {row['ratio']:.3g} × as long"
    return f"{row['ratio']:.3g} × {row['peer_name']}"


def where(facts: Mapping[str, Any]) -> str:
    """When and on what it was measured."""
    kind = "a quick run, not a measurement" if facts["quick"] else "medians of the turns of one run"
    machine = f"{facts['cpu']}, {facts['cpus']} CPUs, Python {facts['python']}"
    return f"{facts['date']}; {machine}; {kind}"


def ours(name: str) -> bool:
    """Whether a contender is trioex."""
    return name.partition(",")[0] == "trioex"


def frame_panels(measured: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Frames a second and CPU a frame of all contenders, plain and TLS."""
    return [
        _panel(measured, f"{what}, {wire}", highest_first=what.startswith("frames"))
        for what in ("frames a second", "CPU a frame")
        for wire in ("plain", "TLS")
    ]


def whole_panels(measured: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """CPU a message of whole libraries, from the socket to the handler."""
    named = {
        "wire to typed, whole, a trade": "a trade",
        "wire to typed, whole, a book update": "a book update",
        "wire to kept book, whole": "a kept book",
    }
    panels = [_panel(measured, what, highest_first=False) for what in named]
    return [attrs.evolve(each, title=named[each.title]) for each in panels]


def _panel(rows: Sequence[Mapping[str, Any]], what: str, *, highest_first: bool) -> Panel:
    bars = [
        Bar(
            row["contender"],
            row["median"],
            quantity(row["median"], row["unit"]),
            ours(row["contender"]),
        )
        for row in rows
        if row["what"] == what and row["median"] is not None
    ]
    return Panel(what, sorted(bars, key=lambda bar: bar.value, reverse=highest_first))
