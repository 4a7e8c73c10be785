"""Books: gets what the synchronisers of a manager need, and tells how their books fare.

Each book that needs something has a task for as long as it does, so that none waits for another
but where the exchange's limits make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import attrs
import trio

from .channels import BookSource, Parameters
from .config import WebSocketConfig
from .errors import HttpError
from .exchanges.base import BookPlan, Topic, Venue
from .line import Starter
from .messages import BookSnapshot, BookState
from .orderbook import OrderBook
from .rest import Rest
from .synchroniser import Need, StateChange, Synchroniser

__all__ = ["BookStatistics", "Books"]

_AHEAD_S = 0.05
"""How often to see whether the stream has come as far as a snapshot."""
_LAG_S = 10.0
"""How long to wait for the stream to come as far as a snapshot."""
_AUDIT_WAITS_S = (0.0, 2.0, 6.0, 22.0)
"""How long an audit gathers deltas before each snapshot: it may be that old (PROTOCOLS 3.7)."""
_FINAL = frozenset({400, 404})
"""HTTP: what is said of a symbol that there is not."""


@attrs.frozen
class BookStatistics:
    """How an order book fares.

    Attributes:
        version: of its last change; -1 before the first.
        resyncs: how often it was found not to be the exchange's book, and was built anew.
        attempts: snapshots asked for in vain since it was LIVE last.
        audits, differing: how often it was compared with one by REST, and was not the same.
    """

    symbol: str
    state: BookState
    version: int
    resyncs: int
    attempts: int
    audits: int
    differing: int


class Books:
    """The books that a manager keeps.

    Args:
        renew: subscribes a topic anew.
        publish: gives a snapshot to a synchroniser, and the book to who reads it.
        is_behind: whether what was read may still wait to be routed.
        on_state: told of a book whose state changed, and how.
        on_given_up: told of a book that there never was, and why it is asked for no more.
    """

    def __init__(
        self,
        venue: Venue,
        config: WebSocketConfig,
        rest: Rest,
        *,
        renew: Callable[[Topic], None],
        publish: Callable[[Synchroniser, BookSnapshot], None],
        is_behind: Callable[[], bool],
        on_state: Callable[[BookPlan, StateChange], None],
        on_given_up: Callable[[BookPlan, str], None],
    ) -> None:
        self._venue = venue
        self._config = config
        self._log = config.logger("trioex.books")
        self._rest = rest
        self._renew = renew
        self._publish = publish
        self._is_behind = is_behind
        self._on_state = on_state
        self._on_given_up = on_given_up
        self._plans: dict[Synchroniser, BookPlan] = {}
        self._scopes: dict[Synchroniser, trio.CancelScope] = {}
        self._starter: Starter | None = None
        self._auditing: trio.CancelScope | None = None

    def __iter__(self) -> Iterator[OrderBook]:
        return (each.book for each in self._plans)

    def find(self, symbol: str, parameters: Parameters) -> OrderBook | None:
        """The first book of a symbol that is kept as asked for."""
        for synchroniser, plan in self._plans.items():
            if synchroniser.book.symbol == symbol and parameters.accepts(plan.parameters):
                return synchroniser.book
        return None

    def keep(self, plan: BookPlan) -> Synchroniser:
        """Begin to keep a book."""
        assert plan.channel.symbol is not None
        synchroniser = Synchroniser(
            self._venue.exchange,
            self._venue.market,
            plan.channel.symbol,
            plan.rules,
            self,
            number_type=self._config.number_type,
        )
        self._plans[synchroniser] = plan
        return synchroniser

    def drop(self, synchroniser: Synchroniser) -> None:
        """Nobody reads a book any more."""
        self._plans.pop(synchroniser, None)
        self._stop(synchroniser)
        synchroniser.end("nobody is bound to it any more")  # an audit under way ends with it

    def start(self, nursery: trio.Nursery) -> None:
        """Get what is needed from now on, in a nursery that outlives it."""
        self._starter = Starter(nursery)
        for synchroniser in self._plans:
            self.on_need(synchroniser)
        if self._config.book_audit is not None:
            self._auditing = trio.CancelScope()
            nursery.start_soon(self._audit_all, self._config.book_audit, self._auditing)

    def stop(self) -> None:
        """The end begins: get nothing more."""
        self._starter = None
        if self._auditing is not None:
            self._auditing.cancel()
        for synchroniser in list(self._scopes):
            self._stop(synchroniser)

    def end(self) -> None:
        """Everything that was read is delivered: no book follows its market any more."""
        for synchroniser in self._plans:
            synchroniser.end("the manager has ended")

    def statistics(self) -> tuple[BookStatistics, ...]:
        """Return an immutable snapshot, in the order in which the books began."""
        return tuple(
            BookStatistics(
                each.book.symbol,
                each.book.state,
                each.book.version,
                each.book.resyncs,
                each.attempts,
                each.audits,
                each.differing,
            )
            for each in self._plans
        )

    # What synchronisers tell

    def on_need(self, synchroniser: Synchroniser) -> None:
        """A book needs something else than before, or nothing."""
        self._stop(synchroniser)
        if synchroniser.need is not None and self._starter is not None:
            scope = self._scopes[synchroniser] = trio.CancelScope()
            self._starter.start_soon(partial(self._serve, synchroniser, scope))

    def on_state(self, synchroniser: Synchroniser, change: StateChange) -> None:
        """The state of a book changed."""
        plan = self._plans.get(synchroniser)
        if plan is not None:
            self._on_state(plan, change)

    def on_given_up(self, synchroniser: Synchroniser, reason: str) -> None:
        """There never was a book."""
        plan = self._plans.get(synchroniser)
        if plan is not None:
            self._on_given_up(plan, reason)

    # Getting it

    def _stop(self, synchroniser: Synchroniser) -> None:
        scope = self._scopes.pop(synchroniser, None)
        if scope is not None:
            scope.cancel()

    async def _serve(self, synchroniser: Synchroniser, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(synchroniser.wait)
            plan = self._plans[synchroniser]
            if synchroniser.need is Need.RENEW:
                if synchroniser.renew():
                    self._renew(plan.topic)
            else:
                await self._get_snapshot(synchroniser, plan)

    async def _get_snapshot(self, synchroniser: Synchroniser, plan: BookPlan) -> None:
        if synchroniser.need is Need.LEVELS:
            synchroniser.begin_audit()
        try:
            snapshot = await self._fetch(synchroniser, plan)
        except Exception as error:  # noqa: BLE001  a configured `fetch` may raise anything
            is_final = isinstance(error, HttpError) and error.status in _FINAL
            synchroniser.failed(str(error) or type(error).__name__, is_final=is_final)
            return
        if synchroniser.need is Need.LEVELS:
            await self._wait_for_stream(synchroniser, plan, snapshot)
        self._publish(synchroniser, snapshot)

    async def _fetch(self, synchroniser: Synchroniser, plan: BookPlan) -> BookSnapshot:
        body = await self._rest.get(plan.snapshot_path)
        now = self._config.environment.time_ns()
        symbol, number_type = synchroniser.book.symbol, self._config.number_type
        return self._venue.parse_book(body, symbol, now, number_type)

    async def _wait_for_stream(
        self, synchroniser: Synchroniser, plan: BookPlan, snapshot: BookSnapshot
    ) -> None:
        """Wait until the stream has come as far as a snapshot, which may be ahead of it.

        A stream that stands still while the exchange is ahead of it has ended without a word.
        """
        version = synchroniser.book.version
        with trio.move_on_after(_LAG_S):
            while synchroniser.can_audit(snapshot) is None:  # noqa: ASYNC110  the router's task
                await trio.sleep(_AHEAD_S)
        is_ahead = synchroniser.can_audit(snapshot) is None
        if is_ahead and synchroniser.book.version == version and not self._is_behind():
            # First, as who is told of it may drop the book: with the stream's own snapshots the
            # synchroniser asks for this itself.
            if plan.rules.source is BookSource.REST:
                self._renew(plan.topic)
            synchroniser.audit_silence(snapshot)

    # Looking for mistakes

    async def _audit_all(self, every: float, scope: trio.CancelScope) -> None:
        """Begin to audit one book after the other, each once in `every` seconds."""
        with scope:
            async with trio.open_nursery() as nursery:
                while True:
                    plans = list(self._plans.items())
                    for synchroniser, plan in plans:
                        await trio.sleep(every / len(plans))
                        nursery.start_soon(self._audit, synchroniser, plan)
                    if not plans:
                        await trio.sleep(every)

    async def _audit(self, synchroniser: Synchroniser, plan: BookPlan) -> None:
        is_there = synchroniser in self._plans and synchroniser.book.is_live
        # A book of limited depth is a whole new one with every push.
        if not is_there or synchroniser.need or plan.rules.source is BookSource.LIMITED:
            return
        if synchroniser.is_audited:
            return
        synchroniser.begin_audit()
        try:
            for wait in _AUDIT_WAITS_S:
                await trio.sleep(wait)
                if await self._compare(synchroniser, plan) or not synchroniser.is_audited:
                    return
        finally:
            synchroniser.end_audit()

    async def _compare(self, synchroniser: Synchroniser, plan: BookPlan) -> bool:
        """Compare a book with a snapshot; whether that could be done."""
        try:
            snapshot = await self._fetch(synchroniser, plan)
        except Exception as error:  # noqa: BLE001  a configured `fetch` may raise anything
            self._log.debug("no audit of %s: %s", plan.channel, error)
            return False
        await self._wait_for_stream(synchroniser, plan, snapshot)
        if not synchroniser.can_audit(snapshot):
            return False
        synchroniser.audit(snapshot)
        return True
