"""WebSocketManager: what a program holds. It ties bindings, router and lines together.

Its life is one nursery inside `run`, in three rings: the tasks of the bindings outside, the
router's within, the lines' innermost. Leaving goes from the inside out: lines close, what
they had read is routed, queues are drained; whatever is not done by the deadline is
cancelled. A second way to end does not exist.
"""

from __future__ import annotations

import abc
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from enum import Enum, auto
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeAlias, cast

import attrs
import trio

from .binding import Binding, BindingStatistics, Handler
from .books import Books, BookStatistics
from .channels import (
    BookSource,
    Channel,
    ExchangeEnum,
    Parameters,
    PrivateChannelType,
    PublicChannelType,
    validate_handler,
)
from .config import ErrorPolicy, ExchangeConfig, OverflowPolicy, WebSocketConfig, choice
from .errors import BindingError, ConfigError, ConnectFailed, ManagerClosed, TrioexError
from .errors import SubscriptionRefused as Refused
from .events import (
    BookStateChanged,
    ChannelLive,
    ChannelStale,
    ConnectionEvent,
    Disconnected,
    Gap,
    SlowConsumer,
    SubscriptionRefused,
)
from .exchanges import Venue, open_venue
from .exchanges.base import BookPlan, Control, Topic
from .frames import Batch
from .handoff import FrameChannel
from .http import Http, bounded
from .instrumentation import FastLogger
from .instrumentation.latency import Latency, LatencyStatistics, Stamped
from .line import Line, LineStatistics
from .messages import BookState
from .orderbook import OrderBook
from .registry import Registry
from .rest import Rest
from .router import Router, Source
from .staleness import ChannelState
from .subscriptions import Outcome
from .supervisor import Lines
from .synchroniser import StateChange
from .urls import shown

__all__ = [
    "BaseWebsocketInterface",
    "ChannelName",
    "ConnectionHandlers",
    "ManagerStatistics",
    "Unbound",
    "WebSocketManager",
]

ChannelName: TypeAlias = str | PublicChannelType | PrivateChannelType | Channel
ConnectionHandlers: TypeAlias = Handler | Iterable[Handler]

_EVENT_QUEUE = 1024
"""Events a slow connection handler may be behind; the oldest are dropped beyond."""

_WATCH_COPIES_S = 1.0
"""How often to see whether a message waits in vain for a copy of the one before it."""


class BaseWebsocketInterface(abc.ABC):
    """Something handlers can be bound to: channels in, typed messages out."""

    @abc.abstractmethod
    def bind(self, channel: ChannelName, handler: Handler | None = None) -> Binding[Any]:
        """Bind a handler, or without one an iterator, to a channel."""

    @abc.abstractmethod
    def unbind(self, channel: ChannelName, handler: Handler | None = None) -> Unbound:
        """End the bindings of a channel, or those of one handler."""


class Unbound:
    """What `unbind` returns: the bindings it ended.

    Nothing more is delivered to them already. Awaiting it waits until handlers that were at
    work have ended.
    """

    def __init__(self, bindings: Iterable[Binding[Any]]) -> None:
        self.bindings = tuple(bindings)

    def __repr__(self) -> str:
        return f"<Unbound {len(self.bindings)}>"

    def __await__(self) -> Generator[Any, Any, Unbound]:
        return self._wait().__await__()

    async def _wait(self) -> Unbound:
        await trio.lowlevel.checkpoint()
        for binding in self.bindings:
            await binding.wait_ended()
        return self


