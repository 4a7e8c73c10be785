"""From a frame to the handlers bound to its channel, in one synchronous chain.

The rules kept here:

* A frame that nobody bound is not decoded.
* Bindings of a channel are called in the order of binding, messages in the order of the wire.
* A closed outlet gets nothing more, not even the message being routed, and refers to nothing.
* Nothing waits. A full queue with the policy `block` takes the message all the same and makes
  `Router.feed` pause behind the frame; whoever feeds waits and feeds on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

import attrs

from .channels import Channel, Parameters, PublicChannelType
from .config import ErrorPolicy, Log, OverflowPolicy
from .errors import DecodeError, ManagerClosed, QueueOverflow
from .exchanges.base import BookPlan, Control, Decoder, Skipped, Topic, Venue
from .frames import Batch
from .instrumentation.latency import Stamped
from .merge import Merger
from .messages import BookSnapshot, MarketMessage, Number
from .orderbook import OrderBook
from .speedups import accelerated
from .synchroniser import Synchroniser

__all__ = ["BookKeeper", "BookQueue", "MessageQueue", "Outlet", "Route", "Router", "Source"]

Put: TypeAlias = Callable[[Any], object]


class Source(Protocol):
    """Who read a frame.

    Attributes:
        heard: set to the time of the last read that held a push somebody bound.
        leg: its number; None for a test message, which no merger looks at.
    """

    heard: int

    @property
    def leg(self) -> int | None: ...

    def on_control(self, control: Control) -> None:
        """A frame of the source is no push."""


_log = logging.getLogger("trioex.router")

_MOST_REASONS = 100
"""Reasons for skipping that are counted apart: a reason may quote what the peer sent."""


def _ignore(_message: object) -> None:
    """The `put` of a closed outlet."""


class MessageQueue:
    """A bounded queue between the router and one consumer.

    `put` never waits. It returns the queue itself when the policy is `block` and the queue
    is full, None otherwise: a handler's `put` returns None too, so one test covers both.

    Attributes:
        items: what waits, oldest first.
        dropped: messages the policy gave up.
        peak: the most that ever waited.
        wake: called once when a message comes or the queue ends; set by a waiting consumer.
        on_room: called once when a full queue has room again or closes; set by the feeder.
        ended: no more will come; what waits is still to be had.
    """

    __slots__ = (
        "capacity",
        "dropped",
        "ended",
        "items",
        "on_room",
        "peak",
        "policy",
        "put",
        "wake",
    )

    def __init__(self, capacity: int, policy: OverflowPolicy) -> None:
        self.capacity = capacity
        self.policy = policy
        self.items: deque[Any] = deque()
        self.dropped = 0
        self.peak = 0
        self.wake: Callable[[], object] | None = None
        self.on_room: Callable[[], object] | None = None
        self.ended = False
        self.put: Put = getattr(self, f"_put_{policy.value}")

    def _append(self, message: object) -> None:
        self.items.append(message)
        if self.wake is not None:
            self._call("wake")

    def _put_block(self, message: object) -> MessageQueue | None:
        self._append(message)
        return self if len(self.items) >= self.capacity else None

    def _put_latest(self, message: object) -> None:
        self.dropped += len(self.items)
        self.items.clear()
        self._append(message)

    def _put_drop_oldest(self, message: object) -> None:
        if len(self.items) >= self.capacity:
            self.items.popleft()
            self.dropped += 1
        self._append(message)

    def _put_raise(self, message: object) -> None:
        if len(self.items) >= self.capacity:
            self.dropped += 1
            raise QueueOverflow(
                f"{len(self.items)} messages wait and overflow='raise' allows "
                f"queue_size={self.capacity}; handle them faster, or choose a larger queue_size "
                "or another overflow policy"
            )
        self._append(message)

    def pop(self) -> Any:
        """Take the oldest message; IndexError where there is none."""
        items = self.items
        if len(items) > self.peak:
            self.peak = len(items)
        message = items.popleft()
        if self.on_room is not None and len(items) < self.capacity:
            self._call("on_room")
        return message

    def has_any(self) -> bool:
        """Whether there is something to take."""
        return bool(self.items)

    @property
    def is_full(self) -> bool:
        """Whether the feeder must wait."""
        return len(self.items) >= self.capacity and self.policy is OverflowPolicy.BLOCK

    def end(self) -> None:
        """Let the consumer finish what waits, and take nothing more."""
        self.ended = True
        self.put = _ignore
        if self.wake is not None:
            self._call("wake")

    def close(self) -> None:
        """Forget everything that waits and take nothing more."""
        self.items.clear()
        self.end()
        if self.on_room is not None:
            self._call("on_room")

    def _call(self, slot: str) -> None:
        callback = getattr(self, slot)
        setattr(self, slot, None)
        callback()


class BookQueue(MessageQueue):
    """A queue of order books: each waits once, and is handed over as it is then.

    However slow the consumer is, what it gets is never old, and no policy need decide about
    anything. A book that is not LIVE when its turn has come is left out.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        super().__init__(1, OverflowPolicy.LATEST)
        self._waiting: set[OrderBook] = set()
        self.put = self._put_once

    def _put_once(self, book: OrderBook) -> None:
        if book not in self._waiting:
            self._waiting.add(book)
            self._append(book)

    def has_any(self) -> bool:
        while self.items and not self.items[0].is_live:
            self._waiting.discard(self.items.popleft())
        return bool(self.items)

    def pop(self) -> Any:
        book = super().pop()
        self._waiting.discard(book)
        return book

    def close(self) -> None:
        self._waiting.clear()
        super().close()


