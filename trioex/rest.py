"""REST within a venue's limits: a GET waits until it may be sent.

A request counts against its path's weight until `window` seconds after its answer, so that not
even a network that bunches requests brings more than the limit into any window of the venue's.
When the venue says that it was too much all the same, everybody waits as long as it asks for;
then one request tries, and only its answer lets the others follow.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable

import attrs
import trio

from .config import Fetch
from .errors import HttpError, Verdict
from .exchanges.base import RestRules

__all__ = ["Rest"]

_log = logging.getLogger("trioex.rest")

_AT_ONCE = 50
"""Requests of one path under way."""
_FORBIDDEN = 403
"""What firewalls say to too many requests, and which otherwise is no reason to try again."""
_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 300.0
"""Of those that we guess: what the venue asks for is never shortened, bans last for days."""
_TRIAL_S = 10.0
"""How long the others wait for the one that tries, before another one does."""


@attrs.define
class _Path:
    """What has been sent to a path, whose turn it is, and how many may be under way.

    Attributes:
        most: requests that may count at a time.
        under_way: requests without an answer; each counts.
        counted_until: until when each answered one counts, the first first.
    """

    most: int
    under_way: int = 0
    counted_until: deque[float] = attrs.field(factory=deque[float])
    turn: trio.StrictFIFOLock = attrs.field(factory=trio.StrictFIFOLock)
    at_once: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(_AT_ONCE))

    def free_at(self, now: float) -> float:
        """When one more may be sent, as far as is known: infinity while all are under way."""
        counted = self.counted_until
        while counted and counted[0] <= now:
            counted.popleft()
        if self.under_way + len(counted) < self.most:
            return now
        return counted[0] if counted else math.inf


class Rest:
    """The GETs of one manager to one venue."""

    def __init__(
        self,
        base_url: str,
        rules: RestRules,
        fetch: Fetch,
        classify: Callable[[BaseException], Verdict],
    ) -> None:
        self._base_url = base_url
        self._rules = rules
        self._fetch = fetch
        self._classify = classify
        self._paths: dict[str, _Path] = {}
        self._not_before = -math.inf
        self._pauses = 0
        """All there were. What was sent before one began says nothing about its end."""
        self._refusals = 0
        """Pauses since an answer; while there are any, one request at a time tries."""
        self._news = trio.lowlevel.ParkingLot()
        """Where those wait whose turn it is; woken when it may have come sooner."""

    async def get(self, path: str) -> bytes:
        """GET a path below the venue's REST address. Cancelling it gives up its turn.

        Raises:
            HttpError: the venue did not answer as it should.
            Exception: whatever a configured `fetch` raises.
        """
        name = path.partition("?")[0]
        known = self._paths.get(name)
        if known is None:
            most = self._rules.weight // self._rules.weight_of(name)
            known = self._paths[name] = _Path(max(most, 1))
        async with known.at_once:
            await self._take_turn(known)
            pauses = self._pauses
            try:
                body = await self._fetch(self._base_url + path)
            except HttpError as error:
                self._failed(error, pauses)
                raise
            else:
                self._answered(pauses)
            finally:
                self._ended(known, pauses)
        return body

    async def _take_turn(self, path: _Path) -> None:
        async with path.turn:
            while (when := self._free_at(path)) > trio.current_time():
                with trio.move_on_at(when):
                    await self._news.park()
            path.under_way += 1
            if self._refusals:
                self._not_before = trio.current_time() + _TRIAL_S

    def _free_at(self, path: _Path) -> float:
        return max(self._not_before, path.free_at(trio.current_time()))

    def _failed(self, error: HttpError, pauses: int) -> None:
        is_too_much = self._classify(error) is Verdict.RETRY_LATER or error.status == _FORBIDDEN
        if is_too_much:
            self._pause(error, pauses)
        elif error.status is not None:
            self._answered(pauses)

    def _pause(self, error: HttpError, pauses: int) -> None:
        """Let everybody wait: the venue was asked too much."""
        now, wait = trio.current_time(), error.retry_after
        if pauses == self._pauses:
            # The first of those that were under way: all of them together are one refusal.
            guess = min(_PAUSE_S * 2.0 ** min(self._refusals, 10), _LONGEST_PAUSE_S)
            self._pauses += 1
            self._refusals += 1
            self._not_before = now + (guess if wait is None else wait)
            _log.warning("no GET for %.0f s: %s", self._not_before - now, error)
        elif wait is not None:
            self._not_before = max(self._not_before, now + wait)

    def _answered(self, pauses: int) -> None:
        """The venue answers again, if this was sent after the last pause."""
        if pauses == self._pauses and self._refusals:
            self._refusals = 0
            self._not_before = -math.inf

    def _ended(self, path: _Path, pauses: int) -> None:
        now = trio.current_time()
        path.under_way -= 1
        path.counted_until.append(now + self._rules.window)
        if pauses == self._pauses and self._refusals:
            self._not_before = now  # it was given up, or lost, and says nothing: the next one tries
        self._news.unpark_all()
