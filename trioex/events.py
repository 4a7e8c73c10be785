"""What a manager tells about itself: frozen structs, delivered to `connection_handlers`.

`line` numbers the lines of one manager from 0; a line keeps its number when it is opened
again. `leg` numbers the connections that carry lines side by side or in turn. Times are ns
since the epoch.
"""

from __future__ import annotations

import msgspec

from .channels import ExchangeEnum
from .messages import BookState

__all__ = [
    "BookStateChanged",
    "ChannelLive",
    "ChannelStale",
    "Connected",
    "ConnectionEvent",
    "Disconnected",
    "Gap",
    "Reconnected",
    "Rotated",
    "SlowConsumer",
    "SubscriptionRefused",
    "VenueNotice",
]


class ConnectionEvent(msgspec.Struct, frozen=True, gc=False):
    """What all events have in common.

    Attributes:
        exchange, market: whose connection it is.
        line: which of the manager's lines, from 0; -1 where it concerns none alone.
        time: when it happened, ns since the epoch.
    """

    exchange: ExchangeEnum
    market: str
    line: int
    time: int


class Connected(ConnectionEvent, frozen=True, gc=False, tag="connected"):
    """A leg of a line is open for the first time.

    Attributes:
        leg: which leg of the manager, from 0.
    """

    leg: int = 0


class Disconnected(ConnectionEvent, frozen=True, gc=False, tag="disconnected"):
    """A leg was lost, or an attempt to open it failed.

    Attributes:
        leg: which leg of the manager.
        reason: in words.
        retry_in: seconds until the next attempt, or None when there will be none.
    """

    reason: str
    retry_in: float | None
    leg: int = 0


class Reconnected(ConnectionEvent, frozen=True, gc=False, tag="reconnected"):
    """What was lost is whole again: everything it carried is confirmed by the exchange.

    Attributes:
        leg: the leg that carries it now.
        outage_ns: how long the line was not whole, from the moment the loss was noticed; 0
            when another leg carried everything all the while.
        attempts: how many times the leg was opened until it held.
    """

    outage_ns: int
    attempts: int
    leg: int = 0


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
        reason: the venue's words, or ours for a book that it confirmed and does not have.
        code: the venue's error code, or None.
        is_final: False when the refusal may be about the moment: the binding lives, and it is
            asked for again, with pauses. That is so by the venue's code, and for two minutes for
            what the exchange had confirmed before, in whatever words it refuses it now.
    """

    channel: str
    reason: str
    code: int | None
    is_final: bool = True


class VenueNotice(ConnectionEvent, frozen=True, gc=False, tag="venue_notice"):
    """The venue announced something: `kind` is `upgrade` before it closes the connection.

    Attributes:
        leg: on which leg.
        kind, text: the venue's own.
    """

    kind: str
    text: str
    leg: int = 0


class Rotated(ConnectionEvent, frozen=True, gc=False, tag="rotated"):
    """A leg was replaced before it was closed.

    Attributes:
        old_leg, new_leg: which legs of the manager.
    """

    old_leg: int
    new_leg: int


class BookStateChanged(ConnectionEvent, frozen=True, gc=False, tag="book_state_changed"):
    """An order book became LIVE, or is it no more. Its line is -1.

    Attributes:
        channel: `spot.orderbook.BTCUSDT`.
        state, before: where it is and where it was; the same where attempts go on failing.
        reason: why it is not LIVE, in words; empty where it is.
        version: of the book, -1 where it never had one.
    """

    channel: str
    state: BookState
    before: BookState
    reason: str
    version: int


class Gap(ConnectionEvent, frozen=True, gc=False, tag="gap"):
    """Book versions are missing between two messages of a channel. Its line is -1.

    Attributes:
        channel: `spot.orderbook_delta.BTCUSDT`, `spot.orderbook.BTCUSDT`: whichever is bound; one
            event each where both are.
        first_version, last_version: what is missing. A last version below the first says
            that the exchange numbers its books anew.
    """

    channel: str
    first_version: int
    last_version: int


class ChannelStale(ConnectionEvent, frozen=True, gc=False, tag="channel_stale"):
    """Nothing came for a subscribed channel for longer than it should. Its line is -1.

    Attributes:
        channel: `spot.ticker.BTCUSDT`.
        silent_ns: since its last message, or since it was confirmed.
    """

    channel: str
    silent_ns: int


class ChannelLive(ConnectionEvent, frozen=True, gc=False, tag="channel_live"):
    """Messages came for a channel that was stale. Its line is -1."""

    channel: str
