"""What each push decodes to: the published ones by hand, the recorded ones by another parser."""

from __future__ import annotations

import decimal
import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from exchanges.gateio import gateio_data as data
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import ExchangeEnum
from trioex.errors import DecodeError
from trioex.messages import (
    BookDelta,
    BookSnapshot,
    BookTicker,
    Kline,
    MarketMessage,
    Side,
    Ticker,
    Trade,
)

MS = 1_000_000
SECOND = 1_000_000_000
NUMBERS = [float, Decimal]


def decode(frame: bytes, number: type[Any] = float) -> list[MarketMessage]:
    """Route a frame by its key and decode it."""
    key = data.VENUE.key(frame, True)
    assert key is not None
    topic = data.VENUE.topic_of(key)
    assert topic is not None
    return list(data.VENUE.decoder(topic, number)(frame, data.RECEIVED))


def common(symbol: str, time: int) -> dict[str, Any]:
    return {
        "exchange": ExchangeEnum.GATEIO,
        "market": "spot",
        "symbol": symbol,
        "exchange_time": time,
        "receive_time": data.RECEIVED,
    }


def levels(number: type[Any], *rows: tuple[str, str]) -> tuple[tuple[Any, Any], ...]:
    return tuple((number(price), number(quantity)) for price, quantity in rows)


# Published pushes


def trade(
    n: type[Any], symbol: str, time: int, price: str, quantity: str, side: str, *ids: Any
) -> Trade:
    return Trade(
        **common(symbol, time), price=n(price), quantity=n(quantity), side=Side(side),
        trade_id=ids[0], sequence=ids[1],
    )  # fmt: skip


def ticker(n: type[Any], time: int, *values: str) -> Ticker:
    fields = (
        "last", "ask_price", "bid_price", "change_percent", "base_volume", "quote_volume",
        "high", "low",
    )  # fmt: skip
    numbers = {field: n(value) for field, value in zip(fields, values, strict=True)}
    return Ticker(**common("BTCUSDT", time), **numbers)


def kline(n: type[Any], time: int, start: int, *values: Any) -> Kline:
    quote, close, high, low, open_, base, closed = values
    return Kline(
        **common("BTCUSDT", time), interval="1m",
        open_time=start * SECOND, close_time=(start + 60) * SECOND,
        open=n(open_), high=n(high), low=n(low), close=n(close),
        base_volume=None if base is None else n(base), quote_volume=n(quote), closed=closed,
    )  # fmt: skip


def best(n: type[Any], time: int, version: int, *values: str) -> BookTicker:
    bid, bid_quantity, ask, ask_quantity = map(n, values)
    return BookTicker(
        **common("BTCUSDT", time), bid_price=bid, bid_quantity=bid_quantity,
        ask_price=ask, ask_quantity=ask_quantity, version=version,
    )  # fmt: skip


