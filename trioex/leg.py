"""A leg: one connection after another, and what should be subscribed on it.

It opens, asks, holds, and when the connection is lost opens again: at once the first time,
with back-off after that, which is reset only once data flowed. What its line does about a
loss in the meantime is the line's matter.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Protocol

import attrs
import trio

from .backoff import Backoff
from .config import Dial, WebSocketConfig
from .connection import Connection, Deliver, TokenBucket
from .errors import TrioexError, Verdict
from .exchanges.base import Answer, Control, Notice, Topic, Venue
from .subscriptions import Outcome, Subscriptions

__all__ = ["Leg", "LegOwner", "LegStatistics"]

_AGED = 0.98
"""Of the venue's greatest age a connection is replaced at the latest; earlier by up to as much
again, so that many do not go at once."""


_POLITE_S = 10.0
"""What we wait when a server asks for time and does not say how much."""


_SPARE_S = 0.1
"""How long a spare lets the others go first."""


_PROVEN_S = 1.0
"""How long a connection that is to bring nothing must have been open to have proved its worth."""


class LegOwner(Protocol):
    """What a leg tells its line."""

    @property
    def is_behind(self) -> bool:
        """Whether what was read may still wait to be routed."""
        ...

    def on_open(self, leg: Leg) -> None:
        """It is connected; nothing was asked yet."""

    def on_lost(self, leg: Leg, reason: TrioexError, retry_in: float | None) -> None:
        """It is connected no more, or an attempt to connect failed."""

    def on_outcomes(self, leg: Leg, outcomes: list[Outcome]) -> None:
        """The exchange decided about subscriptions."""

    def on_notice(self, leg: Leg, notice: Notice) -> None:
        """The venue announced something on it."""

    def on_aged(self, leg: Leg) -> None:
        """The venue will not let it live much longer."""

    def is_needed(self, leg: Leg) -> bool:
        """Whether nothing else carries what this leg should."""
        ...

    def patience(self, leg: Leg, topic: Topic) -> float:
        """How many refusals in final words the leg is to put up with for a topic."""
        ...

    def on_end(self, leg: Leg, failure: TrioexError | None) -> None:
        """It ended for good; with a failure when trying again cannot help."""


@attrs.frozen
class LegStatistics:
    """A snapshot of one leg.

    Attributes:
        number: which leg of the manager.
        role: `active`, `spare`, or `leaving` when another took its place.
        is_open: whether it is connected.
        wanted, confirmed: subscriptions.
        connections: how many it has had, the present one included.
        answers: acknowledgements and refusals heard.
        batches: reads that completed a message, on the present connection.
    """

    number: int
    role: str
    is_open: bool
    wanted: int
    confirmed: int
    connections: int
    answers: int
    batches: int


class Leg:
    """One connection at a time, opened again when it is lost.

    Attributes:
        number: which leg of the manager.
        role: `active`, `spare` or `leaving`; the line's to set.
        owes: whether a `Disconnected` was told for which no `Reconnected` was yet.
        subscriptions: what should be subscribed on it.
    """

    def __init__(
        self,
        number: int,
        role: str,
        venue: Venue,
        config: WebSocketConfig,
        owner: LegOwner,
        deliver: Deliver,
        dial: Dial,
    ) -> None:
        self.number = number
        self.role = role
        self.owes = False
        self.subscriptions = Subscriptions(venue, partial(owner.patience, self))
        self._venue = venue
        self._config = config
        self._logger = config.logger("trioex.leg")
        self._owner = owner
        self._deliver = deliver
        self._dial = dial
        self._bucket = TokenBucket(venue.rules.requests_a_second)
        self._backoff = Backoff(
            config.backoff_first, config.backoff_most, config.environment.random
        )
        self._connection: Connection | None = None
        self._stopped = False
        self._failure: TrioexError | None = None
        self._retry_at: float | None = None
        self._must_wait = False
        self._interrupt = trio.Event()
        self.connections = 0
        self._answers = 0

    def __repr__(self) -> str:
        state = "OPEN" if self.is_open else "STOPPED" if self._stopped else "CLOSED"
        return f"<Leg {self.number} {self.role} {state}, {self.subscriptions!r}>"

    @property
    def is_open(self) -> bool:
        """Whether it is connected now."""
        return self._connection is not None and self._connection.is_open

    @property
    def is_whole(self) -> bool:
        """Whether it is connected and all it should carry is confirmed."""
        return self.is_open and self.subscriptions.settled

    @property
    def attempts(self) -> int:
        """Attempts to connect since data last flowed."""
        return self._backoff.attempts

    def statistics(self) -> LegStatistics:
        """Return an immutable snapshot."""
        return LegStatistics(
            self.number,
            self.role,
            self.is_open,
            len(self.subscriptions),
            self.subscriptions.confirmed,
            self.connections,
            self._answers,
            0 if self._connection is None else self._connection.batches,
        )

    # What is wanted

    def want(self, topic: Topic) -> None:
        """Subscribe, now or when it is open."""
        if not self.subscriptions:
            connection = self._connection
            if connection is not None and connection.is_open and self._has_proved(connection):
                self._backoff.reset()
            if not self._must_wait:
                self._interrupt.set()  # nobody missed it while it waited to be opened again
        self.subscriptions.want(topic)
        self._wake()

    def unwant(self, topic: Topic) -> None:
        """Unsubscribe."""
        self.subscriptions.unwant(topic)
        self._wake()

    def renew(self, topic: Topic) -> None:
        """Unsubscribe and subscribe again."""
        self.subscriptions.renew(topic)
        self._wake()

    def _wake(self) -> None:
        if self._connection is not None:
            self._connection.wake()

    # What is heard

    def on_control(self, connection: Connection, control: Control) -> None:
        """A frame that is no push was read on one of the leg's connections."""
        if connection is not self._connection:
            return  # it waited in the frame channel while its connection was lost
        if isinstance(control, Answer):
            self._answers += 1
            self._decided(self.subscriptions.answer(control))
        elif isinstance(control, Notice):
            self._owner.on_notice(self, control)

    def expire(self) -> None:
        """Ask again for what was not answered in time."""
        late = trio.current_time() - self._config.subscribe_timeout
        self._decided(self.subscriptions.expire(late))

    def _decided(self, outcomes: list[Outcome]) -> None:
        self._owner.on_outcomes(self, outcomes)
        self._wake()

    # One connection after another

    def stop(self) -> None:
        """Close in peace; `run` ends within the close timeout."""
        self._stopped = True
        self._interrupt.set()
        if self._connection is not None:
            self._connection.stop()

    async def run(self) -> None:
        """Hold a connection until `stop`, or until trying again cannot help.

        Raises:
            Exception: what delivering raised.
        """
        while not self._stopped and self._failure is None:
            self._retry_at = None
            self._connection = connection = Connection(
                self._venue, self._config, self, self._deliver, self._bucket, self._dial
            )
            reason = await connection.run()
            # Whatever was asked of the dying connection meanwhile was asked of nobody.
            self.subscriptions.reset()
            if reason is None or self._stopped:
                break
            if self._retry_at is None:
                self.on_down(connection, reason)  # it could not be opened
            self._log(reason)  # not before: whoever took over has asked by now
            if not self._config.reconnect:
                break
            await self._pause()
        self._connection = None
        self._owner.on_end(self, self._failure)

    async def _pause(self) -> None:
        assert self._retry_at is not None
        with trio.move_on_at(self._retry_at):
            await self._interrupt.wait()

    def on_down(self, connection: Connection, reason: TrioexError) -> None:
        """A connection was lost, or could not be opened: decide, and tell the line."""
        if self._stopped:
            return
        self._interrupt = trio.Event()
        if self._has_proved(connection):
            self._backoff.reset()
        self.subscriptions.reset()
        verdict = self._config.classify(reason)
        # There is no session to renew on public channels, so that is the end, too.
        is_final = verdict in (Verdict.GIVE_UP, Verdict.REAUTHENTICATE)
        is_needed = self._owner.is_needed(self)
        if is_final and not is_needed:
            # A second connection may be refused where the first is not: that ends nothing.
            is_final, verdict = False, Verdict.RETRY_LATER
        if is_final or (is_needed and not (self._config.reconnect or self.connections)):
            self._failure = reason
        delay = self._delay(reason, verdict)
        self._retry_at = trio.current_time() + delay
        ends = is_final or not self._config.reconnect
        self._owner.on_lost(self, reason, None if ends else delay)  # another leg may take over
        if self.role == "spare":
            # Whoever took its place asks for everything now and is not to wait behind our TLS.
            self._retry_at = max(self._retry_at, trio.current_time() + _SPARE_S)

    def _has_proved(self, connection: Connection) -> bool:
        """Whether a connection was good for something: it brought data, or idled for a while."""
        idled = not self.subscriptions and connection.age >= _PROVEN_S
        return connection.has_data or idled

    def _delay(self, reason: TrioexError, verdict: Verdict) -> float:
        wait: float | None = getattr(reason, "retry_after", None)
        if wait is None:
            wait = _POLITE_S if verdict is Verdict.RETRY_LATER else 0.0
        self._must_wait = wait > 0
        return self._backoff.next(wait)

    def _log(self, reason: TrioexError) -> None:
        # An end that will not be mended is told to the owner; as a warning it would be news of
        # what was asked for.
        level = logging.WARNING if self._config.reconnect else logging.DEBUG
        self._logger.log(level, "%s leg %d: %s", self._venue.exchange, self.number, reason)

    # What its connection tells and asks

    @property
    def is_behind(self) -> bool:
        """Whether what was read may still wait to be routed."""
        return self._owner.is_behind

    @property
    def leisure(self) -> float:
        """Seconds until another connection is opened in place of one that was lost."""
        return 0.0 if self._retry_at is None else max(0.0, self._retry_at - trio.current_time())

    def on_open(self) -> None:
        """The connection is open."""
        self.connections += 1
        self._owner.on_open(self)

    def on_aged(self) -> None:
        """The connection nears the venue's greatest age."""
        self._owner.on_aged(self)

    @property
    def lifetime(self) -> float | None:
        """Seconds until a new connection should be replaced, or None where it may live on."""
        most = self._venue.rules.max_age if self._config.max_age is None else self._config.max_age
        if most is None:
            return None
        spread = (1.0 - _AGED) * self._config.environment.random.random()
        return most * (_AGED - spread)
