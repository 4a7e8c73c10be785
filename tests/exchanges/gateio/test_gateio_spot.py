"""Topics, requests and samples of Gate.io spot."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from exchanges.gateio import gateio_data as data

from trioex.channels import Channel, ExchangeEnum, Parameters, PrivateChannelType
from trioex.errors import ChannelError, UnknownSymbol
from trioex.exchanges import open_venue
from trioex.exchanges.base import Topic
from trioex.exchanges.gateio.endpoints import INTERVALS
from trioex.exchanges.gateio.spot import GateioSpot
from trioex.messages import BookSnapshot

NOW = 1_790_134_390_859_123_456

TOPICS: list[tuple[str, dict[str, Any], str, bytes, dict[str, Any]]] = [
    ("trades", {}, "spot.trades BTC_USDT", b"spot.trades BTC_USDT", {}),
    ("ticker", {}, "spot.tickers BTC_USDT", b"spot.tickers BTC_USDT", {}),
    ("book_ticker", {}, "spot.book_ticker BTC_USDT", b"spot.book_ticker BTC_USDT", {}),
    (
        "kline", {}, "spot.candlesticks 1m BTC_USDT", b"spot.candlesticks 1m_BTC_USDT",
        {"interval": "1m"},
    ),
    (
        "kline", {"interval": "1w"}, "spot.candlesticks 7d BTC_USDT",
        b"spot.candlesticks 7d_BTC_USDT", {"interval": "7d"},
    ),
    (
        "orderbook_delta", {}, "spot.order_book_update BTC_USDT 100ms",
        b"spot.order_book_update BTC_USDT", {"speed": "100ms"},
    ),
    (
        "orderbook_delta", {"speed": "20ms"}, "spot.order_book_update BTC_USDT 20ms",
        b"spot.order_book_update BTC_USDT 20", {"speed": "20ms"},
    ),
    (
        "orderbook_delta", {"depth": 400}, "spot.obu ob.BTC_USDT.400", b"spot.obu ob.BTC_USDT.400",
        {"depth": 400},
    ),
    (
        "orderbook_delta", {"depth": 50}, "spot.obu ob.BTC_USDT.50", b"spot.obu ob.BTC_USDT.50",
        {"depth": 50},
    ),
    (
        "orderbook_snapshot", {}, "spot.order_book BTC_USDT 20 100ms",
        b"spot.order_book BTC_USDT 20", {"depth": 20, "speed": "100ms"},
    ),
    (
        "orderbook_snapshot", {"depth": 5}, "spot.order_book BTC_USDT 5 100ms",
        b"spot.order_book BTC_USDT 5", {"depth": 5, "speed": "100ms"},
    ),
]  # fmt: skip
SLOW = data.topic("spot.orderbook_snapshot.BTCUSDT", speed="1000ms")
ALL = [data.topic(f"spot.{kind}.BTCUSDT", **asked) for kind, asked, *_ in TOPICS]


def test_the_registry_opens_it() -> None:
    venue = open_venue(ExchangeEnum.GATEIO, "spot")
    assert isinstance(venue, GateioSpot)
    assert venue.url.startswith("wss://")
    assert (venue.rest_url + venue.instruments_path).count("/api/v4") == 1


@pytest.mark.parametrize(("kind", "asked", "name", "key", "chosen"), TOPICS)
def test_the_topic_of_a_channel(
    kind: str, asked: dict[str, Any], name: str, key: bytes, chosen: dict[str, Any]
) -> None:
    topic = data.topic(f"spot.{kind}.BTCUSDT", **asked)
    channel = Channel.parse(f"spot.{kind}.BTCUSDT")
    assert topic == Topic(key, name, channel, Parameters(**chosen))
    assert data.VENUE.topic_of(key) == topic


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval(interval: str) -> None:
    topic = data.topic("spot.kline.BTCUSDT", interval=interval)
    assert topic.name == f"spot.candlesticks {interval} BTC_USDT"
    assert data.VENUE.topic_of(topic.key) == topic


def test_only_what_cannot_be_told_apart_shares_a_key() -> None:
    keys = [topic.key for topic in ALL]
    assert len(set(keys)) == len(keys)
    fast = data.topic("spot.orderbook_snapshot.BTCUSDT")
    assert SLOW.key == fast.key
    assert SLOW.name != fast.name
    assert data.VENUE.topic_of(SLOW.key) == fast


def test_a_pair_the_list_lacks_has_a_topic_all_the_same() -> None:
    topic = data.VENUE.topic_of(b"spot.trades NEWCOIN_USDT")
    assert topic is not None
    assert topic.channel == Channel.parse("spot.trades.NEWCOINUSDT")


@pytest.mark.parametrize(
    "key",
    [
        b"", b"spot.trades", b"spot.trades BTC", b"spot.trades BTC_USDT 5", b"spot.x BTC_USDT",
        b"spot.obu ob.BTC_USDT.51", b"spot.obu BTC_USDT.50", b"spot.obu ob.BTC_USDT",
        b"spot.order_book BTC_USDT", b"spot.order_book BTC_USDT 7",
        b"spot.order_book_update BTC_USDT 100", b"spot.order_book_update BTC_USDT 5",
        b"spot.candlesticks 9m_BTC_USDT", b"spot.candlesticks BTC_USDT", b"spot.trades btc_usdt",
        b"spot.trades \xff",
    ],
)  # fmt: skip
def test_a_key_of_no_stream_has_no_topic(key: bytes) -> None:
    assert data.VENUE.topic_of(key) is None


@pytest.mark.parametrize(
    ("channel", "asked", "words"),
    [
        ("spot.orderbook_delta.BTCUSDT", {"depth": 10}, "depth= one of 50, 400, not 10"),
        ("spot.orderbook_delta.BTCUSDT", {"speed": "1000ms"}, "'100ms', '20ms', not '1000ms'"),
        ("spot.orderbook_delta.BTCUSDT", {"depth": 50, "speed": "20ms"}, "takes depth, and speed="),
        ("spot.orderbook_snapshot.BTCUSDT", {"depth": 30}, "20, 5, 10, 50, 100, not 30"),
        ("spot.kline.BTCUSDT", {"interval": "2m"}, "not '2m'"),
        ("spot.trades.BTCUSDT", {"depth": 5}, "takes no keyword"),
        ("spot.ticker.BTCUSDT", {"timezone": "24H"}, "takes no keyword"),
        ("spot.trades", {}, "no all-symbols stream of 'spot.trades'"),
        (Channel(PrivateChannelType.ORDERS), {}, "does not offer 'spot.orders'"),
    ],
)
def test_what_is_not_offered(channel: Any, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ChannelError, match=words):
        data.topic(channel, **asked)


def test_there_are_no_all_symbols_streams() -> None:
    channel = Channel.parse("spot.ticker.BTCUSDT")
    with pytest.raises(ChannelError, match=r"bind the symbols one by one.*'spot\.ticker\.BTCUSDT'"):
        data.VENUE.topic(channel, Parameters(), every=True)


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(UnknownSymbol, match=r"BTCUSDX.*BTCUSD"):
        data.topic("spot.trades.BTCUSDX")


# Requests


def asked(topics: list[Topic], *, subscribe: bool = True) -> list[dict[str, Any]]:
    requests = data.VENUE.requests(topics, subscribe=subscribe, first_id=7, now=NOW)
    for request in requests:
        assert request.subscribe is subscribe
        assert json.loads(request.text)["id"] == request.id
    spread = [topic for request in requests for topic in request.topics]
    assert sorted(map(str, spread)) == sorted(map(str, topics))
    return [json.loads(request.text) for request in requests]


PUBLISHED = {
    "spot.trades": data.topic("spot.trades.BTCUSDT"),
    "spot.tickers": data.topic("spot.ticker.BTCUSDT"),
    "spot.book_ticker": data.topic("spot.book_ticker.BTCUSDT"),
    "spot.candlesticks": data.topic("spot.kline.BTCUSDT"),
    "spot.order_book": data.topic("spot.orderbook_snapshot.BTCUSDT", depth=5),
    "spot.order_book_update": data.topic("spot.orderbook_delta.BTCUSDT"),
    "spot.obu": data.topic("spot.orderbook_delta.BTCUSDT", depth=50),
}


@pytest.mark.parametrize("channel", PUBLISHED)
def test_a_request_is_the_published_one(channel: str) -> None:
    published = json.loads(data.published(f"{channel}.subscribe_request"))
    (request,) = asked([PUBLISHED[channel]])
    assert request == published | {"time": 1_790_134_390, "id": 7}


def test_an_unsubscribe_request_is_the_published_one() -> None:
    published = json.loads(data.published("spot.obu.unsubscribe_request"))
    (request,) = asked([PUBLISHED["spot.obu"]], subscribe=False)
    assert request == published | {"time": 1_790_134_390, "id": 7}


def test_lists_are_asked_for_in_few_frames_and_others_one_by_one() -> None:
    pairs = list(data.VENUE.instruments)[:60]
    topics = [data.topic(f"spot.trades.{pair}") for pair in pairs]
    topics += [data.topic(f"spot.orderbook_delta.{pair}", depth=50) for pair in pairs[:25]]
    topics += [data.topic(f"spot.orderbook_delta.{pair}") for pair in pairs[:3]]
    topics += [data.topic(f"spot.kline.{pair}") for pair in pairs[:2]]
    frames = asked(topics[::2] + topics[1::2])
    sizes: dict[str, list[int]] = {}
    for frame in frames:
        sizes.setdefault(frame["channel"], []).append(len(frame["payload"]))
    assert sizes == {
        "spot.trades": [50, 10],
        "spot.obu": [10, 10, 5],
        "spot.order_book_update": [2, 2, 2],
        "spot.candlesticks": [2, 2],
    }
    assert [frame["id"] for frame in frames] == list(range(7, 7 + len(frames)))


@pytest.mark.parametrize("topic", [*ALL, SLOW], ids=str)
def test_an_answer_names_the_topic_of_its_request(topic: Topic) -> None:
    (request,) = asked([topic])
    answer = data.VENUE.control(
        json.dumps(request | {"result": {"status": "success"}}).encode(), True
    )
    assert answer.accepted == (topic.name,)  # type: ignore[union-attr]
    assert answer.id == 7  # type: ignore[union-attr]


def test_nothing_is_asked_for_nothing() -> None:
    assert asked([]) == []


def test_the_ping_is_the_published_one() -> None:
    published = json.loads(data.published("spot.ping.request"))
    assert json.loads(data.VENUE.ping(NOW)) == published | {"time": 1_790_134_390}


def test_pings_keep_a_quiet_connection() -> None:
    rules = data.VENUE.rules
    assert rules.ping_interval <= min(rules.idle_limit, rules.empty_limit) / 2


# Samples

SAMPLED = {channel: f"{channel}.push" for channel in PUBLISHED}
SAMPLED["spot.obu"] = "spot.obu.push_delta.live_20250801"


@pytest.mark.parametrize("number", [float, Decimal])
@pytest.mark.parametrize("topic", [*ALL, SLOW], ids=str)
def test_a_sample_goes_the_way_of_a_push(topic: Topic, number: type[Any]) -> None:
    frame, text = data.VENUE.sample(topic, NOW)
    assert text
    assert data.VENUE.key(frame, text) == topic.key
    published = json.loads(data.published(SAMPLED[json.loads(frame)["channel"]]))
    assert list(json.loads(frame)) == list(published)
    (message,) = data.VENUE.decoder(topic, number)(frame, NOW)
    assert message.symbol == "BTCUSDT"
    assert abs(message.exchange_time - NOW) < 1_000_000
    if isinstance(message, BookSnapshot):
        assert message.bids[0] < message.asks[0]
        assert message.depth == (topic.parameters.depth or message.depth)
