"""Whatever goes wrong: a LIVE book is the exchange's book of its version, and it comes back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scenario import wait_until
from test_books import SOURCES
from trio.testing import MockClock

from trioex import OrderBook, Redundancy, WebSocketManager
from trioex.simulator import (
    Fault,
    FaultKind,
    Faults,
    Simulator,
    open_simulator,
    virtual_environment,
)

SYMBOLS = ("BTCUSDT", "ETHUSDT")
LAST_S = 12.0
"""When the last fault may begin."""
KINDS: tuple[FaultKind, ...] = (
    "drop", "close", "cut", "silence", "lost_delta", "duplicate", "reorder", "garbage",
    "garbage_frame", "mute", "delay", "late_snapshot", "stale_snapshot", "failing_snapshot",
    "refuse_connect", "reject_429",
)  # fmt: skip

plans = st.lists(
    st.builds(
        Fault,
        st.sampled_from(KINDS),
        at=st.floats(0, LAST_S),
        connection=st.sampled_from(["one", "newest", "random", "all"]),
        duration=st.floats(0.05, 6),
        count=st.integers(1, 3),
        delay=st.floats(0, 2),
        symbol=st.just(None),
    ),
    max_size=8,
)


class Judge:
    """Compares books with the exchange's of the same version."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.judged = 0

    def __call__(self, book: OrderBook) -> None:
        assert book.is_live
        true = self._simulator.true_book(book.symbol, book.version, levels=book.depth)
        number = book.number_type
        for ours, theirs in ((book.bids(), true.bids), (book.asks(), true.asks)):
            assert ours == [(number(price), number(each)) for price, each in theirs.items()]
        self.judged += 1


async def live(
    exchange: str,
    how: dict[str, Any],
    faults: list[Fault],
    *,
    seed: int,
    **config: Any,
) -> None:
    """Live through the faults with two books, and look at them all the time."""
    async with open_simulator(
        exchange,
        symbols=SYMBOLS,
        seed=seed,
        latency=0.02,
        jitter=0.02,
        faults=Faults.script(faults),
        environment=virtual_environment(seed),
        remember_books=True,
    ) as simulator:
        judge = Judge(simulator)
        begin = trio.current_time()
        ws = WebSocketManager(simulator.config(connect_timeout=60.0, **config))
        for symbol in SYMBOLS:
            ws.bind(f"spot.orderbook.{symbol}", judge, **how)
        async with ws:
            over = begin + LAST_S + 6.5
            while trio.current_time() < over:
                await trio.sleep(0.21)
                for book in ws.books:
                    if book.is_live:  # also while nobody is called with it
                        judge(book)
            # A silent connection is only found out by its next ping.
            versions = {book: book.version for book in ws.books}
            await wait_until(
                lambda: all(book.is_live and book.version > versions[book] for book in ws.books)
            )
            for book in ws.books:
                judge(book)
        assert judge.judged > 20


@pytest.mark.parametrize(("exchange", "how"), SOURCES)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,  # what is looked at here must not depend on the day
    # A run takes half a second: to shrink is for whoever looks into a failure.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    faults=plans,
    seed=st.integers(0, 10**6),
    redundancy=st.sampled_from(Redundancy),
    number=st.sampled_from([float, Decimal]),
)
def test_a_live_book_is_true_and_every_book_comes_back(
    exchange: str,
    how: dict[str, Any],
    faults: list[Fault],
    seed: int,
    redundancy: Redundancy,
    number: type,
) -> None:
    async def main() -> None:
        await live(exchange, how, faults, seed=seed, redundancy=redundancy, number_type=number)

    trio.run(main, clock=MockClock(autojump_threshold=0))
