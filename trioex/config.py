"""What a user may set, checked when it is set.

`ExchangeConfig` is an exchange and the keys to it; its `websocket` is the `WebSocketConfig`
that a manager takes. Secrets never appear in a repr.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, cast

import attrs

from .channels import ExchangeEnum, suggestion
from .errors import ConfigError, Verdict, classify
from .instrumentation.latency import Latency
from .messages import Number
from .urls import shown

if TYPE_CHECKING:
    import trio

__all__ = [
    "Dial",
    "Environment",
    "ErrorPolicy",
    "ExchangeConfig",
    "Fetch",
    "Log",
    "LogFactory",
    "OverflowPolicy",
    "Redundancy",
    "WebSocketConfig",
    "choice",
    "parse_exchange",
]

Dial: TypeAlias = "Callable[[str], Awaitable[trio.abc.Stream]]"
"""url -> an open byte stream to its host, TLS done. The seam below which a network is."""

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""url -> the body of a GET. The seam below which REST is."""


class Log(Protocol):
    """Where the library logs: a logger of `logging`, a `FastLogger`, or what behaves as they do.

    An exception comes as `exc_info=` where its traceback is of use.
    """

    def log(self, level: int, text: str, /, *arguments: Any) -> None:
        """Take a message of any level."""

    def debug(self, text: str, /, *arguments: Any) -> None:
        """Take what is of use to somebody who looks for a fault."""

    def warning(self, text: str, /, *arguments: Any) -> None:
        """Take what may need to be looked after."""

    def error(self, text: str, /, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """Take what went wrong."""


LogFactory: TypeAlias = Callable[[str], Log]
"""The name of a part, such as `trioex.router` -> where it logs."""

E = TypeVar("E", bound=StrEnum)


class OverflowPolicy(StrEnum):
    """What happens to a message when a binding's queue is full."""

    BLOCK = "block"
    """The router waits: nothing is lost, and everything behind waits too."""
    LATEST = "latest"
    """Only the newest message is kept."""
    DROP_OLDEST = "drop_oldest"
    """The oldest message makes room."""
    RAISE = "raise"
    """`QueueOverflow` is raised, as if by the handler."""


class Redundancy(StrEnum):
    """How many connections carry a line."""

    NONE = "none"
    """One."""
    STANDBY = "standby"
    """One, and a second that is connected and takes over in one round trip."""
    HOT = "hot"
    """Two that carry everything; each message is delivered once. Losing one loses nothing."""


class ErrorPolicy(StrEnum):
    """What an exception in a handler does."""

    RAISE = "raise"
    """It leaves through the manager's nursery and ends everything."""
    UNBIND = "unbind"
    """It is logged and the binding ends."""
    LOG = "log"
    """It is logged and the binding goes on."""


@attrs.frozen
class Environment:
    """Wall time, fine time and randomness, all that does not come from Trio's clock.

    Attributes:
        time_ns: wall time, ns since the epoch.
        random: the source of jitter.
        perf_ns: a clock that is never set, ns since whenever: what durations are measured with.
    """

    time_ns: Callable[[], int] = time.time_ns
    random: random.Random = attrs.field(factory=random.Random, repr=False)
    perf_ns: Callable[[], int] = time.perf_counter_ns


def choice(enum: type[E], name: str, value: object) -> E:
    """Convert `value` to a member of `enum`.

    Raises:
        ConfigError: names the setting, lists what is allowed and suggests a near spelling.
    """
    try:
        return enum(str(value))
    except ValueError:
        allowed = [str(each) for each in enum]
        hint = suggestion(str(value), allowed)
        raise ConfigError(
            f"{name}={value!r} is not allowed{hint}; allowed are {', '.join(allowed)}"
        ) from None


def parse_exchange(value: object) -> ExchangeEnum:
    """Convert `mexc`, `GATEIO` or a member to an ExchangeEnum; raises ConfigError."""
    return choice(ExchangeEnum, "exchange", value.lower() if isinstance(value, str) else value)


def _overflow(value: object) -> OverflowPolicy:
    return choice(OverflowPolicy, "overflow", value)


def _on_error(value: object) -> ErrorPolicy:
    return choice(ErrorPolicy, "on_error", value)


def _redundancy(value: object) -> Redundancy:
    return choice(Redundancy, "redundancy", value)


def _logger(value: object) -> LogFactory:
    if callable(value):
        return cast("LogFactory", value)
    if all(callable(getattr(value, each, None)) for each in ("log", "debug", "warning", "error")):
        log = cast("Log", value)
        return lambda _name: log
    raise ConfigError(f"logger={value!r} must be a logger, or a function of a name that gives one")


def _latency(value: object) -> Latency | bool:
    if isinstance(value, (bool, Latency)):
        return value
    raise ConfigError(f"latency={value!r} must be True, False or a Latency")


def _optional_exchange(value: object) -> ExchangeEnum | None:
    return None if value is None else parse_exchange(value)


def _in_range(low: float, high: float) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{attribute.name}={value!r} must be a number")
        if not low <= value <= high:
            raise ConfigError(f"{attribute.name}={value!r} must be from {low:g} to {high:g}")

    return check


def _one_of(*allowed: object) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in allowed:
            names = ", ".join(getattr(each, "__name__", repr(each)) for each in allowed)
            raise ConfigError(f"{attribute.name}={value!r} is not allowed; allowed are {names}")

    return check


def _is_a(kind: type, allowed: str) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigError(f"{attribute.name}={value!r} must be {allowed}")

    return check


def _function(allowed: str) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not callable(value):
            raise ConfigError(f"{attribute.name}={value!r} must be {allowed}")

    return check


def _address(*schemes: str) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is None or (isinstance(value, str) and value.partition("://")[0] in schemes):
            return
        wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
        raise ConfigError(f"{attribute.name}={_repr_of_url(value)} must be {wanted}")

    return check


def _repr_of_url(value: object) -> str:
    return repr(shown(value) if isinstance(value, str) else value)


@attrs.frozen(kw_only=True)
class WebSocketConfig:
    """How a manager connects, reads and delivers. Times are seconds.

    Attributes:
        exchange: which one; taken from the ExchangeConfig where this is part of one.
        market: `spot`.
        url, rest_url: other addresses than the venue's own.
        number_type: `float` or `decimal.Decimal`, the type of prices and quantities.
        handoff: `channel` puts a memory channel between socket and router, so that reading
            goes on while a handler is slow; `direct` calls the router from the socket's own
            task, for the lowest latency.
        spin: ask sockets over and over for what has arrived instead of waiting to be woken up:
            the lowest latency, for a processor of its own that is never idle. For one connection
            or a few; those of `dial` wait as they do.
        frame_channel_bytes: bound of that memory channel. At half of it slow consumers are
            reported, at the bound reading pauses.
        queue_size: messages a binding's queue holds, unless `bind` says otherwise.
        overflow, on_error: policies of a binding, unless `bind` says otherwise.
        max_message_bytes: a longer message ends the connection.
        connect_timeout: for one attempt to open a connection, TLS and handshake included, and
            for the first connection as a whole.
        subscribe_timeout: a request without an answer is sent again after this.
        pong_timeout: a peer from which nothing is heard for so long after a ping is dead.
        ping_interval: between application pings; None for the venue's own.
        close_timeout: everything that ends in peace ends within this.
        reconnect: False lets the manager end when its connection ends.
        redundancy: `none`, `standby` or `hot`; see `Redundancy`.
        max_age: a connection is replaced before it is so old; None for the venue's own rule.
        rotation_overlap: how long both connections of a replacement carry everything.
        data_timeout: a connection with confirmed subscriptions that brings no push for so long
            is dead, however well it answers pings; None for never.
        stale_after: a channel that was silent for so long is stale; None judges only channels
            with a natural rate, by that.
        book_audit: seconds in which every order book that is LIVE is compared once with one by
            REST, of the same version; None for never. One that differs is built anew, and one
            whose stream fell silent. Those of `source="limited"` are left out.
        backoff_first, backoff_most: delay of the second attempt to reconnect and the most it
            grows to; the first attempt is made at once.
        ssl_context: for TLS; None for the system's trust.
        dial, fetch: replace the network: a byte stream for a URL, a body for a GET.
        classify: replaces `trioex.errors.classify`.
        environment: wall time, fine time and randomness.
        latency: True measures where the time goes, for `statistics().latency`; a `Latency` does
            so for all managers that are given it.
        logger: where the library logs: a logger, or a function that is called with the names of
            its parts, `trioex.router`, `trioex.leg` and others, and gives one. The default is
            that of `logging`. With a `FastLogger` nothing on the way of a message waits for a
            file; what is noted is written before the manager's block is left in peace, within
            `close_timeout`.
    """

    exchange: ExchangeEnum | None = attrs.field(default=None, converter=_optional_exchange)
    market: str = attrs.field(default="spot", validator=_is_a(str, "a name such as 'spot'"))
    url: str | None = attrs.field(default=None, validator=_address("ws", "wss"), repr=_repr_of_url)
    rest_url: str | None = attrs.field(
        default=None, validator=_address("http", "https"), repr=_repr_of_url
    )
    number_type: type[Number] = attrs.field(default=float, validator=_one_of(float, Decimal))
    handoff: Literal["channel", "direct"] = attrs.field(
        default="channel", validator=_one_of("channel", "direct")
    )
    spin: bool = attrs.field(default=False, validator=_one_of(True, False))
    frame_channel_bytes: int = attrs.field(default=64 << 20, validator=_in_range(1 << 10, 1 << 40))
    queue_size: int = attrs.field(default=65_536, validator=_in_range(1, 1 << 40))
    overflow: OverflowPolicy = attrs.field(default=OverflowPolicy.BLOCK, converter=_overflow)
    on_error: ErrorPolicy = attrs.field(default=ErrorPolicy.RAISE, converter=_on_error)
    max_message_bytes: int = attrs.field(default=16 << 20, validator=_in_range(1 << 10, 1 << 32))
    connect_timeout: float = attrs.field(default=10.0, validator=_in_range(0.001, 3600))
    subscribe_timeout: float = attrs.field(default=10.0, validator=_in_range(0.001, 3600))
    pong_timeout: float = attrs.field(default=10.0, validator=_in_range(0.001, 3600))
    ping_interval: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_in_range(0.001, 3600))
    )
    close_timeout: float = attrs.field(default=1.0, validator=_in_range(0.0, 3600))
    reconnect: bool = attrs.field(default=True, validator=_one_of(True, False))
    redundancy: Redundancy = attrs.field(default=Redundancy.NONE, converter=_redundancy)
    max_age: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_in_range(0.001, 1e9))
    )
    rotation_overlap: float = attrs.field(default=1.0, validator=_in_range(0.0, 3600))
    data_timeout: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_in_range(0.001, 1e9))
    )
    stale_after: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_in_range(0.001, 1e9))
    )
    book_audit: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_in_range(1.0, 1e9))
    )
    backoff_first: float = attrs.field(default=0.1, validator=_in_range(0.0, 3600))
    backoff_most: float = attrs.field(default=30.0, validator=_in_range(0.001, 86_400))
    ssl_context: ssl.SSLContext | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(_is_a(ssl.SSLContext, "an ssl.SSLContext or None")),
        repr=False,
    )
    dial: Dial | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(
            _function("an async function of a URL that returns a byte stream, or None")
        ),
        repr=False,
    )
    fetch: Fetch | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(
            _function("an async function of a URL that returns bytes, or None")
        ),
        repr=False,
    )
    classify: Callable[[BaseException], Verdict] = attrs.field(
        default=classify,
        validator=_function("a function of an exception that returns a trioex.errors.Verdict"),
        repr=False,
    )
    environment: Environment = attrs.field(
        factory=Environment, validator=_is_a(Environment, "a trioex.Environment"), repr=False
    )
    latency: Latency | bool = attrs.field(default=False, converter=_latency)
    logger: LogFactory = attrs.field(default=logging.getLogger, converter=_logger, repr=False)


@attrs.frozen(kw_only=True)
class ExchangeConfig:
    """An exchange, the keys to it, and how its WebSocket is run.

    Attributes:
        exchange: which one.
        api_key, api_secret: for private channels; never shown.
        websocket: the settings a `WebSocketManager` takes; its exchange is filled in.
    """

    exchange: ExchangeEnum = attrs.field(converter=parse_exchange)
    api_key: str | None = attrs.field(default=None, repr=False)
    api_secret: str | None = attrs.field(default=None, repr=False)
    websocket: WebSocketConfig = attrs.field(
        factory=WebSocketConfig, validator=_is_a(WebSocketConfig, "a WebSocketConfig")
    )

    def __attrs_post_init__(self) -> None:
        theirs = self.websocket.exchange
        if theirs is None:
            filled = attrs.evolve(self.websocket, exchange=self.exchange)
            object.__setattr__(self, "websocket", filled)
        elif theirs is not self.exchange:
            raise ConfigError(
                f"websocket.exchange={str(theirs)!r} contradicts exchange={str(self.exchange)!r}"
            )
