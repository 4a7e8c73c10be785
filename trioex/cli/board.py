"""What the demo has seen so far: one row a channel. It knows neither Trio nor the terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from ..channels import ExchangeEnum
from ..events import ConnectionEvent, Reconnected
from ..messages import MarketMessage
from ..orderbook import OrderBook

__all__ = ["Board", "Row"]

_LATENCIES = 512
"""Messages of a channel whose latencies are kept: enough for a p99."""


@attrs.define(eq=False)
class Row:
    """One channel of one exchange; called with each message.

    Attributes:
        last: the latest message.
        rate: messages a second between the latest two calls of `Board.tick`, in the end over
            the whole time.
    """

    exchange: ExchangeEnum
    channel: str
    messages: int = 0
    last: MarketMessage | OrderBook | None = None
    rate: float = 0.0
    _counted: int = 0
    _latencies: deque[int] = attrs.field(factory=lambda: deque(maxlen=_LATENCIES))

    def __call__(self, message: MarketMessage | OrderBook) -> None:
        """Note a message."""
        self.messages += 1
        self.last = message
        self._latencies.append(message.receive_time - message.exchange_time)

    def __str__(self) -> str:
        return f"{self.exchange} {self.channel}"

    def tick(self, elapsed: float) -> None:
        """Take the rate over the last `elapsed` seconds."""
        self.rate = (self.messages - self._counted) / elapsed
        self._counted = self.messages

    def latency(self, share: float) -> float | None:
        """From the exchange's time to ours, in ms: a quantile of the latest messages."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6


class Board:
    """All rows, and what happened to the connections."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.reconnects: dict[ExchangeEnum, int] = {}
        """The outage of an exchange's connection, ns: from its loss to all confirmed again."""
        self._ticked = 0.0

    def add(self, exchange: ExchangeEnum, channel: str) -> Row:
        """A new row, to be bound to the channel."""
        row = Row(exchange, channel)
        self.rows.append(row)
        return row

    def on_event(self, event: ConnectionEvent) -> None:
        """Note an event of a connection."""
        if isinstance(event, Reconnected):
            self.reconnects[event.exchange] = event.outage_ns

    def tick(self, elapsed: float) -> None:
        """Take the rates; `elapsed` is the time since the start, in seconds."""
        if elapsed > self._ticked:
            for row in self.rows:
                row.tick(elapsed - self._ticked)
            self._ticked = elapsed

    def finish(self, elapsed: float) -> None:
        """Take the rates over the whole time instead."""
        for row in self.rows:
            row.rate = row.messages / max(elapsed, 1e-9)

    @property
    def messages(self) -> int:
        """All of them."""
        return sum(row.messages for row in self.rows)

    def missing(self, exchanges: Iterable[ExchangeEnum]) -> list[str]:
        """What a complete demo still lacks: channels that are silent, reconnects."""
        silent = [f"nothing came on {row}" for row in self.rows if not row.messages]
        lost = [f"{each} did not reconnect" for each in exchanges if each not in self.reconnects]
        return silent + lost
