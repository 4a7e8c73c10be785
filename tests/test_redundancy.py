"""Lines of one leg, of one and a spare, and of two: what is lost, what is told, what remains."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from scenario import VENUES, ignore, of, owed, running, told, wait_until
from support import Collector, client_tasks
from trio.testing import MockClock as Clock

from trioex import BookDelta, Environment, WebSocketManager
from trioex.events import Disconnected, Gap, Reconnected, Rotated, VenueNotice
from trioex.leg import Leg
from trioex.merge import Merger
from trioex.simulator import Simulator

MODES = ("none", "standby", "hot")
LEGS = {"none": 1, "standby": 2, "hot": 2}
ROLES = {"none": ["active"], "standby": ["active", "spare"], "hot": ["active", "active"]}
TRADES = "spot.trades.BTCUSDT"
BOOK = "spot.orderbook_delta.BTCUSDT"


def is_whole(ws: WebSocketManager, mode: str) -> bool:
    """Whether each line has the legs it should have, and each leg all it should carry."""
    return all(
        sorted(leg.role for leg in line.legs) == ROLES[mode]
        and all(leg.is_open and leg.confirmed == leg.wanted for leg in line.legs)
        and line.confirmed == line.wanted
        and all(leg.wanted == line.wanted for leg in line.legs if leg.role == "active")
        for line in ws.statistics().lines
    )


def count_of(kind: type) -> int:
    """How many objects of a kind there are."""
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


def assert_sound(
    simulator: Simulator, ws: WebSocketManager, events: Sequence[Any], mode: str
) -> None:
    """Everything is as if nothing had ever happened."""
    assert owed(events) == 0
    assert is_whole(ws, mode)
    lines = ws.statistics().lines
    assert len(simulator.connections) == LEGS[mode] * len(lines)
    carried = sorted(name for each in simulator.connections for name in set(each.topics))
    assert len(carried) == sum(leg.wanted for line in lines for leg in line.legs)
    # A tidy manager has few tasks: run, router, requests, channels, and nine for each leg.
    assert len(client_tasks()) <= 8 + 12 * LEGS[mode] * len(lines)


def contiguous(messages: Sequence[Any]) -> bool:
    deltas = [each for each in messages if isinstance(each, BookDelta)]
    return len(deltas) > 3 and all(
        one.last_version + 1 == next_one.first_version
        for one, next_one in itertools.pairwise(deltas)
    )


# One leg after the other


@pytest.mark.parametrize("how", ["drop", "linger", "silence"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exchange", VENUES)
async def test_each_leg_in_turn_may_be_lost(
    exchange: str, mode: str, how: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    trades, book = Collector(), Collector()
    async with running(
        exchange,
        virtual,
        bind_channels={TRADES: trades, BOOK: book},
        redundancy=mode,
        pace=4.0,
        ping_interval=2.0,
        pong_timeout=1.0,
    ) as (simulator, ws, events):
        for count in range(1, 5):
            book.clear()
            await book.wait(5)
            simulator.disconnect(how, simulator.connections[count % LEGS[mode]])
            await events.wait(told(Disconnected, count))
            await wait_until(lambda: is_whole(ws, mode))
            trades.clear()
            await trades.wait(2)
            await book.wait(8)
            assert_sound(simulator, ws, events, mode)
            assert contiguous(book) or mode != "hot"
        assert len(of(Disconnected, events)) == 4
        outages = [event.outage_ns for event in of(Reconnected, events)]
        if mode == "hot":
            assert outages == [0] * 4
            assert not of(Gap, events)
            assert ws.statistics().duplicates > 0
        else:
            assert max(outages) < 100_000_000


async def test_a_lost_leg_comes_back_as_spare_behind_the_one_that_took_over(
    virtual: Environment, autojump_clock: Clock
) -> None:
    """Also one that was a spare before: what woke it then does not wake it now."""
    async with running("gateio", virtual, bind_channels={BOOK: ignore}, redundancy="standby") as (
        simulator,
        ws,
        events,
    ):
        for _ in range(4):
            await trio.sleep(2)
            simulator.disconnect("drop", next(e for e in simulator.connections if e.topics))
            await trio.sleep(0.09)
            assert len(simulator.connections) == 1
            await trio.sleep(0.05)
            assert len(simulator.connections) == 2
        assert_sound(simulator, ws, events, "standby")


@pytest.mark.parametrize("mode", ["standby", "hot"])
@pytest.mark.parametrize("exchange", VENUES)
async def test_both_legs_may_be_lost_at_once(
    exchange: str, mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(
        exchange,
        virtual,
        bind_channels={TRADES: got, BOOK: ignore},
        redundancy=mode,
        pace=5.0,
        latency=0.02,
    ) as (simulator, ws, events):
        for count in range(1, 5):
            got.clear()
            await got.wait(2)
            simulator.disconnect("drop")
            await events.wait(told(Disconnected, 2 * count))
            await wait_until(lambda: is_whole(ws, mode))
            await trio.sleep(1)  # a spare that idles proves its worth by time
            got.clear()
            await got.wait(2)
            assert_sound(simulator, ws, events, mode)
        outages = [event.outage_ns for event in of(Reconnected, events)]
        assert sum(60e6 <= outage <= 100e6 for outage in outages) == 4, "four round trips each"


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_lost_spare_interrupts_nothing(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    book = Collector()
    async with running(
        exchange, virtual, bind_channels={BOOK: book}, redundancy="standby", pace=5.0
    ) as (simulator, ws, events):
        for _ in range(3):
            active = next(leg for leg in ws.statistics().lines[0].legs if leg.role == "active")
            spare = simulator.connections[-1]  # the newest, for the other is never lost
            simulator.disconnect("drop", spare)
            await events.wait(lambda told: owed(told) == 0 and len(told) > 1)
            await trio.sleep(1)
            after = next(leg for leg in ws.statistics().lines[0].legs if leg.role == "active")
            assert after.number == active.number
            assert after.connections == 1
        assert_sound(simulator, ws, events, "standby")
        assert [event.outage_ns for event in of(Reconnected, events)] == [0] * 3
        assert contiguous(book)


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_spare_outlives_the_limit_for_empty_connections(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(
        exchange, virtual, bind_channels={TRADES: ignore}, redundancy="standby", pace=0.01
    ) as (simulator, ws, events):
        await trio.sleep(600)
        assert not of(Disconnected, events)
        assert_sound(simulator, ws, events, "standby")


# Planned ends


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exchange", VENUES)
async def test_rotating_loses_nothing_and_closes_what_it_replaced(
    exchange: str, mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    book = Collector()
    async with running(
        exchange, virtual, bind_channels={BOOK: book}, redundancy=mode, pace=4.0
    ) as (simulator, ws, events):
        for count in range(1, 4):
            before = {each.number for each in simulator.connections}
            ws.rotate()
            ws.rotate()  # once is enough
            await events.wait(told(Rotated, count * LEGS[mode]))
            await wait_until(lambda: is_whole(ws, mode))
            await trio.sleep(1)
            assert before.isdisjoint({each.number for each in simulator.connections})
            assert_sound(simulator, ws, events, mode)
        assert len(of(Rotated, events)) == 3 * LEGS[mode]
        assert not of(Disconnected, events)
        assert not of(Gap, events)
        assert contiguous(book)


@pytest.mark.parametrize("moment", [0.0, 0.002, 0.999])
@pytest.mark.parametrize("which", ["oldest", "newest", "all"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_loss_in_the_middle_of_a_rotation(
    mode: str, which: str, moment: float, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(
        "gateio", virtual, bind_channels={TRADES: got, BOOK: ignore}, redundancy=mode, pace=4.0
    ) as (simulator, ws, events):
        await got.wait(3)
        ws.rotate()
        await trio.sleep(moment)
        victims = {
            "oldest": simulator.connections[:1],
            "newest": simulator.connections[-1:],
            "all": simulator.connections,
        }[which]
        for victim in victims:
            simulator.disconnect("drop", victim)
        await events.wait(told(Rotated, LEGS[mode]))
        await wait_until(lambda: is_whole(ws, mode))
        got.clear()
        await got.wait(2)
        assert_sound(simulator, ws, events, mode)


@pytest.mark.parametrize("exchange", VENUES)
async def test_the_old_leg_stays_until_the_new_one_holds(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """The new leg is lost while both carry everything: nothing may be missing afterwards."""
    book = Collector()
    async with running(
        exchange, virtual, bind_channels={BOOK: book}, pace=4.0, rotation_overlap=2.0
    ) as (simulator, ws, events):
        await book.wait(3)
        ws.rotate()
        await wait_until(lambda: len(ws.statistics().lines[0].legs) == 2)
        await trio.sleep(1.5)
        simulator.reject(503)
        simulator.disconnect("drop", simulator.connections[-1])
        await trio.sleep(5)
        assert len(simulator.connections) == 1
        assert not of(Rotated, events)
        simulator.admit()
        await events.wait(told(Rotated))
        await trio.sleep(1)
        assert contiguous(book)
        assert not of(Gap, events)
        assert_sound(simulator, ws, events, "none")


async def test_a_new_leg_that_fails_for_good_replaces_nobody(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(
        "gateio",
        virtual,
        bind_channels={TRADES: got},
        pace=5.0,
        reconnect=False,
        subscribe_timeout=600.0,
    ) as (simulator, ws, events):
        await got.wait(1)
        simulator.reject(503)
        ws.rotate()
        await events.wait(told(Disconnected))
        await trio.sleep(5)
        assert not of(Rotated, events)
        got.clear()
        await got.wait(2)
        simulator.admit()
        ws.rotate()
        await events.wait(told(Rotated))
        got.clear()
        await got.wait(2)
        assert len(simulator.connections) == 1


async def test_a_new_leg_that_cannot_be_opened_yet_unsettles_nobody(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, bind_channels={TRADES: ignore}, redundancy="standby") as (
        simulator,
        ws,
        events,
    ):
        before = {leg.number: leg.role for leg in ws.statistics().lines[0].legs}
        simulator.reject(500)
        ws.rotate()
        await events.wait(told(Disconnected, 8))
        now = {leg.number: leg.role for leg in ws.statistics().lines[0].legs}
        assert before.items() <= now.items()
        assert sorted(now.values()) == ["active", "active", "spare", "spare"]
        assert sorted(len(each.topics) for each in simulator.connections) == [0, 1]
        simulator.admit()
        await events.wait(told(Rotated, 2))
        await wait_until(lambda: is_whole(ws, "standby"))
        assert_sound(simulator, ws, events, "standby")


@pytest.mark.parametrize("mode", MODES)
async def test_an_heir_may_be_announced_to_end_itself(
    mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """While a leg takes over it must go, too: its own successor replaces both."""
    book = Collector()
    async with running(
        "gateio",
        virtual,
        bind_channels={BOOK: book},
        redundancy=mode,
        pace=4.0,
        rotation_overlap=2.0,
    ) as (simulator, ws, events):
        await book.wait(2)
        ws.rotate()
        await trio.sleep(1)
        first = set(simulator.connections)
        simulator.announce_upgrade()
        await trio.sleep(10)
        assert first.isdisjoint(simulator.connections)
        assert len(of(Rotated, events)) == 2 * LEGS[mode]
        assert_sound(simulator, ws, events, mode)
        assert contiguous(book)


async def test_an_answer_nobody_waits_for_any_more_holds_nothing_up(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(
        "gateio", virtual, bind_channels={TRADES: ignore}, subscribe_timeout=600.0
    ) as (simulator, ws, events):
        mute = await ws.bind("spot.book_ticker.ETHUSDT", ignore)
        simulator.tamper = lambda _, frame: () if "book_ticker" in str(frame) else (frame,)
        simulator.disconnect("drop")
        await trio.sleep(5)
        assert not of(Reconnected, events)
        mute.unbind()
        assert len(of(Reconnected, events)) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_bound_and_unbound_during_a_rotation_is_right_after_it(
    mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = tuple(f"C{number:02}USDT" for number in range(12))
    got = {symbol: Collector() for symbol in symbols}
    async with running(
        "mexc", virtual, symbols=symbols, redundancy=mode, pace=5.0, rotation_overlap=0.5
    ) as (simulator, ws, events):
        gone = [ws.bind(f"spot.book_ticker.{symbol}", ignore) for symbol in symbols[:6]]
        await trio.sleep(1)
        ws.rotate()
        for symbol, old in itertools.zip_longest(symbols, gone):
            ws.bind(f"spot.trades.{symbol}", got[symbol])
            if old is not None:
                old.unbind()
            await trio.sleep(0.1)
        await events.wait(told(Rotated, LEGS[mode]))
        await wait_until(lambda: is_whole(ws, mode))
        await trio.sleep(1)
        assert_sound(simulator, ws, events, mode)
        for collector in got.values():
            collector.clear()
            await collector.wait(1)
        assert ws.statistics().lines[0].wanted == 12
        assert not of(Disconnected, events)


@pytest.mark.parametrize("mode", MODES)
async def test_an_announced_end_is_not_waited_for(
    mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    book = Collector()
    async with running(
        "gateio", virtual, bind_channels={BOOK: book}, redundancy=mode, pace=4.0
    ) as (simulator, ws, events):
        await book.wait(3)
        old = list(simulator.connections)
        simulator.announce_upgrade()
        await events.wait(told(Rotated, LEGS[mode]))
        await trio.sleep(1)
        assert not [each for each in old if each.is_open]
        for each in old:
            simulator.disconnect("close", each)
        assert len(of(VenueNotice, events)) == LEGS[mode]
        assert {event.kind for event in of(VenueNotice, events)} == {"upgrade"}
        assert_sound(simulator, ws, events, mode)
        assert contiguous(book)
        assert not of(Disconnected, events)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exchange", VENUES)
async def test_no_connection_grows_older_than_allowed(
    exchange: str, mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    book = Collector()
    async with running(
        exchange,
        virtual,
        bind_channels={BOOK: book},
        redundancy=mode,
        max_age=30.0,
        pace=1.0,
    ) as (simulator, ws, events):
        born: dict[int, float] = {}
        while trio.current_time() < 100:
            await trio.sleep(0.5)
            for each in simulator.connections:
                age = trio.current_time() - born.setdefault(each.number, trio.current_time())
                assert age <= 31.0
        assert len(of(Rotated, events)) >= 3 * LEGS[mode]
        assert not of(Disconnected, events)
        assert contiguous(book)
        await wait_until(lambda: is_whole(ws, mode))


# Anything, in any order


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", MODES)
async def test_after_whatever_happened_everything_is_as_it_was(
    mode: str, seed: int, virtual: Environment, autojump_clock: Clock, caplog: Any
) -> None:
    caplog.set_level("ERROR", "trioex")
    chance = random.Random(f"{mode}/{seed}")
    exchange = VENUES[seed % 2] if mode != "standby" else "gateio"
    symbols = tuple(f"C{number:02}USDT" for number in range(12))
    got = Collector()
    before = count_of(Merger)
    async with running(
        exchange,
        virtual,
        symbols=symbols,
        redundancy=mode,
        latency=0.01,
        ping_interval=1.0,
        pong_timeout=0.5,
        subscribe_timeout=0.5,
        rotation_overlap=0.3,
        backoff_most=1.0,
    ) as (simulator, ws, events):
        bound = {symbol: ws.bind(f"spot.trades.{symbol}", got) for symbol in symbols[:6]}
        for _ in range(60):
            match chance.randrange(9):
                case 0 | 1 if simulator.connections:
                    how = chance.choice(["drop", "close", "linger", "cut", "silence"])
                    simulator.disconnect(how, chance.choice(simulator.connections))  # type: ignore[arg-type]
                case 2:
                    simulator.disconnect("drop")
                case 3:
                    ws.rotate()
                case 4 | 5:
                    for symbol in chance.sample(symbols, 3):
                        if symbol in bound:
                            bound.pop(symbol).unbind()
                        else:
                            bound[symbol] = ws.bind(f"spot.trades.{symbol}", got)
                case 6:
                    simulator.reject(500)
                case 7:
                    chosen = chance.random() < 0.5
                    simulator.tamper = (lambda _, frame: ()) if chosen else None
                case _:
                    simulator.admit()
            await trio.sleep(chance.choice([0.0, 0.002, 0.005, 0.02, 0.3]))
        simulator.tamper = None
        simulator.admit()
        for binding in bound.values():
            await binding
        await trio.sleep(5)
        assert_sound(simulator, ws, events, mode)
        assert sum(line.wanted for line in ws.statistics().lines) == len(bound)
        got.clear()
        await got.wait(lambda told: {each.symbol for each in told} == set(bound))
        assert count_of(Leg) == LEGS[mode] * len(ws.statistics().lines)
        assert count_of(Merger) - before <= len(bound)
    assert not client_tasks()


async def test_a_hole_before_silence_is_told_within_seconds(
    virtual: Environment, autojump_clock: Clock
) -> None:
    """Both legs lose an update, one brings the next, and then the market is quiet."""
    got = Collector()
    async with running("gateio", virtual, redundancy="hot") as (simulator, ws, events):
        await ws.bind("spot.orderbook_delta.BTCUSDT", got)
        first = simulator.connections[0]
        await got.wait(5)
        pushes = 0

        def lose(connection: object, frame: Any) -> list[Any]:
            nonlocal pushes
            if "order_book_update" not in str(frame):
                return [frame]
            pushes += connection is first
            return [frame] if connection is first and pushes == 2 else []

        simulator.tamper = lose
        got.clear()
        await wait_until(lambda: pushes >= 2)
        started = trio.current_time()
        await got.wait(1)
        assert trio.current_time() - started < 3
        (gap,) = of(Gap, events)
        assert gap.last_version == got[0].first_version - 1
