"""Every sample of both venues, and everything a line can be."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex import DecodeError, ExchangeEnum
from trioex.cli.lines import LineDecoder, nanoseconds
from trioex.exchanges import open_venue

DATA = Path(__file__).parents[1] / "data"
GATEIO, MEXC = ExchangeEnum.GATEIO, ExchangeEnum.MEXC

# What a sample is, by the first word that is in its name.
GATEIO_KINDS = {
    "request": "request",
    "ping.pong": "pong",
    "system.push": "notice",
    "api_ack": "skipped",
    "_ack": "answer",
    "_error": "answer",
    "orders.push": "skipped",
    "book_ticker.push": "book_ticker",
    "candlesticks.push": "kline",
    "obu.push_delta": "book_delta",
    "obu.push_full": "book_snapshot",
    "order_book.push": "book_snapshot",
    "order_book_update.push.ccxt": "book_delta",
    "order_book_update.push": "book_snapshot",  # the document's sample has "full":true
    "tickers.push": "ticker",
    "trades.push": "trade",
}
MEXC_KINDS = {
    "request": "request",
    "pong": "pong",
    "ack": "answer",
    "error": "answer",
    ".json": "skipped",  # a push as JSON, which MEXC sends to nobody any more
    "private": "skipped",
    "no_body": "skipped",
    "increase": "skipped",
    "aggre.bookTicker": "book_ticker",
    "bookTicker.batch": "book_ticker",
    "aggre.deals": "trade",
    "aggre.depth": "book_delta",
    "limit.depth": "book_snapshot",
    "kline": "kline",
    "miniTicker": "ticker",
}


def decoder(exchange: ExchangeEnum, **keywords: Any) -> LineDecoder:
    return LineDecoder(open_venue(exchange, "spot"), **keywords)


def decode(exchange: ExchangeEnum, line: bytes | str, **keywords: Any) -> list[dict[str, Any]]:
    """What the command prints for a line, parsed again."""
    line = line.encode() if isinstance(line, str) else line
    results = decoder(exchange, **keywords).decode(line)
    return [json.loads(msgspec.json.encode(each)) for each in results]


def kind(result: dict[str, Any]) -> str:
    return str(result.get("control", result["type"]))


def samples(folder: str, kinds: dict[str, str]) -> list[Any]:
    found = []
    for path in sorted((DATA / folder).rglob("*.*")):
        if path.suffix in {".json", ".hex"} and not path.name.startswith("rest."):
            expected = next((each for word, each in kinds.items() if word in path.name), None)
            assert expected, f"{path} is of no kind"
            found.append(pytest.param(path, expected, id=path.name))
    assert found
    return found


def line_of(path: Path) -> bytes:
    """A sample as one line; JSON samples are indented."""
    text = path.read_text()
    if path.suffix == ".hex":
        return text.encode()
    return json.dumps(json.loads(text), separators=(",", ":")).encode()


@pytest.mark.parametrize(("path", "expected"), samples("gate_spot", GATEIO_KINDS))
def test_each_sample_of_gateio_comes_out_as_what_it_is(path: Path, expected: str) -> None:
    results = decode(GATEIO, line_of(path))
    assert {kind(each) for each in results} == {expected}


@pytest.mark.parametrize(("path", "expected"), samples("mexc_spot", MEXC_KINDS))
def test_each_sample_of_mexc_comes_out_as_what_it_is(path: Path, expected: str) -> None:
    results = decode(MEXC, line_of(path))
    assert {kind(each) for each in results} == {expected}


def test_a_trade_has_the_public_names_and_the_values_of_the_document() -> None:
    (trade,) = decode(GATEIO, line_of(DATA / "gate_spot" / "spot.trades.push.json"))
    assert trade == {
        "type": "trade",
        "exchange": "gateio",
        "market": "spot",
        "symbol": "GTUSDT",
        "exchange_time": 1606292218213457800,
        "receive_time": 0,
        "price": 0.4705,
        "quantity": 16.47,
        "side": "sell",
        "trade_id": "309143071",
        "sequence": 5736713,  # the document has the key twice; the second one counts
    }


def test_decimal_numbers_are_exact_and_printed_as_strings() -> None:
    line = line_of(DATA / "gate_spot" / "spot.trades.push.json")
    (trade,) = decode(GATEIO, line, number_type=Decimal)
    assert (trade["price"], trade["quantity"]) == ("0.4705000000", "16.4700000000")


def test_every_message_of_a_frame_comes_out_in_order() -> None:
    path = DATA / "mexc_spot" / "generated_pb" / "public.miniTickers.hex"
    documented = json.loads(path.with_suffix(".json").read_text())["publicMiniTickers"]["items"]
    assert [each["symbol"] for each in decode(MEXC, path.read_bytes())] == [
        each["symbol"] for each in documented
    ]


# Recorded sessions


ACK = '{"time":1,"channel":"spot.trades","event":"subscribe","result":{"status":"success"}}'
ASK = '{"time":1,"id":3,"channel":"spot.trades","event":"subscribe","payload":["BTC_USDT"]}'


def test_a_connection_line_is_control_with_its_url_and_time() -> None:
    (control,) = decode(GATEIO, "wss://api.gateio.ws/ws/v4/ <-> 1619093531.891181")
    assert control == {
        "type": "control",
        "control": "connected",
        "direction": "received",
        "exchange": "gateio",
        "market": "spot",
        "receive_time": 1619093531891181000,
        "url": "wss://api.gateio.ws/ws/v4/",
    }


def test_a_request_line_is_control_that_was_sent() -> None:
    (control,) = decode(GATEIO, f"wss://x <- 1619093532.7708359: {ASK}")
    assert control == {
        "type": "control",
        "control": "request",
        "direction": "sent",
        "exchange": "gateio",
        "market": "spot",
        "receive_time": 1619093532770835900,
        "request": "subscribe",
        "id": 3,
        "channel": "spot.trades",
        "payload": ["BTC_USDT"],
    }


def test_a_request_is_told_from_its_answer_without_the_arrow() -> None:
    assert [kind(each) for line in (ASK, ACK) for each in decode(GATEIO, line)] == [
        "request",
        "answer",
    ]


def test_time_is_the_receive_time_of_the_message() -> None:
    frame = line_of(DATA / "gate_spot" / "spot.trades.push.json").decode()
    (trade,) = decode(GATEIO, f"1619093532.7708359: {frame}")
    assert trade["receive_time"] == 1619093532770835900


def test_a_binary_frame_has_a_time_too() -> None:
    frame = (DATA / "mexc_spot" / "generated_pb" / "public.kline.hex").read_text().strip()
    (kline,) = decode(MEXC, f"1736410707.5: {frame}")
    assert kline["receive_time"] == 1736410707500000000


def test_the_answer_to_a_get_is_skipped() -> None:
    assert kind(decode(GATEIO, "https://x/y -> 1619093532.1: {}")[0]) == "skipped"


def test_a_refusal_says_what_and_why() -> None:
    path = DATA / "gate_spot" / "spot.order_book_update.subscribe_error.live_us_unknown_pair.json"
    (control,) = decode(GATEIO, line_of(path))
    assert control["refused"] == ["spot.order_book_update NOPE_USD 100ms"]
    assert control["reason"] == "unknown currency pair: NOPE_USD"
    assert control["code"] == 2


def test_what_is_said_in_words_is_control_where_the_venue_says_it() -> None:
    (control,) = decode(MEXC, "Invalid listen key")
    assert (control["control"], control["text"]) == ("notice", "Invalid listen key")


@pytest.mark.parametrize(
    "line",
    [
        '{"channel":"spot.orders","event":"subscribe","auth":{"KEY":"topsecret","SIGN":"x"}}',
        '{"time":1,"channel":"spot.login","event":"api","payload":{"api_key":"topsecret"}}',
        'wss://x <- 1.5: {"channel":"spot.login","event":"api","payload":["topsecret"]}',
        'wss://x <- 1.5: {"unheard":"topsecret"}',
    ],
)
def test_no_secret_of_a_request_is_repeated(line: str) -> None:
    (control,) = decode(GATEIO, line)
    assert control["direction"] == "sent"
    assert "topsecret" not in json.dumps(control)


@pytest.mark.parametrize("line", ["", "   ", "\r\n", "\t\n"])
def test_a_blank_line_holds_nothing(line: str) -> None:
    assert decode(GATEIO, line) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("garbage", "neither JSON text nor hex"),
        ('{"time":1,"channel":"spot.tra', "no whole JSON"),
        ('{"channel":"spot.nothing"} {', "no whole JSON"),
        ("abc", "neither JSON text nor hex"),
        ("wss://x <- 1.5: {", "request is no whole JSON"),
        ("wss://x <- 1.5", "neither JSON text nor hex"),
        ("[" * 5000, "no whole JSON"),
        (
            '{"channel":"spot.trades","event":"update","result":{"currency_pair":"BTC_USDT"}}',
            "spot.trades BTC_USDT",
        ),
    ],
)
def test_what_cannot_be_decoded_is_an_error_that_says_why(line: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(GATEIO, line)


@given(st.integers(0, 10**10 - 1), st.text("0123456789", max_size=12))
def test_seconds_become_nanoseconds_exactly(whole: int, fraction: str) -> None:
    text = f"{whole}.{fraction}" if fraction else str(whole)
    assert nanoseconds(text) == int(Decimal(text).scaleb(9))


@pytest.mark.parametrize("exchange", [GATEIO, MEXC])
def test_any_bytes_give_objects_or_a_decode_error(exchange: ExchangeEnum) -> None:
    reader = decoder(exchange)
    prefix = st.sampled_from([b"", b"1.5: ", b"wss://x <- 1.5: ", b"wss://x <-> ", b"x -> 1: "])
    body = st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=80).map(lambda raw: raw.hex().encode()),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.dictionaries(
                    st.sampled_from(
                        ["channel", "event", "result", "method", "payload", "msg", "id"]
                    ),
                    inner | st.sampled_from(["spot.trades", "subscribe", "update", "PING"]),
                )
                | st.lists(inner, max_size=3)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )

    @given(prefix, body)
    def check(before: bytes, frame: bytes) -> None:
        try:
            results = reader.decode(before + frame)
        except DecodeError:
            return
        for each in results:
            msgspec.json.encode(each)

    check()
