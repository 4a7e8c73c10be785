"""What is asked of MEXC by REST: paths, and parsers for the bodies. No request is made here.

The instrument list is parsed in `symbols`.
"""

from __future__ import annotations

import msgspec

from ...channels import ExchangeEnum
from ...errors import DecodeError
from ...messages import BookSnapshot, Number
from .endpoints import DEPTH_PATH
from .numbers import BROKEN, level_pairs, reason

__all__ = ["depth_path", "parse_depth"]

_MOST_LEVELS = 5000


class _Depth(msgspec.Struct):
    version: int = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_parse = msgspec.json.Decoder(_Depth).decode


def depth_path(native: str, limit: int = _MOST_LEVELS) -> str:
    """Where, below the REST address, the book of the venue's symbol `native` is.

    MEXC's own instructions for a local book ask for 5000 levels, which is the most it gives.
    """
    return f"{DEPTH_PATH}?symbol={native}&limit={min(limit, _MOST_LEVELS)}"


def parse_depth(
    body: bytes, symbol: str, received: int, number_type: type[Number] = float
) -> BookSnapshot:
    """Parse a book: `lastUpdateId` is the version that the deltas' versions continue.

    The body holds no time: `exchange_time` is the time it was received.

    Args:
        symbol: our spelling, for the message.
        received: wall time of the answer, ns since the epoch.

    Raises:
        DecodeError: the body is not a book; the message names the symbol and the reason.
    """
    levels = level_pairs(number_type)
    try:
        depth = _parse(body)
        bids, asks = levels(depth.bids), levels(depth.asks)
    except (msgspec.DecodeError, RecursionError, *BROKEN) as error:
        raise DecodeError(f"MEXC book of {symbol}: {reason(error)}") from error
    return BookSnapshot(
        ExchangeEnum.MEXC,
        "spot",
        symbol,
        received,
        received,
        tuple(sorted(bids, reverse=True)),
        tuple(sorted(asks)),
        depth.version,
    )
