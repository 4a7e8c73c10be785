"""What the demo's hot line did: trades counted by the numbers the exchange gives them."""

from __future__ import annotations

import attrs

from ..channels import ExchangeEnum
from ..events import ConnectionEvent, Disconnected
from ..messages import Trade

__all__ = ["HotLine"]


@attrs.define(eq=False)
class HotLine:
    """Two connections that carry the same; called with each trade that was delivered.

    Attributes:
        exchange: Gate.io, whose trades of one market are numbered without a hole.
        legs_lost: connections that were lost.
    """

    exchange: ExchangeEnum = ExchangeEnum.GATEIO
    legs_lost: int = 0
    _numbers: list[int] = attrs.field(init=False, factory=list[int])

    def __call__(self, trade: Trade) -> None:
        """Note a trade."""
        if trade.sequence is not None:
            self._numbers.append(trade.sequence)

    def on_event(self, event: ConnectionEvent) -> None:
        """Note a loss."""
        self.legs_lost += isinstance(event, Disconnected)

    @property
    def lost(self) -> int:
        """Trades between the first and the last that never came."""
        unique = set(self._numbers)
        return max(unique) - min(unique) + 1 - len(unique) if unique else 0

    @property
    def twice(self) -> int:
        """Trades that came more than once."""
        return len(self._numbers) - len(set(self._numbers))

    def fact(self) -> str:
        """What happened, in a line."""
        return (
            f"{self.exchange} hot line: {self.legs_lost} of 2 connections lost, "
            f"{len(self._numbers)} trades, {self.lost} lost, {self.twice} delivered twice"
        )

    def faults(self) -> list[str]:
        """What should not have happened."""
        return [self.fact()] if self.lost or self.twice else []
