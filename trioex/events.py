"""What a manager tells about itself: frozen structs, delivered to `connection_handlers`.

`line` numbers the connections of one manager from 0; a line keeps its number when it is
opened again. Times are ns since the epoch.
"""

from __future__ import annotations

import msgspec

from .channels import ExchangeEnum

__all__ = [
    "Connected",
    "ConnectionEvent",
    "Disconnected",
    "Reconnected",
    "SlowConsumer",
    "SubscriptionRefused",
    "VenueNotice",
]


class ConnectionEvent(msgspec.Struct, frozen=True, gc=False):
    """What all events have in common.

    Attributes:
        exchange, market: whose connection it is.
        line: which of the manager's connections, from 0.
        time: when it happened, ns since the epoch.
    """

    exchange: ExchangeEnum
    market: str
    line: int
    time: int


class Connected(ConnectionEvent, frozen=True, gc=False, tag="connected"):
    """A line is open for the first time."""


class Disconnected(ConnectionEvent, frozen=True, gc=False, tag="disconnected"):
    """A line was lost, or an attempt to open it failed.

    Attributes:
        reason: in words.
        retry_in: seconds until the next attempt, or None when there will be none.
    """

    reason: str
    retry_in: float | None


class Reconnected(ConnectionEvent, frozen=True, gc=False, tag="reconnected"):
    """A lost line is open again and all it carried is confirmed by the exchange.

    Attributes:
        outage_ns: from the moment the loss was noticed.
        attempts: how many times it was opened until it held.
    """

    outage_ns: int
    attempts: int


class SlowConsumer(ConnectionEvent, frozen=True, gc=False, tag="slow_consumer"):
    """What was read and not yet routed fills half of the frame channel.

    Attributes:
        channel: the binding the router waits for, or None where it waits for none.
        waiting_bytes, bound_bytes: what waits, and where reading pauses.
    """

    channel: str | None
    waiting_bytes: int
    bound_bytes: int


class SubscriptionRefused(ConnectionEvent, frozen=True, gc=False, tag="subscription_refused"):
    """The exchange refused a subscription; awaiting its binding raises the error of that name.

    Attributes:
        channel: what was asked for.
        reason: the venue's words.
        code: the venue's error code, or None.
    """

    channel: str
    reason: str
    code: int | None


class VenueNotice(ConnectionEvent, frozen=True, gc=False, tag="venue_notice"):
    """The venue announced something: `kind` is `upgrade` before it closes the connection."""

    kind: str
    text: str
