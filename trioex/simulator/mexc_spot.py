"""MEXC spot v3 as a client sees it: text JSON requests and answers, protobuf pushes, REST.

The `code` of an answer is 0 even for a refusal: what was refused stands in `msg`, in the
venue's words, with two spaces, a full-width colon and a space at the end. Of more than 30
subscriptions the excess is confirmed and stays silent. What is no JSON object is not answered.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from ..channels import ExchangeEnum
from .board import MILLISECOND, SECOND, Board, Frame, Stream
from .candles import MONTH, WEEK
from .market import SymbolMarket
from .mexc_rest import book_of, rest
from .mexc_streams import (
    ZONES,
    AggreBookTicker,
    AggreDeals,
    AggreDepth,
    BookTickerBatch,
    Kline,
    LimitDepth,
    MiniTicker,
    MiniTickers,
)
from .quota import QuotaRules
from .session import FrontEnd, Limits, Session, parse_object, strings

__all__ = ["MAX_TOPICS", "MEXC_SPOT", "MexcSession"]

MAX_TOPICS = 30
INTERVALS = {
    "Min1": 60, "Min5": 300, "Min15": 900, "Min30": 1800, "Min60": 3600, "Hour4": 14_400,
    "Hour8": 28_800, "Day1": 86_400, "Week1": WEEK, "Month1": MONTH,
}  # fmt: skip

Begin: TypeAlias = Callable[[], Stream]


class MexcSession(Session):
    """One connection to `wss://wbs-api.mexc.com/ws`."""

    # A ping does not spare a connection without subscription; a quiet one it does.
    limits = Limits(
        empty=30.0,
        empty_heard=False,
        quiet=60.0,
        age=86_400.0,
        requests_a_second=100,
        ending="close",
    )

    def __init__(self, board: Board, rng: random.Random, now: int) -> None:
        super().__init__(board, rng, now)
        self._excess: set[str] = set()

    def answer(self, request: str, now: int) -> list[Frame]:
        """Answer a request."""
        asked = parse_object(request)
        if asked is None:
            return []
        method, params, given = asked.get("method"), strings(asked.get("params")), asked.get("id")
        number = given if isinstance(given, int) else 0
        # The documented form is PING; clients that send it in small letters work as well.
        if method in {"PING", "ping"}:
            return [_reply(number, "PONG")]
        if params is None:
            return []
        if method == "SUBSCRIPTION":
            return [_reply(number, self._subscribe(params, now))]
        if method == "UNSUBSCRIPTION":
            return [_reply(number, self._unsubscribe(params, now))]
        return []

    def _subscribe(self, params: Sequence[str], now: int) -> str:
        accepted: list[str] = []
        refused: list[str] = []
        for param in params:
            begin = self._parse(param, now)
            if begin is None:
                refused.append(param)
                continue
            accepted.append(param)
            if len(self.streams) < MAX_TOPICS or param in self.streams:
                self.add(param, begin, now)
            else:
                self._excess.add(param)
        if not refused:
            return ",".join(accepted)
        blocked = f"Not Subscribed successfully! [{','.join(refused)}].  Reason： Blocked! "
        return f"Subscribed successful! [{','.join(accepted)}]. {blocked}" if accepted else blocked

    def _unsubscribe(self, params: Sequence[str], now: int) -> str:
        unknown = [param for param in params if not self._forget(param, now)]
        return f"no subscription [{','.join(unknown)}]" if unknown else ",".join(params)

    def _forget(self, param: str, now: int) -> bool:
        if param in self._excess:
            self._excess.remove(param)
            return True
        return self.remove(param, now)

    # Parameters: `spot@public.<kind>.v3.api.pb@…`

    def _parse(self, param: str, now: int) -> Begin | None:
        market, _, rest = param.partition("@")
        kind, *arguments = rest.split("@")
        read = _CHANNELS.get(kind)
        return None if market != "spot" or read is None else read(self, param, arguments, now)

    def find(self, symbol: str) -> SymbolMarket | None:
        """The market of a symbol, or None where the exchange does not know it."""
        return self.board.market[symbol] if self.board.lists(symbol) else None


def _reply(number: int, text: str) -> str:
    answer = {"id": number, "code": 0, "msg": text}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False)


_Read: TypeAlias = Callable[[MexcSession, str, Sequence[str], int], "Begin | None"]
_Kind: TypeAlias = Callable[[SymbolMarket, str, int, int], Stream]


def _aggre(kind: _Kind) -> _Read:
    """`@10ms@BTCUSDT` or `@100ms@BTCUSDT`."""

    def read(session: MexcSession, param: str, arguments: Sequence[str], now: int) -> Begin | None:
        speed, symbol = arguments if len(arguments) == 2 else ("", "")
        market = session.find(symbol)
        period = {"10ms": 10, "100ms": 100}.get(speed)
        if market is None or period is None:
            return None
        return partial(kind, market, param, period * MILLISECOND, now)

    return read


def _named(kind: _Kind, period: int, allowed: Mapping[str, Any] | None) -> _Read:
    """`@BTCUSDT`, and behind it one of `allowed` where there is such a choice."""

    def read(session: MexcSession, param: str, arguments: Sequence[str], now: int) -> Begin | None:
        symbol, *choice = arguments or ("",)
        market = session.find(symbol)
        fits = not choice if allowed is None else len(choice) == 1 and choice[0] in allowed
        if market is None or not fits:
            return None
        return partial(kind, market, param, period, now)

    return read


def _kline(market: SymbolMarket, param: str, period: int, now: int) -> Stream:
    return Kline(market, param, INTERVALS[param.rpartition("@")[2]], period, now)


def _mini_tickers(
    session: MexcSession, param: str, arguments: Sequence[str], now: int
) -> Begin | None:
    if len(arguments) != 1 or arguments[0] not in ZONES:
        return None
    return partial(MiniTickers, session.board.market, param, 3 * SECOND, now)


_CHANNELS: Mapping[str, _Read] = {
    "public.aggre.depth.v3.api.pb": _aggre(AggreDepth),
    "public.aggre.deals.v3.api.pb": _aggre(AggreDeals),
    "public.aggre.bookTicker.v3.api.pb": _aggre(AggreBookTicker),
    # The cadence of these two is not published.
    "public.limit.depth.v3.api.pb": _named(
        LimitDepth, 100 * MILLISECOND, dict.fromkeys(("5", "10", "20"))
    ),
    "public.bookTicker.batch.v3.api.pb": _named(BookTickerBatch, 100 * MILLISECOND, None),
    "public.kline.v3.api.pb": _named(_kline, SECOND, INTERVALS),
    "public.miniTicker.v3.api.pb": _named(MiniTicker, 3 * SECOND, ZONES),
    "public.miniTickers.v3.api.pb": _mini_tickers,
}


# 500 in 10 s for each path (PROTOCOLS 1.2); who goes on behind a 429 is banned for two minutes to
# three days.
_QUOTA = QuotaRules(weight=500, banned=418, weights={"/api/v3/exchangeInfo": 10})

MEXC_SPOT = FrontEnd(ExchangeEnum.MEXC, "/ws", "", MexcSession, rest, book_of, _QUOTA)
