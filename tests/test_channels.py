"""Channel names, parameters and what may be bound to them."""

from __future__ import annotations

import re
from functools import partial
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex import (
    BindingError,
    Channel,
    ChannelError,
    PrivateChannelType,
    PublicChannelType,
    validate_binding,
)
from trioex.channels import Parameters, suggestion


def handler(message: object) -> None: ...


async def async_handler(message: object) -> None: ...


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (PublicChannelType.ORDERBOOK, "spot.orderbook"),
        (PublicChannelType.TRADES, "spot.trades"),
        (PublicChannelType.TICKER, "spot.ticker"),
        (PrivateChannelType.ORDERS, "spot.orders"),
        (PrivateChannelType.BALANCES, "spot.balances"),
        (PrivateChannelType.POSITIONS, "futures.positions"),
    ],
)
def test_names_users_know(member: str, name: str) -> None:
    assert member == name
    assert str(Channel.parse(member)) == name


def test_parse_takes_a_name_apart() -> None:
    channel = Channel.parse("spot.orderbook.BTCUSDT")
    assert channel == Channel(PublicChannelType.ORDERBOOK, "BTCUSDT")
    assert (channel.market, channel.kind, channel.symbol) == ("spot", "orderbook", "BTCUSDT")
    assert str(channel) == "spot.orderbook.BTCUSDT"
    assert Channel.parse(channel) is channel
    assert not channel.is_private
    assert Channel.parse("futures.positions").is_private


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("spot.orderbok.BTCUSDT", "did you mean 'spot.orderbook'"),
        ("spot.orderbook.btcusdt", "did you mean 'spot.orderbook.BTCUSDT'"),
        ("spot.orderbook.BTC_USDT", "did you mean 'spot.orderbook.BTCUSDT'"),
        ("spot.orderbook.BTC/USDT", "did you mean 'spot.orderbook.BTCUSDT'"),
        ("SPOT.trades", "did you mean 'spot.trades'"),
        ("trades", "market.kind"),
        ("", "market.kind"),
        ("spot.trades.BTCUSDT.x", "market.kind"),
        ("spot.trades.BTCUSDT\n", "market.kind"),
        (" spot.trades", "market.kind"),
        ("moon.trades", "spot.trades"),
        (None, "not None"),
        (7, "not 7"),
        (b"spot.trades", "not b'spot.trades'"),
    ],
)
def test_what_is_no_channel_says_what_is(name: object, says: str) -> None:
    with pytest.raises(ChannelError, match=re.escape(says)) as caught:
        validate_binding(name, handler)
    assert isinstance(caught.value, ValueError)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_parse_or_raise_our_error(text: str) -> None:
    try:
        channel = Channel.parse(text)
    except ChannelError:
        return
    assert str(channel) == text


class Callable1:
    def __call__(self, message: object) -> None: ...

    def method(self, message: object) -> None: ...


@pytest.mark.parametrize(
    "good",
    [
        handler,
        async_handler,
        partial(lambda a, b: None, 1),
        lambda *args: None,
        lambda message, more=1: None,
        print,
        [].append,
        Callable1(),
        Callable1().method,
        Mock(),
        AsyncMock(),
    ],
)
def test_handlers_of_one_argument_are_taken(good: object) -> None:
    assert validate_binding("spot.trades", good) == Channel(PublicChannelType.TRADES)


@pytest.mark.parametrize(
    "bad", [None, 3, "handler", lambda: None, lambda a, b: None, lambda *, a: None]
)
def test_what_cannot_be_called_with_one_message_is_refused(bad: object) -> None:
    with pytest.raises(BindingError, match="callable with one message"):
        validate_binding("spot.trades.BTCUSDT", bad)


def test_parameters_accept_what_they_leave_open() -> None:
    actual = Parameters(depth=20, speed="100ms")
    assert Parameters().accepts(actual)
    assert Parameters(depth=20).accepts(actual)
    assert not Parameters(depth=5).accepts(actual)
    assert Parameters(interval="1m").given() == {"interval": "1m"}


def test_suggestion_is_silent_about_strangers() -> None:
    assert suggestion("BTCUSD", ["BTCUSDT", "ETHUSDT"]) == " (did you mean 'BTCUSDT'?)"
    assert suggestion("qqq", ["BTCUSDT"]) == ""
