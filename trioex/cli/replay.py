"""`trioex replay`: a recorded session through the real path, and the books it ends with.

It runs on a virtual clock: frames come when they came, and nobody waits for them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from ..channels import ExchangeEnum
from ..config import WebSocketConfig
from ..errors import DecodeError, HttpError
from ..exchanges import open_venue
from ..exchanges.base import Venue
from ..manager import WebSocketManager
from ..orderbook import OrderBook
from .lines import LineDecoder
from .logs import library_warnings
from .outcomes import FAILED, OK, report

if TYPE_CHECKING:
    from ..simulator.recorded import Recording

__all__ = ["replay"]

_SETTLING_S = 60.0
"""Virtual time behind the last frame, for books that still ask for a snapshot."""
_NEVER_S = 3600.0
"""A recording answers no pings."""


async def replay(
    file: Path,
    *,
    exchange: ExchangeEnum,
    market: str,
    rest: Path | None,
    levels: bool,
    decimal: bool,
) -> int:
    """Print the final books of a recording as one JSON array. Run it on a `MockClock`.

    Returns:
        OK, or FAILED when there is no book, one that is not LIVE, or a frame that cannot be
        read; stderr says which.

    Raises:
        ConfigError: there is no such market.
        RecordingError: a file cannot be read; the message names it and the line.
    """
    from ..simulator import open_simulator, virtual_environment
    from ..simulator.recorded import Recording

    venue = open_venue(exchange, market)
    recording = Recording.load(file, rest)
    environment = virtual_environment(epoch_ns=recording.start)
    with library_warnings():
        async with open_simulator(
            exchange, recording=recording, hold=True, environment=environment
        ) as simulator:

            async def fetch(url: str) -> bytes:
                try:
                    return await simulator.fetch(url)
                except HttpError as error:
                    asked = url.partition("://")[2].partition("/")[2]
                    raise HttpError(
                        f"no answer to GET /{asked} is recorded; give --rest", error.status
                    ) from None

            config: WebSocketConfig = simulator.config(
                market=market,
                fetch=fetch,
                number_type=Decimal if decimal else float,
                reconnect=False,
                ping_interval=_NEVER_S,
                pong_timeout=_NEVER_S,
            )
            async with WebSocketManager(
                config, bind_channels={f"{market}.orderbook": _ignore}
            ) as ws:
                await simulator.wait_played()
                await trio.sleep(_SETTLING_S)
                books = sorted(ws.books, key=lambda book: book.symbol)
                rows = [_row(book, levels=levels) for book in books]
                complaints = [*_unreadable(file, recording, venue), *_complaints(books)]
    sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
    sys.stdout.flush()
    if not rows:
        complaints.append(
            f"{file} has no order book of {exchange} {market}: is it of another exchange?"
        )
    for complaint in complaints:
        report(complaint)
    return FAILED if complaints else OK


def _unreadable(file: Path, recording: Recording, venue: Venue) -> Iterator[str]:
    """Texts that are no JSON, as those are that were cut, in the words of `trioex decode`."""
    decoder = LineDecoder(venue)
    for frame in recording.frames:
        if isinstance(frame.data, str):
            try:
                msgspec.json.decode(frame.data, type=msgspec.Raw)
            except msgspec.DecodeError:
                try:
                    decoder.decode(frame.data.encode())
                except DecodeError as error:
                    yield f"{file}, line {frame.line}: {error}"


def _complaints(books: Iterable[OrderBook]) -> Iterator[str]:
    for book in books:
        if not book.is_live:
            yield f"{book.symbol} is {book.state.name}: {book.reason}"


def _ignore(book: OrderBook) -> None:
    """The books are looked at in the end."""


def _row(book: OrderBook, *, levels: bool) -> dict[str, Any]:
    is_live = book.is_live
    bids, asks = (book.bids(), book.asks()) if is_live else ([], [])
    row: dict[str, Any] = {
        "exchange": book.exchange,
        "market": book.market,
        "symbol": book.symbol,
        "state": book.state,
        "reason": book.reason,
        "version": book.version,
        "levels": len(bids) + len(asks),
        "bid_levels": len(bids),
        "ask_levels": len(asks),
        "resyncs": book.resyncs,
        "best_bid": bids[0] if bids else None,
        "best_ask": asks[0] if asks else None,
    }
    return row | {"bids": bids, "asks": asks} if levels else row
