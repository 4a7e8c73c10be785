"""How much an address may ask for by REST, and what becomes of one that asks for more. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import attrs

__all__ = ["Quota", "QuotaRules"]


@attrs.frozen
class QuotaRules:
    """A venue's limit, for each path on its own.

    Attributes:
        weight: allowed in `window` seconds.
        weights: of paths that weigh more than 1.
        banned: the HTTP status of a banned address.
        patience: how many requests too many, within a window, are only refused.
        ban: seconds it lasts.
    """

    weight: int
    banned: int
    window: float = 10.0
    weights: Mapping[str, int] = attrs.field(factory=dict[str, int])
    patience: int = 20
    ban: float = 120.0


class Quota:
    """What was asked for so far. Times are ns since the epoch.

    Attributes:
        rejected: requests that were too many.
        bans: how often somebody did not stop all the same.
    """

    def __init__(self, rules: QuotaRules) -> None:
        self._rules = rules
        self._asked: dict[str, deque[tuple[int, int]]] = {}
        self._too_many: deque[int] = deque()
        self._banned_until = 0
        self.rejected = 0
        self.bans = 0

    def refuse(self, path: str, now: int) -> tuple[int, float] | None:
        """HTTP status and Retry-After for a GET that is too much; None, and it counts."""
        rules = self._rules
        if now < self._banned_until:
            self.rejected += 1
            return rules.banned, math.ceil((self._banned_until - now) / 1e9)
        window = round(rules.window * 1e9)
        asked = self._asked.setdefault(path, deque())
        while asked and asked[0][0] <= now - window:
            asked.popleft()
        weight = rules.weights.get(path, 1)
        if sum(each for _, each in asked) + weight <= rules.weight:
            asked.append((now, weight))
            return None
        self.rejected += 1
        self._too_many.append(now)
        while self._too_many[0] <= now - window:
            self._too_many.popleft()
        if len(self._too_many) > rules.patience:
            self.bans += 1
            self._too_many.clear()
            self._banned_until = now + round(rules.ban * 1e9)
            return rules.banned, math.ceil(rules.ban)
        return 429, math.ceil((asked[0][0] + window - now) / 1e9)
