"""The key of a push: the fast way, the way that takes any JSON, and that they agree."""

from __future__ import annotations

import json

import pytest
from exchanges.gateio import gateio_data as data
from hypothesis import given
from hypothesis import strategies as st

from trioex.exchanges.gateio.spot_keys import make_key, parsed_key, split_key

PUSHES = {
    "spot.book_ticker.push": b"spot.book_ticker BTC_USDT",
    "spot.book_ticker.push.ccxt": b"spot.book_ticker BTC_USDT",
    "spot.candlesticks.push": b"spot.candlesticks 1m_BTC_USDT",
    "spot.candlesticks.push.ccxt": b"spot.candlesticks 1m_BTC_USDT",
    "spot.candlesticks.push.ccxt.2": b"spot.candlesticks 1m_BTC_USDT",
    "spot.obu.push_delta": b"spot.obu ob.BTC_USDT.50",
    "spot.obu.push_delta.live_20250801": b"spot.obu ob.BTC_USDT.400",
    "spot.obu.push_full": b"spot.obu ob.BTC_USDT.50",
    "spot.obu.push_full.ccxt": b"spot.obu ob.XRP_USDT.50",
    "spot.order_book.push": b"spot.order_book BTC_USDT 5",
    "spot.order_book_update.push": b"spot.order_book_update BTC_USDT",
    "spot.order_book_update.push.ccxt": b"spot.order_book_update GMT_USDT",
    "spot.tickers.push": b"spot.tickers BTC_USDT",
    "spot.tickers.push.2026": b"spot.tickers BTC_USDT",
    "spot.tickers.push.ccxt": b"spot.tickers BTC_USDT",
    "spot.tickers.push.live_us": b"spot.tickers BTC_USDT",
    "spot.trades.push": b"spot.trades GT_USDT",
    "spot.trades.push.2026": b"spot.trades GT_USDT",
    "spot.trades.push.ccxt": b"spot.trades LTC_USDT",
    "spot.trades.push.live_20230428": b"spot.trades TLOS_BTC",
}
UPDATE = data.compact(data.published("spot.order_book_update.push"))
"""With `full` and `l` in front."""
DELTA = UPDATE.replace(b'"full":true,"l":"100",', b"")


def key(frame: bytes) -> bytes | None:
    return data.VENUE.key(frame, True)


def test_no_published_push_is_left_out() -> None:
    private = {"spot.orders.push"}
    system = {name for name in data.names("push") if name.startswith("spot.system")}
    assert set(PUSHES) == set(data.names("push")) - private - system


@pytest.mark.parametrize("name", PUSHES)
def test_a_push_has_the_key_of_its_stream(name: str) -> None:
    frame = data.published(name)
    assert key(frame) == PUSHES[name]
    assert key(data.compact(frame)) == PUSHES[name]
    assert parsed_key(frame) == PUSHES[name]
    assert parsed_key(data.compact(frame)) == PUSHES[name]


@pytest.mark.parametrize("name", PUSHES)
def test_the_order_of_the_fields_does_not_matter(name: str) -> None:
    message = json.loads(data.published(name))
    turned = {field: message[field] for field in reversed(message)}
    if isinstance(message["result"], dict):
        turned["result"] = {field: message["result"][field] for field in sorted(message["result"])}
    frame = json.dumps(turned, separators=(",", ":")).encode()
    assert key(frame) == PUSHES[name]


def test_what_the_venue_sends_needs_no_parsing() -> None:
    frames = [frame for _, frame in data.recorded_pushes()]
    frames += [data.compact(data.published(name)) for name in PUSHES if name.endswith(".push")]
    frames += [data.published("spot.obu.push_delta.live_20250801").strip()]
    frames.remove(UPDATE)  # the one with `full`, which is rare
    frames += [DELTA.replace(b'"e":', b'"l":"%b","e":' % levels) for levels in (b"100", b"20")]
    broken = [frame[:-1] + b"!" for frame in frames]
    assert {parsed_key(frame) for frame in broken} == {None}
    assert [key(frame) for frame in broken] == [parsed_key(frame) for frame in frames]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (DELTA, b"spot.order_book_update BTC_USDT"),
        (DELTA.replace(b'"e":', b'"l":"100","e":'), b"spot.order_book_update BTC_USDT"),
        (DELTA.replace(b'"e":', b'"l":"20","e":'), b"spot.order_book_update BTC_USDT 20"),
        (DELTA.replace(b"}}", b',"l":"20"}}'), b"spot.order_book_update BTC_USDT 20"),
        (DELTA.replace(b"}}", b',"l":20}}'), b"spot.order_book_update BTC_USDT 20"),
        (UPDATE.replace(b'"100"', b'"20"'), b"spot.order_book_update BTC_USDT 20"),
    ],
)
def test_the_depth_tells_updates_of_two_speeds_apart(frame: bytes, expected: bytes) -> None:
    assert key(frame) == parsed_key(frame) == expected


