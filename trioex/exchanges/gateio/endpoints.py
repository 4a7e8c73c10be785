"""Where Gate.io spot v4 is, how its channels are called and what it allows a connection.

The facts are those of Gate's WebSocket v4 documents of 2025-07 and 2026-07. Where a value was
not published, what third parties measured is used, and the comment says so.
"""

from __future__ import annotations

from ..base import RestRules, VenueRules

__all__ = [
    "BOOK_PATH",
    "BOOK_TICKER",
    "CANDLESTICKS",
    "INSTRUMENTS_PATH",
    "INTERVALS",
    "LISTING",
    "OBU",
    "ORDER_BOOK",
    "ORDER_BOOK_UPDATE",
    "PAIRS_A_REQUEST",
    "PING",
    "PONG",
    "REST_RULES",
    "REST_URL",
    "RULES",
    "STREAMS_A_REQUEST",
    "SYSTEM",
    "TICKERS",
    "TRADES",
    "WS_URL",
]

WS_URL = "wss://api.gateio.ws/ws/v4/"
REST_URL = "https://api.gateio.ws/api/v4"
INSTRUMENTS_PATH = "/spot/currency_pairs"
BOOK_PATH = "/spot/order_book"

# Channels

TRADES = "spot.trades"
TICKERS = "spot.tickers"
BOOK_TICKER = "spot.book_ticker"
CANDLESTICKS = "spot.candlesticks"
ORDER_BOOK = "spot.order_book"
ORDER_BOOK_UPDATE = "spot.order_book_update"
OBU = "spot.obu"
PING = "spot.ping"
PONG = "spot.pong"
SYSTEM = "spot.system"

LISTING = frozenset({TRADES, TICKERS, BOOK_TICKER, OBU})
"""Channels whose payload is a list of streams; in all others its places are parameters."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

INTERVALS: dict[str, int] = {
    "1m": _MINUTE,
    "10s": 10,
    "30s": 30,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": _HOUR,
    "2h": 2 * _HOUR,
    "4h": 4 * _HOUR,
    "6h": 6 * _HOUR,
    "8h": 8 * _HOUR,
    "12h": 12 * _HOUR,
    "1d": _DAY,
    "7d": 7 * _DAY,
    "30d": 30 * _DAY,
}
"""Candle intervals and their seconds, the default first. `30d` is a calendar month in truth."""

# Limits

# No bound is published. A whole list fails with its one bad pair, so lists are kept short
# enough that asking again stays cheap.
PAIRS_A_REQUEST = 50

# Four streams in one frame are known to work.
STREAMS_A_REQUEST = 10

RULES = VenueRules(
    # Not published; 385 streams on one connection were measured to work.
    max_topics=None,
    max_topics_a_request=PAIRS_A_REQUEST,
    # Not published; 385 frames in one burst were measured to work.
    requests_a_second=50.0,
    # Three pings fit in the shortest idle limit. Gate documents that it pings by itself;
    # no such ping was ever measured.
    ping_interval=10.0,
    # Both limits measured; the connection then ends without a Close frame.
    idle_limit=60.0,
    empty_limit=30.0,
)

# Gate's page of limits, as of 2025: 200 requests in 10 s, for each public path and address.
REST_RULES = RestRules(window=10.0, weight=200)