PUBLISHED: dict[str, Callable[[type[Any]], MarketMessage]] = {
    "spot.trades.push": lambda n: trade(
        n, "GTUSDT", 1606292218213457800, "0.4705000000", "16.4700000000", "sell",
        "309143071", 5736713,
    ),
    "spot.trades.push.2026": lambda n: trade(
        n, "GTUSDT", 1606292218213457800, "0.4705000000", "16.4700000000", "sell",
        "309143071", 917144,
    ),
    "spot.trades.push.ccxt": lambda n: trade(
        n, "LTCUSDT", 1648725035923 * MS, "130.11", "0.0116", "sell", "3130257995", None
    ),
    "spot.trades.push.live_20230428": lambda n: trade(
        n, "TLOSBTC", 1682689046123 * MS, "0.00000644", "89.238", "buy", "5541729598", None
    ),
    "spot.tickers.push": lambda n: ticker(
        n, 1669107766406 * MS, "15743.4", "15744.4", "15743.5", "-1.8254",
        "9110.473081735", "145082083.2535", "16280.9", "15468.5",
    ),
    "spot.tickers.push.2026": lambda n: ticker(
        n, 1606291803 * SECOND, "19106.55", "19108.71", "19106.55", "3.66",
        "2811.3042155865", "53441606.52411221454674732293", "19417.74", "18434.21",
    ),
    "spot.tickers.push.ccxt": lambda n: ticker(
        n, 1649326221 * SECOND, "43444.82", "43444.82", "43444.81", "-4.0036",
        "5182.5412425462", "227267634.93123952", "47698", "42721.03",
    ),
    "spot.tickers.push.live_us": lambda n: ticker(
        n, 1790134390863 * MS, "86695.3", "86691.6", "86690", "1.3401",
        "0.211442", "18239.3197469", "86835.7", "85121.6",
    ),
    "spot.candlesticks.push": lambda n: kline(
        n, 1606292600376 * MS, 1606292580,
        "2362.32035", "19128.1", "19128.1", "19128.1", "19128.1", "3.8283", True,
    ),
    "spot.candlesticks.push.ccxt": lambda n: kline(
        n, 1606292600 * SECOND, 1606292580,
        "2362.32035", "19128.1", "19128.1", "19128.1", "19128.1", None, None,
    ),
    "spot.candlesticks.push.ccxt.2": lambda n: kline(
        n, 1649063328 * SECOND, 1649063280,
        "58932.23174896", "45966.47", "45997.24", "45966.47", "45975.18", "1.281699", None,
    ),
    "spot.book_ticker.push": lambda n: best(
        n, 1606293275123 * MS, 48733182, "19177.79", "0.0003341504", "19179.38", "0.09"
    ),
    "spot.book_ticker.push.ccxt": lambda n: best(
        n, 1671363004228 * MS, 9793320464, "16716.8", "0.0134", "16716.9", "0.0353"
    ),
    "spot.order_book.push": lambda n: BookSnapshot(
        **common("BTCUSDT", 1606295412123 * MS),
        bids=levels(
            n, ("19079.55", "0.0195"), ("19079.07", "0.7341"), ("19076.23", "0.00011808"),
            ("19073.9", "0.105"), ("19068.83", "0.1009"),
        ),
        asks=levels(
            n, ("19080.24", "0.1638"), ("19080.91", "0.1366"), ("19080.92", "0.01"),
            ("19081.29", "0.01"), ("19083.8", "0.097"),
        ),
        version=48791820, depth=5,
    ),
    # The documented whole book deletes a level, which a whole book does not hold.
    "spot.order_book_update.push": lambda n: BookSnapshot(
        **common("BTCUSDT", 1606294781123 * MS), bids=levels(n, ("19137.74", "0.0001")),
        asks=levels(n, ("19137.75", "0.6135")), version=48776306, depth=100,
    ),
    "spot.order_book_update.push.ccxt": lambda n: BookDelta(
        **common("GMTUSDT", 1650189272515 * MS),
        bids=levels(n, ("2.51518", "228.119"), ("2.50587", "1510.11"), ("2.49944", "67.6")),
        asks=levels(n, ("2.5182", "4.199"), ("2.51926", "1874"), ("2.53528", "96.529")),
        first_version=140595902, last_version=140595902,
    ),
    "spot.obu.push_full": lambda n: BookSnapshot(
        **common("BTCUSDT", 1747054612673 * MS),
        bids=levels(n, ("104027.1", "509392"), ("104027", "477932")),
        asks=levels(n, ("104027.2", "44617"), ("104027.4", "39322")),
        version=73777715168, depth=50,
    ),
    "spot.obu.push_full.ccxt": lambda n: BookSnapshot(
        **common("XRPUSDT", 1777275365213 * MS), bids=levels(n, ("1.414", "1397.899")),
        asks=levels(n, ("1.415", "17344.926")), version=9649549324, depth=50,
    ),
    "spot.obu.push_delta": lambda n: BookDelta(
        **common("BTCUSDT", 1747054612695 * MS),
        bids=levels(n, ("104024.5", "10343"), ("104014.5", "509392")),
        asks=levels(n, ("104027.2", "0"), ("104027.4", "0")),
        first_version=73777715169, last_version=73777715212,
    ),
    "spot.obu.push_delta.live_20250801": lambda n: BookDelta(
        **common("BTCUSDT", 1754006460600 * MS),
        bids=levels(
            n, ("115576.7", "0.050772"), ("115275.2", "0.000039"), ("115717.7", "0"),
            ("115578.5", "0"),
        ),
        asks=levels(
            n, ("115731.3", "0.687304"), ("115733.8", "0.000864"), ("115745.7", "0.025922"),
            ("115742.9", "0"), ("115746.1", "0"),
        ),
        first_version=25847129970, last_version=25847129996,
    ),
}  # fmt: skip


def numbers_of(value: Any) -> Iterator[Any]:
    """Every price and quantity in a message."""
    if isinstance(value, tuple):
        for each in value:
            yield from numbers_of(each)
    elif isinstance(value, (float, Decimal)):
        yield value


