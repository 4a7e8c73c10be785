"""The lines of the design's table of speed, picked from the rows that were measured.

Pure: rows in, lines out. A line names the row it is made from; where that was not measured, the
line says so. Of rows that trioex has with both handoffs, `direct` is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from .harness import Row, Target

__all__ = ["LINES", "Line", "Wanted", "design_lines"]

_OURS = "trioex"


@attrs.frozen
class Wanted:
    """One line of the design's table.

    Attributes:
        name: of the line.
        what, contender: of the row that has the figure, or the ratio, and its target.
        benchmark: the module that measures it.
    """

    name: str
    what: str
    contender: str
    benchmark: str


_WHOLE = "wire to typed, whole, a"

LINES = (
    Wanted("frames a second, plain", "frames a second, plain", "trioex, direct", "frames"),
    Wanted("frames a second, TLS", "frames a second, TLS", "trioex, direct", "frames"),
    *(
        Wanted(
            f"wire to typed message, {name} book update",
            f"wire to typed, CPU, {exchange} book update",
            "trioex, direct",
            "typed",
        )
        for name, exchange in (("Gate.io", "gateio"), ("MEXC", "mexc"))
    ),
    *(
        Wanted(
            f"wire to typed message, Gate.io {kind}, {peer}",
            f"{_WHOLE} {kind}",
            peer,
            "peers",
        )
        for peer in ("cryptofeed", "ccxt pro")
        for kind in ("trade", "book update")
    ),
    *(
        Wanted(
            f"wire to handler at 1 kHz, {which}{suffix}",
            f"wire to handler at 1 kHz, {which}",
            contender,
            "latency",
        )
        for suffix, contender in (("", "trioex, direct"), (", spinning", "trioex, direct, spin"))
        for which in ("p50", "p99")
    ),
    *(
        Wanted(f"route and call a raw handler, {name}", "route and call", contender, "routing")
        for name, contender in (("Gate.io", "trioex, gateio raw"), ("MEXC", "trioex, mexc raw"))
    ),
    Wanted("through the memory channel, p99", "memory channel hop, p99", _OURS, "hop"),
    Wanted("connect, TLS, subscribe", "connect, subscribe, TLS, next", _OURS, "connecting"),
    Wanted(
        "memory a connection with 30 bindings",
        "a connection, resident memory",
        "trioex, plain",
        "memory",
    ),
    Wanted("a log record on the hot path", "a log record", _OURS, "log_record"),
    Wanted("bind", "bind", "trioex, running", "binding"),
    Wanted(
        "book of 1000 levels, 5-level delta and read of the top",
        "book of 1000 levels a side, 5 changed",
        _OURS,
        "book",
    ),
    Wanted(
        "loss to next message, cold, p99", "loss to next message, cold, p99", _OURS, "reconnect"
    ),
    Wanted(
        "loss to next message, standby, p99",
        "loss to next message, standby, p99",
        _OURS,
        "reconnect",
    ),
    Wanted("messages lost with a connection, hot", "lost messages, hot", _OURS, "reconnect"),
)


@attrs.frozen
class Line:
    """A line with its figures.

    Attributes:
        ours, peer: medians, in `unit`; None where not measured, or where there is no peer.
        ratio: the median of the ratios, and `ratios` all of them, one a turn.
        verdict: `aim`, `at least`, `below`, or empty where it was not measured.
        ahead: who is, of trioex and its peer; None without a peer.
        note: why there are no figures.
    """

    name: str
    unit: str = ""
    ours: float | None = None
    peer: float | None = None
    contender: str = _OURS
    peer_name: str | None = None
    ratio: float | None = None
    values: Sequence[float] = ()
    ratios: Sequence[float] = ()
    target: Target | None = None
    verdict: str = ""
    ahead: str | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is at least what it has to be."""
        return None if not self.verdict else self.verdict != "below"

    @property
    def figure(self) -> float | None:
        """What the target is of."""
        is_ratio = self.target is not None and self.target.of == "ratio"
        return self.ratio if is_ratio else self.ours

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {**attrs.asdict(self), "met": self.met, "design": True}


def design_lines(rows: Sequence[Row]) -> list[Line]:
    """One line for each of `LINES`, in their order."""
    found = {(row.what, row.contender): row for row in rows}
    return [_line(wanted, found) for wanted in LINES]


def _line(wanted: Wanted, found: dict[tuple[str, str], Row]) -> Line:
    row = found.get((wanted.what, wanted.contender))
    if row is None:
        return Line(wanted.name, note=f"not measured; python -m benchmarks {wanted.benchmark}")
    if not row.values:
        return Line(wanted.name, row.unit, target=row.target, note=row.note)
    other = found.get((row.what, row.peer or ""))
    ours, peer = row, other
    if not wanted.contender.startswith(_OURS) and other is not None:
        ours, peer = other, row  # a row of the peer's, whose ratio is to us
    return Line(
        wanted.name,
        row.unit,
        ours.median,
        None if peer is None else peer.median,
        contender=ours.contender,
        peer_name=None if peer is None else peer.contender,
        ratio=row.ratio,
        values=list(row.values),
        ratios=list(row.ratios),
        target=row.target,
        verdict=row.verdict,
        ahead=_ahead(row, ours, peer),
        note="" if row.verdict else "its peer was not measured",
    )


def _ahead(row: Row, ours: Row, peer: Row | None) -> str | None:
    """By the ratio of the turns; a rate is better when it is higher, all else when it is lower."""
    if peer is None or row.ratio is None:
        return None
    is_rate = ours.unit == "/s"
    leads = row.ratio > 1 if row is not ours or is_rate else row.ratio < 1
    return ours.contender if leads else peer.contender
