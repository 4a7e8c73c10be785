"""Pushes to messages: one reader a kind of stream, one decoder a topic.

A decoder is made once and called for every push. It parses with protobuf's C code and reads the
fields it needs, nothing more. The symbol, the interval and the depth of a message come from the
topic: the push was found by its name, which holds them.

A push that says no time (none was seen) has `exchange_time` 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from google.protobuf.message import DecodeError as ProtobufError

from ...channels import ExchangeEnum
from ...errors import DecodeError
from ...messages import (
    BookDelta,
    BookSnapshot,
    BookTicker,
    Kline,
    MarketMessage,
    Number,
    Side,
    Ticker,
    Trade,
)
from ..base import Decoder, Topic
from . import push_pb2 as pb
from .numbers import BROKEN, level_rows, numbers, percent, reason

__all__ = ["make_decoder"]

Push: TypeAlias = pb.PushDataV3ApiWrapper
Best: TypeAlias = pb.PublicAggreBookTickerV3Api | pb.PublicBookTickerV3Api
Reader: TypeAlias = Callable[[Push, int], Sequence[MarketMessage]]

MEXC = ExchangeEnum.MEXC
SPOT = "spot"
MS = 1_000_000
SECOND = 1_000_000_000


def make_decoder(topic: Topic, body: str, number_type: type[Number]) -> Decoder:
    """A decoder for the pushes of `topic`, which hold the `oneof` member `body`.

    The decoder returns nothing for a push without a body (MEXC sends some), and raises
    `DecodeError` for one that is broken or holds another body.
    """
    parse = Push.FromString
    read = _READERS[body](topic, number_type)

    def decode(frame: bytes, received: int) -> Sequence[MarketMessage]:
        try:
            push = parse(frame)
            if push.HasField(body):
                return read(push, received)
            other = push.WhichOneof("body")
        except ProtobufError as error:
            raise DecodeError(f"{topic}: no protobuf message: {error}") from error
        except BROKEN as error:
            raise DecodeError(f"{topic}: {reason(error)}") from error
        if other is not None:
            raise DecodeError(f"{topic}: the push holds {other} and not {body}")
        return ()

    return decode


# Books


def _read_depth(topic: Topic, number_type: type[Number]) -> Reader:
    levels, symbol = level_rows(number_type), str(topic.channel.symbol)

    def read(push: Push, received: int) -> tuple[BookDelta]:
        body = push.publicAggreDepths
        first, last = int(body.fromVersion), int(body.toVersion)
        if last < first:
            raise DecodeError(f"{topic}: an update goes from version {first} to {last}")
        return (
            BookDelta(
                MEXC,
                SPOT,
                symbol,
                push.sendTime * MS,
                received,
                levels(body.bids),
                levels(body.asks),
                first,
                last,
            ),
        )

    return read


def _read_limit_depth(topic: Topic, number_type: type[Number]) -> Reader:
    levels, symbol = level_rows(number_type), str(topic.channel.symbol)
    depth = topic.parameters.depth

    def read(push: Push, received: int) -> tuple[BookSnapshot]:
        body = push.publicLimitDepths
        return (
            BookSnapshot(
                MEXC,
                SPOT,
                symbol,
                push.sendTime * MS,
                received,
                # No document promises an order; sorting what is sorted costs next to nothing.
                tuple(sorted(levels(body.bids), reverse=True)),
                tuple(sorted(levels(body.asks))),
                int(body.version),
                depth,
            ),
        )

    return read


def _read_book_ticker(topic: Topic, number_type: type[Number]) -> Reader:
    best, symbol = _best(number_type), str(topic.channel.symbol)

    def read(push: Push, received: int) -> tuple[BookTicker]:
        body = push.publicAggreBookTicker
        version = int(body.version) if body.version else None
        return (best(body, symbol, push.sendTime * MS, received, version),)

    return read


def _read_book_ticker_batch(topic: Topic, number_type: type[Number]) -> Reader:
    best, symbol = _best(number_type), str(topic.channel.symbol)

    def read(push: Push, received: int) -> list[BookTicker]:
        body = push.publicBookTickerBatch
        version = int(body.version) if body.version else None
        time = push.sendTime * MS
        return [best(item, symbol, time, received, version) for item in body.items]

    return read


def _best(number_type: type[Number]) -> Callable[[Best, str, int, int, int | None], BookTicker]:
    parse = numbers(number_type)

    def make(item: Best, symbol: str, time: int, received: int, version: int | None) -> BookTicker:
        bid, bid_quantity, ask, ask_quantity = parse(
            item.bidPrice, item.bidQuantity, item.askPrice, item.askQuantity
        )
        return BookTicker(
            MEXC, SPOT, symbol, time, received, bid, bid_quantity, ask, ask_quantity, version
        )

    return make


# Trades and statistics


class _Sides(dict[int, Side]):
    def __missing__(self, number: int) -> Side:
        raise ValueError(f"tradeType {number} is neither 1 (buy) nor 2 (sell)")


_SIDES = _Sides({1: Side.BUY, 2: Side.SELL})


def _read_deals(topic: Topic, number_type: type[Number]) -> Reader:
    parse, symbol = numbers(number_type), str(topic.channel.symbol)

    def read(push: Push, received: int) -> list[Trade]:
        trades: list[Trade] = []
        for deal in push.publicAggreDeals.deals:
            price, quantity = parse(deal.price, deal.quantity)
            side, time = _SIDES[deal.tradeType], deal.time * MS
            trade_id = deal.tradeId or None
            trades.append(
                Trade(MEXC, SPOT, symbol, time, received, price, quantity, side, trade_id)
            )
        return trades

    return read


def _read_kline(topic: Topic, number_type: type[Number]) -> Reader:
    parse, symbol = numbers(number_type), str(topic.channel.symbol)
    interval = str(topic.parameters.interval)

    def read(push: Push, received: int) -> tuple[Kline]:
        body = push.publicSpotKline
        return (
            Kline(
                MEXC,
                SPOT,
                symbol,
                (push.createTime or push.sendTime) * MS,
                received,
                interval,
                body.windowStart * SECOND,
                body.windowEnd * SECOND,
                *parse(
                    body.openingPrice,
                    body.highestPrice,
                    body.lowestPrice,
                    body.closingPrice,
                    body.volume,
                    body.amount,
                ),
            ),
        )

    return read


def _read_mini_ticker(topic: Topic, number_type: type[Number]) -> Reader:
    ticker, symbol = _ticker(number_type), str(topic.channel.symbol)

    def read(push: Push, received: int) -> tuple[Ticker]:
        return (ticker(push.publicMiniTicker, symbol, push.sendTime * MS, received),)

    return read


def _read_mini_tickers(_: Topic, number_type: type[Number]) -> Reader:
    ticker = _ticker(number_type)

    def read(push: Push, received: int) -> list[Ticker]:
        time = push.sendTime * MS
        return [ticker(item, item.symbol, time, received) for item in push.publicMiniTickers.items]

    return read


def _ticker(
    number_type: type[Number],
) -> Callable[[pb.PublicMiniTickerV3Api, str, int, int], Ticker]:
    parse = numbers(number_type)

    def make(item: pb.PublicMiniTickerV3Api, symbol: str, time: int, received: int) -> Ticker:
        statistics = parse(
            item.price,
            item.high,
            item.low,
            item.quantity,  # in the base coin, and
            item.volume,  # in the quote coin: so MEXC calls them
            percent(item.zonedRate),
        )
        return Ticker(MEXC, SPOT, symbol, time, received, *statistics)

    return make


_READERS: dict[str, Callable[[Topic, type[Number]], Reader]] = {
    "publicAggreDepths": _read_depth,
    "publicLimitDepths": _read_limit_depth,
    "publicAggreBookTicker": _read_book_ticker,
    "publicBookTickerBatch": _read_book_ticker_batch,
    "publicAggreDeals": _read_deals,
    "publicSpotKline": _read_kline,
    "publicMiniTicker": _read_mini_ticker,
    "publicMiniTickers": _read_mini_tickers,
}
