"""The ways to keep an order book of Gate.io spot.

`spot.obu` is the best: it brings its own snapshot, and the most levels. The book by REST is a
cached copy, and one of more than 100 levels is cached for long. All of these streams carry the
changes of a top of the book: a level that leaves it is deleted (PROTOCOLS 3.4, 3.7; the session
of 2021 never exceeds its 100 levels). Their pushes name what is different at their end: none of
the 359 changes that session names deletes a level that was not there. A book by REST is of the
end of a push: so were the nine of that session that its stream covers.
"""

from __future__ import annotations

from ...channels import BookSource, Parameters, PublicChannelType
from ...synchroniser import BookRules
from ..base import BookOption

__all__ = ["BOOKS"]

_LIMIT = 100

_DELTAS = PublicChannelType.ORDERBOOK_DELTA
_SNAPSHOTS = PublicChannelType.ORDERBOOK_SNAPSHOT


def _option(
    source: BookSource, kind: PublicChannelType, feed: Parameters, depth: int, speed: str
) -> BookOption:
    limit = depth if source is BookSource.LIMITED else _LIMIT
    chosen = Parameters(source=source, depth=depth, speed=speed)
    return BookOption(chosen, kind, feed, BookRules(source, depth, limit))


BOOKS = (
    *(
        _option(BookSource.STREAM, _DELTAS, Parameters(depth=depth), depth, speed)
        for depth, speed in ((400, "100ms"), (50, "20ms"))
    ),
    *(
        _option(BookSource.REST, _DELTAS, Parameters(speed=speed), depth, speed)
        for depth, speed in ((100, "100ms"), (20, "20ms"))
    ),
    *(
        _option(BookSource.LIMITED, _SNAPSHOTS, Parameters(depth=depth, speed=speed), depth, speed)
        for depth in (20, 5, 10, 50, 100)
        for speed in ("100ms", "1000ms")
    ),
)
