"""Gate.io spot v4 as a client sees it: requests in, the venue's JSON out, and its REST.

Facts are those of the venue's documents and of sessions recorded on the wire: key order and
the compact form of the live frames, `conn_id` and `trace_id`, refusals in the venue's words.
A payload of several pairs is atomic; book and candle channels take one pair a frame;
`spot.obu` sends the whole book before it confirms.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

from ..channels import ExchangeEnum
from .board import MILLISECOND, SECOND, Board, Frame, Stream
from .gateio_rest import book_of, rest
from .gateio_streams import (
    BookTickers,
    Candlesticks,
    OrderBook,
    OrderBookUpdate,
    OrderBookV2,
    Tickers,
    Trades,
    dump,
    pair_of,
    push,
    symbol_of,
)
from .market import SymbolMarket
from .quota import QuotaRules
from .session import FrontEnd, Limits, Session, parse_object, strings

__all__ = ["GATEIO_SPOT", "GateioSession", "Refusal", "upgrade_notice"]

INTERVALS = {
    "10s": 10, "30s": 30, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600,
    "2h": 7200, "4h": 14_400, "6h": 21_600, "8h": 28_800, "12h": 43_200, "1d": 86_400,
    "7d": 604_800, "30d": 2_592_000,
}  # fmt: skip
LEVELS = ("5", "10", "20", "50", "100")
_INVALID_BODY, _INVALID_ARGUMENT = 1, 2


@attrs.frozen
class Refusal(Exception):
    """Why a request is refused, in the venue's words."""

    code: int
    message: str


Wanted: TypeAlias = "list[tuple[str, Callable[[], Stream]]]"
"""The streams a payload names: the name of each, and how to begin it."""


