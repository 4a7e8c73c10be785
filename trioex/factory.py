"""The one function most programs start with, and the one it replaced."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .binding import Handler
from .channels import ExchangeEnum, suggestion
from .config import ExchangeConfig, WebSocketConfig, parse_exchange
from .errors import ConfigError
from .manager import ConnectionHandlers, WebSocketManager

__all__ = ["create_exchange_component", "create_websocket_client"]

_COMPONENTS = ("websocket",)


def create_exchange_component(
    exchange: ExchangeEnum | str,
    config: ExchangeConfig | WebSocketConfig | None = None,
    component_type: str = "websocket",
    bind_channels: Mapping[Any, Handler | Iterable[Handler]] | None = None,
    connection_handlers: ConnectionHandlers | None = None,
    is_private: bool = False,
) -> WebSocketManager:
    """Make a component of an exchange; `async with` runs it.

    Args:
        exchange: `ExchangeEnum.MEXC`, `"gateio"`, …
        config: settings other than the defaults.
        component_type: `"websocket"`.
        bind_channels: channel to handler, or to several; bound at once.
        connection_handlers: one or several, called with each event of `trioex.events`.
        is_private: for the account's own channels; not in this version.

    Raises:
        ConfigError: names the argument and what is allowed.
        BindingError: a channel or handler that cannot be bound.
    """
    which = parse_exchange(exchange)
    if component_type not in _COMPONENTS:
        hint = suggestion(str(component_type), _COMPONENTS)
        raise ConfigError(
            f"component_type={component_type!r} is not allowed{hint}; "
            f"allowed are {', '.join(_COMPONENTS)}"
        )
    if not isinstance(is_private, bool):
        raise ConfigError(f"is_private={is_private!r} must be True or False")
    if is_private:
        raise ConfigError("is_private=True: private channels are not in this version")
    return WebSocketManager(
        _settings(which, config),
        bind_channels=bind_channels,
        connection_handlers=connection_handlers,
    )


def _settings(exchange: ExchangeEnum, config: object) -> WebSocketConfig:
    if config is None:
        return WebSocketConfig(exchange=exchange)
    if isinstance(config, ExchangeConfig):
        config = config.websocket
    if not isinstance(config, WebSocketConfig):
        raise ConfigError(
            f"config must be an ExchangeConfig, a WebSocketConfig or None, not {config!r}"
        )
    if config.exchange is None:
        return attrs.evolve(config, exchange=exchange)
    if config.exchange is not exchange:
        raise ConfigError(
            f"config is for {str(config.exchange)!r} and exchange={str(exchange)!r}; "
            "give both the same"
        )
    return config


def create_websocket_client(
    *args: Any,
    message_handler: Handler | None = None,
    connection_handler: Handler | None = None,
    **kwargs: Any,
) -> WebSocketManager:
    """Deprecated since 0.1: use `create_exchange_component`, which takes the same arguments.

    Args:
        message_handler: called with every message that arrives, whatever its channel; bind
            handlers to channels instead.
        connection_handler: `connection_handlers` of the replacement.
    """
    warnings.warn(
        "create_websocket_client is deprecated since trioex 0.1 and will go in 1.0: use "
        "create_exchange_component(exchange, config, bind_channels=…, connection_handlers=…)",
        DeprecationWarning,
        stacklevel=2,
    )
    if connection_handler is not None:
        kwargs["connection_handlers"] = connection_handler
    manager = create_exchange_component(*args, **kwargs)
    if message_handler is not None:
        for kind in manager.venue.channels:
            manager.bind(kind, message_handler)
    return manager
