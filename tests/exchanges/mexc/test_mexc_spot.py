"""Topics, requests and keys of MEXC spot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from exchanges.mexc import mexc_wire as wire
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import Channel, ExchangeEnum, Parameters
from trioex.errors import ChannelError, UnknownSymbol
from trioex.exchanges import open_venue
from trioex.exchanges.base import Instrument, Instruments, Skipped, Topic
from trioex.exchanges.mexc.spot import MexcSpot

VENUE = MexcSpot()


def topic(name: str, *, every: bool = False, **parameters: Any) -> Topic:
    return VENUE.topic(Channel.parse(name), Parameters(**parameters), every=every)


def test_the_registry_opens_it() -> None:
    venue = open_venue(ExchangeEnum.MEXC, "spot")
    assert isinstance(venue, MexcSpot)
    assert venue.url.startswith("wss://wbs-api.mexc.com/")
    assert venue.rest_url + venue.instruments_path == "https://api.mexc.com/api/v3/exchangeInfo"


def test_the_rules_are_the_published_ones() -> None:
    rules = VENUE.rules
    assert (rules.max_topics, rules.idle_limit, rules.empty_limit) == (30, 60, 30)
    assert rules.max_age == 24 * 3600
    assert 15 <= rules.ping_interval <= 20
    assert rules.requests_a_second < 100


# Names. The left ones with a sample are those of MEXC's documents.

NAMES: list[tuple[str, dict[str, Any], str]] = [
    ("spot.orderbook_delta.BTCUSDT", {}, "aggre.depth.v3.api.pb@100ms@BTCUSDT"),
    ("spot.orderbook_delta.MXUSDT", {"speed": "10ms"}, "aggre.depth.v3.api.pb@10ms@MXUSDT"),
    ("spot.orderbook_snapshot.BTCUSDT", {}, "limit.depth.v3.api.pb@BTCUSDT@20"),
    ("spot.orderbook_snapshot.BTCUSDT", {"depth": 5}, "limit.depth.v3.api.pb@BTCUSDT@5"),
    ("spot.orderbook_snapshot.BTCUSDT", {"depth": 10}, "limit.depth.v3.api.pb@BTCUSDT@10"),
    ("spot.book_ticker.BTCUSDT", {}, "aggre.bookTicker.v3.api.pb@100ms@BTCUSDT"),
    ("spot.book_ticker.BTCUSDT", {"speed": "10ms"}, "aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"),
    ("spot.book_ticker.BTCUSDT", {"batch": True}, "bookTicker.batch.v3.api.pb@BTCUSDT"),
    ("spot.trades.BTCUSDT", {}, "aggre.deals.v3.api.pb@100ms@BTCUSDT"),
    ("spot.trades.BTCUSDT", {"speed": "10ms"}, "aggre.deals.v3.api.pb@10ms@BTCUSDT"),
    ("spot.kline.BTCUSDT", {}, "kline.v3.api.pb@BTCUSDT@Min1"),
    ("spot.ticker.MXUSDT", {}, "miniTicker.v3.api.pb@MXUSDT@24H"),
    ("spot.ticker.MXUSDT", {"timezone": "UTC+8"}, "miniTicker.v3.api.pb@MXUSDT@UTC+8"),
    ("spot.ticker", {}, "miniTickers.v3.api.pb@24H"),
    ("spot.ticker", {"timezone": "UTC+12:45"}, "miniTickers.v3.api.pb@UTC+12:45"),
]
INTERVALS = "1m=Min1 5m=Min5 15m=Min15 30m=Min30 1h=Min60 4h=Hour4 8h=Hour8 1d=Day1 1w=Week1"
NAMES += [
    ("spot.kline.BTCUSDT", {"interval": ours}, f"kline.v3.api.pb@BTCUSDT@{theirs}")
    for ours, theirs in (pair.split("=") for pair in [*INTERVALS.split(), "1M=Month1"])
]
ZONES = "24H UTC-10 UTC-8 UTC-7 UTC-6 UTC-5 UTC-4 UTC-3 UTC+0 UTC+1 UTC+2 UTC+3 UTC+4 UTC+4:30 "
ZONES += "UTC+5 UTC+5:30 UTC+6 UTC+7 UTC+8 UTC+9 UTC+10 UTC+11 UTC+12 UTC+12:45 UTC+13"
NAMES += [
    ("spot.ticker.BTCUSDT", {"timezone": zone}, f"miniTicker.v3.api.pb@BTCUSDT@{zone}")
    for zone in ZONES.split()
]


@pytest.mark.parametrize(("channel", "parameters", "name"), NAMES)
def test_a_channel_has_a_name_and_the_name_is_the_channel(
    channel: str, parameters: dict[str, Any], name: str
) -> None:
    made = topic(channel, every=channel.count(".") == 1, **parameters)
    assert made.name == "spot@public." + name
    assert made.key == made.name.encode()
    assert str(made.channel) == channel
    assert Parameters(**parameters).accepts(made.parameters)
    assert VENUE.topic_of(made.key) == made


def test_documented_requests_are_ours() -> None:
    asked = {
        "public.aggre.depth": topic("spot.orderbook_delta.BTCUSDT"),
        "public.limit.depth": topic("spot.orderbook_snapshot.BTCUSDT", depth=5),
        "public.aggre.bookTicker": topic("spot.book_ticker.BTCUSDT"),
        "public.bookTicker.batch": topic("spot.book_ticker.BTCUSDT", batch=True),
        "public.aggre.deals": topic("spot.trades.BTCUSDT"),
        "public.kline": topic("spot.kline.BTCUSDT", interval="15m"),
        "public.miniTicker": topic("spot.ticker.MXUSDT", timezone="UTC+8"),
        "public.miniTickers": topic("spot.ticker", every=True, timezone="UTC+8"),
    }
    for word, each in asked.items():
        (request,) = VENUE.requests([each], subscribe=True, first_id=1, now=0)
        published = json.loads((wire.DATA / f"{word}.subscribe_request.json").read_text("utf-8"))
        assert json.loads(request.text) == published | {"id": 1}


@pytest.mark.parametrize(
    ("channel", "parameters", "words"),
    [
        ("spot.orderbook_delta.BTCUSDT", {"speed": "20ms"}, "speed= one of '100ms', '10ms'"),
        ("spot.orderbook_delta.BTCUSDT", {"depth": 5}, "takes speed, and depth=5"),
        ("spot.orderbook_delta.BTCUSDT", {"batch": True}, "takes speed, and batch=True"),
        ("spot.orderbook_snapshot.BTCUSDT", {"depth": 7}, "depth= one of 20, 10, 5"),
        ("spot.book_ticker.BTCUSDT", {"batch": True, "speed": "10ms"}, "speed='10ms' was given"),
        ("spot.kline.BTCUSDT", {"interval": "2m"}, "interval= one of '1m', '5m'"),
        ("spot.kline.BTCUSDT", {"interval": "Min1"}, "interval= one of"),
        ("spot.ticker.BTCUSDT", {"timezone": "UTC+14"}, "timezone= one of '24H'"),
        ("spot.trades", {}, "spot.trades needs a symbol, as in 'spot.trades.BTCUSDT'"),
        ("spot.orders", {}, "does not offer 'spot.orders'"),
        ("futures.positions", {}, "does not offer 'futures.positions'"),
    ],
)
def test_what_is_not_offered(channel: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ChannelError) as caught:
        topic(channel, **parameters)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["orderbook", "orderbook_snapshot", "book_ticker", "trades"])
def test_only_tickers_have_an_all_symbols_stream(kind: str) -> None:
    with pytest.raises(ChannelError, match=rf"no all-symbols stream for 'spot\.{kind}'"):
        topic(f"spot.{kind}", every=True)


def test_the_all_symbols_stream_takes_no_symbol() -> None:
    with pytest.raises(ChannelError, match="takes no symbol"):
        topic("spot.ticker.BTCUSDT", every=True)


def test_an_unknown_symbol_is_not_guessed_here() -> None:
    with pytest.raises(UnknownSymbol, match="BTCUSDT"):
        topic("spot.trades.BTCUSDTT")
    venue = MexcSpot(Instruments([Instrument("NEWUSDT", "NEWUSDT")]))
    made = venue.topic(Channel.parse("spot.trades.NEWUSDT"), Parameters())
    assert made.name.endswith("@NEWUSDT")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "spot",
        "spot@public.aggre.depth.v3.api.pb",
        "spot@public.aggre.depth.v3.api.pb@100ms",
        "spot@public.aggre.depth.v3.api.pb@50ms@BTCUSDT",
        "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT@5",
        "spot@public.aggre.depth.v3.api.pb@100ms@btcusdt",
        "spot@public.aggre.depth@100ms@BTCUSDT",
        "swap@public.aggre.depth.v3.api.pb@100ms@BTCUSDT",
        "spot@public.increase.depth.v3.api.pb@BTCUSDT",
        "spot@private.orders.v3.api.pb",
        "spot@public.kline.v3.api.pb@BTCUSDT@1m",
        "spot@public.aggre.depth.v3.api.pb@100ms@币安人生USDT",
    ],
)
def test_other_names_are_nobodys(key: str) -> None:
    assert VENUE.topic_of(key.encode()) is None


def test_a_topic_of_an_unlisted_symbol_is_found() -> None:
    found = VENUE.topic_of(b"spot@public.aggre.deals.v3.api.pb@100ms@NOBODYLISTSTHIS")
    assert found is not None
    assert found.channel.symbol == "NOBODYLISTSTHIS"


# Requests


@pytest.mark.parametrize("subscribe", [True, False])
def test_thirty_topics_make_a_request(subscribe: bool) -> None:
    topics = [topic("spot.kline.BTCUSDT", interval="1m")] * 61
    made = VENUE.requests(topics, subscribe=subscribe, first_id=7, now=0)
    assert [len(each.topics) for each in made] == [30, 30, 1]
    assert [each.id for each in made] == [7, 8, 9]
    for each in made:
        assert each.subscribe is subscribe
        content = json.loads(each.text)
        assert content["method"] == ("SUBSCRIPTION" if subscribe else "UNSUBSCRIPTION")
        assert content["params"] == [one.name for one in each.topics]
        assert content["id"] == each.id


def test_nothing_asked_is_no_request() -> None:
    assert VENUE.requests([], subscribe=True, first_id=1, now=0) == []


def test_the_ping_is_the_documented_one() -> None:
    published = json.loads((wire.DATA / "ping.request.json").read_text("utf-8"))
    assert json.loads(VENUE.ping(0)) == published


# Keys


def test_a_key_is_the_name_of_the_stream() -> None:
    for path in sorted(wire.DATA.rglob("public.*.hex")):
        frame = bytes.fromhex(path.read_text("ascii"))
        text = json.loads(path.with_suffix(".json").read_text("utf-8"))
        assert VENUE.key(frame, False) == text["channel"].encode()


@pytest.mark.parametrize("size", [1, 127, 128, 129, 300, 20_000])
def test_a_key_of_any_length_in_any_place(size: int) -> None:
    name = b"x" * size
    channel = wire.field(1, name)
    others = [
        b"",
        wire.field(6, 1736412092433),
        wire.field(3, b"BTCUSDT") + wire.field(313, b"\x0a\x02no"),
        wire.varint(20 << 3 | 1) + bytes(8) + wire.varint(21 << 3 | 5) + bytes(4),
    ]
    for before in others:
        assert VENUE.key(before + channel + wire.field(3, b"BTCUSDT"), False) == name


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x0a",
        b"\x0a\x00",
        b"\x0a\x80",
        b"\x0a\xff\x01short",
        b"\x30\x80",
        b"\xff" * 20,
        b"\x0b\x0a\x01x",
        b"{}",
        wire.field(3, b"BTCUSDT"),
    ],
)
def test_what_has_no_channel_has_no_key(frame: bytes) -> None:
    assert VENUE.key(frame, False) is None
    assert isinstance(VENUE.control(frame, text=False), Skipped)


def test_text_has_no_key() -> None:
    assert VENUE.key(wire.field(1, b"spot@x"), True) is None


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_have_a_key_or_none(frame: bytes, text: bool) -> None:
    key = VENUE.key(frame, text)
    assert key is None or (key and key in frame and not text)
    if key is not None:
        VENUE.topic_of(key)
