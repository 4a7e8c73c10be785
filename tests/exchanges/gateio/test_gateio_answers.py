"""What Gate.io says besides pushes, and that anything at all can be read."""

from __future__ import annotations

import json

import pytest
from exchanges.gateio import gateio_data as data
from hypothesis import given
from hypothesis import strategies as st

from trioex.exchanges.base import Answer, Control, Notice, Pong, Skipped

UPGRADE = "The connection will soon be closed for a service upgrade. Please reconnect."

PUBLISHED: dict[str, Control] = {
    "spot.candlesticks.subscribe_ack.ccxt": Answer(
        1649062303, subscribe=True, scope="spot.candlesticks"
    ),
    "spot.obu.subscribe_ack": Answer(
        None, accepted=("spot.obu ob.BTC_USDT.50",), subscribe=True
    ),
    "spot.obu.subscribe_ack.live_20250801": Answer(
        None, accepted=("spot.obu ob.MAF_USDT.400",), subscribe=True
    ),
    # A second subscription is refused because the first one stands.
    "spot.obu.subscribe_error": Answer(
        1, accepted=("spot.obu ob.BTC_USDT.400",), subscribe=True
    ),
    "spot.obu.subscribe_error.live_us_unknown_channel": Answer(
        None, accepted=(), refused=("spot.obu ob.BTC_USD.50",),
        reason="Unknown channel spot.obu", code=2, subscribe=True,
    ),
    "spot.obu.unsubscribe_ack": Answer(
        1, accepted=("spot.obu ob.BTC_USDT.50",), subscribe=False
    ),
    "spot.order_book.subscribe_ack": Answer(None, subscribe=True, scope="spot.order_book"),
    "spot.order_book.subscribe_ack.live_us": Answer(
        None, accepted=("spot.order_book BTC_USD 20 100ms",), subscribe=True
    ),
    "spot.order_book_update.subscribe_error.live_us_unknown_pair": Answer(
        None, accepted=(), refused=("spot.order_book_update NOPE_USD 100ms",),
        reason="unknown currency pair: NOPE_USD", code=2, subscribe=True,
    ),
    "spot.orders.subscribe_ack": Answer(None, subscribe=True, scope="spot.orders"),
    # ETH_USDT is neither accepted nor refused: the whole frame failed with the other pair.
    "spot.trades.subscribe_error.ccxt": Answer(
        1, accepted=(), refused=("spot.trades LUNARLENS_USDT",),
        reason="unknown currency pair: LUNARLENS_USDT", code=2, subscribe=True,
    ),
    "spot.trades.unsubscribe_ack.ccxt": Answer(
        2, accepted=("spot.trades LTC_USDT",), subscribe=False
    ),
    "spot.system.subscribe_error.sbe_unsupported": Answer(
        None, accepted=(), refused=("spot.system 20011",),
        reason="channel spot.system does not support SBE", code=2, subscribe=True,
    ),
    "spot.ping.pong": Pong(),
    "spot.ping.pong.live_us": Pong(),
    "spot.system.push_upgrade": Notice("upgrade", UPGRADE),
    "spot.system.push_invalid_sbe_schema_id": Notice(
        "invalid_sbe_schema_id",
        "Your sbe_schema_id '011' does not exist, it has been adjusted to the default "
        "sbe_schema_id '1'.",
    ),
    "spot.system.push_outdated_sbe_schema_id": Notice(
        "outdated_sbe_schema_id",
        "Your sbe_schema_id '0' is outdated, please upgrade to the latest version '1'.",
    ),
}  # fmt: skip


def control(frame: bytes | str) -> Control:
    return data.VENUE.control(frame.encode() if isinstance(frame, str) else frame, True)


def error(channel: str, payload: list[str], message: str, **more: object) -> str:
    body = {"id": 3, "channel": channel, "event": "subscribe", "payload": payload}
    return json.dumps(body | {"error": {"code": 2, "message": message}} | more)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_answer(name: str) -> None:
    assert control(data.published(name)) == PUBLISHED[name]


def test_no_published_answer_is_left_out() -> None:
    answers = {name for part in ("_ack", "error", "pong", "system") for name in data.names(part)}
    assert answers - {"spot.order_place.api_ack"} == set(PUBLISHED)


def test_the_22_acknowledgements_of_the_session() -> None:
    frames = [frame for _, frame in data.recorded() if b'"event":"subscribe"' in frame]
    answers = [control(frame) for frame in frames]
    assert len(answers) == 22
    for frame, answer in zip(frames, answers, strict=True):
        channel = json.loads(frame)["channel"]
        assert answer == Answer(None, subscribe=True, scope=channel)


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ("unknown currency pair: B_USDT", ("spot.tickers B_USDT",)),
        ("unknown currency pair: NOPE", ("spot.tickers A_USDT", "spot.tickers B_USDT")),
        ("server side error", ("spot.tickers A_USDT", "spot.tickers B_USDT")),
    ],
)
def test_only_what_the_message_names_is_refused(message: str, refused: tuple[str, ...]) -> None:
    answer = control(error("spot.tickers", ["A_USDT", "B_USDT"], message))
    assert answer == Answer(3, (), refused, message, 2, subscribe=True)


