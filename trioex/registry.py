"""The bindings of one manager: who is bound to what, and what must be subscribed for it.

Everything here is synchronous but the one look-up of the instrument list, which is fetched
when a symbol is asked for that the shipped list does not hold. A list adds to what is known and
takes nothing away: the exchange refuses what it no longer has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import trio

from .binding import Binding, Handler
from .channels import Channel, Parameters, PublicChannelType, suggestion
from .config import ErrorPolicy, OverflowPolicy, WebSocketConfig, choice
from .errors import (
    BindingError,
    DecodeError,
    ManagerClosed,
    SubscriptionRefused,
    UnknownSymbol,
)
from .exchanges.base import Instruments, Topic, Venue
from .orderbook import OrderBook
from .rest import Rest
from .router import Router
from .staleness import ChannelState, Staleness
from .subscriptions import Outcome
from .supervisor import Lines

__all__ = ["Registry"]

_LIST_COUNTS = 60.0
"""Seconds for which a fetched list, or the failure to fetch one, stands."""

_NONE_GIVEN = Parameters()
"""Of nearly all bindings, so one for all of them."""


class Registry:
    """Bindings, the routes they need and the subscriptions they share."""

    def __init__(
        self,
        venue: Venue,
        config: WebSocketConfig,
        router: Router,
        lines: Lines,
        rest: Rest,
        on_resolved: Callable[[], None],
        on_channel: Callable[[Topic, ChannelState, int], None],
        is_behind: Callable[[], bool],
    ) -> None:
        self._venue = venue
        self._config = config
        self._log = config.logger("trioex.registry")
        self._handler_log = config.logger("trioex.router")
        self._router = router
        self._lines = lines
        self._rest = rest
        self._staleness = Staleness(venue, config.stale_after, router.heard)
        self._watching: trio.CancelScope | None = None
        self._on_resolved = on_resolved
        self._on_channel = on_channel
        self._is_behind = is_behind
        self._bindings: dict[Binding[Any], None] = {}
        self._by_topic: dict[str, tuple[Binding[Any], ...]] = {}
        self._unresolved: list[Binding[Any]] = []
        self._sequence = 0
        self._nursery: trio.Nursery | None = None
        self._looking_up: trio.CancelScope | None = None
        self._fetch_after = -math.inf
        self._otherwise: Callable[[Binding[Any], UnknownSymbol], None] = self._guess
        self.is_running = False

    @property
    def bindings(self) -> list[Binding[Any]]:
        """All of them, in the order of binding."""
        return list(self._bindings)

    @property
    def is_resolved(self) -> bool:
        """Whether the symbol of every binding is known."""
        return not self._unresolved

    # Binding

    def make(
        self,
        channel: Channel | None,
        handler: Handler | None,
        *,
        label: str,
        parameters: Parameters | None = None,
        queue_size: int | None = None,
        overflow: OverflowPolicy | str | None = None,
        on_error: ErrorPolicy | str | None = None,
    ) -> Binding[Any]:
        """Make a binding with the configured policies where none are given; bind nothing yet."""
        config = self._config
        size = config.queue_size if queue_size is None else queue_size
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise BindingError(f"queue_size={size!r} must be a whole number from 1")
        try:
            policy = choice(OverflowPolicy, "overflow", overflow or config.overflow)
            errors = choice(ErrorPolicy, "on_error", on_error or config.on_error)
        except ValueError as error:
            raise BindingError(str(error)) from None
        is_book = channel is not None and channel.type is PublicChannelType.ORDERBOOK
        if is_book and not (queue_size is None and overflow is None):
            raise BindingError(
                f"{label} takes neither queue_size= nor overflow=: a book waits once, and is "
                "handed over as it is when its turn comes"
            )
        self._sequence += 1
        return Binding(
            channel,
            handler,
            parameters=_NONE_GIVEN if parameters in (None, _NONE_GIVEN) else parameters,
            label=label,
            sequence=self._sequence,
            queue_size=size,
            overflow=policy,
            on_error=errors,
            owner=self,
            log=self._handler_log,
        )

    def add(self, binding: Binding[Any], *, every: bool) -> None:
        """Route and subscribe what a binding asks for.

        Raises:
            ChannelError: the venue does not offer it.
        """
        channel = binding.channel
        assert channel is not None
        if channel.type not in self._venue.channels:
            raise self._venue.refuse(channel)
        if channel.symbol is None and not every:
            parameters = self._check(channel, binding.parameters)
            self._router.bind_general(channel, parameters, binding.outlet)
            binding.confirm()
            self._confirm_books()
        else:
            try:
                self._attach(binding, self._topic(channel, binding.parameters, every=every))
            except UnknownSymbol:
                self._unresolved.append(binding)
                self._start_look_up()
        self._bindings[binding] = None
        if binding.needs_task:
            self.serve(binding)

    def add_listener(self, binding: Binding[Any]) -> None:
        """A binding to events, which need no subscription."""
        binding.confirm()
        self._bindings[binding] = None
        if binding.needs_task:
            self.serve(binding)

    def topics(self) -> list[Topic]:
        """A topic for every bound channel; kinds bound without symbol get one of some symbol."""
        topics = {each.topic.name: each.topic for each in self._bindings if each.topic is not None}
        symbol = next(iter(self._venue.instruments))
        for binding in self._bindings:
            channel = binding.channel
            if channel is not None and channel.symbol is None and binding.topic is None:
                some = attrs.evolve(channel, symbol=symbol)
                topic = self._topic(some, binding.parameters)
                topics.setdefault(topic.name, topic)
        return list(topics.values())

    def _check(self, channel: Channel, parameters: Parameters) -> Parameters:
        """The parameters of a binding without symbol, in the venue's normal form."""
        given = parameters.given()
        if not given:
            return parameters
        some = attrs.evolve(channel, symbol=next(iter(self._venue.instruments)))
        if channel.type is PublicChannelType.ORDERBOOK:
            self._venue.book(some, parameters)
            return parameters
        topic = self._venue.topic(some, parameters)
        return Parameters(**{name: getattr(topic.parameters, name) for name in given})

    def _topic(self, channel: Channel, parameters: Parameters, *, every: bool = False) -> Topic:
        """The stream that feeds a channel."""
        if channel.type is PublicChannelType.ORDERBOOK and not every:
            return self._venue.book(channel, parameters).topic
        return self._venue.topic(channel, parameters, every=every)

    def _attach(self, binding: Binding[Any], topic: Topic) -> None:
        binding.topic = topic
        self._router.bind(topic, binding.outlet)
        self._by_topic[topic.name] = (*self._by_topic.get(topic.name, ()), binding)
        self._lines.want(topic)
        line = self._lines.line_of(topic)
        if line is not None and line.is_confirmed(topic):
            binding.confirm()
            self._router.confirmed(topic)
            # Nobody may have held it just now: its unsubscribe had not been sent.
            if not self._staleness.is_confirmed(topic):
                self._judge(topic)

    def _confirm_books(self) -> None:
        """Books that are kept from now on have streams that the exchange confirmed before."""
        for binding, *_ in tuple(self._by_topic.values()):
            topic = binding.topic
            line = None if topic is None else self._lines.line_of(topic)
            if line is not None and topic is not None and line.is_confirmed(topic):
                self._router.confirmed(topic)

    def forget(self, binding: Binding[Any]) -> None:
        """A binding ended: remove its routes, and unsubscribe what nobody else wants."""
        self._bindings.pop(binding, None)
        self._router.unbind(binding.outlet)
        if binding in self._unresolved:
            self._unresolved.remove(binding)
        topic = binding.topic
        if topic is None:
            return
        others = tuple(b for b in self._by_topic.get(topic.name, ()) if b is not binding)
        if others:
            self._by_topic[topic.name] = others
        else:
            self._by_topic.pop(topic.name, None)
            self._staleness.forget(topic)
            self._lines.unwant(topic)

    def find(self, channel: Channel, handler: Handler | None) -> list[Binding[Any]]:
        """The bindings of a channel, or those of them with this handler."""
        return [
            binding
            for binding in self._bindings
            if binding.channel == channel and (handler is None or binding.handler == handler)
        ]

    # What the exchange says

    def on_outcome(self, outcome: Outcome) -> list[SubscriptionRefused]:
        """Confirm or fail the bindings of a topic; return one error a channel that was refused.

        A refusal that is not final fails none of them.
        """
        if outcome.reason is None:
            self._judge(outcome.topic)
            self._router.confirmed(outcome.topic)
        errors: dict[Channel, SubscriptionRefused] = {}
        for binding in self._by_topic.get(outcome.topic.name, ()):
            if outcome.reason is None:
                binding.confirm()
                continue
            channel = binding.channel or outcome.topic.channel
            if channel not in errors:
                reason = f"{outcome.reason.strip()}{self._hint(channel)}"
                errors[channel] = SubscriptionRefused(str(channel), reason, outcome.code)
            if outcome.is_final:
                binding.fail(errors[channel])
        return list(errors.values())

    def refuse_books(self, topic: Topic, reason: str) -> list[SubscriptionRefused]:
        """There is no book that could be kept from a topic: fail those bound to it."""
        bound = [each for each in self._by_topic.get(topic.name, ()) if each.outlet.of_books]
        errors: dict[Channel, SubscriptionRefused] = {}
        for binding in bound:
            assert binding.channel is not None
            error = SubscriptionRefused(str(binding.channel), reason)
            binding.fail(errors.setdefault(binding.channel, error))
        return list(errors.values())

    def book_of(self, binding: Binding[Any]) -> OrderBook | None:
        """The order book that a binding reads."""
        return None if binding.topic is None else self._router.book(binding.topic)

    def on_live(self, topic: Topic) -> None:
        """The book that is kept from a topic is LIVE."""
        for binding in self._by_topic.get(topic.name, ()):
            binding.wake()

    def _judge(self, topic: Topic) -> None:
        self._staleness.confirm(topic, self._config.environment.time_ns())
        if self._watching is None and self._staleness.allowed(topic) is not None:
            self._start_watch()

    def _hint(self, channel: Channel) -> str:
        symbol = channel.symbol
        if symbol is None or symbol in self._venue.instruments:
            return ""
        return suggestion(symbol, self._venue.instruments)

    def on_unconfirmed(self, topics: Iterable[Topic]) -> None:
        """No connection carries these any more."""
        for topic in topics:
            self._staleness.unconfirm(topic)
            for binding in self._by_topic.get(topic.name, ()):
                binding.unconfirm()

    def renew(self, topic: Topic) -> None:
        """Unsubscribe and subscribe again."""
        line = self._lines.line_of(topic)
        if line is not None:
            line.renew(topic)

    # Which channels are alive

    def state(self, channel: Channel) -> ChannelState:
        """Where a channel is.

        Raises:
            BindingError: nothing is bound to it.
        """
        found = self.find(channel, None)
        if not found:
            raise BindingError(f"nothing is bound to {str(channel)!r}")
        topics = [binding.topic for binding in found if binding.topic is not None]
        return self._staleness.state(topics[0]) if topics else ChannelState.PENDING

    def _start_watch(self) -> None:
        if self._nursery is not None and self.is_running:
            self._watching = trio.CancelScope()
            self._nursery.start_soon(self._watch, self._watching)

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Tell of channels that fall silent or come back, and ask for the silent ones again.

        Nothing is judged while what was read may wait behind a slow handler. It ends when nothing
        is to be judged any more: most channels have no rate.
        """
        with scope:
            while (period := self._staleness.period()) is not None:
                await trio.sleep(period)
                if not self._is_behind():
                    self._check_alive()
            self._watching = None

    def _check_alive(self) -> None:
        now = self._config.environment.time_ns()
        for topic, state, silent in self._staleness.check(now):
            if state is ChannelState.STALE:
                self.renew(topic)
            self._on_channel(topic, state, silent)

    # Its tasks

    def start(self, nursery: trio.Nursery) -> None:
        """Serve the bindings from now on, in a nursery that outlives them."""
        self._nursery = nursery
        self.is_running = True
        for binding in self._bindings:
            if binding.needs_task:
                nursery.start_soon(binding.run)
        self._start_look_up()

    def serve(self, binding: Binding[Any]) -> None:
        """Start the task of a binding, if the manager runs."""
        if self._nursery is not None and self.is_running:
            self._nursery.start_soon(binding.run)

    def wind_up(self) -> None:
        """The end begins: nothing is bound, looked up or judged any more."""
        for binding in self._bindings:
            binding.outlet.is_ending = True
        for scope in (self._looking_up, self._watching):
            if scope is not None:
                scope.cancel()

    def end(self, error: ManagerClosed) -> None:
        """Nothing more will come; what waits in queues may still be had."""
        self.is_running = False
        for binding in self._bindings:
            binding.end(error)

    def give_up(self) -> None:
        """The deadline is over, or there is none: say what handlers did not get."""
        for binding in self._bindings:
            if count := binding.give_up():
                self._log.warning("%s ended with %d messages not handled", binding.channel, count)

    # Symbols

    def _start_look_up(self) -> None:
        if self._unresolved and self._looking_up is None and self._nursery is not None:
            self._looking_up = trio.CancelScope()
            self._nursery.start_soon(self._look_up, self._looking_up)

    async def _look_up(self, scope: trio.CancelScope) -> None:
        with scope:
            if trio.current_time() >= self._fetch_after:
                await self._fetch_list()
            self._resolve(self._otherwise)
        if not scope.cancel_called:
            self._looking_up = None
            self._start_look_up()

    async def _fetch_list(self) -> None:
        try:
            body = await self._rest.get(self._venue.instruments_path)
            listed = self._venue.parse_instruments(body)
            if not listed:
                raise DecodeError("the list is empty")
        except Exception as error:  # noqa: BLE001  a configured `fetch` may raise anything
            reason = str(error) or type(error).__name__
            self._log.warning(
                "the instrument list could not be had, symbols are guessed: %s", reason
            )
            self._otherwise = self._guess
        else:
            known = self._venue.instruments
            self._venue.instruments = Instruments((*listed.values(), *known.values()))
            self._otherwise = self._fail_unknown
        self._fetch_after = trio.current_time() + _LIST_COUNTS

    def guess(self) -> None:
        """Take the symbols the list does not hold for what they look like."""
        self._resolve(self._guess)

    def _resolve(self, otherwise: Callable[[Binding[Any], UnknownSymbol], None]) -> None:
        unresolved, self._unresolved = self._unresolved, []
        for binding in unresolved:
            assert binding.channel is not None
            try:
                topic = self._topic(binding.channel, binding.parameters)
            except UnknownSymbol as error:
                otherwise(binding, error)
            else:
                self._attach(binding, topic)
        self._on_resolved()

    def _fail_unknown(self, binding: Binding[Any], error: UnknownSymbol) -> None:
        self._log.error("%s: %s", binding.channel, error)
        binding.fail(error)

    def _guess(self, binding: Binding[Any], error: UnknownSymbol) -> None:
        channel = binding.channel
        assert channel is not None
        assert channel.symbol is not None
        guessed = self._venue.guess(channel.symbol)
        if guessed is None:
            self._fail_unknown(binding, error)
            return
        self._venue.instruments = Instruments((*self._venue.instruments.values(), guessed))
        self._attach(binding, self._topic(channel, binding.parameters))
