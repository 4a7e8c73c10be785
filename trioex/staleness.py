"""Which channels are alive: pure bookkeeping over what was heard and when.

A channel with a natural rate, or any channel when a limit is configured, is STALE once it was
silent for longer than it should be, and LIVE again with its next message.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from .exchanges.base import Topic, Venue

__all__ = ["ChannelState", "Staleness"]

_MISSED = 5
"""Pushes of its own rate a channel may miss, and"""
_LEAST_S = 5.0
"""how long it may be silent at least: rates are not kept to the millisecond."""


class ChannelState(StrEnum):
    """Where a subscribed channel is."""

    PENDING = "pending"
    """The exchange has not confirmed it, or it was not heard of yet."""
    LIVE = "live"
    """Its messages come."""
    STALE = "stale"
    """Its messages should come and do not."""


class Staleness:
    """The states of a manager's topics.

    Args:
        limit: seconds of silence for every topic, or None to judge only those with a rate.
        heard: when the last push of a topic was read, ns since the epoch.
    """

    def __init__(self, venue: Venue, limit: float | None, heard: Callable[[Topic], int]) -> None:
        self._venue = venue
        self._limit = limit
        self._heard = heard
        self._confirmed: dict[Topic, int] = {}
        self._stale: set[Topic] = set()

    def confirm(self, topic: Topic, now: int) -> None:
        """A topic is confirmed: from `now` on it is judged."""
        self._confirmed[topic] = now

    def is_confirmed(self, topic: Topic) -> bool:
        """Whether a topic is judged."""
        return topic in self._confirmed

    def unconfirm(self, topic: Topic) -> None:
        """A topic is not confirmed any more: nothing can be expected of it until it is again."""
        self._confirmed.pop(topic, None)

    def forget(self, topic: Topic) -> None:
        """Nobody wants a topic any more."""
        self.unconfirm(topic)
        self._stale.discard(topic)

    def state(self, topic: Topic) -> ChannelState:
        """Where a topic is, as of the last `check`."""
        if topic not in self._confirmed:
            return ChannelState.PENDING
        if topic in self._stale:
            return ChannelState.STALE
        is_heard = self._heard(topic) >= self._confirmed[topic]
        return ChannelState.LIVE if is_heard else ChannelState.PENDING

    def allowed(self, topic: Topic) -> float | None:
        """Seconds a topic may be silent, or None where silence says nothing."""
        if self._limit is not None:
            return self._limit
        cadence = self._venue.cadence(topic)
        return None if cadence is None else max(_MISSED * cadence, _LEAST_S)

    def period(self) -> float | None:
        """How often `check` is worth it, in seconds; None while nothing is to be judged."""
        limits = [limit for topic in self._confirmed if (limit := self.allowed(topic)) is not None]
        return min(limits) / 4 if limits else None

    def check(self, now: int) -> list[tuple[Topic, ChannelState, int]]:
        """Return the topics whose state changed, to what, and for how long they were silent."""
        changed: list[tuple[Topic, ChannelState, int]] = []
        for topic, since in self._confirmed.items():
            allowed = self.allowed(topic)
            if allowed is None:
                continue
            heard = self._heard(topic)
            silent = now - max(heard, since)
            is_stale = silent > allowed * 1e9
            was_stale = topic in self._stale
            # To be confirmed anew is no sign of life; only a message is.
            if is_stale == was_stale or (was_stale and heard < since):
                continue
            (self._stale.add if is_stale else self._stale.discard)(topic)
            state = ChannelState.STALE if is_stale else ChannelState.LIVE
            changed.append((topic, state, silent))
        return changed
