"""REST within a venue's limits: a GET waits until it may be sent.

A request counts against its path's weight until `window` seconds after its answer, so that not
even a network that bunches requests brings more than the limit into any window of the venue's.
When the venue says that it was too much all the same, everybody waits as long as it asks for.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs
import trio

from .config import Fetch
from .errors import HttpError, Verdict
from .exchanges.base import RestRules

__all__ = ["Rest"]

_AT_ONCE = 50
"""Requests of one path under way."""
_FORBIDDEN = 403
"""What firewalls say to too many requests, and which otherwise is no reason to try again."""
_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 300.0
_UNDER_WAY_S = 0.01
"""How often to look while all that counts is still under way."""


@attrs.define
class _Sent:
    weight: int
    counts_until: float = math.inf


@attrs.define
class _Path:
    """What has been sent to a path, whose turn it is, and how many may be under way."""

    weight: int
    sent: deque[_Sent] = attrs.field(factory=deque[_Sent])
    turn: trio.StrictFIFOLock = attrs.field(factory=trio.StrictFIFOLock)
    at_once: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(_AT_ONCE))


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
        self._refusals = 0

    async def get(self, path: str) -> bytes:
        """GET a path below the venue's REST address. Cancelling it gives up its turn.

        Raises:
            HttpError: the venue did not answer as it should.
            Exception: whatever a configured `fetch` raises.
        """
        name = path.partition("?")[0]
        known = self._paths.get(name)
        if known is None:
            known = self._paths[name] = _Path(self._rules.weight_of(name))
        async with known.at_once:
            sent = await self._take_turn(known)
            try:
                body = await self._fetch(self._base_url + path)
            except HttpError as error:
                self._note(error)
                raise
            finally:
                sent.counts_until = trio.current_time() + self._rules.window
        self._refusals = 0
        return body

    def _note(self, error: HttpError) -> None:
        """Let everybody wait where the venue was asked too much."""
        is_too_much = self._classify(error) is Verdict.RETRY_LATER or error.status == _FORBIDDEN
        if is_too_much:
            grown = _PAUSE_S * 2.0 ** min(self._refusals, 10)
            wait = grown if error.retry_after is None else error.retry_after
            self._refusals += 1
            until = trio.current_time() + min(wait, _LONGEST_PAUSE_S)
            self._not_before = max(self._not_before, until)

    async def _take_turn(self, path: _Path) -> _Sent:
        async with path.turn:
            # There is no event for it: the venue's window moves on, and a pause may grow.
            while (wait := self._wait(path)) > 0:  # noqa: ASYNC110
                await trio.sleep(wait)
            taken = _Sent(path.weight)
            path.sent.append(taken)
            return taken

    def _wait(self, path: _Path) -> float:
        """Seconds until one more request of a path may be sent, as far as that is known."""
        now, sent = trio.current_time(), path.sent
        if now < self._not_before:
            return self._not_before - now
        while sent and sent[0].counts_until <= now:
            sent.popleft()
        if not sent or sum(each.weight for each in sent) + path.weight <= self._rules.weight:
            return 0.0
        first = min(each.counts_until for each in sent)
        return max(first - now, 1e-6) if first < math.inf else _UNDER_WAY_S
