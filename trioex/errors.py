"""The exceptions of trioex, and what to do about each.

Everything raised on purpose descends from `TrioexError`. Closed means you ended it; Lost
and Failed mean the other side did.

    TrioexError
    ├── ConfigError             (ValueError)  a setting that cannot work
    ├── BindingError            (ValueError)  a channel, handler or keyword that cannot be bound
    │   ├── ChannelError                      not `market.kind[.SYMBOL]`, or no such kind
    │   └── UnknownSymbol                     the instrument list does not hold it
    ├── SubscriptionRefused                   the exchange said no to one subscription
    ├── QueueOverflow                         a binding with `overflow="raise"` fell behind
    ├── ManagerClosed                         used after you closed it
    ├── ConnectFailed                         no connection could be opened
    │   └── HandshakeRejected                 the server answered HTTP instead of a WebSocket
    ├── ConnectionLost                        an open connection ended
    │   ├── FrameError                        the peer broke RFC 6455
    │   └── PeerSilent                        nothing was heard within the deadline
    ├── DecodeError             (ValueError)  a frame that is not what its channel promises
    ├── RecordingError          (ValueError)  a recording that cannot be read
    └── HttpError                             a REST call failed

`classify` says what a supervisor does next. It is pure; a replacement may be configured.
"""

from __future__ import annotations

import enum

__all__ = [
    "BindingError",
    "ChannelError",
    "ConfigError",
    "ConnectFailed",
    "ConnectionLost",
    "DecodeError",
    "FrameError",
    "HandshakeRejected",
    "HttpError",
    "ManagerClosed",
    "PeerSilent",
    "QueueOverflow",
    "RecordingError",
    "SubscriptionRefused",
    "TrioexError",
    "UnknownSymbol",
    "Verdict",
    "classify",
]


class TrioexError(Exception):
    """The root of everything trioex raises on purpose."""


class ConfigError(TrioexError, ValueError):
    """A setting that cannot work; the message names the setting and what is allowed."""


class BindingError(TrioexError, ValueError):
    """A channel, a handler or a keyword of `bind` that cannot be bound."""


class ChannelError(BindingError):
    """A channel name that is not `market.kind` or `market.kind.SYMBOL`, or that nobody offers."""


class UnknownSymbol(BindingError):
    """The exchange's instrument list holds no such symbol; the message names near ones."""


class SubscriptionRefused(TrioexError):
    """The exchange refused one subscription; only its own bindings fail.

    Attributes:
        channel: the channel that was asked for.
        code: the venue's error code, or None where it gives none.
        reason: the venue's own words.
    """

    def __init__(self, channel: str, reason: str, code: int | None = None) -> None:
        super().__init__(channel, reason, code)
        self.channel = channel
        self.reason = reason
        self.code = code

    def __str__(self) -> str:
        code = "" if self.code is None else f" (code {self.code})"
        return f"{self.channel}: the exchange refused the subscription{code}: {self.reason.strip()}"


class QueueOverflow(TrioexError):
    """A binding with `overflow="raise"` had a full queue when a message came."""


class ManagerClosed(TrioexError):
    """The manager was already closed, by you."""


class ConnectFailed(TrioexError):
    """No connection could be opened; `__cause__` holds what the system or the peer said."""


class HandshakeRejected(ConnectFailed):
    """The server answered the WebSocket handshake with an ordinary HTTP response.

    Attributes:
        status: the HTTP status.
        retry_after: seconds the server asked us to wait, or None.
    """

    def __init__(self, url: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(url, status, retry_after)
        self.url = url
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f"; it asks to wait {self.retry_after:g} s"
        return f"{self.url} answered the WebSocket handshake with HTTP {self.status}{wait}"


class ConnectionLost(TrioexError):
    """An open connection ended, and not by our wish."""


class FrameError(ConnectionLost):
    """The peer broke RFC 6455.

    Attributes:
        close_code: what we tell the peer (1002 protocol, 1007 bad UTF-8, 1009 too big).
    """

    def __init__(self, reason: str, close_code: int = 1002) -> None:
        super().__init__(reason)
        self.close_code = close_code


class PeerSilent(ConnectionLost):
    """Nothing was heard from the peer within the deadline."""


class DecodeError(TrioexError, ValueError):
    """A frame that is not what its channel promises."""


class RecordingError(TrioexError, ValueError):
    """A recording that cannot be read; the message names the file and the line."""


class HttpError(TrioexError):
    """A REST call failed.

    Attributes:
        status: the HTTP status, or None when no answer came.
        retry_after: seconds the server asked us to wait, or None.
    """

    def __init__(
        self, message: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Verdict(enum.Enum):
    """What a supervisor does about a failure."""

    RETRY = "retry"
    """Reopen: at once the first time, with back-off after."""
    RETRY_LATER = "retry later"
    """Reopen, but not before the server's own wait is over."""
    GIVE_UP = "give up"
    """Stop: trying again cannot help."""


_LATER = frozenset({418, 429, 503})
_FINAL = frozenset({401, 403, 404, 410, 451})


def classify(failure: BaseException) -> Verdict:
    """Say what to do about a failure of a connection.

    Args:
        failure: what ended the connection or the attempt to open it.

    Returns:
        GIVE_UP for a refusal that will not change (bad credentials, forbidden region, wrong
        path) and for mistakes of configuration, RETRY_LATER for limits of rate, RETRY for
        everything else.
    """
    status = getattr(failure, "status", None)
    if status in _LATER:
        return Verdict.RETRY_LATER
    if status in _FINAL or isinstance(failure, (ConfigError, BindingError, ManagerClosed)):
        return Verdict.GIVE_UP
    return Verdict.RETRY