def test_of_several_streams_only_the_repeated_one_is_accepted() -> None:
    streams = ["ob.A_USDT.50", "ob.B_USDT.50"]
    answer = control(error("spot.obu", streams, "Alert sub ob.B_USDT.50"))
    assert answer == Answer(3, ("spot.obu ob.B_USDT.50",), subscribe=True)


def test_parameters_are_no_names() -> None:
    said = error("spot.order_book_update", ["A_USDT", "20ms"], "incorrect update interval: 20ms")
    answer = control(said)
    assert isinstance(answer, Answer)
    assert answer.refused == ("spot.order_book_update A_USDT 20ms",)


def test_a_refusal_without_payload_is_of_the_whole_request() -> None:
    answer = control(error("spot.tickers", [], "unknown currency pair: A_USDT"))
    assert answer == Answer(
        3, None, (), "unknown currency pair: A_USDT", 2, subscribe=True, scope="spot.tickers"
    )


def test_a_failure_may_be_told_by_the_result_alone() -> None:
    said = '{"id":3,"channel":"spot.tickers","event":"subscribe","payload":["A_USDT"],'
    answer = control(said + '"error":null,"result":{"status":"fail"}}')
    assert answer == Answer(
        3, (), ("spot.tickers A_USDT",), "no reason given", None, subscribe=True
    )


@pytest.mark.parametrize("wrong", [True, "3", 3.5, None, [3]])
def test_an_id_is_an_integer(wrong: object) -> None:
    said = {"id": wrong, "channel": "spot.obu", "event": "subscribe", "result": {}}
    assert control(json.dumps(said)) == Answer(None, subscribe=True, scope="spot.obu")


@pytest.mark.parametrize("payload", ["A_USDT", {"A_USDT": 1}, 5, []])
def test_a_payload_is_a_list(payload: object) -> None:
    said = {"channel": "spot.tickers", "event": "subscribe", "payload": payload, "result": {}}
    assert control(json.dumps(said)) == Answer(None, subscribe=True, scope="spot.tickers")


def test_an_error_about_no_subscription() -> None:
    said = '{"error":{"code":1,"message":"request message need json scheme\\n"}%s}'
    assert control(said % "") == Notice("error", "request message need json scheme")
    assert control(said % ',"id":9') == Answer(9, reason="request message need json scheme", code=1)


def test_the_venue_may_answer_a_ping_on_its_own_channel() -> None:
    assert control('{"channel":"spot.ping","event":"","result":null}') == Pong()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"1",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"channel":1,"event":[]}',
        b'{"channel":"spot.trades","event":"update","result":null}',
        data.published("spot.orders.push"),
        data.published("spot.order_place.api_ack"),
    ],
    ids=data.short,
)
def test_anything_else_is_skipped_with_a_reason(frame: bytes) -> None:
    skipped = control(frame)
    assert isinstance(skipped, Skipped)
    assert skipped.reason


def test_a_binary_frame_is_skipped() -> None:
    assert isinstance(data.VENUE.control(b'{"channel":"spot.pong"}', False), Skipped)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(frame: bytes, text: bool) -> None:
    assert isinstance(data.VENUE.control(frame, text), Control)


@given(
    st.sampled_from(["spot.trades", "spot.obu", "spot.system", "spot.pong", "", "x"]),
    st.sampled_from(["subscribe", "unsubscribe", "update", ""]),
    st.dictionaries(st.sampled_from(["id", "payload", "error", "result", "event"]), _JSON),
)
def test_any_values(channel: str, event: str, rest: dict[str, object]) -> None:
    frame = json.dumps({"channel": channel, "event": event} | rest).encode()
    assert isinstance(control(frame), Control)


@given(
    st.sampled_from(sorted(PUBLISHED)),
    st.integers(0, 2000),
    st.integers(0, 20),
    st.binary(max_size=8),
)
def test_mutated_answers(name: str, at: int, cut: int, new: bytes) -> None:
    frame = data.published(name)
    at %= len(frame)
    assert isinstance(control(frame[:at] + new + frame[at + cut :]), Control)


@pytest.mark.parametrize("code", [1, 2, 3, 4])
@pytest.mark.parametrize("event", ["subscribe", ""])
def test_only_an_error_of_the_server_may_pass(code: int, event: str) -> None:
    said = {"id": 3, "channel": "spot.trades", "event": event, "payload": ["BTC_USDT"]}
    answer = control(json.dumps(said | {"error": {"code": code, "message": "no"}}))
    assert isinstance(answer, Answer)
    assert answer.is_transient == (code == 3)
