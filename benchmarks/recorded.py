"""The book updates of a recorded session of Gate.io, and the clock for those who follow them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from trioex.simulator.recorded import Recording

from .client import Spec

__all__ = ["Passes", "Session", "top"]

_FILE = Path(__file__).parents[1] / "tests/data/captures/gateio_spot_20210422/ws.txt"
_PATH = "/api/v4/spot/order_book"


@attrs.frozen
class Session:
    """What was recorded.

    Attributes:
        snapshots: bodies by the exchange's name of the symbol, of those that have updates.
        first: the first update behind the snapshot of each, with which some ask for the snapshot.
        updates: all that follow, in their order; every one changes a book.
        pairs: whose each update is.
    """

    snapshots: Mapping[str, bytes]
    first: Sequence[bytes]
    updates: Sequence[bytes]
    pairs: Sequence[str]

    @classmethod
    def load(cls) -> Session:
        """Read it."""
        recording = Recording.load(_FILE)
        bodies = {
            dict(query).get("currency_pair", ""): bodies[0]
            for (path, query), bodies in recording.answers.items()
            if path == _PATH
        }
        versions = {pair: json.loads(body)["id"] for pair, body in bodies.items()}
        first: dict[str, bytes] = {}
        updates: list[tuple[str, bytes]] = []
        for frame in recording.frames:
            push = json.loads(frame.data)
            if push["channel"] != "spot.order_book_update" or push["event"] != "update":
                continue
            pair, data = push["result"]["s"], str(frame.data).encode()
            if push["result"]["u"] <= versions[pair]:
                continue
            if pair in first:
                updates.append((pair, data))
            else:
                first[pair] = data
        pairs, frames = zip(*updates, strict=True)
        return cls({pair: bodies[pair] for pair in first}, [*first.values()], frames, pairs)


class Passes:
    """Times passes over the updates, each of which begins with new books."""

    def __init__(self, spec: Spec, session: Session) -> None:
        self.count = spec.warm + spec.count
        self._warm = spec.warm
        self._frames = len(session.updates)
        self._times: list[int] = []
        self._begin = 0

    def begin(self) -> None:
        """The books have begun, and the first update comes."""
        self._begin = time.thread_time_ns()

    def end(self) -> None:
        """The last update has been followed."""
        self._times.append(time.thread_time_ns() - self._begin)

    def result(self, tops: Mapping[str, Any]) -> dict[str, Any]:
        """The median pass, a frame, and the best prices in the end by symbol."""
        times = self._times[self._warm :]
        return {
            "us": statistics.median(times) / self._frames / 1e3,
            "tops": [tops[pair] for pair in sorted(tops)],
        }


def top(bid: Sequence[Any], ask: Sequence[Any]) -> list[float]:
    """The best prices and quantities, in a form in which all contenders' are the same."""
    return [float(each) for each in (*bid[:2], *ask[:2])]
