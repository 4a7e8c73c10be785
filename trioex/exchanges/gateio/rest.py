"""What is asked of Gate.io by REST: paths, and parsers for the bodies. No request is made here.

The instrument list is parsed in `symbols`. The book is a cached copy, typically a second old
and once measured 22 s old: one that is older than the first buffered delta must be asked for
again, after a pause.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import Any, Generic, TypeVar

import msgspec

from ...channels import ExchangeEnum
from ...errors import DecodeError
from ...messages import BookSnapshot, Number
from .endpoints import BOOK_PATH
from .wire import MALFORMED, NS_A_MS, Millis, Version, number_form, parser, require_finite

__all__ = ["depth_path", "parse_depth"]

N = TypeVar("N")


class _Depth(msgspec.Struct, Generic[N]):
    version: Version = msgspec.field(name="id")
    bids: tuple[tuple[N, N], ...]
    asks: tuple[tuple[N, N], ...]
    update: Millis | None = None
    current: Millis | None = None


def depth_path(native: str, limit: int = 100) -> str:
    """Where, below the REST address, the book of the venue's pair `native` is.

    The deltas of the default speed cover 100 levels a side, and so does the book.
    """
    return f"{BOOK_PATH}?currency_pair={native}&limit={limit}&with_id=true"


def parse_depth(
    body: bytes, symbol: str, received: int, number_type: type[Number] = float
) -> BookSnapshot:
    """Parse a book: `id` is the version that the deltas' versions continue.

    Args:
        symbol: ours, `BTCUSDT`; the body names none.
        received: when it was received, ns since the epoch.

    Returns:
        The book. Its `exchange_time` is that of its last change, or where the body does not
        tell that, of the answer, or at last `received`.

    Raises:
        DecodeError: the body is not a book with a version.
    """
    struct: Any = _Depth
    try:
        book: _Depth[Number] = parser(struct[number_form(number_type)]).decode(body)
        if number_type is Decimal:
            require_finite(chain(*book.bids, *book.asks))
    except (*MALFORMED, DecodeError) as error:
        raise DecodeError(f"{symbol}: no order book of Gate.io: {error}") from error
    moment = book.current if book.update is None else book.update
    return BookSnapshot(
        exchange=ExchangeEnum.GATEIO,
        market="spot",
        symbol=symbol,
        exchange_time=received if moment is None else moment * NS_A_MS,
        receive_time=received,
        bids=tuple(sorted(book.bids, reverse=True)),
        asks=tuple(sorted(book.asks)),
        version=book.version,
    )
