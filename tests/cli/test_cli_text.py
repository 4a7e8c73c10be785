"""The readable line of each message and each event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from trioex import BookDelta, BookSnapshot, BookTicker, ExchangeEnum, Kline, Side, Ticker, Trade
from trioex.cli.text import clock, event_line, message_line, number, value
from trioex.events import (
    Connected,
    Disconnected,
    Reconnected,
    SlowConsumer,
    SubscriptionRefused,
    VenueNotice,
)

NOON = 1_790_078_400_123_456_789  # 2026-09-22 12:00:00.123 UTC
WHERE = (ExchangeEnum.GATEIO, "spot", "BTCUSDT", NOON, NOON)
LINE: Any = (ExchangeEnum.MEXC, "spot", 0, NOON)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (1e-8, "0.00000001"),
        (62000.0, "62000"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (Decimal("0.4705000000"), "0.4705000000"),
        (Decimal("1E-7"), "0.0000001"),
    ],
)
def test_numbers_are_written_in_full(given: float | Decimal, text: str) -> None:
    assert number(given) == text


def test_the_clock_is_utc_to_the_millisecond() -> None:
    assert clock(NOON) == "12:00:00.123"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Trade(*WHERE, 62000.5, 0.01, Side.BUY), "62000.5 buy 0.01"),
        (BookTicker(*WHERE, 1.0, 2.0, 3.0, 4.0), "1 / 3  (2 / 4)"),
        (
            BookDelta(*WHERE, ((1.0, 0.0),), ((2.0, 1.0), (3.0, 0.0)), 7, 9),
            "1 bids, 2 asks changed  (version 7 to 9)",
        ),
        (
            BookSnapshot(*WHERE, ((1.0, 5.0),), ((2.0, 5.0),), 9),
            "1 / 2  (1 bids, 1 asks, version 9)",
        ),
        (BookSnapshot(*WHERE, (), (), 9), "- / -  (0 bids, 0 asks, version 9)"),
        (
            Ticker(*WHERE, 5.0, 6.0, 4.0, 1.0, 5.0, -1.256),
            "5  -1.26 %  (high 6, low 4)",
        ),
        (
            Kline(*WHERE, "1m", NOON, NOON + 60 * 10**9, 1.0, 4.0, 0.5, 2.0, None, 3.0),
            "1m from 12:00:00: open 1, high 4, low 0.5, close 2",
        ),
    ],
)
def test_what_a_message_says(message: Any, text: str) -> None:
    assert value(message) == text
    line = message_line(message)
    assert line.startswith("12:00:00.123  gateio  BTCUSDT")
    assert line.endswith(text)
    assert line.isascii()
    assert "\n" not in line


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Connected(*LINE), "mexc connection 0: connected"),
        (Disconnected(*LINE, "cut", 0.0), "mexc connection 0: lost, trying again at once: cut"),
        (Disconnected(*LINE, "cut", 1.25), "lost, trying again in 1.2 s: cut"),
        (Disconnected(*LINE, "cut", None), "lost, for good: cut"),
        (Reconnected(*LINE, 4_250_000, 1), "reconnected and subscribed again after 4.2 ms"),
        (SlowConsumer(*LINE[:2], -1, NOON, "spot.trades", 5, 10), "mexc: 5 bytes wait for spot"),
        (SlowConsumer(*LINE[:2], -1, NOON, None, 5, 10), "5 bytes wait for the router"),
        (SubscriptionRefused(*LINE, "spot.trades.X", "no\n such", 2), "spot.trades.X refused: no"),
        (VenueNotice(*LINE, "upgrade", "soon"), "the exchange says 'upgrade': soon"),
    ],
)
def test_what_an_event_says(event: Any, text: str) -> None:
    line = event_line(event)
    assert text in line
    assert line.startswith("12:00:00.123  mexc")
    assert "\n" not in line
