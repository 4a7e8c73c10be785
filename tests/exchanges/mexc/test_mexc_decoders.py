"""Every published push, from its bytes to its messages."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from exchanges.mexc import mexc_wire as wire
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import Channel, Parameters
from trioex.errors import DecodeError
from trioex.exchanges.base import Topic
from trioex.exchanges.mexc import push_pb2 as pb
from trioex.exchanges.mexc.numbers import percent
from trioex.exchanges.mexc.spot import MexcSpot
from trioex.exchanges.mexc.streams import STREAMS
from trioex.messages import BookDelta, BookSnapshot, BookTicker, Ticker, Trade

VENUE = MexcSpot()
NUMBERS: list[type[float | Decimal]] = [float, Decimal]

HEX = sorted(
    str(path.relative_to(wire.DATA))
    for path in wire.DATA.rglob("public.*.hex")
    if "increase.depth" not in path.name and "no_body" not in path.name
)
DOCUMENTED = sorted(
    path.name
    for path in wire.DATA.glob("public.*.push*.json")
    if "increase.depth" not in path.name and "no_body" not in path.name
)
# The text beside these two was decoded by a schema older than the bytes.
NEWER_THAN_THEIR_TEXT = {
    "public.aggre.deals.push.live_20260727.hex": ["trade_id"],
    "public.aggre.bookTicker.push.live_20260923.hex": ["version"],
}


def decode(frame: bytes, number: type[Any] = float) -> list[Any]:
    key = VENUE.key(frame, False)
    assert key is not None
    topic = VENUE.topic_of(key)
    assert topic is not None
    return list(VENUE.decoder(topic, number)(frame, wire.RECEIVED))


def topic(name: str, **parameters: Any) -> Topic:
    channel = Channel.parse(name)
    return VENUE.topic(channel, Parameters(**parameters), every=channel.symbol is None)


def every_topic() -> list[Topic]:
    found = [VENUE.topic_of(f"spot@{word}".encode()) for word in _WORDS]
    return [each for each in found if each is not None]


_WORDS = [
    "public.aggre.depth.v3.api.pb@100ms@BTCUSDT",
    "public.limit.depth.v3.api.pb@BTCUSDT@5",
    "public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT",
    "public.bookTicker.batch.v3.api.pb@BTCUSDT",
    "public.aggre.deals.v3.api.pb@100ms@BTCUSDT",
    "public.kline.v3.api.pb@BTCUSDT@Min60",
    "public.miniTicker.v3.api.pb@BTCUSDT@24H",
    "public.miniTickers.v3.api.pb@UTC+4:30",
]
TOPICS = every_topic()


def test_the_tables_here_are_complete() -> None:
    assert len(TOPICS) == len(STREAMS)
    assert len(HEX) >= 12
    assert len(DOCUMENTED) >= 12


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", HEX)
def test_bytes_decode_to_the_values_beside_them(name: str, number: type[Any]) -> None:
    frame = bytes.fromhex((wire.DATA / name).read_text("ascii"))
    expected = wire.messages(wire.load(name.removesuffix("hex") + "json"), number)
    found = decode(frame, number)
    for field in NEWER_THAN_THEIR_TEXT.get(name, []):
        assert all(getattr(each, field) is not None for each in found)
        found = [msgspec.structs.replace(each, **{field: None}) for each in found]
    assert found == expected
    assert found


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_values_survive_another_writer(name: str, number: type[Any]) -> None:
    push = wire.load(name)
    found = decode(wire.write(push), number)
    assert found == wire.messages(push, number)
    assert found


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_order_of_fields_is_of_no_matter(name: str) -> None:
    push = wire.load(name)
    turned = dict(reversed(push.items()))
    assert next(iter(turned)) != "channel"
    assert decode(wire.write(turned)) == decode(wire.write(push))


def test_numbers_have_the_type_that_was_asked_for() -> None:
    frame = wire.write(wire.load("public.aggre.depth.push.json"))
    for number in NUMBERS:
        (delta,) = decode(frame, number)
        assert isinstance(delta, BookDelta)
        assert [type(each) for level in delta.bids for each in level] == [number, number]


def test_the_new_fields_of_2026_are_read() -> None:
    deals = bytes.fromhex(
        (wire.DATA / "public.aggre.deals.push.live_20260727.hex").read_text("ascii")
    )
    assert all("X0" in str(each.trade_id) for each in decode(deals) if isinstance(each, Trade))
    push = wire.load("generated_pb/public.aggre.bookTicker.live_20260920.json")
    (ticker,) = decode(wire.write(push))
    assert isinstance(ticker, BookTicker)
    assert ticker.version == 81721676217


def test_every_push_of_a_channel_without_body_is_empty() -> None:
    frame = bytes.fromhex(
        (wire.DATA / "generated_pb/public.aggre.depth.no_body.hex").read_text("ascii")
    )
    assert decode(frame) == []
    for each in TOPICS:
        assert list(VENUE.decoder(each, float)(wire.field(1, each.key), 1)) == []


def test_unknown_fields_are_skipped() -> None:
    push = wire.load("public.aggre.deals.push.json")
    strange = wire.field(2, b"?") + wire.field(999, b"?" * 200) + wire.field(998, 1 << 40)
    assert decode(strange + wire.write(push) + strange) == wire.messages(push, float)


def test_another_body_is_refused() -> None:
    push = wire.load("public.aggre.deals.push.json")
    push["channel"] = "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT"
    with pytest.raises(DecodeError, match=r"aggre\.depth.*holds publicAggreDeals") as caught:
        decode(wire.write(push))
    assert "publicAggreDepths" in str(caught.value)


def test_broken_protobuf_names_the_topic() -> None:
    frame = wire.write(wire.load("public.kline.push.json"))
    with pytest.raises(DecodeError, match=r"spot@public\.kline\.v3\.api\.pb@BTCUSDT@Min15: "):
        decode(frame[:-3])


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("text", ["nan", "-NaN", "inf", "-Infinity", "1e99999", "", "sNaN", "1,5"])
def test_only_finite_numbers_come_through(text: str, number: type[Any]) -> None:
    refused = 0
    for each in TOPICS:
        sound, _ = VENUE.sample(each, wire.RECEIVED)
        decoder = VENUE.decoder(each, number)
        for broken in _with_each_number(sound, text):
            if text == "1e99999" and number is Decimal:
                continue  # finite, if strange
            with pytest.raises(DecodeError, match=r"number|finite|float"):
                decoder(broken, 1)
            refused += 1
    assert refused > 30 or number is Decimal


def _with_each_number(frame: bytes, text: str) -> list[bytes]:
    """The push once for each of its prices and quantities, that one replaced by `text`."""
    unread = {"eventType", "interval", "symbol", "rate", "tradeId"}
    out: list[bytes] = []

    def walk(message: Any, push: Any) -> None:
        for descriptor, value in message.ListFields():
            if descriptor.name in unread or descriptor.name.startswith("last"):
                continue
            if descriptor.type == descriptor.TYPE_MESSAGE:
                for inner in [value] if hasattr(value, "ListFields") else value:
                    walk(inner, push)
            elif descriptor.type == descriptor.TYPE_STRING and "ersion" not in descriptor.name:
                setattr(message, descriptor.name, text)
                out.append(push.SerializeToString())
                setattr(message, descriptor.name, value)

    push = pb.PushDataV3ApiWrapper.FromString(frame)
    walk(getattr(push, str(push.WhichOneof("body"))), push)
    return out


@pytest.mark.parametrize("field", ["fromversion", "toversion"])
def test_a_version_is_an_integer(field: str) -> None:
    push = wire.load("public.aggre.depth.push.json")
    push["publicincreasedepths"][field] = "12.5"
    with pytest.raises(DecodeError, match=r"12\.5"):
        decode(wire.write(push))


def test_a_book_does_not_go_back() -> None:
    push = wire.load("public.aggre.depth.push.json")
    push["publicincreasedepths"] |= {"fromversion": "11", "toversion": "10"}
    with pytest.raises(DecodeError, match=r"aggre\.depth.* from version 11 to 10"):
        decode(wire.write(push))


def test_a_trade_has_a_side() -> None:
    push = wire.load("public.aggre.deals.push.json")
    push["publicdeals"]["deals"][0]["tradetype"] = 3
    with pytest.raises(DecodeError, match=r"tradeType 3 is neither 1 \(buy\) nor 2 \(sell\)"):
        decode(wire.write(push))


def test_a_snapshot_is_ordered_whatever_the_wire() -> None:
    push = wire.load("public.limit.depth.push.json")
    rows = [{"price": price, "quantity": "1"} for price in ("9", "10", "8.5")]
    push["publiclimitdepths"] |= {"bids": rows, "asks": rows}
    (book,) = decode(wire.write(push))
    assert isinstance(book, BookSnapshot)
    assert [price for price, _ in book.bids] == [10, 9, 8.5]
    assert [price for price, _ in book.asks] == [8.5, 9, 10]


def test_a_kline_without_create_time_has_the_send_time() -> None:
    push = wire.load("public.kline.push.json")
    push["sendtime"] = 1736410707999
    assert decode(wire.write(push))[0].exchange_time == 1736410707571 * 10**6
    del push["createtime"]
    assert decode(wire.write(push))[0].exchange_time == 1736410707999 * 10**6


def test_volume_is_quote_and_quantity_is_base() -> None:
    (ticker,) = decode(wire.write(wire.load("public.miniTicker.push.json")), Decimal)
    assert isinstance(ticker, Ticker)
    assert ticker.quote_volume == Decimal("11336518.0264")
    assert ticker.base_volume == Decimal("4638390.17")
    assert ticker.change_percent == Decimal("7.66")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.integers(-999, 999))
def test_percent_is_exact(ratio: Decimal | int) -> None:
    text = str(ratio)
    exact = Fraction(text) * 100
    assert Fraction(Decimal(percent(text))) == exact
    assert float(percent(text)) == float(exact)


def test_percent_reads_exponents() -> None:
    assert Decimal(percent("-7.66e-2")) == Decimal("-7.66")
    assert percent("0") == "000."
    assert float(percent("0")) == 0


@pytest.mark.parametrize("each", TOPICS, ids=str)
def test_a_sample_is_a_push_of_its_topic(each: Topic) -> None:
    frame, text = VENUE.sample(each, wire.RECEIVED)
    assert not text
    assert VENUE.key(frame, text) == each.key
    found = VENUE.decoder(each, float)(frame, wire.RECEIVED)
    assert found
    for message in found:
        assert message.receive_time == wire.RECEIVED
        assert message.exchange_time == wire.RECEIVED // 10**6 * 10**6
        assert each.channel.symbol in (message.symbol, None)


def test_later_samples_have_later_versions() -> None:
    book = topic("spot.orderbook_delta.BTCUSDT")
    decoder = VENUE.decoder(book, float)
    versions = []
    for now in (10**15, 10**15 + 10**6):
        (delta,) = decoder(VENUE.sample(book, now)[0], now)
        assert isinstance(delta, BookDelta)
        versions.append(delta.first_version)
    assert versions[1] == versions[0] + 1


@given(st.binary(max_size=400), st.sampled_from(TOPICS), st.sampled_from(NUMBERS))
def test_any_bytes_decode_or_are_refused(frame: bytes, each: Topic, number: type[Any]) -> None:
    VENUE.key(frame, False)
    with contextlib.suppress(DecodeError):
        VENUE.decoder(each, number)(frame, 1)


@given(st.sampled_from(TOPICS), st.sampled_from(NUMBERS), st.data())
def test_damaged_pushes_decode_or_are_refused(
    each: Topic, number: type[Any], data: st.DataObject
) -> None:
    frame = bytearray(VENUE.sample(each, wire.RECEIVED)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    VENUE.key(bytes(frame), False)
    with contextlib.suppress(DecodeError):
        VENUE.decoder(each, number)(bytes(frame), 1)
