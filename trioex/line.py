"""A line: what one connection's worth of topics needs, on as many legs as asked for.

    none      one leg
    standby   one leg, and a spare that is connected and carries next to nothing
    hot       two legs that carry everything

A leg that must go (its age, a notice, `rotate`) is replaced before it is closed: for a while
both carry everything. Whenever more than one leg carries a topic, a merger in the router
drops the copies.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

import attrs
import trio

from .config import Dial, Redundancy, WebSocketConfig
from .connection import Deliver
from .errors import TrioexError
from .events import (
    Connected,
    ConnectionEvent,
    Disconnected,
    Reconnected,
    Rotated,
    VenueNotice,
)
from .exchanges.base import Notice, Topic, Venue
from .leg import Leg, LegStatistics
from .subscriptions import Outcome

__all__ = ["Line", "LineOwner", "LineStatistics", "Starter"]

_UPGRADE = "upgrade"
_MOST_REFUSALS = 5
"""In final words, of what was confirmed before; with ever longer pauses they take two minutes."""
_SECOND = {Redundancy.NONE: None, Redundancy.STANDBY: "spare", Redundancy.HOT: "active"}
"""The role of the second leg."""


class Starter:
    """Starts tasks in a nursery in the order in which it was asked to.

    Trio begins tasks that were started in one moment in an order it draws at random; connections
    are to be opened in the same order in each run.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._waiting: list[Callable[[], Awaitable[None]]] = []

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        """Start a task behind those that were asked for before."""
        self._waiting.append(task)
        if len(self._waiting) == 1:
            self._nursery.start_soon(self._start)

    async def _start(self) -> None:
        while self._waiting:
            self._nursery.start_soon(self._waiting[0])
            await trio.lowlevel.checkpoint()
            del self._waiting[0]


class LineOwner(Protocol):
    """What lines tell, and to whom."""

    @property
    def is_behind(self) -> bool:
        """Whether what was read may still wait to be routed."""
        ...

    def on_event(self, event: ConnectionEvent) -> None:
        """Something happened to a line."""

    def on_outcome(self, line: Line, outcome: Outcome) -> None:
        """The exchange decided about a subscription."""

    def on_unconfirmed(self, topics: Iterable[Topic]) -> None:
        """No leg carries these any more."""

    def on_leg_joined(self, leg: int, topic: Topic) -> None:
        """A leg brings this topic from now on."""

    def on_leg_gone(self, leg: int, topics: Iterable[Topic]) -> None:
        """A leg brings nothing more of these; what waits for it waits in vain."""

    def on_copies(self, topics: Iterable[Topic]) -> None:
        """More than one leg will carry these from now on."""

    def on_progress(self) -> None:
        """A line may be ready that was not."""

    def on_end(self, failure: TrioexError | None) -> None:
        """A line ended for good; with a failure when trying again cannot help."""


@attrs.frozen
class LineStatistics:
    """A snapshot of one line.

    Attributes:
        number: which line.
        is_open: whether one leg at least is connected and carries its topics.
        wanted, confirmed: subscriptions; confirmed on one leg at least.
        connections: how many it has had, on all legs.
        answers: acknowledgements and refusals heard, on all legs.
        legs: one each leg.
    """

    number: int
    is_open: bool
    wanted: int
    confirmed: int
    connections: int
    answers: int
    legs: tuple[LegStatistics, ...]


