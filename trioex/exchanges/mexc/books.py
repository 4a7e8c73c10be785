"""The ways to keep an order book of MEXC spot.

The diff stream carries every level there is; a snapshot by REST begins with the best 5000
(PROTOCOLS 1.7, the text of 2026). It may lie within a push: the venue says to apply that push,
which is right only where a push names every level it touched. No session was recorded that could
show it.
"""

from __future__ import annotations

from ...channels import BookSource, Parameters, PublicChannelType
from ...synchroniser import BookRules
from ..base import BookOption

__all__ = ["BOOKS"]

BOOKS = (
    *(
        BookOption(
            Parameters(source=BookSource.REST, speed=speed),
            PublicChannelType.ORDERBOOK_DELTA,
            Parameters(speed=speed),
            BookRules(BookSource.REST, limit=5000, names_touched=True),
        )
        for speed in ("100ms", "10ms")
    ),
    *(
        BookOption(
            Parameters(source=BookSource.LIMITED, depth=depth),
            PublicChannelType.ORDERBOOK_SNAPSHOT,
            Parameters(depth=depth),
            BookRules(BookSource.LIMITED, depth=depth, limit=depth),
        )
        for depth in (20, 10, 5)
    ),
)
