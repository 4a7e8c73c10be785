"""trioex: live market data of crypto exchanges, for programs written with Trio.

    async with create_exchange_component("gateio", bind_channels={...}) as ws:
        async with ws.bind("spot.trades.BTCUSDT") as trades:
            async for trade in trades:
                ...

The modules, in the order of their dependence:

* `errors`, `channels`, `messages`, `events`, `config`: the words.
* `frames`, `router`, `subscriptions`, `backoff`, `exchanges`: pure; bytes in, messages out.
* `orderbook`, `synchroniser`: pure; a book, and how it is kept from these.
* `transport`, `http`, `rest`, `books`, `handoff`, `connection`, `supervisor`: sockets and tasks.
* `binding`, `registry`, `manager`, `factory`: what a program holds.
* `simulator`, `testing`, `cli`: an exchange to try it on, and the command line.
"""

from .binding import Binding, BindingState
from .channels import (
    BookSource,
    Channel,
    ExchangeEnum,
    PrivateChannelType,
    PublicChannelType,
    validate_binding,
)
from .config import (
    Environment,
    ErrorPolicy,
    ExchangeConfig,
    OverflowPolicy,
    Redundancy,
    WebSocketConfig,
)
from .errors import (
    AuthenticationFailed,
    BindingError,
    BookArgumentError,
    BookNotLive,
    ChannelError,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    DecodeError,
    ManagerClosed,
    QueueOverflow,
    SubscriptionRefused,
    TrioexError,
    UnknownSymbol,
)
from .events import (
    BookStateChanged,
    ChannelLive,
    ChannelStale,
    Connected,
    ConnectionEvent,
    Disconnected,
    Gap,
    Reconnected,
    Rotated,
    SlowConsumer,
    VenueNotice,
)
from .factory import create_exchange_component, create_websocket_client
from .instrumentation import LoggingTimer
from .manager import BaseWebsocketInterface, ManagerStatistics, WebSocketManager
from .messages import BookDelta, BookSnapshot, BookState, BookTicker, Kline, Side, Ticker, Trade
from .orderbook import OrderBook, Sweep
from .staleness import ChannelState

__all__ = [
    "AuthenticationFailed",
    "BaseWebsocketInterface",
    "Binding",
    "BindingError",
    "BindingState",
    "BookDelta",
    "BookArgumentError",
    "BookNotLive",
    "BookSnapshot",
    "BookSource",
    "BookState",
    "BookStateChanged",
    "BookTicker",
    "Channel",
    "ChannelError",
    "ChannelLive",
    "ChannelStale",
    "ChannelState",
    "ConfigError",
    "ConnectFailed",
    "Connected",
    "ConnectionEvent",
    "ConnectionLost",
    "DecodeError",
    "Disconnected",
    "Environment",
    "ErrorPolicy",
    "ExchangeConfig",
    "ExchangeEnum",
    "Gap",
    "Kline",
    "LoggingTimer",
    "ManagerClosed",
    "ManagerStatistics",
    "OrderBook",
    "OverflowPolicy",
    "PrivateChannelType",
    "PublicChannelType",
    "QueueOverflow",
    "Reconnected",
    "Redundancy",
    "Rotated",
    "Side",
    "SlowConsumer",
    "SubscriptionRefused",
    "Sweep",
    "Ticker",
    "Trade",
    "TrioexError",
    "UnknownSymbol",
    "VenueNotice",
    "WebSocketConfig",
    "WebSocketManager",
    "create_exchange_component",
    "create_websocket_client",
    "validate_binding",
]
