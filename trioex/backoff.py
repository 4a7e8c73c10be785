"""How long to wait before opening a connection again."""

from __future__ import annotations

from random import Random

__all__ = ["Backoff"]


class Backoff:
    """Delays between attempts: none before the first, then doubling, with jitter.

    The jitter takes up to half of a delay away, so that many clients that lost one exchange
    do not come back in step.

    Args:
        first: the second attempt's delay, seconds, before jitter.
        most: what the delay grows to, seconds.
        random: the source of jitter.
    """

    def __init__(self, first: float, most: float, random: Random) -> None:
        self._first = first
        self._most = most
        self._random = random
        self.attempts = 0
        """Attempts since the last `reset`."""

    def next(self, at_least: float = 0.0) -> float:
        """Return the delay before the next attempt, seconds, and count the attempt.

        Args:
            at_least: what the server asked for.
        """
        self.attempts += 1
        if self.attempts == 1:
            return at_least
        # Doubling stops mattering long before the exponent becomes a large number.
        delay = min(self._most, self._first * 2.0 ** min(self.attempts - 2, 60))
        return max(at_least, delay * (1.0 - self._random.random() / 2.0))

    def reset(self) -> None:
        """Data flowed: the next loss is a first one again."""
        self.attempts = 0
