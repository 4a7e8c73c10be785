"""A well-formed push for every kind of stream, for those who test handlers.

The values are of the size the venue's own are; times and versions come from the time given, so
that later samples are newer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..base import Topic
from . import push_pb2 as pb

__all__ = ["make_push"]

Push: TypeAlias = pb.PushDataV3ApiWrapper

_PRICE = 60_000.0
_TICK = 0.01
_LETTERS = "MinHourDayWeekMonth"
# A month is not always so long, but a sample's is.
_SECONDS = {"Min": 60, "Hour": 3600, "Day": 86_400, "Week": 604_800, "Month": 2_592_000}


def make_push(topic: Topic, body: str, native: str | None, now: int) -> bytes:
    """A push of `topic` whose `oneof` member is `body`, sent at `now` (ns since the epoch)."""
    ms = now // 1_000_000
    push = Push(channel=topic.name, sendTime=ms)
    if native is not None:
        push.symbol = native
    _FILL[body](push, topic, ms)
    return push.SerializeToString()


def _text(price: float) -> str:
    return f"{price:.2f}"


def _depth(push: Push, topic: Topic, ms: int) -> None:
    body = push.publicAggreDepths
    body.bids.add(price=_text(_PRICE), quantity="0.40000000")
    body.asks.add(price=_text(_PRICE + _TICK), quantity="0.25000000")
    body.asks.add(price=_text(_PRICE + 9 * _TICK), quantity="0")
    body.eventType = topic.name.rpartition("@")[0]
    body.fromVersion = body.toVersion = str(ms)


def _limit_depth(push: Push, topic: Topic, ms: int) -> None:
    body = push.publicLimitDepths
    for level in range(topic.parameters.depth or 0):
        body.bids.add(price=_text(_PRICE - level * _TICK), quantity="0.40000000")
        body.asks.add(price=_text(_PRICE + (level + 1) * _TICK), quantity="0.25000000")
    body.eventType = "spot@public.limit.depth.v3.api.pb"
    body.version = str(ms)


def _best(item: pb.PublicAggreBookTickerV3Api | pb.PublicBookTickerV3Api) -> None:
    item.bidPrice, item.bidQuantity = _text(_PRICE), "0.40000000"
    item.askPrice, item.askQuantity = _text(_PRICE + _TICK), "0.25000000"


def _book_ticker(push: Push, _: Topic, ms: int) -> None:
    _best(push.publicAggreBookTicker)
    push.publicAggreBookTicker.version = str(ms)


def _book_ticker_batch(push: Push, _: Topic, ms: int) -> None:
    _best(push.publicBookTickerBatch.items.add())
    push.publicBookTickerBatch.version = str(ms)


def _deals(push: Push, topic: Topic, ms: int) -> None:
    push.publicAggreDeals.deals.add(
        price=_text(_PRICE), quantity="0.00100000", tradeType=1, time=ms, tradeId=f"{ms}X0_{ms}X1"
    )
    push.publicAggreDeals.eventType = topic.name.rpartition("@")[0]


def _kline(push: Push, topic: Topic, ms: int) -> None:
    push.createTime = ms
    body = push.publicSpotKline
    body.interval = topic.name.rpartition("@")[2]
    length = _SECONDS[body.interval.rstrip("0123456789")] * int(body.interval.lstrip(_LETTERS))
    body.windowStart = ms // 1000 // length * length
    body.windowEnd = body.windowStart + length
    body.openingPrice, body.closingPrice = _text(_PRICE), _text(_PRICE + _TICK)
    body.highestPrice, body.lowestPrice = _text(_PRICE + _TICK), _text(_PRICE)
    body.volume, body.amount = "0.50000000", "30000.00"


def _statistics(item: pb.PublicMiniTickerV3Api, symbol: str) -> None:
    item.symbol = symbol
    item.price = item.high = item.lastCloseHigh = _text(_PRICE)
    item.low = item.lastCloseLow = _text(_PRICE - _TICK)
    item.rate = item.zonedRate = item.lastCloseRate = item.lastCloseZonedRate = "0.0125"
    item.volume, item.quantity = "6000000.00", "100.00000000"


def _mini_ticker(push: Push, _: Topic, _ms: int) -> None:
    _statistics(push.publicMiniTicker, push.symbol)


def _mini_tickers(push: Push, _: Topic, _ms: int) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        _statistics(push.publicMiniTickers.items.add(), symbol)


_FILL: dict[str, Callable[[Push, Topic, int], None]] = {
    "publicAggreDepths": _depth,
    "publicLimitDepths": _limit_depth,
    "publicAggreBookTicker": _book_ticker,
    "publicBookTickerBatch": _book_ticker_batch,
    "publicAggreDeals": _deals,
    "publicSpotKline": _kline,
    "publicMiniTicker": _mini_ticker,
    "publicMiniTickers": _mini_tickers,
}
