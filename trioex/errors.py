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
    ├── BookNotLive                           an order book that is not known to be true was read
    ├── BookArgumentError       (ValueError)  an order book was asked for what cannot be
    ├── AuthenticationFailed                  the exchange does not accept who we say we are
    ├── DecodeError             (ValueError)  a frame that is not what its channel promises
    ├── RecordingError          (ValueError)  a recording that cannot be read
    └── HttpError                             a REST call failed

`classify` says what a supervisor does next. It is pure; a replacement may be configured.
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import Callable
from typing import cast

from .urls import shown

__all__ = [
    "AuthenticationFailed",
    "BindingError",
    "BookArgumentError",
    "BookNotLive",
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
    """The exchange's instrument list holds no such symbol; the message names near ones.

    Args:
        hint: what to say besides; asked for when somebody reads the message, as it takes long to
            find among thousands of symbols.
    """

    def __init__(self, message: str, hint: Callable[[], str] | None = None) -> None:
        super().__init__(message)
        self._hint = hint

    def __str__(self) -> str:
        return super().__str__() + ("" if self._hint is None else self._hint())


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
        url: whose server, without what may be secret in it.
        status: the HTTP status.
        retry_after: seconds the server asked us to wait, or None.
    """

    def __init__(self, url: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(shown(url), status, retry_after)
        self.url = shown(url)
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f"; it asks to wait {self.retry_after:g} s"
        return f"{self.url} answered the WebSocket handshake with HTTP {self.status}{wait}"


class ConnectionLost(TrioexError):
    """An open connection ended, and not by our wish.

    Attributes:
        code, reason: of the peer's Close frame; None and empty where it sent none.
    """

    def __init__(self, message: str, code: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


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


class AuthenticationFailed(TrioexError):
    """The exchange does not accept who we say we are.

    Attributes:
        can_renew: whether a new session (not a new key) may be accepted.
    """

    def __init__(self, message: str, *, can_renew: bool = False) -> None:
        super().__init__(message)
        self.can_renew = can_renew


class BookNotLive(TrioexError):
    """An order book was read while it was not known to be the exchange's."""


class BookArgumentError(TrioexError, ValueError):
    """An order book was asked for what cannot be: -1 levels, a side that is none."""


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
    """What a supervisor does about a failure; a later member outweighs an earlier one."""

    RETRY = "retry"
    """Reopen: at once the first time, with back-off after."""
    RETRY_LATER = "retry later"
    """Reopen, but not before the server's own wait is over."""
    REAUTHENTICATE = "re-authenticate"
    """Reopen with a new session."""
    GIVE_UP = "give up"
    """Stop: trying again cannot help."""


_LATER = frozenset({408, 418, 425, 429, 503})
"""HTTP: limits of rate, bans that end, and servers that say they are busy."""
_TRY_AGAIN_LATER = 1013
"""WebSocket: the server is overloaded (IANA registry of close codes)."""
_PASSING = (
    ConnectFailed,
    ConnectionLost,
    HttpError,
    DecodeError,
    OSError,
    EOFError,
    TimeoutError,
)


def classify(failure: BaseException) -> Verdict:
    """Say what to do about a failure of a connection. Total: every exception has a verdict.

    Args:
        failure: what ended the connection or the attempt to open it. Of a group, the gravest
            member counts.

    Returns:
        GIVE_UP for a refusal that will not change (a refused key, a forbidden region, a wrong
        path, a certificate not to be trusted), for mistakes of configuration and for what is
        nobody's failure to connect; REAUTHENTICATE where a new session may help; RETRY_LATER
        for limits of rate, bans that end and overload; RETRY for everything else that passes.
    """
    if isinstance(failure, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", failure)
        return max(map(classify, group.exceptions), key=list(Verdict).index)
    if isinstance(failure, AuthenticationFailed):
        return Verdict.REAUTHENTICATE if failure.can_renew else Verdict.GIVE_UP
    status = getattr(failure, "status", None)
    if isinstance(status, int):
        return _classify_status(status, getattr(failure, "retry_after", None))
    if isinstance(failure, ConnectionLost) and failure.code == _TRY_AGAIN_LATER:
        return Verdict.RETRY_LATER
    if isinstance(failure, ConnectFailed) and failure.__cause__ is not None:
        return classify(failure.__cause__)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return Verdict.GIVE_UP
    if isinstance(failure, _PASSING) or _is_stream_failure(failure):
        return Verdict.RETRY
    return Verdict.GIVE_UP


def _classify_status(status: int, retry_after: float | None) -> Verdict:
    if status in _LATER or retry_after is not None:
        return Verdict.RETRY_LATER
    if status == 401:
        return Verdict.REAUTHENTICATE
    # What the server says of our request will not change by asking again; what it says of
    # itself (5xx, or a redirect while it is moved) may.
    return Verdict.GIVE_UP if 400 <= status < 500 else Verdict.RETRY


def _is_stream_failure(failure: BaseException) -> bool:
    """Whether a stream of Trio broke; by name, since nothing here imports Trio."""
    kind = type(failure)
    return kind.__module__.partition(".")[0] == "trio" and isinstance(failure, Exception)
