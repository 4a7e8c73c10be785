"""Faults being done: the plan's next ones, and what is wrong with the exchange just now.

It decides what happens to whom; how a connection ends or what becomes of a push is the
connection's matter.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence

import trio

from .clock import Clock
from .connection import Connection
from .faults import OF_CONNECTIONS, Applied, Fault, Faults, Lasting
from .market import Market

__all__ = ["Injector"]

_APPLIED = 100_000
"""Faults that are remembered."""


class Injector:
    """Does faults.

    Attributes:
        applied: what was done, oldest first, of the last 100,000.
    """

    def __init__(self, faults: Faults, clock: Clock, market: Market, seed: int) -> None:
        self.applied: deque[Applied] = deque(maxlen=_APPLIED)
        self._clock = clock
        self._market = market
        self._random = random.Random(f"{seed}/connections")
        self._timed = faults.timed()
        self._counted = deque(faults.counted())
        self._next = next(self._timed, None)
        self._rejection: tuple[int, float | None] | None = None
        self._active: list[tuple[float, Fault]] = []
        self._stale: Market | None = None

    # The plan

    @property
    def next_at(self) -> float:
        """When the next fault of the plan is due, ns since the epoch."""
        if self._next is None or self._next.at is None:
            return math.inf
        return self._clock.wall + round(self._next.at * 1e9)

    def take_timed(self) -> Fault:
        """The next fault of the plan, which is due."""
        fault, self._next = self._next, next(self._timed, None)
        assert fault is not None
        return fault

    def take_counted(self, frames: int) -> Fault | None:
        """The next fault that is due after so many frames, or None."""
        if self._counted and (self._counted[0].after or 0) <= frames:
            return self._counted.popleft()
        return None

    # Doing

    def apply(self, fault: Fault, now: int, connections: Sequence[Connection]) -> None:
        """Do a fault, to `connections` where it is about connections."""
        moment = trio.current_time()
        if fault.kind not in OF_CONNECTIONS:
            self._active = [each for each in self._active if each[0] > moment]
            self._active.append((moment + fault.duration, fault))
            if fault.kind == "stale_snapshot":
                self._stale = self._market.still()
            connections = ()
        for connection in connections:
            connection.suffer(fault)
        self.applied.append(Applied(now, fault, tuple(each.number for each in connections)))

    def choose(self, fault: Fault, connections: Sequence[Connection]) -> Sequence[Connection]:
        """Those of the open connections that a fault means."""
        if not connections or fault.connection == "all":
            return connections
        if fault.connection == "random":
            return [self._random.choice(connections)]
        return [connections[0 if fault.connection == "one" else -1]]

    # What is wrong now

    def active(self, kind: Lasting, symbol: str | None = None) -> Fault | None:
        """The latest fault of a kind that still lasts, for a symbol or whatever it is for."""
        return self._latest(kind, symbol)[1]

    def refuses(self, symbol: str) -> bool:
        """Whether requests for a symbol are refused."""
        return self.active("refuse", symbol) is not None

    def books(self, symbol: str | None) -> Market:
        """The market as a GET of the book of a symbol sees it."""
        stale = self._stale
        if stale is None or self.active("stale_snapshot", symbol) is None:
            return self._market
        return stale

    @property
    def rejection(self) -> tuple[int, float | None] | None:
        """HTTP status and Retry-After for everyone who knocks, or None."""
        until, fault = self._latest("reject_429")
        if fault is None:
            return self._rejection
        left = math.ceil(until - trio.current_time())
        return 429, left if fault.retry_after is None else fault.retry_after

    @rejection.setter
    def rejection(self, rejection: tuple[int, float | None] | None) -> None:
        """Reject everyone until further notice; None admits them, whatever rejected them."""
        self._rejection = rejection
        self._active = [each for each in self._active if each[1].kind != "reject_429"]

    def _latest(self, kind: Lasting, symbol: str | None = None) -> tuple[float, Fault | None]:
        now = trio.current_time()
        for until, fault in reversed(self._active):
            is_meant = symbol is None or fault.symbol in {None, symbol}
            if fault.kind == kind and until > now and is_meant:
                return until, fault
        return 0.0, None
