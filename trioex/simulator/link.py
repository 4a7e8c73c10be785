"""The network between the simulator and its clients in memory: how long everything takes.

The rule: only what a real network makes wait waits, for as many round trips as there. Opening
a connection costs one for TCP and one for TLS 1.3; bytes, and the end of the stream, are half
a one under way. What one side wrote keeps its order, whatever the jitter.
"""

from __future__ import annotations

import math
import random

import attrs
import trio

from ..errors import ConfigError
from .memory import Delay, MemoryStream, memory_stream_pair

__all__ = ["Link"]


def _seconds(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < math.inf:
        raise ConfigError(f"{attribute.name}={value!r} must be seconds, 0 or more")


@attrs.frozen
class Link:
    """How far away the exchange is.

    Attributes:
        latency: one round trip, seconds.
        jitter: the most that is added at random to the way there and to the way back.
        seed: of the jitter.
    """

    latency: float = attrs.field(default=0.0, validator=_seconds)
    jitter: float = attrs.field(default=0.0, validator=_seconds)
    seed: int = 0

    async def travel(self, round_trips: float) -> None:
        """Wait as long as so many round trips take."""
        await trio.sleep(self.latency * round_trips)

    def streams(self, number: int) -> tuple[MemoryStream, MemoryStream]:
        """The two ends of an open connection, ours and the client's; `number` seeds its jitter."""
        if not (self.latency or self.jitter):
            return memory_stream_pair()
        return memory_stream_pair(self._delay(f"{number}/back"), self._delay(f"{number}/there"))

    def _delay(self, name: str) -> Delay:
        rng = random.Random(f"{self.seed}/link/{name}")
        return lambda: self.latency / 2 + self.jitter * rng.random()