class GateioSession(Session):
    """One connection to `wss://api.gateio.ws/ws/v4/`."""

    # 30 s without subscription and without a frame of the client, 60 s of silence with one;
    # the connection just ends, without a Close frame.
    limits = Limits(empty=30.0, empty_heard=True, quiet=60.0, ending="drop")

    def __init__(self, board: Board, rng: random.Random, now: int) -> None:
        super().__init__(board, rng, now)
        self._conn_id = f"{rng.getrandbits(64):016x}"

    def answer(self, request: str, now: int) -> list[Frame]:
        """Answer a request; what is no JSON object is not answered at all, as measured."""
        asked = parse_object(request)
        if asked is None:
            return []
        if asked.get("channel") == "spot.ping":
            return [self._pong(asked, now)]
        pushes: list[Frame] = []
        try:
            pushes = self._obey(asked, now)
        except Refusal as refusal:
            return [self._ack(asked, now, refusal)]
        return [*pushes, self._ack(asked, now, None)]

    def _obey(self, asked: Mapping[str, object], now: int) -> list[Frame]:
        channel, event = asked.get("channel"), asked.get("event")
        payload = strings(asked.get("payload"))
        if not isinstance(channel, str) or event not in {"subscribe", "unsubscribe"}:
            raise Refusal(_INVALID_BODY, "request message need json scheme")
        if channel not in _CHANNELS:
            raise Refusal(_INVALID_ARGUMENT, f"Unknown channel {channel}")
        if payload is None:
            raise Refusal(_INVALID_BODY, "request message need json scheme")
        # Everything is checked before anything is done: a payload is atomic.
        wanted = _CHANNELS[channel](self, payload, now)
        if event == "unsubscribe":
            for name, _ in wanted:
                self.remove(f"{channel} {name}", now)
            return []
        if channel == "spot.obu":
            self._refuse_twice(payload)
        frames: list[Frame] = []
        for name, begin in wanted:
            stream = self.add(f"{channel} {name}", begin, now)
            if isinstance(stream, OrderBookV2):
                frames.append(stream.whole(now))
        return frames

    def _refuse_twice(self, names: Sequence[str]) -> None:
        """Only `spot.obu` minds being subscribed twice."""
        for name in names:
            if f"spot.obu {name}" in self.streams:
                raise Refusal(_INVALID_ARGUMENT, f"Alert sub {name}")

    # Answers

    def _ack(self, asked: Mapping[str, object], now: int, refusal: Refusal | None) -> str:
        trace = f"{self.random.getrandbits(128):032x}"
        answer: dict[str, Any] = {"time": now // SECOND, "time_ms": now // MILLISECOND}
        if isinstance(asked.get("id"), int):
            answer["id"] = asked["id"]
        answer |= {"conn_id": self._conn_id, "trace_id": trace}
        answer |= {key: asked.get(key) for key in ("channel", "event", "payload")}
        if refusal is not None:
            answer["error"] = {"code": refusal.code, "message": refusal.message}
        answer["result"] = {"status": "success" if refusal is None else "fail"}
        return dump(answer | {"requestId": trace})

    def _pong(self, asked: Mapping[str, object], now: int) -> str:
        answer: dict[str, Any] = {"time": now // SECOND, "time_ms": now // MILLISECOND}
        if isinstance(asked.get("id"), int):
            answer["id"] = asked["id"]
        answer |= {"conn_id": self._conn_id, "channel": "spot.pong", "event": "", "result": None}
        return dump(answer | {"requestId": f"{self.random.getrandbits(128):032x}"})

    def find(self, pair: str) -> SymbolMarket | None:
        """The market of a pair, or None where the exchange does not know it."""
        symbol = symbol_of(pair)
        if symbol is None or not self.board.lists(symbol):
            return None
        market = self.board.market[symbol]
        return market if pair_of(market) == pair else None

    def get(self, pair: str) -> SymbolMarket:
        """The market of a pair; raises Refusal where the exchange does not know it."""
        market = self.find(pair)
        if market is None:
            raise Refusal(_INVALID_ARGUMENT, f"unknown currency pair: {pair}")
        return market


# Payloads: checked whole, then one (name, how to begin it) for each stream they name


def _pairs(kind: Callable[[SymbolMarket, int, int], Stream], period: int) -> _Channel:
    def read(session: GateioSession, payload: Sequence[str], now: int) -> Wanted:
        if not payload:
            raise Refusal(_INVALID_ARGUMENT, "invalid argument: empty payload")
        markets = [session.get(pair) for pair in payload]
        return [
            (pair, partial(kind, market, period, now))
            for pair, market in zip(payload, markets, strict=True)
        ]

    return read


def _arguments(payload: Sequence[str], count: int) -> Sequence[str]:
    if len(payload) != count:
        raise Refusal(_INVALID_ARGUMENT, f"invalid argument: {count} expected")
    return payload


def _candlesticks(session: GateioSession, payload: Sequence[str], now: int) -> Wanted:
    name, pair = _arguments(payload, 2)
    if name not in INTERVALS:
        raise Refusal(_INVALID_ARGUMENT, f"incorrect interval specified: {name}")
    market = session.get(pair)
    return [(f"{name} {pair}", partial(Candlesticks, market, name, INTERVALS[name], now))]


def _order_book(session: GateioSession, payload: Sequence[str], now: int) -> Wanted:
    pair, level, interval = _arguments(payload, 3)
    market = session.get(pair)
    if level not in LEVELS:
        raise Refusal(_INVALID_ARGUMENT, f"provided level not supported: {level}")
    period = {"100ms": 100, "1000ms": 1000}.get(interval)
    if period is None:
        raise Refusal(_INVALID_ARGUMENT, f"incorrect update interval specified: {interval}")
    return [(" ".join(payload), partial(OrderBook, market, level, period * MILLISECOND, now))]


def _order_book_update(session: GateioSession, payload: Sequence[str], now: int) -> Wanted:
    pair, interval = _arguments(payload, 2)
    market = session.get(pair)
    # The interval decides how deep the stream looks.
    count = {"20ms": 20, "100ms": 100}.get(interval)
    if count is None:
        raise Refusal(_INVALID_ARGUMENT, f"incorrect update interval specified: {interval}")
    begin = partial(OrderBookUpdate, market, count, count * MILLISECOND, now)
    return [(f"{pair} {interval}", begin)]


def _obu(session: GateioSession, payload: Sequence[str], now: int) -> Wanted:
    wanted: Wanted = []
    for name in payload:
        _, pair, level = [*name.split("."), "", ""][:3]
        period = {"50": 20, "400": 100}.get(level)
        market = session.find(pair)
        # A stream that does not exist is confirmed, and stays silent for ever.
        if market is not None and period is not None and name == f"ob.{pair}.{level}":
            begin = partial(OrderBookV2, market, name, int(level), period * MILLISECOND, now)
            wanted.append((name, begin))
    return wanted


_Channel: TypeAlias = Callable[[GateioSession, Sequence[str], int], Wanted]

_CHANNELS: Mapping[str, _Channel] = {
    "spot.tickers": _pairs(Tickers, SECOND),
    "spot.trades": _pairs(Trades, 0),
    "spot.book_ticker": _pairs(BookTickers, 10 * MILLISECOND),
    "spot.candlesticks": _candlesticks,
    "spot.order_book": _order_book,
    "spot.order_book_update": _order_book_update,
    "spot.obu": _obu,
}


def upgrade_notice(now: int) -> str:
    """What the venue says some time before it closes a connection for a restart."""
    text = "The connection will soon be closed for a service upgrade. Please reconnect."
    return push("spot.system", {"type": "upgrade", "msg": text}, now)


# Gate's page of limits, as of 2025: 200 requests in 10 s for each public path. What it says to
# whoever goes on is not documented; 403 is assumed.
_QUOTA = QuotaRules(weight=200, banned=403)

GATEIO_SPOT = FrontEnd(
    ExchangeEnum.GATEIO, "/ws/v4/", "/api/v4", GateioSession, rest, book_of, _QUOTA, upgrade_notice
)
