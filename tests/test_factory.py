"""The factory says what is allowed, and the wrapper it replaced still works."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from trioex import (
    ChannelError,
    ConfigError,
    ExchangeConfig,
    ExchangeEnum,
    Trade,
    WebSocketConfig,
    WebSocketManager,
    create_exchange_component,
    create_websocket_client,
)


@pytest.mark.parametrize("exchange", ["mexc", "MEXC", ExchangeEnum.MEXC])
@pytest.mark.parametrize(
    "config",
    [None, WebSocketConfig(), WebSocketConfig(exchange="mexc"), ExchangeConfig(exchange="mexc")],
)
def test_makes_a_manager_of_the_exchange(exchange: str, config: object) -> None:
    manager = create_exchange_component(exchange, config)  # type: ignore[arg-type]
    assert isinstance(manager, WebSocketManager)
    assert manager.config.exchange is ExchangeEnum.MEXC


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"exchange": "gate"}, "did you mean 'gateio'.*allowed are mexc, gateio"),
        ({"exchange": None}, "allowed are mexc, gateio"),
        ({"config": {}}, "ExchangeConfig, a WebSocketConfig or None"),
        ({"config": ExchangeConfig(exchange="mexc")}, "config is for 'mexc'"),
        ({"component_type": "websockets"}, "did you mean 'websocket'"),
        ({"component_type": "rest"}, "allowed are websocket"),
        ({"is_private": True}, "private channels are not in this version"),
        ({"is_private": "no"}, "must be True or False"),
        ({"bind_channels": 3}, "must map channels to handlers"),
        ({"bind_channels": {"spot.trades": 3}}, r"bind_channels\['spot.trades'\]"),
        ({"bind_channels": {"spot.trades": None}}, r"\['spot.trades'\]=None .* one or several"),
        ({"bind_channels": {"nonsense": []}}, r"\['nonsense'\]=\[\] is no handler"),
        ({"bind_channels": {"spot.trades": [print, None]}}, r"\['spot.trades'\] .*, None\]"),
        ({"bind_channels": {"spot.trades": {"a": print}}}, r"\['spot.trades'\] .* or several"),
        ({"connection_handlers": {"connected": print}}, "connection_handlers must be"),
        ({"config": WebSocketConfig(market="margin")}, "known are mexc spot, gateio spot"),
    ],
)
def test_every_argument_is_checked_and_the_message_says_what_is_allowed(
    arguments: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        create_exchange_component(**{"exchange": "gateio"} | arguments)  # type: ignore[arg-type]


def test_a_wrong_channel_is_a_channel_error() -> None:
    with pytest.raises(ChannelError, match=r"spot\.trades\.BTCUSDT"):
        create_exchange_component("gateio", bind_channels={"spot.trades.btcusdt": print})


async def test_several_handlers_a_channel() -> None:
    first, second = Mock(), Mock()
    manager = create_exchange_component(
        "gateio", bind_channels={"spot.trades.BTCUSDT": [first, second]}
    )
    await manager.process_test_message()
    first.assert_called_once()
    second.assert_called_once()


async def test_the_deprecated_wrapper_names_its_replacement_and_works() -> None:
    messages, events = Mock(), Mock()
    with pytest.warns(DeprecationWarning, match="create_exchange_component") as caught:
        manager = create_websocket_client(
            "gateio",
            bind_channels={"spot.ticker.BTCUSDT": lambda message: None},
            message_handler=messages,
            connection_handler=events,
        )
    assert caught[0].filename == __file__, "it points at the caller"
    await manager.process_test_message()
    assert any(isinstance(call.args[0], Trade) for call in messages.call_args_list)
    assert {str(call.args[0].symbol) for call in messages.call_args_list} >= {"BTCUSDT"}
