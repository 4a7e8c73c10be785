"""Frames routed one by one in a program with a heap of its own."""

from __future__ import annotations

import gc
import time
from collections import deque
from typing import Any

from trioex.exchanges.gateio.spot import GateioSpot

from .client import Spec, quantile
from .routing import Source, make_router
from .samples import GATE_SYMBOLS, gate_updates

__all__ = ["pauses"]

_ORDERS = 100_000
_KEPT = 10_000


def pauses(spec: Spec) -> dict[str, float]:
    """Percentiles of the CPU time that a frame takes, in microseconds."""
    heap = _heap()
    kept: deque[Any] = deque(maxlen=_KEPT)
    router, source = make_router(GateioSpot(), GATE_SYMBOLS[:1], kept.append), Source(0)
    frames = gate_updates(spec.warm + spec.count)
    if spec.work == "frozen":
        gc.collect()
        gc.freeze()
    times = []
    for frame in frames:
        begin = time.thread_time_ns()
        router.feed(router.begin([frame]), True, 1, source)
        times.append(time.thread_time_ns() - begin)
    assert len(heap) == _ORDERS
    ordered = sorted(times[spec.warm :])
    return {
        "p50_us": quantile(ordered, 0.5) / 1e3,
        "p99_us": quantile(ordered, 0.99) / 1e3,
        "p999_us": quantile(ordered, 0.999) / 1e3,
        "most_us": ordered[-1] / 1e3,
    }


def _heap() -> list[dict[str, Any]]:
    """What a trading program may hold: orders, each a few objects."""
    return [
        {"id": number, "fills": [[number, 1.0], [number, 2.0]], "tags": {"a": [number]}}
        for number in range(_ORDERS)
    ]
