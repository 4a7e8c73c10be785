"""REST within a venue's limits: a GET waits until it may be sent.

A request counts against its path's weight until `window` seconds after its answer, so that not
even a network that bunches requests brings more than the limit into any window of the venue's.
When the venue says that it was too much all the same, everybody waits as long as it asks for.
"""

from __future__ import annotations

import math
from collections import deque

import attrs
import trio

from .config import Fetch
from .errors import HttpError
from .exchanges.base import RestRules

__all__ = ["Rest"]

_AT_ONCE = 20
"""Requests under way."""
_LIMITED = frozenset({403, 418, 429})
"""What venues answer to too many requests; 403 is MEXC's firewall."""
_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 300.0


@attrs.define
class _Sent:
    weight: int
    counts_until: float = math.inf


class Rest:
    """The GETs of one manager to one venue.

    Attributes:
        requests: sent so far.
        waiting: callers that wait for their turn.
    """

    def __init__(self, base_url: str, rules: RestRules, fetch: Fetch) -> None:
        self.requests = 0
        self.waiting = 0
        self._base_url = base_url
        self._rules = rules
        self._fetch = fetch
        self._at_once = trio.CapacityLimiter(_AT_ONCE)
        self._turns: dict[str, trio.StrictFIFOLock] = {}
        self._sent: dict[str, deque[_Sent]] = {}
        self._not_before = -math.inf
        self._refusals = 0

    async def get(self, path: str) -> bytes:
        """GET a path below the venue's REST address. Cancelling it gives up its turn.

        Raises:
            HttpError: what `fetch` raises.
        """
        name = path.partition("?")[0]
        self.waiting += 1
        try:
            await self._at_once.acquire_on_behalf_of(token := object())
        except BaseException:
            self.waiting -= 1
            raise
        try:
            try:
                sent = await self._take_turn(name)
            finally:
                self.waiting -= 1
            try:
                self.requests += 1
                body = await self._fetch(self._base_url + path)
            except HttpError as error:
                self._note(error)
                raise
            finally:
                sent.counts_until = trio.current_time() + self._rules.window
        finally:
            self._at_once.release_on_behalf_of(token)
        self._refusals = 0
        return body

    def _note(self, error: HttpError) -> None:
        if error.status in _LIMITED or error.retry_after is not None:
            grown = _PAUSE_S * 2.0 ** min(self._refusals, 10)
            wait = grown if error.retry_after is None else error.retry_after
            self._refusals += 1
            until = trio.current_time() + min(wait, _LONGEST_PAUSE_S)
            self._not_before = max(self._not_before, until)

    async def _take_turn(self, name: str) -> _Sent:
        weight = self._rules.weight_of(name)
        sent = self._sent.setdefault(name, deque())
        async with self._turns.setdefault(name, trio.StrictFIFOLock()):
            # There is no event for it: the venue's window moves on, and a pause may grow.
            while (wait := self._wait(sent, weight)) > 0:  # noqa: ASYNC110
                await trio.sleep(wait)
            taken = _Sent(weight)
            sent.append(taken)
            return taken

    def _wait(self, sent: deque[_Sent], weight: int) -> float:
        """Seconds until a request of a weight may be sent, as far as that is known."""
        now = trio.current_time()
        if now < self._not_before:
            return self._not_before - now
        while sent and sent[0].counts_until <= now:
            sent.popleft()
        if sum(each.weight for each in sent) + weight <= self._rules.weight or not sent:
            return 0.0
        first = min(each.counts_until for each in sent)
        return max(first - now, 1e-6) if first < math.inf else 0.01
