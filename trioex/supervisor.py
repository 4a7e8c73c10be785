"""One connection after another, and as many side by side as the venue's limits ask for.

A `Line` is a place in the pool: it owns what should be subscribed and holds one connection at
a time, opened again at once when it is lost. `Lines` spreads topics over lines.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

import attrs
import trio

from .backoff import Backoff
from .config import Dial, WebSocketConfig
from .connection import Connection, Deliver, TokenBucket
from .errors import TrioexError, Verdict
from .events import Connected, ConnectionEvent, Disconnected, Reconnected, VenueNotice
from .exchanges.base import Answer, Control, Notice, Topic, Venue
from .subscriptions import Outcome, Subscriptions
from .transport import Dialer

__all__ = ["Line", "LineOwner", "LineStatistics", "Lines"]

_log = logging.getLogger("trioex.supervisor")


class LineOwner(Protocol):
    """What lines tell, and to whom."""

    def on_event(self, event: ConnectionEvent) -> None:
        """Something happened to a line."""

    def on_outcome(self, line: Line, outcome: Outcome) -> None:
        """The exchange decided about a subscription."""

    def on_lost(self, line: Line) -> None:
        """Nothing on the line is confirmed any more."""

    def on_end(self, failure: TrioexError | None) -> None:
        """A line ended for good; with a failure when trying again cannot help."""


@attrs.frozen
class LineStatistics:
    """A snapshot of one line.

    Attributes:
        number: which line.
        is_open: whether it is connected.
        wanted, confirmed: subscriptions.
        connections: how many it has had, the present one included.
        answers: acknowledgements and refusals heard.
        batches: reads that completed a message, on the present connection.
    """

    number: int
    is_open: bool
    wanted: int
    confirmed: int
    connections: int
    answers: int
    batches: int


class Line:
    """One place in the pool of connections."""

    def __init__(
        self,
        number: int,
        venue: Venue,
        config: WebSocketConfig,
        owner: LineOwner,
        deliver: Deliver,
        dial: Dial,
    ) -> None:
        self.number = number
        self.subscriptions = Subscriptions(venue)
        self._venue = venue
        self._config = config
        self._owner = owner
        self._deliver = deliver
        self._dial = dial
        self._bucket = TokenBucket(venue.rules.requests_a_second)
        self._backoff = Backoff(
            config.backoff_first, config.backoff_most, config.environment.random
        )
        self._connection: Connection | None = None
        self._stopped = False
        self._interrupt = trio.Event()
        self._lost_at: int | None = None
        self._opened = 0
        self._answers = 0

    def __repr__(self) -> str:
        state = "OPEN" if self.is_open else "STOPPED" if self._stopped else "CLOSED"
        return f"<Line {self.number} {state}, {self.subscriptions!r}>"

    @property
    def is_open(self) -> bool:
        """Whether it is connected now."""
        return self._connection is not None and self._connection.is_open

    def statistics(self) -> LineStatistics:
        """Return an immutable snapshot."""
        return LineStatistics(
            self.number,
            self.is_open,
            len(self.subscriptions),
            self.subscriptions.confirmed,
            self._opened,
            self._answers,
            0 if self._connection is None else self._connection.batches,
        )

    # What is wanted

    def want(self, topic: Topic) -> None:
        """Subscribe, now or when the line is open."""
        if not self.subscriptions:
            self._interrupt.set()  # nobody missed the line while it waited to be opened again
        self.subscriptions.want(topic)
        self._wake()

    def unwant(self, topic: Topic) -> None:
        """Unsubscribe."""
        self.subscriptions.unwant(topic)
        self._wake()

    def _wake(self) -> None:
        if self._connection is not None:
            self._connection.wake()

    # What is heard

    def on_control(self, connection: Connection, control: Control) -> None:
        """A frame that is no push was read on one of the line's connections."""
        if connection is not self._connection:
            return  # it waited in the frame channel while its connection was lost
        if isinstance(control, Answer):
            self._answers += 1
            self._decided(self.subscriptions.answer(control))
        elif isinstance(control, Notice):
            self._tell(VenueNotice, kind=control.kind, text=control.text)

    def expire(self) -> None:
        """Ask again for what was not answered in time."""
        late = trio.current_time() - self._config.subscribe_timeout
        self._decided(self.subscriptions.expire(late))

    def _decided(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._owner.on_outcome(self, outcome)
        self._wake()
        self._settle()

    def _settle(self) -> None:
        """Tell that a lost line is whole again, once it is."""
        if self._lost_at is not None and self.is_open and self.subscriptions.settled:
            outage = self._now() - self._lost_at
            self._lost_at = None
            self._tell(Reconnected, outage_ns=outage, attempts=self._backoff.attempts)

    # One connection after another

    def stop(self) -> None:
        """Close in peace; `run` ends within the close timeout."""
        self._stopped = True
        self._interrupt.set()
        if self._connection is not None:
            self._connection.stop()

    async def run(self) -> None:
        """Hold a connection until `stop`, or until trying again cannot help."""
        failure: TrioexError | None = None
        while not self._stopped:
            self._interrupt = trio.Event()
            self._connection = connection = Connection(
                self._venue,
                self._config,
                self.subscriptions,
                self._deliver,
                self.on_control,
                self._on_open,
                self._bucket,
                self._dial,
            )
            reason = await connection.run()
            if reason is None or self._stopped:
                break
            if connection.has_data:
                self._backoff.reset()
            verdict = self._config.classify(reason)
            if verdict is Verdict.GIVE_UP or not self._config.reconnect:
                self._lost(reason, None)
                failure = reason if verdict is Verdict.GIVE_UP or self._opened == 0 else None
                break
            await self._pause(reason)
        self._connection = None
        self._owner.on_end(failure)

    async def _pause(self, reason: TrioexError) -> None:
        delay = self._backoff.next(getattr(reason, "retry_after", None) or 0.0)
        self._lost(reason, delay)
        with trio.move_on_after(delay):
            await self._interrupt.wait()

    def _lost(self, reason: TrioexError, retry_in: float | None) -> None:
        if self._lost_at is None and self._opened:
            self._lost_at = self._now()
        self.subscriptions.reset()
        self._owner.on_lost(self)
        _log.warning("%s line %d: %s", self._venue.exchange, self.number, reason)
        self._tell(Disconnected, reason=str(reason), retry_in=retry_in)

    def _on_open(self) -> None:
        self._opened += 1
        if self._opened == 1:
            self._tell(Connected)
        self._settle()

    def _tell(self, event: type[ConnectionEvent], **facts: object) -> None:
        self._owner.on_event(
            event(self._venue.exchange, self._venue.market, self.number, self._now(), **facts)
        )

    def _now(self) -> int:
        return self._config.environment.time_ns()


class Lines:
    """The connections of one manager: topics spread over lines by the venue's limit."""

    def __init__(
        self, venue: Venue, config: WebSocketConfig, owner: LineOwner, deliver: Deliver
    ) -> None:
        self._venue = venue
        self._config = config
        self._owner = owner
        self._deliver = deliver
        # One for all lines: it keeps addresses and TLS sessions for the next connection.
        self._dial = config.dial or Dialer(config.ssl_context)
        self._lines: list[Line] = []
        self._line_of: dict[str, Line] = {}
        self._nursery: trio.Nursery | None = None
        self._opened = 0

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines)

    def start(self, nursery: trio.Nursery) -> None:
        """Open the lines, one at least, in a nursery that outlives them."""
        self._nursery = nursery
        for line in self._lines or [self._add()]:
            nursery.start_soon(line.run)

    def stop(self) -> None:
        """Close all of them in peace, at once."""
        for line in self._lines:
            line.stop()

    def line_of(self, topic: Topic) -> Line | None:
        """The line that carries a topic."""
        return self._line_of.get(topic.name)

    def want(self, topic: Topic) -> None:
        """Subscribe on the first line with room, or on a new one."""
        if topic.name in self._line_of:
            return
        most = self._venue.rules.max_topics
        for line in self._lines:
            if most is None or len(line.subscriptions) < most:
                break
        else:
            line = self._add()
            if self._nursery is not None:
                self._nursery.start_soon(line.run)
        self._line_of[topic.name] = line
        line.want(topic)

    def unwant(self, topic: Topic) -> None:
        """Unsubscribe; a line that carries nothing any more is closed, but for the first."""
        line = self._line_of.pop(topic.name, None)
        if line is None:
            return
        line.unwant(topic)
        if not line.subscriptions and line is not self._lines[0]:
            self._lines.remove(line)
            line.stop()

    def expire(self) -> None:
        """Ask again, on all lines, for what was not answered in time."""
        for line in list(self._lines):
            line.expire()

    def _add(self) -> Line:
        line = Line(self._opened, self._venue, self._config, self._owner, self._deliver, self._dial)
        self._opened += 1
        self._lines.append(line)
        return line