def test_every_published_push_is_here() -> None:
    others = {"spot.orders.push", *data.names("spot.system")}
    assert set(PUBLISHED) == set(data.names("push")) - others


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_push(name: str, number: type[Any]) -> None:
    frame = data.published(name)
    expected = PUBLISHED[name](number)
    for form in (frame, data.compact(frame)):
        (message,) = decode(form, number)
        assert message == expected
        assert repr(message) == repr(expected)
        values = [getattr(message, field) for field in message.__struct_fields__]
        assert {type(each) for each in numbers_of(tuple(values))} == {number}


# The recorded session


def expected_of(push: dict[str, Any], received: int, n: type[Any]) -> MarketMessage:
    """A second reading of a recorded push that shares nothing with the decoder."""
    result, channel = push["result"], push["channel"]

    def shared(pair: str, time: int) -> dict[str, Any]:
        return common(pair.replace("_", ""), time) | {"receive_time": received}

    if channel == "spot.order_book_update":
        return BookDelta(
            **shared(result["s"], result["t"] * MS),
            bids=levels(n, *map(tuple, result["b"])), asks=levels(n, *map(tuple, result["a"])),
            first_version=result["U"], last_version=result["u"],
        )  # fmt: skip
    if channel == "spot.tickers":
        return Ticker(
            **shared(result["currency_pair"], push["time"] * SECOND),
            last=n(result["last"]), high=n(result["high_24h"]), low=n(result["low_24h"]),
            base_volume=n(result["base_volume"]), quote_volume=n(result["quote_volume"]),
            change_percent=n(result["change_percentage"]),
            bid_price=n(result["highest_bid"]), ask_price=n(result["lowest_ask"]),
        )  # fmt: skip
    if channel == "spot.candlesticks":
        interval, _, pair = result["n"].partition("_")
        start = int(result["t"]) * SECOND
        assert interval == "1m"
        return Kline(
            **shared(pair, push["time"] * SECOND), interval=interval, open_time=start,
            close_time=start + 60 * SECOND, open=n(result["o"]), high=n(result["h"]),
            low=n(result["l"]), close=n(result["c"]), base_volume=None,
            quote_volume=n(result["v"]), closed=None,
        )  # fmt: skip
    whole, _, part = result["create_time_ms"].partition(".")
    return Trade(
        **shared(result["currency_pair"], int(whole) * MS + int(part.ljust(6, "0"))),
        price=n(result["price"]), quantity=n(result["amount"]), side=Side(result["side"]),
        trade_id=str(result["id"]), sequence=None,
    )  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_every_recorded_push(number: type[Any]) -> None:
    seen: Counter[str] = Counter()
    for received, frame in data.recorded_pushes():
        key = data.VENUE.key(frame, True)
        assert key is not None
        topic = data.VENUE.topic_of(key)
        assert topic is not None
        push = json.loads(frame)
        (message,) = data.VENUE.decoder(topic, number)(frame, received)
        assert message == expected_of(push, received, number)
        seen[push["channel"]] += 1
    assert seen == {
        "spot.order_book_update": 172,
        "spot.tickers": 22,
        "spot.candlesticks": 14,
        "spot.trades": 9,
    }


# Details


def pushed(channel: str, **result: Any) -> bytes:
    """A published push with some fields of its result changed; None takes a field away."""
    message = json.loads(data.published(channel))
    message["result"] |= result
    message["result"] = {k: v for k, v in message["result"].items() if v is not None}
    return json.dumps(message).encode()


def test_an_array_of_trades_keeps_its_order() -> None:
    message = json.loads(data.published("spot.trades.push.ccxt"))
    first = message["result"][0]
    message["result"] = [first, first | {"id": 7, "side": "buy"}]
    trades = decode(json.dumps(message).encode())
    assert [(each.trade_id, each.side) for each in trades] == [("3130257995", "sell"), ("7", "buy")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1606292218213.4578", 1606292218213457800),
        ("1606292218213.457812", 1606292218213457812),
        ("1606292218213.4578129", 1606292218213457812),
        ("1606292218213", 1606292218213000000),
        (1606292218213, 1606292218213000000),
        (None, 1606292218000000000),
    ],
)
def test_the_time_of_a_trade_is_exact(text: str | None, expected: int) -> None:
    frame = pushed("spot.trades.push", create_time_ms=text)
    with decimal.localcontext(prec=5):  # which is the caller's and must not matter
        (message,) = decode(frame)
    assert message.exchange_time == expected


def test_a_trade_without_its_time_has_that_of_the_push() -> None:
    (message,) = decode(pushed("spot.trades.push", create_time_ms=None, create_time=None))
    assert message.exchange_time == 1606292218231 * MS