class OutletOwner(Protocol):
    """Who has an outlet."""

    def fail(self, error: Exception) -> None:
        """An exception ends the binding (`unbind`)."""

    def adopt(self, coroutine: Any) -> None:
        """What a sync handler returned is awaitable."""


class Outlet:
    """Where the messages of one binding go: a sync handler, or a queue.

    Attributes:
        sequence: the order of binding.
        put: takes one message; replaced when the outlet closes.
        queue: the queue, or None where `put` is the handler itself.
        on_error: what an exception does.
        owner: whose it is; None once it is closed.
        topic: what it is bound to on a route; None for one that takes whatever comes.
        label: for messages to people.
        log: where a handler that failed is told of.
        is_ending: whether the manager ends: a handler that meets that has done nothing wrong.
        of_books: whether it takes order books, kept from the pushes, instead of these.
        raised: how often, by the kind of error.
    """

    __slots__ = (
        "is_ending",
        "label",
        "log",
        "of_books",
        "on_error",
        "owner",
        "put",
        "queue",
        "raised",
        "sequence",
        "topic",
    )

    def __init__(
        self,
        sequence: int,
        target: Put | MessageQueue,
        *,
        label: str,
        on_error: ErrorPolicy,
        owner: OutletOwner | None = None,
        of_books: bool = False,
        log: Log = _log,
    ) -> None:
        self.log = log
        self.sequence = sequence
        self.of_books = of_books
        self.label = label
        self.is_ending = False
        self.raised: dict[str, int] | None = None
        self.on_error = on_error
        self.owner = owner
        self.topic: Topic | None = None
        self.queue = target if isinstance(target, MessageQueue) else None
        self.put: Put = target.put if isinstance(target, MessageQueue) else target

    def failed(self, error: Exception) -> None:
        """Apply the error policy: raise on, log, or log and end the binding.

        `ManagerClosed` in a handler at work while the manager ends is as a cancellation: that
        it can bind nothing more ends what it was doing, and is no error.
        """
        if self.is_ending and isinstance(error, ManagerClosed):
            self.log.debug("the handler of %s stopped short: %s", self.label, error)
            return
        if self.on_error is ErrorPolicy.RAISE:
            raise error
        self._tell(error)
        if self.on_error is ErrorPolicy.UNBIND and self.owner is not None:
            self.owner.fail(error)

    def on_coroutine(self, coroutine: object) -> None:
        """A sync handler returned something to await."""
        if self.owner is not None:
            self.owner.adopt(coroutine)

    def _tell(self, error: Exception) -> None:
        """Log the first error of each kind in full, and of the others now and then how many."""
        if self.raised is None:
            self.raised = {}
        kind = type(error).__qualname__
        count = self.raised[kind] = self.raised.get(kind, 0) + 1
        if count == 1:
            self.log.error("the handler of %s raised", self.label, exc_info=error)
        elif count in (10, 100) or count % 1000 == 0:
            self.log.error(
                "the handler of %s raised %s %d times: %s", self.label, kind, count, error
            )

    def close(self) -> None:
        """Deliver nothing more and refer to no handler."""
        self.put = _ignore
        self.owner = None
        if self.queue is not None:
            self.queue.close()