def test_the_depth_tells_books_apart() -> None:
    frame = data.compact(data.published("spot.order_book.push"))
    assert key(frame.replace(b'"l":"5"', b'"l":"100"')) == b"spot.order_book BTC_USDT 100"
    without = frame.replace(b'"l":"5",', b"")
    assert key(without) == parsed_key(without) == make_key("spot.order_book", "BTC_USDT")
    behind = without.replace(b"}}", b',"l":"10"}}')
    assert key(behind) == b"spot.order_book BTC_USDT 10"


@pytest.mark.parametrize("name", sorted(set(data.names("")) - set(PUSHES)))
def test_what_is_no_push_has_no_key(name: str) -> None:
    frame = data.published(name)
    assert key(frame) is None
    assert key(data.compact(frame)) is None


@pytest.mark.parametrize(
    "result", [b"null", b"{}", b"[]", b'"x"', b"1", b'{"status":"success"}', b'{"s":null}']
)
@pytest.mark.parametrize("name", ["spot.trades.push", "spot.order_book.push", "spot.obu.push_full"])
def test_a_push_that_names_no_stream_has_no_key(name: str, result: bytes) -> None:
    head, _, _ = data.compact(data.published(name)).partition(b'"result":')
    assert key(head + b'"result":' + result + b"}") is None


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe", "all", "", None])
@pytest.mark.parametrize("name", PUSHES)
def test_only_an_update_is_a_push(name: str, event: str | None) -> None:
    message = json.loads(data.published(name)) | {"event": event}
    frame = json.dumps(message).encode()
    # The documents show pushes of spot.obu without an event.
    is_push = event is None and message["channel"] == "spot.obu"
    assert key(frame) == (PUSHES[name] if is_push else None)
    # In the venue's own form a push of spot.obu is known by its beginning alone.
    if message["channel"] != "spot.obu":
        assert key(data.compact(frame)) is None


def test_an_update_shorter_than_any_real_one() -> None:
    head, _, _ = DELTA.partition(b'"result":')
    frame = head + b'"result":{"s":"A_B","a":[]}}'
    assert key(frame) == b"spot.order_book_update A_B"


def test_acknowledgements_of_the_session_have_no_key() -> None:
    frames = [frame for _, frame in data.recorded() if b'"event":"subscribe"' in frame]
    assert len(frames) == 22
    assert {key(frame) for frame in frames} == {None}


def test_a_binary_frame_has_no_key() -> None:
    assert data.VENUE.key(DELTA, False) is None


@pytest.mark.parametrize("at", range(0, len(DELTA), 3))
def test_a_frame_that_was_cut_has_a_right_key_or_none(at: int) -> None:
    assert key(DELTA[:at]) in {None, b"spot.order_book_update BTC_USDT"}


@pytest.mark.parametrize(
    "parts",
    [
        ("spot.trades", "BTC_USDT", None),
        ("spot.order_book", "BTC_USDT", "5"),
        ("spot.order_book_update", "BTC_USDT", "20"),
        ("spot.obu", "ob.BTC_USDT.400", None),
    ],
)
def test_a_key_can_be_split(parts: tuple[str, str, str | None]) -> None:
    assert split_key(make_key(*parts)) == parts


@pytest.mark.parametrize("wrong", [b"", b"spot.trades", b"spot.x Y", b"\xff", b"a b c d"])
def test_what_is_no_key_is_not_split(wrong: bytes) -> None:
    assert split_key(wrong) is None


@given(st.binary(max_size=300))
def test_any_bytes(frame: bytes) -> None:
    assert key(frame) is None


@given(
    st.sampled_from(sorted(PUSHES)),
    st.booleans(),
    st.integers(0, 2000),
    st.integers(0, 20),
    st.binary(max_size=8),
)
def test_mutated_pushes(name: str, squeeze: bool, at: int, cut: int, new: bytes) -> None:
    frame = data.published(name)
    frame = data.compact(frame) if squeeze else frame
    frame = frame[: at % len(frame)] + new + frame[at % len(frame) + cut :]
    found = key(frame)
    if found is not None:
        data.VENUE.topic_of(found)  # which must not raise either