@pytest.mark.parametrize("text", ["nan", "Infinity", "-1", "1e999999", "9223372036855.5"])
def test_a_trade_at_no_time_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="create_time_ms"):
        decode(pushed("spot.trades.push", create_time_ms=text))


def test_a_book_push_without_a_time_has_that_of_the_envelope() -> None:
    (message,) = decode(pushed("spot.book_ticker.push", t=None))
    assert message.exchange_time == 1606293275723 * MS


def test_a_push_without_any_time_is_refused() -> None:
    frame = data.published("spot.tickers.push.2026").replace(b'"time"', b'"when"')
    with pytest.raises(DecodeError, match=r"spot\.tickers BTC_USDT: .*neither `time_ms`"):
        decode(frame)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("nothing", ["", None])
def test_a_side_without_offers_has_no_price(number: type[Any], nothing: str | None) -> None:
    (message,) = decode(pushed("spot.tickers.push", lowest_ask=nothing), number)
    assert isinstance(message, Ticker)
    assert (message.ask_price, message.bid_price) == (None, number("15743.5"))


def test_sides_that_are_left_out_are_empty() -> None:
    (message,) = decode(pushed("spot.obu.push_delta", a=None, b=None))
    assert isinstance(message, BookDelta)
    assert (message.bids, message.asks) == ((), ())


def test_a_whole_book_is_ordered() -> None:
    rows = [["2", "1"], ["3", "1"], ["1", "1"], ["9", "0.000"]]
    (message,) = decode(pushed("spot.order_book_update.push", b=rows, a=rows))
    assert isinstance(message, BookSnapshot)
    assert [price for price, _ in message.bids] == [3, 2, 1]
    assert [price for price, _ in message.asks] == [1, 2, 3]


def test_numbers_may_be_numbers() -> None:
    frame = pushed("spot.book_ticker.push", b=19177.79, B=1, a=19179, A=2e-5)
    (message,) = decode(frame, Decimal)
    assert isinstance(message, BookTicker)
    assert message.bid_price == Decimal("19177.79")
    assert message.ask_quantity == Decimal("0.00002")


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("10s", 1606292580, 1606292590),
        ("1m", 1606292580, 1606292640),
        ("7d", 1789603200, 1790208000),
        ("30d", 1706745600, 1709251200),  # February 2024
        ("30d", 1701388800, 1704067200),  # December 2023
        ("30d", 1702684800, 1705276800),  # not on the first of a month
    ],
)
def test_a_candle_ends_where_the_next_begins(interval: str, start: int, end: int) -> None:
    frame = pushed("spot.candlesticks.push", n=f"{interval}_BTC_USDT", t=str(start))
    (message,) = decode(frame)
    assert isinstance(message, Kline)
    assert message.interval == interval
    assert (message.open_time, message.close_time) == (start * SECOND, end * SECOND)


# Refused


TOPICS = {
    "spot.trades.push": data.topic("spot.trades.GTUSDT"),
    "spot.tickers.push": data.topic("spot.ticker.BTCUSDT"),
    "spot.candlesticks.push": data.topic("spot.kline.BTCUSDT", interval="1m"),
    "spot.book_ticker.push": data.topic("spot.book_ticker.BTCUSDT"),
    "spot.order_book.push": data.topic("spot.orderbook_snapshot.BTCUSDT", depth=5),
    "spot.order_book_update.push": data.topic("spot.orderbook_delta.BTCUSDT"),
    "spot.obu.push_full": data.topic("spot.orderbook_delta.BTCUSDT", depth=50),
    "spot.obu.push_delta": data.topic("spot.orderbook_delta.BTCUSDT", depth=50),
}
NUMERIC = {
    "spot.trades.push": ["price", "amount"],
    "spot.tickers.push": [
        *("last", "change_percentage", "lowest_ask", "highest_bid", "low_24h", "high_24h"),
        *("base_volume", "quote_volume"),
    ],
    "spot.candlesticks.push": ["v", "c", "h", "l", "o", "a"],
    "spot.book_ticker.push": ["b", "B", "a", "A"],
    "spot.order_book.push": ["bids", "asks"],
    "spot.order_book_update.push": ["b", "a"],
    "spot.obu.push_delta": ["b", "a"],
}
REQUIRED = {
    "spot.trades.push": ["id", "price", "amount", "side", "currency_pair"],
    "spot.tickers.push": ["last", "change_percentage", "currency_pair"],
    "spot.candlesticks.push": ["t", "v", "c", "h", "l", "o", "n"],
    "spot.book_ticker.push": ["b", "B", "a", "A", "u", "s"],
    "spot.order_book.push": ["bids", "asks", "lastUpdateId", "s"],
    "spot.order_book_update.push": ["u", "s"],
    "spot.obu.push_delta": ["U", "u", "s"],
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("bad", ["nan", "NaN", "-inf", "Infinity", "x"])
@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, fields in NUMERIC.items() for field in fields]
)
def test_what_is_no_number_is_refused(name: str, field: str, bad: str, number: type[Any]) -> None:
    original = json.loads(data.published(name))["result"][field]
    value = [["1", "1"], ["2", bad]] if isinstance(original, list) else bad
    topic = TOPICS[name]
    with pytest.raises(DecodeError, match=rf"^{topic.name}: "):
        data.VENUE.decoder(topic, number)(pushed(name, **{field: value}), 0)


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, fields in REQUIRED.items() for field in fields]
)
def test_a_missing_field_is_named(name: str, field: str) -> None:
    topic = TOPICS[name]
    with pytest.raises(DecodeError, match=rf"^{topic.name}: .*`{field}`"):
        data.VENUE.decoder(topic, float)(pushed(name, **{field: None}), 0)