class Line:
    """One place in the pool of connections.

    Args:
        take_number: numbers legs through the whole manager.
    """

    def __init__(
        self,
        number: int,
        venue: Venue,
        config: WebSocketConfig,
        owner: LineOwner,
        deliver: Deliver,
        dial: Dial,
        take_number: Callable[[], int],
    ) -> None:
        self.number = number
        self._venue = venue
        self._config = config
        self._owner = owner
        self._deliver = deliver
        self._dial = dial
        self._take_number = take_number
        self._topics: dict[str, Topic] = {}
        self._proven: dict[str, bool] = {}
        """Names of topics that the exchange confirmed once, and whether it is so now."""
        self._legs: list[Leg] = []
        self._starter: Starter | None = None
        self._broken_at: int | None = None
        self._was_whole = False
        self._stopping = trio.Event()
        self._second = _SECOND[config.redundancy]
        self._progress = trio.Event()
        self._successors: dict[Leg, Leg] = {}
        """Who takes over from a leg that is being replaced."""
        self._past = [0, 0]
        """Connections and answers of legs that are gone."""

    def __repr__(self) -> str:
        state = "WHOLE" if self.is_whole else "OPEN" if self.is_open else "CLOSED"
        return f"<Line {self.number} {state}, {len(self)} topics, {len(self._legs)} legs>"

    def __len__(self) -> int:
        return len(self._topics)

    @property
    def _active(self) -> list[Leg]:
        return [leg for leg in self._legs if leg.role == "active"]

    @property
    def is_open(self) -> bool:
        """Whether one leg at least that carries its topics is connected."""
        return any(leg.is_open for leg in self._active)

    @property
    def is_whole(self) -> bool:
        """Whether one leg at least carries all of it, confirmed."""
        return any(leg.is_whole for leg in self._active)

    @property
    def is_ready(self) -> bool:
        """Whether all its legs are as they should be."""
        complete = len(self._legs) > (self._second is not None)
        return complete and all(leg.is_whole for leg in self._legs)

    def is_confirmed(self, topic: Topic) -> bool:
        """Whether the exchange confirmed a topic on a leg that is connected."""
        return self._proven.get(topic.name, False)

    def statistics(self) -> LineStatistics:
        """Return an immutable snapshot."""
        return LineStatistics(
            self.number,
            self.is_open,
            len(self),
            sum(self._proven.values()),
            self._past[0] + sum(leg.connections for leg in self._legs),
            self._past[1] + sum(leg.statistics().answers for leg in self._legs),
            tuple(leg.statistics() for leg in self._legs),
        )

    # What is wanted

    def want(self, topic: Topic) -> None:
        """Subscribe, now or when a leg is open."""
        self._topics.setdefault(topic.name, topic)
        for leg in self._active:
            leg.want(topic)
            if leg.is_open and leg.subscriptions.is_confirmed(topic):
                self._proven[topic.name] = True  # its unsubscribe had not been sent
        if len(self._active) > 1:
            self._owner.on_copies([topic])
        self._keep_spares()

    def unwant(self, topic: Topic) -> None:
        """Unsubscribe."""
        self._topics.pop(topic.name, None)
        self._proven.pop(topic.name, None)
        for leg in self._legs:
            leg.unwant(topic)
            self._check(leg)  # it may have been the last that was waited for
        self._keep_spares()

    def renew(self, topic: Topic) -> None:
        """Unsubscribe and subscribe again what the exchange seems to have forgotten."""
        for leg in self._active:
            leg.renew(topic)

    def _keep_spares(self) -> None:
        """Give a spare the one topic without which the venue would drop it."""
        if self._venue.rules.pings_keep_empty:
            return
        for leg in self._legs:
            if leg.role == "spare" and not leg.subscriptions and self._topics:
                topic = next(iter(self._topics.values()))
                self._owner.on_copies([topic])
                leg.want(topic)

    # Its legs

    def start(self, starter: Starter) -> None:
        """Open the legs, in a nursery that outlives them."""
        self._starter = starter
        self._add("active")
        if self._second is not None:
            starter.start_soon(partial(self._open_second, self._second))

    async def _open_second(self, role: str) -> None:
        """Open the second leg behind the first: two at once would race for the exchange."""
        while not self.is_open and not self._stopping.is_set():
            await self._progress.wait()
        if self._stopping.is_set():
            return
        if role == "active":
            self._owner.on_copies(self._topics.values())
        self._add(role)
        self._keep_spares()

    def _add(self, role: str) -> Leg:
        leg = Leg(
            self._take_number(),
            role,
            self._venue,
            self._config,
            self,
            self._deliver,
            self._dial,
        )
        self._legs.append(leg)
        if role == "active":
            for topic in self._topics.values():
                leg.want(topic)
        assert self._starter is not None
        self._starter.start_soon(leg.run)
        return leg

    def stop(self) -> None:
        """Close all legs in peace, at once."""
        self._stopping.set()
        self._wake()
        for leg in self._legs:
            leg.stop()

    def expire(self) -> None:
        """Ask again for what was not answered in time."""
        for leg in list(self._legs):
            leg.expire()

    def rotate(self, leg: Leg | None = None) -> None:
        """Replace a leg, or all of them, make before break."""
        if self._stopping.is_set() or self._starter is None:
            return
        heirs = self._successors.values()  # which are as new as can be
        for old in [leg] if leg is not None else [e for e in self._legs if e not in heirs]:
            if old.role != "leaving" and old not in self._successors:
                if old.role == "active":
                    self._owner.on_copies(self._topics.values())
                new = self._successors[old] = self._add(old.role)
                self._keep_spares()
                self._starter.start_soon(partial(self._replace, old, new))

    async def _replace(self, old: Leg, new: Leg) -> None:
        has_taken_over = await self._wait_taken_over(new)
        if self._successors.get(old) is not new:
            return
        if has_taken_over:
            self._retire(old, new)
        else:
            del self._successors[old]

    def _retire(self, old: Leg, new: Leg) -> None:
        """Close a leg for which another has taken over, and whom it was itself to replace."""
        del self._successors[old]
        for each in [each for each, other in self._successors.items() if other is old]:
            self._retire(each, new)
        old.role = "leaving"
        old.stop()
        # If it was lost meanwhile, its successor answers for it.
        new.owes, old.owes = new.owes or old.owes, False
        self._check(new)
        self._tell(Rotated, old_leg=old.number, new_leg=new.number)

    async def _wait_taken_over(self, new: Leg) -> bool:
        """Wait until a leg has carried everything for a while; False when it never will."""
        connection = 0
        while not (new.is_whole and connection == new.connections):
            if not new.is_whole:
                await self._progress.wait()
            else:
                connection = new.connections
                # What the exchange had begun to collect before it confirmed the new leg comes
                # whole over the old one only. A leg that was lost in between begins again.
                if new.role == "active":
                    with trio.move_on_after(self._config.rotation_overlap):
                        await self._stopping.wait()
            if self._stopping.is_set() or new not in self._legs:
                return False
        return True

    # What legs tell and ask

    @property
    def is_behind(self) -> bool:
        """Whether what was read may still wait to be routed."""
        return self._owner.is_behind

    def on_open(self, leg: Leg) -> None:
        """A leg is connected; nothing was asked yet."""
        if leg.connections == 1 and not leg.owes:
            self._tell(Connected, leg=leg.number)
        self._check(leg)

    def on_lost(self, leg: Leg, reason: TrioexError, retry_in: float | None) -> None:
        """A leg is connected no more: a spare takes its place, if there is one."""
        self._owner.on_leg_gone(leg.number, self._topics.values())
        leg.owes = leg.connections > 0
        if leg.role == "active":
            if self._was_whole and not self.is_whole and self._broken_at is None:
                self._broken_at = self._now()
            self._promote(leg)
            self._unconfirm()
        self._tell(Disconnected, leg=leg.number, reason=str(reason), retry_in=retry_in)

    def _promote(self, lost: Leg) -> None:
        """Let a spare change places with a leg that was lost; their successors follow."""
        spares = [leg for leg in self._legs if leg.role == "spare" and leg.is_open]
        if not spares or any(leg.is_open for leg in self._active):
            return
        spare = min(spares, key=lambda leg: leg in self._successors)
        spare.owes, lost.owes = lost.owes, False
        self._owner.on_copies(self._topics.values())
        for leg in self._with_successors(lost):
            leg.role = "spare"
            for topic in leg.subscriptions.topics:
                leg.unwant(topic)
        for leg in self._with_successors(spare):
            leg.role = "active"
            for topic in self._topics.values():
                leg.want(topic)
        self._keep_spares()

    def _with_successors(self, leg: Leg) -> list[Leg]:
        legs = [leg]
        while legs[-1] in self._successors:
            legs.append(self._successors[legs[-1]])
        return legs

    def _unconfirm(self) -> None:
        confirmed = [leg.subscriptions for leg in self._active if leg.is_open]
        gone = [
            self._topics[name]
            for name, is_confirmed in self._proven.items()
            if is_confirmed and not any(each.is_confirmed(self._topics[name]) for each in confirmed)
        ]
        self._proven.update((topic.name, False) for topic in gone)
        self._owner.on_unconfirmed(gone)

    def on_outcomes(self, leg: Leg, outcomes: list[Outcome]) -> None:
        """The exchange decided about subscriptions; one leg's word is enough."""
        for outcome in outcomes:
            name = outcome.topic.name
            if name not in self._topics:
                continue
            if outcome.reason is not None and self._is_carried_beside(leg, outcome.topic):
                continue  # refused here, carried there: the binding lives
            if outcome.reason is None:
                self._owner.on_leg_joined(leg.number, outcome.topic)
                if leg.role == "spare" or self._proven.get(name, False):
                    continue
                self._proven[name] = True
            self._owner.on_outcome(self, outcome)
        self._check(leg)

    def patience(self, leg: Leg, topic: Topic) -> float:
        """How many refusals in final words the leg is to put up with for a topic.

        What the exchange carries on another leg, or did a moment ago, it does not refuse for
        good; not even where it says so, as one does that starts anew.
        """
        if self._is_carried_beside(leg, topic):
            return math.inf
        return _MOST_REFUSALS if topic.name in self._proven else 0

    def _is_carried_beside(self, leg: Leg, topic: Topic) -> bool:
        others = (each for each in self._active if each is not leg and each.is_open)
        return any(each.subscriptions.is_confirmed(topic) for each in others)

    def _check(self, leg: Leg) -> None:
        """Tell that what was lost is whole again, once it is."""
        self._wake()
        if leg.is_whole:
            self._tell_whole(leg)
        self._owner.on_progress()

    def _wake(self) -> None:
        progress, self._progress = self._progress, trio.Event()
        progress.set()

    def _tell_whole(self, leg: Leg) -> None:
        outage = 0
        told = leg
        if leg.role == "active":
            self._was_whole = True
            if self._broken_at is not None:
                outage, self._broken_at = self._now() - self._broken_at, None
                # A leg that is being replaced may be lost: its successor answers for it.
                told = next((each for each in (leg, *self._active) if each.owes), leg)
        if told.owes:
            told.owes = False
            self._tell(Reconnected, leg=leg.number, outage_ns=outage, attempts=leg.attempts)

    def on_notice(self, leg: Leg, notice: Notice) -> None:
        """The venue announced something; before an upgrade the leg is replaced."""
        self._tell(VenueNotice, leg=leg.number, kind=notice.kind, text=notice.text)
        if notice.kind == _UPGRADE:
            self.rotate(leg)

    def on_aged(self, leg: Leg) -> None:
        """The venue will not let it live much longer."""
        self.rotate(leg)

    def is_needed(self, leg: Leg) -> bool:
        """Whether nothing else carries what this leg should."""
        return not any(each.is_open for each in self._active if each is not leg)

    def on_end(self, leg: Leg, failure: TrioexError | None) -> None:
        """A leg ended for good."""
        self._legs.remove(leg)
        self._successors.pop(leg, None)
        self._past[0] += leg.connections
        self._past[1] += leg.statistics().answers
        self._owner.on_leg_gone(leg.number, self._topics.values())
        self._wake()
        if failure is not None or not any(leg.role == "active" for leg in self._legs):
            self._owner.on_end(failure)

    def _tell(
        self, event: type[ConnectionEvent], *, leg: int | None = None, **facts: object
    ) -> None:
        now = self._now()
        facts = facts if leg is None else {"leg": leg, **facts}
        self._owner.on_event(
            event(self._venue.exchange, self._venue.market, self.number, now, **facts)
        )

    def _now(self) -> int:
        return self._config.environment.time_ns()