@attrs.frozen
class ManagerStatistics:
    """An immutable snapshot of a manager.

    Attributes:
        frames: frames routed so far, control frames included.
        unrouted: pushes that nobody had bound.
        empty: pushes without content.
        duplicates: copies that came over a second connection and were dropped.
        undecodable: pushes that were not what their channel promises.
        skipped: frames that were neither push nor control, by reason.
        waiting_bytes, peak_waiting_bytes: read and not yet routed, now and at most; the memory
            it takes, which for small frames is more than what is in them.
        lines: one each connection.
        bindings: by `str(binding)`, in the order of binding.
        books: one each order book that is kept.
        latency: where the time went; None where it is not measured.
    """

    frames: int
    unrouted: int
    empty: int
    duplicates: int
    undecodable: int
    skipped: Mapping[str, int]
    waiting_bytes: int
    peak_waiting_bytes: int
    lines: tuple[LineStatistics, ...]
    bindings: tuple[tuple[str, BindingStatistics], ...]
    books: tuple[BookStatistics, ...]
    latency: LatencyStatistics | None

    @property
    def answers(self) -> int:
        """Acknowledgements and refusals heard on all lines."""
        return sum(line.answers for line in self.lines)


class _State(Enum):
    NEW = auto()
    RUNNING = auto()
    ENDING = auto()
    CLOSED = auto()