@pytest.mark.parametrize("name", [name for name in TOPICS if name != "spot.obu.push_full"])
def test_a_push_of_another_stream_is_refused(name: str) -> None:
    other = data.published(name).replace(b"BTC_USDT", b"ETH_USDT").replace(b"GT_", b"ETH_")
    with pytest.raises(DecodeError, match="ETH_USDT"):
        data.VENUE.decoder(TOPICS[name], float)(other, 0)


def test_a_book_does_not_go_back() -> None:
    frame = pushed("spot.obu.push_delta", U=11, u=10)
    with pytest.raises(DecodeError, match="from version 11 to 10"):
        data.VENUE.decoder(TOPICS["spot.obu.push_delta"], float)(frame, 0)


def test_one_trade_of_another_pair_is_refused() -> None:
    message = json.loads(data.published("spot.trades.push.ccxt"))
    first = message["result"][0]
    message["result"] = [first, first | {"currency_pair": "ETH_USDT"}]
    with pytest.raises(DecodeError, match="ETH_USDT"):
        decode(json.dumps(message).encode())


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("nothing", [b"null", b"{}"])
@pytest.mark.parametrize("name", TOPICS)
def test_a_push_without_content_holds_no_message(
    name: str, nothing: bytes, number: type[Any]
) -> None:
    frame = b'{"time":1,"channel":"spot.x","event":"update","result":%b}' % nothing
    assert list(data.VENUE.decoder(TOPICS[name], number)(frame, 0)) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        b'{"result":"\xff"}',
        b"[" * 100_000,
        b'{"result":' * 100_000,
        b'{"result":{"status":"success"}}',
        b'{"result":[1]}',
        b'{"result":1,"time":1e99}',
    ],
    ids=data.short,
)
@pytest.mark.parametrize("name", TOPICS)
def test_what_is_no_push_is_refused(name: str, frame: bytes) -> None:
    with pytest.raises(DecodeError, match=rf"^{TOPICS[name].name}: "):
        data.VENUE.decoder(TOPICS[name], float)(frame, 0)


DECODERS = {
    (name, number): data.VENUE.decoder(topic, number)
    for name, topic in TOPICS.items()
    for number in NUMBERS
}


def only_decode_errors(name: str, number: type[Any], frame: bytes) -> None:
    try:
        messages = DECODERS[name, number](frame, 1)
    except DecodeError:
        return
    assert all(isinstance(message, MarketMessage) for message in messages)


@given(st.sampled_from(sorted(TOPICS)), st.sampled_from(NUMBERS), st.binary(max_size=200))
def test_any_bytes(name: str, number: type[Any], frame: bytes) -> None:
    only_decode_errors(name, number, frame)


@given(
    st.sampled_from(sorted(TOPICS)),
    st.sampled_from(sorted(PUBLISHED)),
    st.sampled_from(NUMBERS),
    st.integers(0, 2000),
    st.integers(0, 20),
    st.binary(max_size=8) | st.sampled_from([b"nan", b"1e999", b"null", b'"', b"9" * 40, b"-1"]),
)
def test_mutated_pushes(
    topic: str, name: str, number: type[Any], at: int, cut: int, new: bytes
) -> None:
    frame = data.published(name)
    at %= len(frame)
    only_decode_errors(topic, number, frame[:at] + new + frame[at + cut :])