@attrs.define(eq=False)
class Route:
    """What happens to the pushes with one key.

    Attributes:
        topics: what is bound of the topics that share the key; the last one when none is.
        bound: who asked for them.
        outlets: these and the general ones, in the order of binding.
        readers: those of them that take the book.
        synchroniser: keeps the book, where somebody takes it.
        merger: drops copies and finds gaps, where there can be any.
        heard: when its last push was read, ns since the epoch; 0 before the first.
        undecodable: pushes of the topic that were not what it promises.
    """

    topics: tuple[Topic, ...]
    decode: Decoder
    bound: tuple[Outlet, ...] = ()
    outlets: tuple[Outlet, ...] = ()
    readers: tuple[Outlet, ...] = ()
    synchroniser: Synchroniser | None = None
    merger: Merger | None = None
    heard: int = 0
    undecodable: int = 0
    tell: Callable[[Route, int, int], None] | None = None

    def missing(self, first: int, last: int) -> None:
        """Versions of its topic are missing; a method, as that is the smallest thing to call."""
        if self.tell is not None:
            self.tell(self, first, last)


_NUMBERED = frozenset({PublicChannelType.ORDERBOOK_DELTA, PublicChannelType.TRADES})
"""What exchanges number: copies and gaps can be told even on a single leg."""

_by_sequence = attrgetter("sequence")


@attrs.define
class _General:
    """An outlet for every message of a kind."""

    channel: Channel
    parameters: Parameters
    outlet: Outlet

    def wants(self, topic: Topic, venue: Venue) -> bool:
        """Whether it takes what a topic brings. Books are those that are kept from deltas."""
        if self.outlet.of_books:
            plan = venue.book_of(topic)
            is_delta = topic.channel.type is PublicChannelType.ORDERBOOK_DELTA
            return is_delta and plan is not None and self.parameters.accepts(plan.parameters)
        return topic.channel.type == self.channel.type and self.parameters.accepts(topic.parameters)

    def fits(self, route: Route, venue: Venue) -> bool:
        """Whether any of the topics of a route is wanted; their pushes are the same."""
        if self.outlet.of_books and any(outlet.of_books for outlet in route.bound):
            plan = venue.book_of(route.topics[0])
            return plan is not None and self.parameters.accepts(plan.parameters)
        return any(self.wants(topic, venue) for topic in route.topics)


class BookKeeper(Protocol):
    """Who makes the synchronisers."""

    def keep(self, plan: BookPlan) -> Synchroniser:
        """Begin to keep a book."""
        ...

    def drop(self, synchroniser: Synchroniser) -> None:
        """Nobody reads it any more."""