class WebSocketManager(BaseWebsocketInterface):
    """Connections to one market of one exchange, and the handlers bound to its channels.

    Run it as a context manager or in a nursery of yours::

        async with WebSocketManager(config) as ws: ...
        ws = await nursery.start(WebSocketManager(config).run)

    Both are ready once the exchange confirmed what was bound before. Leaving the block ends
    everything within `close_timeout`; cancelling it ends everything at once and delivers
    nothing more. An exception of a handler leaves through the nursery, in a group.

    Args:
        config: a `WebSocketConfig` (`ExchangeConfig.websocket`) or an `ExchangeConfig`.
        bind_channels: channel to handler, or to several; bound at once.
        connection_handlers: called with each event of `trioex.events`.

    Raises:
        ConfigError: names the setting and what is allowed.
    """

    def __init__(
        self,
        config: WebSocketConfig | ExchangeConfig,
        *,
        bind_channels: Mapping[Any, Handler | Iterable[Handler]] | None = None,
        connection_handlers: ConnectionHandlers | None = None,
    ) -> None:
        self.config = config = _websocket_config(config)
        assert config.exchange is not None
        self._venue = open_venue(config.exchange, config.market)
        self._state = _State.NEW
        self._log = config.logger("trioex.manager")
        self._router = Router(
            self._venue, config.number_type, self._on_gap, log=config.logger("trioex.router")
        )
        self._channel = FrameChannel[Source](
            config.frame_channel_bytes, self._on_half, self._router.sieve
        )
        self._latency = config.latency if isinstance(config.latency, Latency) else None
        deliver = self._channel.send if config.handoff == "channel" else self._deliver
        self._lines = Lines(self._venue, config, self, deliver)
        self._http = Http()
        rest = Rest(
            config.rest_url or self._venue.rest_url,
            self._venue.rest_rules,
            bounded(config.fetch) if config.fetch is not None else self._http.fetch,
            config.classify,
        )
        self._registry = Registry(
            self._venue,
            config,
            self._router,
            self._lines,
            rest,
            on_resolved=self._check_ready,
            on_channel=self._on_channel,
            is_behind=lambda: self.is_behind,
        )
        self._books = self._router.books = Books(
            self._venue,
            config,
            rest,
            renew=self._registry.renew,
            publish=self._router.seed,
            is_behind=lambda: self.is_behind,
            on_state=self._on_book,
            on_given_up=self._on_no_book,
        )
        self._listeners: list[Binding[ConnectionEvent]] = []
        self._room = trio.lowlevel.ParkingLot()
        self._ready = trio.Event()
        self._ending = trio.Event()
        self._closed = trio.Event()
        self._waited_for: str | None = None
        """The channel behind which all that waits has come to wait; None when nothing does."""
        self._due = math.inf, math.inf
        """When requests, and messages that wait for a copy, are looked at next."""
        self._deadline = math.inf
        self._failure: TrioexError | None = None
        self._last_failure = ""
        self._context: contextlib.AbstractAsyncContextManager[None] | None = None
        for handler in _handlers("connection_handlers", connection_handlers):
            self.bind_events(handler)
        for channel, given in _bind_channels(bind_channels).items():
            name = f"bind_channels[{str(channel)!r}]"
            handlers = _handlers(name, given)
            if not handlers:
                raise ConfigError(f"{name}={given!r} is no handler; allowed are one or several")
            for handler in handlers:
                self.bind(channel, handler)

    def __repr__(self) -> str:
        bound = len(self._registry.bindings)
        return (
            f"<WebSocketManager {self._venue.exchange} {self._venue.market} "
            f"{self._state.name}, {bound} bound>"
        )

    @property
    def venue(self) -> Venue:
        """The venue it speaks to: its rules, its instruments, the channels it offers."""
        return self._venue

    # Binding

    def bind(
        self,
        channel: ChannelName,
        handler: Handler | None = None,
        *,
        depth: int | None = None,
        interval: str | None = None,
        speed: str | None = None,
        timezone: str | None = None,
        batch: bool | None = None,
        source: BookSource | str | None = None,
        symbols: str | None = None,
        queue_size: int | None = None,
        overflow: OverflowPolicy | str | None = None,
        on_error: ErrorPolicy | str | None = None,
    ) -> Binding[Any]:
        """Bind a handler, or without one an iterator, to a channel.

        Works before, while and after connecting, from anywhere, handlers included. The
        subscription is asked for at once; await the binding to know that it was confirmed.

        Args:
            channel: `spot.trades.BTCUSDT`; without a symbol, every message of the kind that
                arrives for symbols subscribed otherwise.
            handler: called with each message. A sync handler runs in the router and must not
                block; an async one has a task and a queue of its own.
            depth, interval, speed, timezone, batch, source: see `trioex.channels.Parameters`.
            symbols: `"all"` subscribes the venue's all-symbols stream.
            queue_size, overflow, on_error: instead of the configured ones.

        Raises:
            BindingError: a `ValueError`, at once, for what can never work: the name, the
                handler, a keyword, a channel the venue does not offer.
            ManagerClosed: the manager has ended.
        """
        parsed = Channel.parse(channel)
        if handler is not None:
            validate_handler(handler)
        if symbols not in (None, "all"):
            raise BindingError(f"symbols={symbols!r} is not allowed; allowed is 'all'")
        if symbols == "all" and parsed.symbol is not None:
            raise BindingError(
                f"symbols='all' contradicts the symbol of {str(parsed)!r}; "
                f"bind {str(parsed.type)!r}"
            )
        self._check_open()
        binding = self._registry.make(
            parsed,
            handler,
            label=channel if type(channel) is str else str(parsed),
            parameters=Parameters(
                depth=depth,
                interval=interval,
                speed=speed,
                timezone=timezone,
                batch=batch,
                source=None if source is None else _source(source),
            ),
            queue_size=queue_size,
            overflow=overflow,
            on_error=on_error,
        )
        self._registry.add(binding, every=symbols == "all")
        return binding

    def unbind(
        self, channel: ChannelName | Binding[Any], handler: Handler | None = None
    ) -> Unbound:
        """End the bindings of a channel (those of `handler`, if given), or one binding.

        When it returns, not one more message is delivered to them and their handlers' tasks
        are cancelled; the last binding of a channel unsubscribes. Where nothing is bound it
        does nothing. Await what it returns to wait until handlers at work have ended.

        Raises:
            ChannelError: the channel is no channel.
        """
        if isinstance(channel, Binding):
            found = [channel]
        else:
            found = self._registry.find(Channel.parse(channel), handler)
        for binding in found:
            binding.unbind()
        return Unbound(found)

    def bind_events(self, handler: Handler | None = None) -> Binding[ConnectionEvent]:
        """Bind a handler, or without one an iterator, to the events of `trioex.events`."""
        self._check_open()
        binding = self._registry.make(
            None,
            handler,
            label="connection events",
            queue_size=_EVENT_QUEUE,
            overflow=OverflowPolicy.DROP_OLDEST,
        )
        self._registry.add_listener(binding)
        self._listeners = [each for each in self._listeners if not each.has_ended]
        self._listeners.append(binding)
        return binding

    def book(
        self,
        symbol: str | Channel,
        *,
        depth: int | None = None,
        speed: str | None = None,
        source: BookSource | str | None = None,
    ) -> OrderBook:
        """The order book of a symbol that is bound, to be read at any time while it is LIVE.

        Args:
            symbol: `BTCUSDT`, or the channel `spot.orderbook.BTCUSDT`.
            depth, speed, source: as given to `bind`, where several books of the symbol are
                kept; without them it is the one that was bound first.

        Raises:
            BindingError: no such book is kept, or the channel is not of a book.
        """
        if isinstance(symbol, Channel) or "." in symbol:
            channel = Channel.parse(symbol)
            if channel.type is not PublicChannelType.ORDERBOOK or channel.symbol is None:
                raise BindingError(f"{str(channel)!r} is not the channel of one symbol's book")
            symbol = channel.symbol
        chosen = Parameters(
            depth=depth, speed=speed, source=None if source is None else _source(source)
        )
        book = self._books.find(symbol, chosen)
        if book is None:
            given = "".join(f", {name}={value!r}" for name, value in chosen.given().items())
            raise BindingError(
                f"no book of {symbol!r}{given} is kept; bind 'spot.orderbook.{symbol}'{given}"
            )
        return book

    @property
    def books(self) -> tuple[OrderBook, ...]:
        """The order books that are kept."""
        return tuple(self._books)

    def channel_state(self, channel: ChannelName) -> ChannelState:
        """Whether a bound channel is alive, as of the last look; see `ChannelState`.

        Raises:
            BindingError: it is no channel, or nothing is bound to it.
        """
        return self._registry.state(Channel.parse(channel))

    def _check_open(self) -> None:
        if self._state in (_State.ENDING, _State.CLOSED):
            raise ManagerClosed(f"{self!r} has ended; make a new manager")

    # Its life

    async def run(
        self, *, task_status: trio.TaskStatus[WebSocketManager] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Connect and deliver until `aclose`; made for `nursery.start`.

        It is started once the exchange confirmed what was bound before. Cancelling it ends
        everything at once.

        Raises:
            ConnectFailed: no connection could be opened within `connect_timeout`.
            TrioexError: the exchange refused the connection for good.
            ManagerClosed: it ran already.
        """
        if self._state is not _State.NEW:
            raise ManagerClosed(f"{self!r} runs only once; make a new manager")
        self._state = _State.RUNNING
        try:
            await self._run(task_status)
            self._registry.give_up()
            await self._flush_log()
        finally:
            self._state = _State.CLOSED
            self._registry.end(ManagerClosed(f"{self!r} ended before the exchange confirmed it"))
            self._registry.give_up()
            self._books.end()
            self._closed.set()
        if self._failure is not None:
            raise self._failure

    async def _run(self, task_status: trio.TaskStatus[WebSocketManager]) -> None:
        now = trio.current_time()
        self._due = now + self.config.subscribe_timeout / 2, now + _WATCH_COPIES_S
        async with self._http, trio.open_nursery() as bindings:
            self._registry.start(bindings)
            async with trio.open_nursery() as router:
                router.start_soon(self._route_batches)
                async with trio.open_nursery() as lines:
                    self._lines.start(lines)
                    self._books.start(lines)
                    await self._wait_ready()
                    if self._failure is None:
                        task_status.started(self)
                    await self._tend(self._ending)
                    self._state = _State.ENDING
                    self._deadline = trio.current_time() + self.config.close_timeout
                    bindings.cancel_scope.deadline = self._deadline
                    self._registry.wind_up()
                    self._books.stop()
                    self._lines.stop()
                self._channel.close()
            self._registry.end(ManagerClosed(f"{self!r} ended before the exchange confirmed it"))

    async def _flush_log(self) -> None:
        """Let a log that writes later write what the end had to tell, too."""
        if isinstance(self._log, FastLogger):
            with trio.move_on_at(self._deadline):
                await self._log.flush()

    async def _wait_ready(self) -> None:
        timeout = self.config.connect_timeout
        await self._tend(self._ready, trio.current_time() + timeout)
        if not self._ready.is_set() and not any(line.is_open for line in self._lines):
            # The first attempt may last as long as that, and have told nothing yet.
            url = shown(self.config.url or self._venue.url)
            why = self._last_failure or f"{url} did not open in that time"
            self._end(ConnectFailed(f"no connection within {timeout:g} s: {why}"))

    async def _tend(self, event: trio.Event, deadline: float = math.inf) -> None:
        """Wait for an event, at most until `deadline`, and do what is to be done meanwhile.

        What runs now and then needs no task of its own: of managers there may be many.
        """
        while not event.is_set() and trio.current_time() < deadline:
            with trio.move_on_at(min(deadline, *self._due)):
                await event.wait()
            now, (expire, copies) = trio.current_time(), self._due
            if now >= expire:
                expire = now + self.config.subscribe_timeout / 2
                self._expire_requests()
            if now >= copies:
                copies = now + _WATCH_COPIES_S
                self._expire_copies()
            self._due = expire, copies

    def _expire_requests(self) -> None:
        """Ask again for what is not answered; never while answers may wait behind a handler."""
        if not self._channel.waiting:
            self._lines.expire()

    def _expire_copies(self) -> None:
        """Let go what waits for a copy while nothing comes; what was read may yet be the copy."""
        if not self.is_behind:
            self._router.expire(self.config.environment.time_ns())

    def rotate(self) -> None:
        """Replace every connection by a new one, make before break.

        Returns at once; `Rotated` is told for each when the old one is closed.
        """
        self._check_open()
        self._lines.rotate()

    def _on_channel(self, topic: Topic, state: ChannelState, silent: int) -> None:
        channel = str(topic.channel)
        if state is ChannelState.STALE:
            self.on_event(ChannelStale(*self._whose(-1), channel, silent))
        else:
            self.on_event(ChannelLive(*self._whose(-1), channel))

    async def aclose(self) -> None:
        """End in peace: what was read is delivered, within `close_timeout`. Twice is once.

        Cancelled, it stops waiting; the manager ends all the same. A handler does not wait
        here for the end, which comes after its own; what it does next it can still finish.
        """
        if self._state is _State.NEW:
            self._state = _State.CLOSED
            self._registry.end(ManagerClosed(f"{self!r} ended before it ran"))
            self._registry.give_up()
            self._closed.set()
        self._end(None)
        if any(binding.is_serving for binding in self._registry.bindings):
            await trio.lowlevel.checkpoint()
        else:
            await self._closed.wait()

    async def wait_closed(self) -> None:
        """Wait until the manager has ended."""
        await self._closed.wait()

    async def __aenter__(self) -> Self:
        self._context = self._open()
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        context, self._context = self._context, None
        assert context is not None
        return await context.__aexit__(exc_type, exc, traceback)  # noqa: ASYNC102  bounds itself

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncGenerator[None]:
        """The nursery around the block.

        An exception of the block, or the reason to give up, leaves as it is, in no group.
        """
        raised: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await nursery.start(self.run)
                    yield
                except Exception as error:  # noqa: BLE001  raised again outside the nursery
                    raised = error
                    nursery.cancel_scope.cancel()
                self._end(None)
        except BaseExceptionGroup as group:
            if raised is not None:
                raise group.derive([raised, *group.exceptions]) from None
            if group.exceptions != (self._failure,):
                raise
            raised = self._failure
        if raised is not None:
            raise raised

    # What lines tell

    def on_event(self, event: ConnectionEvent) -> None:
        """Give an event to everybody who bound to them."""
        if isinstance(event, Disconnected):
            self._last_failure = event.reason
        for binding in tuple(self._listeners):
            if binding.has_ended:
                self._listeners.remove(binding)
                continue
            try:
                result = binding.outlet.put(event)
            except Exception as error:  # noqa: BLE001  the policy decides
                binding.outlet.failed(error)
            else:
                if hasattr(result, "__await__"):
                    binding.outlet.on_coroutine(result)
        self._check_ready()

    def on_outcome(self, line: Line, outcome: Outcome) -> None:
        """Confirm or fail the bindings of one subscription."""
        errors = self._registry.on_outcome(outcome)
        self._tell_refused(line.number, errors, is_final=outcome.is_final)

    def _tell_refused(self, line: int, errors: Iterable[Refused], *, is_final: bool) -> None:
        level = logging.ERROR if is_final else logging.WARNING
        for error in errors:
            self._log.log(level, "%s", error)
            self.on_event(
                SubscriptionRefused(
                    *self._whose(line), error.channel, error.reason, error.code, is_final
                )
            )
        self._check_ready()

    def on_unconfirmed(self, topics: Iterable[Topic]) -> None:
        """No connection carries these any more."""
        topics = tuple(topics)
        self._registry.on_unconfirmed(topics)
        self._in_turn(partial(self._router.lost, topics, "no connection carries it"))

    def on_copies(self, topics: Iterable[Topic]) -> None:
        """More than one connection will carry these."""
        self._router.merge(topics)

    def on_leg_joined(self, leg: int, topic: Topic) -> None:
        """A connection carries this topic from now on."""
        self._router.join(leg, topic)

    def on_leg_gone(self, leg: int, topics: Iterable[Topic]) -> None:
        """A connection brings nothing more of these, once what it had read is routed."""
        self._in_turn(partial(self._router.leave, leg, tuple(topics)))

    def _in_turn(self, action: Callable[[], None]) -> None:
        """Do something once what has been read so far is routed."""
        if self._channel.is_empty:
            action()
        else:
            self._channel.send_nowait(_Turn(action), _NOTHING)

    @property
    def is_behind(self) -> bool:
        """Whether what was read may still wait to be routed."""
        return not self._channel.is_empty

    def on_progress(self) -> None:
        """A line may be ready that was not."""
        self._check_ready()

    def on_end(self, failure: TrioexError | None) -> None:
        """A line ended for good."""
        if failure is not None:
            self._end(failure)
        elif not self.config.reconnect and not any(each.is_open for each in self._lines):
            self._end(None)

    def _end(self, failure: TrioexError | None) -> None:
        self._failure = self._failure or failure
        self._ready.set()
        self._ending.set()

    def _check_ready(self) -> None:
        if self._ready.is_set():
            return
        if self._registry.is_resolved and all(line.is_ready for line in self._lines):
            self._ready.set()

    # Routing

    async def _route_batches(self) -> None:
        channel = self._channel
        measures = self._latency is not None
        while True:
            try:
                source, batch = await channel.receive()
            except trio.EndOfChannel:
                return
            if measures and type(batch) is Stamped:
                await self._route_measured(source, batch)
            else:
                await self._route(source, batch)
            channel.routed()
            if not channel.waiting:
                self._waited_for = None

    async def _route_measured(self, source: Source, batch: Stamped) -> None:
        """Route a batch, and measure its last message."""
        batch.probe.taken = batch.probe.perf_ns()
        last = self._router.take_last(batch)
        await self._route(source, batch)
        if last is not None and self._router.feed_measured(last, batch, source):
            self._sieved(iter(()), batch, source)
            await self._wait_room()

    async def _route(self, source: Source, batch: Batch) -> None:
        if isinstance(source, _Turn):
            source.action()
        frames = self._router.begin(batch.frames)
        await self._wait_room()  # a reader that routes itself may have left queues full
        while self._router.feed(frames, batch.text, batch.received, source):
            frames = self._sieved(frames, batch, source)
            await self._wait_room()

    def _sieved(self, frames: Iterator[bytes], batch: Batch, source: Source) -> Iterator[bytes]:
        """What is left of a batch when the router must wait, without its control frames."""
        rest = Batch(batch.text, list(frames), batch.received, 0)
        self._router.frames -= len(rest.frames)
        self._router.sieve(rest, source)
        self._channel.sieve_all()
        return self._router.begin(rest.frames)

    async def _deliver(self, source: Source, batch: Batch) -> None:
        """Route in the reader's own task; what cannot be routed now goes the other way."""
        if not self._channel.is_empty:
            await self._channel.send(source, batch)
            return
        if self._latency is not None and type(batch) is Stamped:  # cheaper than isinstance
            self._deliver_measured(source, batch)
            return
        frames = self._router.begin(batch.frames)
        if self._router.feed(frames, batch.text, batch.received, source):
            rest = list(frames)
            self._router.frames -= len(rest)
            self._leave(source, Batch(batch.text, rest, batch.received, 0))

    def _deliver_measured(self, source: Source, batch: Stamped) -> None:
        """The same, and measure the last message."""
        last = self._router.take_last(batch)
        frames = self._router.begin(batch.frames)
        if self._router.feed(frames, batch.text, batch.received, source):
            rest = list(frames)
            self._router.frames -= len(rest)
            if last is not None:
                rest.append(last)
            self._leave(source, attrs.evolve(batch, frames=rest))
        elif last is not None and self._router.feed_measured(last, batch, source):
            self._leave(source, attrs.evolve(batch, frames=[]))

    def _leave(self, source: Source, batch: Batch) -> None:
        """Leave the rest of a batch to the router's task, which waits for room."""
        self._channel.is_sieving = True
        batch = attrs.evolve(batch, size=sum(map(len, batch.frames)))
        self._channel.send_nowait(source, batch)

    async def _wait_room(self) -> None:
        full = self._router.full
        while full:
            queue = full[-1].queue
            if queue is None or not queue.is_full:
                full.pop()
                continue
            self._waited_for = full[-1].label
            queue.on_room = self._room.unpark_all
            await self._room.park()
        self._channel.is_sieving = False

    def _on_gap(self, channel: Channel, first: int, last: int) -> None:
        self.on_event(Gap(*self._whose(-1), str(channel), first, last))

    def _on_book(self, plan: BookPlan, change: StateChange) -> None:
        state, before = change.state, change.before
        is_bad = state is BookState.GAP or state is before
        level = logging.WARNING if is_bad else logging.DEBUG
        self._log.log(level, "%s is %s: %s", plan.channel, state.name, change.reason)
        if state is BookState.LIVE:
            self._registry.on_live(plan.topic)
        self.on_event(
            BookStateChanged(
                *self._whose(-1), str(plan.channel), state, before, change.reason, change.version
            )
        )

    def _on_no_book(self, plan: BookPlan, reason: str) -> None:
        errors = self._registry.refuse_books(plan.topic, reason)
        self._tell_refused(-1, errors, is_final=True)

    def _whose(self, line: int) -> tuple[ExchangeEnum, str, int, int]:
        """What every event begins with."""
        now = self.config.environment.time_ns()
        return self._venue.exchange, self._venue.market, line, now

    def _on_half(self, waiting: int) -> None:
        full = [each for each in self._router.full if each.queue and each.queue.is_full]
        self.on_event(
            SlowConsumer(
                *self._whose(-1),
                full[0].label if full else self._waited_for,
                waiting,
                self.config.frame_channel_bytes,
            )
        )

    # Looking in, and testing

    def statistics(self) -> ManagerStatistics:
        """Return an immutable snapshot."""
        router = self._router
        return ManagerStatistics(
            frames=router.frames,
            unrouted=router.unrouted,
            empty=router.empty,
            duplicates=router.duplicates,
            undecodable=router.undecodable,
            skipped=MappingProxyType(dict(router.skipped)),
            waiting_bytes=self._channel.waiting,
            peak_waiting_bytes=self._channel.peak,
            lines=tuple(line.statistics() for line in self._lines),
            bindings=tuple((str(each), each.statistics()) for each in self._registry.bindings),
            books=self._books.statistics(),
            latency=None if self._latency is None else self._latency.statistics(),
        )

    async def process_test_message(self, raw: str | bytes | None = None) -> int:
        """Route one raw frame as if it had been read; handlers have finished when it returns.

        Args:
            raw: text, or bytes as they stand on the wire; None routes one well-formed sample
                of every bound channel.

        Returns:
            How many frames were routed to a binding.

        Works on a manager that is not running, too: async handlers are then called here.
        """
        await trio.lowlevel.checkpoint()
        if not self._registry.is_running:
            self._registry.guess()
        now = self.config.environment.time_ns()
        if raw is None:
            samples = [self._venue.sample(topic, now) for topic in self._registry.topics()]
        else:
            samples = [_frame(raw)]
        router = self._router
        before = router.unrouted + router.controls
        for frame, text in samples:
            await self._test(Batch(text, [frame], now, len(frame)))
        return len(samples) - (router.unrouted + router.controls - before)

    async def _test(self, batch: Batch) -> None:
        frames = self._router.begin(batch.frames)
        paused = True
        while paused:
            paused = self._router.feed(frames, batch.text, batch.received, _TEST)
            for binding in self._registry.bindings:
                if self._registry.is_running:
                    await binding.wait_idle()
                else:
                    await binding.drain()
            if self._registry.is_running:
                await self._wait_room()
            else:
                self._router.full.clear()  # an iterator's queue: nobody can empty it meanwhile


@attrs.define
class _Turn:
    """Stands among what was read: something to do when its turn has come."""

    action: Callable[[], None]
    leg: int | None = None
    heard: int = 0

    def on_control(self, control: Control) -> None:
        """It brings no frames."""


@attrs.define
class _Test:
    """The source of test messages: of no connection, and no copy of anything."""

    leg: int | None = None
    heard: int = 0

    def on_control(self, control: Control) -> None:
        """A test message that is no push concerns no connection."""


_TEST = _Test()
_NOTHING = Batch(False, [], 0, 0)


def _frame(raw: str | bytes) -> tuple[bytes, bool]:
    """A raw frame and whether it is text: bytes are, when they begin as JSON does."""
    if isinstance(raw, str):
        return raw.encode(), True
    return bytes(raw), raw.lstrip()[:1] in (b"{", b"[")


def _websocket_config(config: object) -> WebSocketConfig:
    if isinstance(config, ExchangeConfig):
        config = config.websocket
    if not isinstance(config, WebSocketConfig):
        raise ConfigError(f"config must be a WebSocketConfig or an ExchangeConfig, not {config!r}")
    if config.exchange is None:
        raise ConfigError(
            "config.exchange is missing: use ExchangeConfig(exchange=…).websocket, "
            "or WebSocketConfig(exchange=…)"
        )
    if config.latency is True:
        return attrs.evolve(config, latency=Latency())  # one of its own
    return config


def _source(value: BookSource | str) -> BookSource:
    try:
        return choice(BookSource, "source", value)
    except ConfigError as error:
        raise BindingError(str(error)) from None


def _bind_channels(given: object) -> Mapping[Any, Handler | Iterable[Handler]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"bind_channels must map channels to handlers, and {given!r} does not")
    return cast("Mapping[Any, Handler | Iterable[Handler]]", given)


def _handlers(name: str, given: ConnectionHandlers | None) -> list[Handler]:
    """One handler, several, or none."""
    if given is None:
        return []
    if callable(given):
        return [given]
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        handlers = list(given)
        if all(callable(each) for each in handlers):
            return handlers
    raise ConfigError(f"{name} must be a handler or several, not {given!r}")
