"""The ways to keep an order book of Gate.io spot.

`spot.obu` is the best: it brings its own snapshot, and the most levels. The book by REST is a
cached copy, and one of more than 100 levels is cached for long. All of these streams carry the
changes of a top of the book: a level that leaves it is deleted (PROTOCOLS 3.4, 3.7; the session
of 2021 never exceeds its 100 levels).
"""

from __future__ import annotations

from ...channels import BookSource, Parameters, PublicChannelType
from ...synchroniser import BookRules
from ..base import BookOption

__all__ = ["BOOKS"]

_LIMIT = 100

BOOKS = (
    *(
        BookOption(
            Parameters(source=BookSource.STREAM, depth=depth, speed=speed),
            PublicChannelType.ORDERBOOK_DELTA,
            Parameters(depth=depth),
            BookRules(BookSource.STREAM, depth, _LIMIT),
        )
        for depth, speed in ((400, "100ms"), (50, "20ms"))
    ),
    *(
        BookOption(
            Parameters(source=BookSource.REST, depth=depth, speed=speed),
            PublicChannelType.ORDERBOOK_DELTA,
            Parameters(speed=speed),
            BookRules(BookSource.REST, depth, _LIMIT),
        )
        for depth, speed in ((100, "100ms"), (20, "20ms"))
    ),
    *(
        BookOption(
            Parameters(source=BookSource.LIMITED, depth=depth, speed=speed),
            PublicChannelType.ORDERBOOK_SNAPSHOT,
            Parameters(depth=depth, speed=speed),
            BookRules(BookSource.LIMITED, depth, depth),
        )
        for depth in (20, 5, 10, 50, 100)
        for speed in ("100ms", "1000ms")
    ),
)