class Router:
    """The routes of one manager.

    Attributes:
        frames: frames seen, control frames included.
        controls: frames that were no push.
        full: outlets whose queue is full and which must not lose anything.
        unrouted: pushes that nobody bound.
        skipped: frames that were neither push nor control, by reason.
        undecodable: frames that were not what their topic promised.
        empty: pushes without content.
    """

    def __init__(
        self,
        venue: Venue,
        number_type: type[Number],
        on_gap: Callable[[Channel, int, int], None],
        *,
        log: Log = _log,
    ) -> None:
        self._log = log
        self.books: BookKeeper | None = None
        self._venue = venue
        self._synchronised: dict[Synchroniser, Route] = {}
        self._on_gap = on_gap
        self._missing = self._on_missing  # one for all routes
        self._number_type = number_type
        self._key = venue.key
        self._routes: dict[bytes, Route] = {}
        self._general: list[_General] = []
        self.frames = 0
        self.unrouted = 0
        self.empty = 0
        self.undecodable = 0
        self.skipped: dict[str, int] = {}
        self.controls = 0
        self.full: list[Outlet] = []

    # Binding

    def bind(self, topic: Topic, outlet: Outlet) -> Route:
        """Add an outlet for the pushes of one topic."""
        route = self._routes.get(topic.key)
        if route is None:
            route = self._open(topic)
        outlet.topic = topic
        route.bound = (*route.bound, outlet)
        self._arrange(route)
        return route

    def _arrange(self, route: Route) -> None:
        """See who gets the pushes of a route."""
        if route.bound:
            topics = {each.topic.name: each.topic for each in route.bound if each.topic}
            if topics.keys() != {topic.name for topic in route.topics}:
                route.topics = tuple(topics.values())
        general = (each.outlet for each in self._general if each.fits(route, self._venue))
        outlets = sorted((*route.bound, *general), key=_by_sequence)
        route.outlets = tuple(each for each in outlets if not each.of_books)
        if route.outlets == route.bound:
            route.outlets = route.bound  # as nearly all are: one for both
        route.readers = tuple(each for each in outlets if each.of_books)
        if bool(route.readers) != (route.synchroniser is not None):
            self._arrange_book(route)

    def _arrange_book(self, route: Route) -> None:
        """Keep the book of a route, or keep it no more."""
        assert self.books is not None
        if route.synchroniser is not None:
            del self._synchronised[route.synchroniser]
            self.books.drop(route.synchroniser)
            route.synchroniser = None
            if route.merger is not None:
                route.merger.wants_base = None
            return
        plan = self._venue.book_of(route.topics[0])
        assert plan is not None
        synchroniser = route.synchroniser = self.books.keep(plan)
        self._synchronised[synchroniser] = route
        if route.merger is not None:
            self._merge(route)

    # Books

    def confirmed(self, topic: Topic) -> None:
        """The exchange confirmed a topic."""
        route = self._routes.get(topic.key)
        if route is not None and route.synchroniser is not None:
            route.synchroniser.confirmed()

    def book(self, topic: Topic) -> OrderBook | None:
        """The book that is kept from a topic."""
        route = self._routes.get(topic.key)
        return None if route is None or route.synchroniser is None else route.synchroniser.book

    def lost(self, topics: Iterable[Topic], reason: str) -> None:
        """No connection carries these any more, and what they had brought is routed."""
        for topic in topics:
            route = self._routes.get(topic.key)
            if route is not None and route.synchroniser is not None:
                route.synchroniser.lost(reason)

    def seed(self, synchroniser: Synchroniser, snapshot: BookSnapshot) -> None:
        """A snapshot came that a book needed."""
        route = self._synchronised.get(synchroniser)
        if route is not None and synchroniser.seed(snapshot):
            self._hand_out(synchroniser.book, route.readers)

    def _hand_out(self, message: object, outlets: Sequence[Outlet]) -> bool:
        """Give a message to outlets; whether one of them is full now, and may lose nothing."""
        paused = False
        for outlet in outlets:
            try:
                result = outlet.put(message)
            except Exception as error:  # noqa: BLE001  the policy decides
                outlet.failed(error)
            else:
                if result is not None and self._unusual(outlet, result):
                    paused = True
        return paused

    def bind_general(self, channel: Channel, parameters: Parameters, outlet: Outlet) -> None:
        """Add an outlet for every message of the kind, whatever its symbol."""
        general = _General(channel, parameters, outlet)
        self._general.append(general)
        for route in self._routes.values():
            if general.fits(route, self._venue):
                self._arrange(route)

    def unbind(self, outlet: Outlet) -> None:
        """Remove an outlet from wherever it is, and close it."""
        outlet.close()
        self._general = [each for each in self._general if each.outlet is not outlet]
        for key, route in list(self._routes.items()):
            if outlet in route.outlets or outlet in route.readers:
                route.bound = tuple(each for each in route.bound if each is not outlet)
                self._arrange(route)
                if not (route.outlets or route.readers):
                    del self._routes[key]

    def _open(self, topic: Topic) -> Route:
        decode = self._venue.decoder(topic, self._number_type)
        route = Route((topic,), decode)
        if topic.channel.type in _NUMBERED:
            self._merge(route)
        self._arrange(route)
        self._routes[topic.key] = route
        return route

    def heard(self, topic: Topic) -> int:
        """When the last push of a topic was read, ns since the epoch; 0 if none was."""
        route = self._routes.get(topic.key)
        return 0 if route is None else route.heard

    # Copies

    def merge(self, topics: Iterable[Topic]) -> None:
        """More than one leg will bring these from now on."""
        for topic in topics:
            route = self._routes.get(topic.key)
            if route is not None and route.merger is None:
                self._merge(route)

    def _merge(self, route: Route) -> None:
        if route.merger is None:
            is_chain = route.topics[0].channel.type is PublicChannelType.ORDERBOOK_DELTA
            route.tell = self._missing
            route.merger = Merger(route.missing, is_chain=is_chain)
        if route.synchroniser is not None:
            route.merger.wants_base = route.synchroniser.wants_base

    def _on_missing(self, route: Route, first: int, last: int) -> None:
        """Versions are missing, or begin anew."""
        channel = route.topics[0].channel
        if route.outlets or not route.readers:
            self._on_gap(channel, first, last)
        if route.readers:
            self._on_gap(attrs.evolve(channel, type=PublicChannelType.ORDERBOOK), first, last)
        if route.synchroniser is not None and last < first:
            route.synchroniser.restarted()

    def join(self, leg: int, topic: Topic) -> None:
        """A leg will bring this topic from now on."""
        route = self._routes.get(topic.key)
        if route is not None and route.merger is not None:
            route.merger.join(leg)

    def leave(self, leg: int, topics: Iterable[Topic]) -> None:
        """A leg brings nothing more of these; deliver what waited for it."""
        for topic in topics:
            route = self._routes.get(topic.key)
            if route is not None and route.merger is not None:
                self._deliver(route, route.merger.leave(leg))

    def expire(self, now: int) -> None:
        """Deliver what waited too long for another leg; `now` is wall time, ns."""
        for route in list(self._routes.values()):
            if route.merger is not None and (ready := route.merger.expire(now)):
                self._deliver(route, ready)

    @property
    def duplicates(self) -> int:
        """Copies dropped on the topics bound now."""
        mergers = (route.merger for route in self._routes.values())
        return sum(merger.duplicates for merger in mergers if merger is not None)

    def _find(self, key: bytes) -> Route | None:
        """The route for a push that has none: only general outlets can want it."""
        topic = self._venue.topic_of(key) if self._general else None
        if topic is None or not any(each.wants(topic, self._venue) for each in self._general):
            return None
        route = self._open(topic)
        if route.synchroniser is not None:
            route.synchroniser.confirmed()  # it comes, whoever asked for it
        return route

    def sieve(self, batch: Batch, source: Source) -> None:
        """Take the control frames out of a batch that has to wait, and handle them now.

        A handler at work may be waiting for just that answer.
        """
        find, text = self._key, batch.text
        controls = [frame for frame in batch.frames if find(frame, text) is None]
        if controls:
            batch.frames[:] = [frame for frame in batch.frames if find(frame, text) is not None]
            self.frames += len(controls)
            for frame in controls:
                self._control(frame, text, source)

    # Routing

    def begin(self, frames: list[bytes]) -> Iterator[bytes]:
        """Count frames in, and return the iterator to `feed` with."""
        self.frames += len(frames)
        return iter(frames)

    def feed(self, frames: Iterator[bytes], text: bool, received: int, source: Source) -> bool:
        """Route frames until they are used up or a queue is full.

        Args:
            frames: from `begin`; call again with the same one to go on.
            received: wall time of the read, ns.
            source: who read them; told of what is no push.

        Returns:
            True when it paused: wait for all in `full` to have room, and call again.

        Raises:
            Exception: what a handler with the policy `raise` raised.
        """
        return _feed(self, frames, text, received, source, self._routes, self._key, source.leg)

    @staticmethod
    def feed_in_python(
        router: Router,
        frames: Iterator[bytes],
        text: bool,
        received: int,
        source: Source,
        routes: Mapping[bytes, Route],
        find: Callable[[bytes, bool], bytes | None],
        leg: int | None,
    ) -> bool:
        """What `Router.feed` does, with all it needs at hand; it has a twin in C."""
        for frame in frames:
            key = find(frame, text)
            route = routes.get(key) if key is not None else None
            if route is None:
                route = router._miss(key, frame, text, source)
                if route is None:
                    continue
            try:
                messages = route.decode(frame, received)
            except DecodeError as error:
                router._undecodable(route, error)
                continue
            route.heard = source.heard = received
            if not messages:
                router._skip_empty()
            elif leg is not None and route.merger is not None:
                messages = route.merger.take(leg, messages)
            paused = False
            for message in messages:
                for outlet in route.outlets:  # `_hand_out` written out: a call less a message
                    try:
                        result = outlet.put(message)
                    except Exception as error:  # noqa: BLE001  the policy decides
                        outlet.failed(error)
                        continue
                    if result is not None and router._unusual(outlet, result):
                        paused = True
                if route.synchroniser is not None and router._follow(route, message, leg):
                    paused = True
            if paused:
                return True
        return False

    def _miss(self, key: bytes | None, frame: bytes, text: bool, source: Source) -> Route | None:
        """What to do with a frame whose key has no route: it may have one now."""
        if key is None:
            self._control(frame, text, source)
            return None
        found = self._find(key)
        if found is None:
            self.unrouted += 1
        return found

    def _skip_empty(self) -> None:
        self.empty += 1

    def take_last(self, batch: Stamped) -> bytes | None:
        """Take the last frame out of a batch, for `feed_measured`; None where nobody bound it.

        A control frame stays where it is: it may have to be sieved.
        """
        frames = batch.frames
        key = self._key(frames[-1], batch.text) if frames else None
        if key is None or (key not in self._routes and self._find(key) is None):
            batch.probe.latency.missed()
            return None
        return frames.pop()

    def feed_measured(self, frame: bytes, batch: Stamped, source: Source) -> bool:
        """Route one frame as `feed` does, and count how long it takes.

        Args:
            frame: from `take_last`, behind all other frames of the batch.

        Returns:
            True when a queue is full, as `feed` does.

        Raises:
            Exception: what a handler with the policy `raise` raised.
        """
        self.frames += 1
        probe = batch.probe
        received, leg, perf_ns = batch.received, source.leg, probe.perf_ns
        begin = perf_ns()
        key = self._key(frame, batch.text)
        assert key is not None
        route = self._routes.get(key) or self._miss(key, frame, batch.text, source)
        if route is None:
            return False
        try:
            messages = route.decode(frame, received)
        except DecodeError as error:
            self._undecodable(route, error)
            return False
        route.heard = source.heard = received
        newest = messages[-1] if messages else None
        if newest is None:
            self.empty += 1
        elif leg is not None and route.merger is not None:
            messages = route.merger.take(leg, messages)
        paused = False
        decoded = perf_ns()
        for message in messages:
            if self._hand_out(message, route.outlets):
                paused = True
            if route.synchroniser is not None and self._follow(route, message, leg):
                paused = True
        probe.latency.routed(batch, begin, decoded, perf_ns() if messages else None, newest)
        return paused

    def _follow(self, route: Route, message: MarketMessage, leg: int | None) -> bool:
        """Let a book follow a message, and hand it out; whether feeding must pause."""
        synchroniser = route.synchroniser
        assert synchroniser is not None
        if leg is None:
            return self._hand_out(synchroniser.sample(message), route.readers)
        return synchroniser.take(message) and self._hand_out(synchroniser.book, route.readers)

    def _deliver(self, route: Route, messages: Sequence[MarketMessage]) -> None:
        """Deliver outside of a frame; a queue that is full takes it all the same."""
        for message in messages:
            self._hand_out(message, route.outlets)
            if route.synchroniser is not None:
                self._follow(route, message, -1)

    def _unusual(self, outlet: Outlet, result: object) -> bool:
        """A `put` returned something: its full queue, or what a handler's `return` gave."""
        if outlet.queue is None:
            if hasattr(result, "__await__"):
                outlet.on_coroutine(result)
            return False
        if outlet not in self.full:
            self.full.append(outlet)
        return True

    def _control(self, frame: bytes, text: bool, source: Source) -> None:
        self.controls += 1
        control = self._venue.control(frame, text)
        if isinstance(control, Skipped):
            known = control.reason in self.skipped or len(self.skipped) < _MOST_REASONS
            reason = control.reason if known else "other"
            self.skipped[reason] = self.skipped.get(reason, 0) + 1
            self._log.debug("skipped a frame: %s", control.reason)
        source.on_control(control)

    def _undecodable(self, route: Route, error: DecodeError) -> None:
        self.undecodable += 1
        route.undecodable += 1
        if route.undecodable == 1:
            self._log.warning("%s; further frames like it are only counted", error)
        else:
            self._log.debug("%s", error)


_feed = accelerated("feed", Router.feed_in_python)
