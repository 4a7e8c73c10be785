"""Binding: a handler or an iterator on one channel, and the task that serves it.

A binding is made by `bind` and is usable in three ways: awaited, it waits for the exchange's
confirmation; as a context manager it unbinds on the way out; without a handler it is an async
iterator of messages.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Awaitable, Callable, Generator
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import attrs
import trio

from .channels import Channel, Parameters, PublicChannelType, validate_handler
from .config import ErrorPolicy, Log, OverflowPolicy
from .errors import BindingError
from .exchanges.base import Topic
from .orderbook import OrderBook
from .router import BookQueue, MessageQueue, Outlet

__all__ = ["Binding", "BindingState", "BindingStatistics", "Handler", "is_async_handler"]

M = TypeVar("M")
Handler: TypeAlias = Callable[[Any], object]


class BindingState(StrEnum):
    """Where a binding is."""

    PENDING = "pending"
    """The exchange has not confirmed it, or is not connected."""
    CONFIRMED = "confirmed"
    """The exchange confirmed it."""
    REFUSED = "refused"
    """The exchange refused it, or its handler failed."""
    UNBOUND = "unbound"
    """It was unbound, or the manager ended."""


@attrs.frozen
class BindingStatistics:
    """A snapshot of one binding.

    Attributes:
        queued: messages waiting for the handler or iterator; 0 for a sync handler.
        peak_queued: the most that ever waited.
        dropped: messages the overflow policy gave up.
    """

    state: BindingState
    queued: int
    peak_queued: int
    dropped: int


def is_async_handler(handler: Handler) -> bool:
    """Whether calling `handler` gives something to await, as far as can be told beforehand."""
    while isinstance(handler, partial):
        handler = handler.func
    if inspect.iscoroutinefunction(handler):
        return True
    call = getattr(handler, "__call__", None)  # noqa: B004  the method itself is looked at
    if inspect.iscoroutinefunction(call):
        return True
    code = getattr(handler, "__code__", None)  # AsyncMock is no function but has its flags
    return bool(getattr(code, "co_flags", 0) & inspect.CO_COROUTINE)


class BindingOwner(Protocol):
    """What a binding needs of the manager that made it."""

    @property
    def is_running(self) -> bool:
        """Whether confirmations can come."""
        ...

    def forget(self, binding: Binding[Any]) -> None:
        """The binding ended: remove it from the routes and unsubscribe what nobody wants."""

    def serve(self, binding: Binding[Any]) -> None:
        """Start a task for the binding, now or when the manager runs."""

    def book_of(self, binding: Binding[Any]) -> OrderBook | None:
        """The order book that it reads."""
        ...


class Binding(Generic[M]):
    """One handler or iterator on one channel. Made by `bind`, never directly.

    Awaiting it waits until the exchange confirmed the subscription and returns the binding;
    it raises `SubscriptionRefused` or `UnknownSymbol` where that will not happen. On a manager
    that is not running it returns at once: the binding is noted. Cancelling the wait leaves
    the binding bound.

    Iterating ends when the binding is unbound or the manager ended. Each message reaches one
    of the tasks that iterate.

    Attributes:
        channel: what it is bound to.
        parameters: the keywords that were given.
        topic: the venue's stream that feeds it; None while the symbol is being looked up and
            for a binding without symbol.
    """

    # A program may hold thousands, and nearly all have a sync handler: what only a task, an
    # iterator or somebody who waits needs is made when it is needed.
    __slots__ = (
        "__weakref__",
        "_adopted",
        "_arrival",
        "_busy",
        "_done",
        "_error",
        "_handled",
        "_handler",
        "_has_handler",
        "_idle",
        "_news",
        "_overflow",
        "_owner",
        "_queue",
        "_queue_size",
        "_scope",
        "_settled",
        "_state",
        "_task",
        "channel",
        "needs_task",
        "outlet",
        "parameters",
        "topic",
    )

    def __init__(
        self,
        channel: Channel | None,
        handler: Handler | None,
        *,
        parameters: Parameters,
        label: str,
        sequence: int,
        queue_size: int,
        overflow: OverflowPolicy,
        on_error: ErrorPolicy,
        owner: BindingOwner,
        log: Log,
    ) -> None:
        if handler is not None:
            validate_handler(handler)
        self.channel = channel
        self.parameters = parameters
        self.topic: Topic | None = None
        self._handler = handler
        self._owner = owner
        self._settled: trio.Event | None = None
        self._news: trio.lowlevel.ParkingLot | None = None
        self._error: Exception | None = None
        self._state = BindingState.PENDING
        self._scope: trio.CancelScope | None = None
        self._task: trio.lowlevel.Task | None = None
        self._busy = 0
        self._idle: trio.lowlevel.ParkingLot | None = None
        self._done: trio.Event | None = None
        self._arrival: trio.lowlevel.ParkingLot | None = None
        self._queue: MessageQueue | None = None
        self._queue_size = queue_size
        self._overflow = overflow
        self._adopted: Any = None
        self._handled = 0
        self._has_handler = handler is not None
        inline = handler is not None and not is_async_handler(handler)
        self.needs_task = handler is not None and not inline
        """Whether a task must serve it: its handler may wait."""
        self.outlet = Outlet(
            sequence,
            handler if inline and handler is not None else self._open_queue(),
            label=label,
            on_error=on_error,
            owner=self,
            of_books=self._is_of_books,
            log=log,
        )

    @property
    def _is_of_books(self) -> bool:
        return self.channel is not None and self.channel.type is PublicChannelType.ORDERBOOK

    def _open_queue(self) -> MessageQueue:
        """The queue; a sync handler has none unless it turns out to be an async one."""
        if self._queue is None:
            self._queue = (
                BookQueue() if self._is_of_books else MessageQueue(self._queue_size, self._overflow)
            )
            if self.has_ended:
                self._queue.end()
        return self._queue

    def __repr__(self) -> str:
        return f"<Binding {self.outlet.label} {self._state.name}>"

    @property
    def state(self) -> BindingState:
        """Where the binding is."""
        return self._state

    @property
    def handler(self) -> Handler | None:
        """The handler, or None for an iterator and when the binding has ended."""
        return self._handler

    def statistics(self) -> BindingStatistics:
        """Return an immutable snapshot."""
        queue = self._queue
        if queue is None:
            return BindingStatistics(self._state, 0, 0, 0)
        return BindingStatistics(
            self._state, len(queue.items), max(queue.peak, len(queue.items)), queue.dropped
        )

    # Its life

    def confirm(self) -> None:
        """The exchange confirmed it."""
        if self._state is BindingState.PENDING:
            self._state = BindingState.CONFIRMED
            self._settle()

    def unconfirm(self) -> None:
        """The connection that confirmed it is gone."""
        if self._state is BindingState.CONFIRMED:
            self._state = BindingState.PENDING

    def _settle(self) -> None:
        """Wake those who waited for what was decided."""
        settled, self._settled = self._settled, None
        if settled is not None:
            settled.set()
        self.wake()

    def wake(self) -> None:
        """Wake those who wait for a LIVE book: it is, or may never be."""
        if self._news is not None:
            self._news.unpark_all()

    def fail(self, error: Exception) -> None:
        """It will never be confirmed, or its handler may not go on."""
        self._end(BindingState.REFUSED, error)

    def unbind(self) -> None:
        """End it now: not one more message is delivered. Unbinding twice is once.

        A handler that unbinds itself finishes what it is doing; a handler at work elsewhere is
        cancelled.
        """
        self._end(BindingState.UNBOUND, None)

    def _end(self, state: BindingState, error: Exception | None) -> None:
        if self.has_ended:
            return
        self._state = state
        # Without its traceback, whose frames refer to the handler.
        self._error = None if error is None else _anew(error)
        self._handler = None
        self._owner.forget(self)
        self._drop_adopted()
        self.outlet.close()
        if self._queue is not None:
            self._queue.close()  # a task that has not begun yet finds it closed
        self._settle()
        self._wake_idle()
        if self._scope is not None and not self.is_serving:
            self._scope.cancel()

    def _wake_idle(self) -> None:
        if self._idle is not None:
            self._idle.unpark_all()

    def _drop_adopted(self) -> None:
        if self._adopted is not None:
            self._adopted.close()  # never awaited, it would say so loudly
            self._adopted = None

    @property
    def has_ended(self) -> bool:
        """Whether it was refused or unbound."""
        return self._state in (BindingState.REFUSED, BindingState.UNBOUND)

    def end(self, error: Exception) -> None:
        """The manager ends: nothing more will come, what waits may still be had.

        Args:
            error: for those who still wait for the confirmation.
        """
        if self._queue is not None:
            self._queue.end()
        if not self.has_ended:
            if self._state is BindingState.PENDING:
                self._error = error
            self._state = BindingState.UNBOUND
            self._settle()

    def give_up(self) -> int:
        """Leave what still waits for the handler undelivered; return how much that is.

        The handler is let go. An iterator may still have what waits for it.
        """
        if not self._has_handler:
            return 0
        undelivered = 0
        if self._queue is not None:
            undelivered = len(self._queue.items)
            self._queue.dropped += undelivered
            self._queue.close()
        self._handler = None
        self._drop_adopted()
        self.outlet.close()
        return undelivered

    def __await__(self) -> Generator[Any, Any, Binding[M]]:
        return self._wait().__await__()

    async def _wait(self) -> Binding[M]:
        await trio.lowlevel.checkpoint()
        if self._owner.is_running and self._state is BindingState.PENDING:
            if self._settled is None:
                self._settled = trio.Event()
            await self._settled.wait()
        if self._error is not None:
            raise _anew(self._error)
        if self._state is BindingState.UNBOUND:
            raise BindingError(f"{self.outlet.label} was unbound before the exchange confirmed it")
        return self

    async def live(self) -> OrderBook:
        """Wait until the order book is LIVE, and return it; that it is confirmed is not enough.

        Raises:
            SubscriptionRefused: the exchange refused it, or confirmed it and has no book.
            BindingError: it is not bound to the book of one symbol, or was unbound before.
            ManagerClosed: the manager ended before.
        """
        if not self._is_of_books or self.channel is None or self.channel.symbol is None:
            raise BindingError(f"{self.outlet.label} is not the order book of one symbol")
        await trio.lowlevel.checkpoint()
        while not self.has_ended:
            book = self._owner.book_of(self)
            if book is not None and book.is_live:
                return book
            if self._news is None:
                self._news = trio.lowlevel.ParkingLot()
            await self._news.park()
        if self._error is not None:
            raise _anew(self._error)
        raise BindingError(f"{self.outlet.label} was unbound before its book was LIVE")

    async def __aenter__(self) -> Binding[M]:
        try:
            return await self._wait()
        except BaseException:
            self.unbind()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unbind()

    # The iterator

    def __aiter__(self) -> Binding[M]:
        if self._has_handler:
            raise TypeError(f"{self.outlet.label} is bound to a handler and cannot be iterated")
        return self

    async def __anext__(self) -> M:
        await trio.lowlevel.checkpoint()
        if not await self._wait_message():
            if self._state is BindingState.REFUSED and self._error is not None:
                raise _anew(self._error)
            raise StopAsyncIteration
        message: M = self._open_queue().pop()
        return message

    async def _wait_message(self) -> bool:
        """Wait until there is a message, or none will come any more (False)."""
        queue = self._open_queue()
        while not queue.has_any():
            if queue.ended:
                return False
            if self._arrival is None:
                self._arrival = trio.lowlevel.ParkingLot()
            queue.wake = self._arrival.unpark_all
            await self._arrival.park()
        return True

    # The handler's task

    def adopt(self, coroutine: Any) -> None:
        """A handler that looked sync returned something to await: it is an async one."""
        self._adopted = coroutine
        self.needs_task = True
        self.outlet.queue = queue = self._open_queue()
        self.outlet.put = queue.put
        self._owner.serve(self)

    async def _await_adopted(self) -> None:
        coroutine, self._adopted = self._adopted, None
        if coroutine is not None:
            await self._run_handler(lambda _: coroutine, None)

    async def run(self) -> None:
        """Call the handler with each message until the binding ends.

        Raises:
            Exception: what the handler raised, with the policy `raise`.
        """
        self._task = trio.lowlevel.current_task()
        queue = self._open_queue()
        try:
            with trio.CancelScope() as self._scope:
                await self._await_adopted()
                # No checkpoint between two messages: the queue is refilled by another task,
                # so this loop cannot run for ever without waiting. Who is cancelled gets none.
                while await self._wait_message():
                    await trio.lowlevel.checkpoint_if_cancelled()
                    await self._handle(queue.pop())
        finally:
            self._task = self._scope = None
            if self._done is not None:
                self._done.set()

    @property
    def is_serving(self) -> bool:
        """Whether the present task is the one of its handler."""
        return self._task is not None and self._task is _current_task()

    async def wait_ended(self) -> None:
        """Wait until the handler's task has ended; from within that task, return at once."""
        if self._task is not None and not self.is_serving:
            if self._done is None:
                self._done = trio.Event()
            await self._done.wait()

    async def drain(self) -> None:
        """Handle what waits, here and now; for a manager that is not running."""
        await self._await_adopted()
        while self.needs_task and (queue := self._open_queue()).has_any():
            await self._handle(queue.pop())

    async def wait_idle(self) -> None:
        """Wait until the handler has finished everything that was put so far."""
        if not self.needs_task:
            return
        queue = self._open_queue()
        enough = self._handled + len(queue.items) + self._busy
        while self._handled < enough and not self.has_ended:
            if not (queue.items or self._busy or self._adopted):
                return  # the policy dropped some of them
            if self._idle is None:
                self._idle = trio.lowlevel.ParkingLot()
            await self._idle.park()

    async def _handle(self, message: Any) -> None:
        if self._handler is not None:
            await self._run_handler(self._handler, message)

    async def _run_handler(self, handler: Handler, message: Any) -> None:
        self._busy += 1
        try:
            result = handler(message)
            if isinstance(result, Awaitable):
                await result
        except Exception as error:  # noqa: BLE001  the policy decides
            self.outlet.failed(error)
        finally:
            self._busy -= 1
            self._handled += 1
            self._wake_idle()


def _anew(error: Exception) -> Exception:
    """A copy to raise: what is raised twice carries the frames of both."""
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001  an exception of a handler, made in a way of its own
        return error.with_traceback(None)


def _current_task() -> trio.lowlevel.Task | None:
    try:
        return trio.lowlevel.current_task()
    except RuntimeError:  # outside of Trio: a binding may be made and ended there
        return None
