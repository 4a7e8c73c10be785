"""Topics spread over lines: never over the venue's limits, whatever comes, goes and is lost."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
import trio
from scenario import QUIET, ignore, of, owed, running, told, wait_until
from support import Collector, client_tasks
from trio.testing import MockClock as Clock

from trioex import BindingState, Environment, WebSocketManager
from trioex.events import Disconnected, Reconnected, Rotated
from trioex.simulator import Simulator

LIMIT = 30
"""Subscriptions a connection of MEXC's carries."""


def names(count: int) -> tuple[str, ...]:
    return tuple(f"C{number:04}USDT" for number in range(count))


def spread(simulator: Simulator) -> list[int]:
    """Topics by connection, the most first."""
    return sorted((len(each.topics) for each in simulator.connections), reverse=True)


def is_whole(ws: WebSocketManager, wanted: int) -> bool:
    lines = ws.statistics().lines
    return sum(each.wanted for each in lines) == sum(each.confirmed for each in lines) == wanted


async def test_two_thousand_bindings_come_up_and_survive_any_loss_and_all(
    virtual: Environment, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", "trioex")
    symbols = names(2000)
    async with running("mexc", virtual, symbols=symbols, pace=QUIET, latency=0.02) as (
        simulator,
        ws,
        events,
    ):
        bindings = [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols]
        for binding in bindings:
            await binding
        assert trio.current_time() < 0.25, "side by side, in one request a connection"
        assert spread(simulator) == [LIMIT] * 66 + [20]
        for number in (0, 33, 66):
            simulator.disconnect("drop", simulator.connections[number])
            await wait_until(lambda: not is_whole(ws, 2000))
            assert Counter(each.state for each in bindings)[BindingState.PENDING] <= LIMIT
            await wait_until(lambda: is_whole(ws, 2000))
            assert max(spread(simulator)) <= LIMIT
        lost_at = trio.current_time()
        simulator.disconnect("drop")
        await wait_until(lambda: len(of(Disconnected, events)) == 3 + 67)
        await wait_until(lambda: is_whole(ws, 2000))
        assert trio.current_time() - lost_at < 0.4
        assert {each.state for each in bindings} == {BindingState.CONFIRMED}
        assert spread(simulator) == [LIMIT] * 66 + [20]
        assert owed(events) == 0
        assert len(of(Reconnected, events)) == 3 + 67
        for binding in bindings:
            binding.unbind()
        await trio.sleep(5)
        assert spread(simulator) == [0]
        assert len(ws.statistics().lines) == 1
        assert len(client_tasks()) <= 20


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
async def test_bindings_come_and_go_and_no_connection_is_ever_over_the_limit(
    redundancy: str, virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = names(100)
    most: list[int] = []

    def watch(connection: Any, frame: Any) -> tuple[Any, ...]:
        most.append(len(connection.topics))
        return (frame,)

    async with running(
        "mexc", virtual, symbols=symbols, redundancy=redundancy, pace=0.05, latency=0.01
    ) as (simulator, ws, events):
        simulator.tamper = watch
        bound = [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols[:75]]
        for binding in bound:
            await binding
        free = itertools.cycle(symbols)
        for count in range(300):
            bound.pop(count * 7 % len(bound)).unbind()
            used = {str(each.channel) for each in bound}
            symbol = next(each for each in free if f"spot.trades.{each}" not in used)
            bound.append(ws.bind(f"spot.trades.{symbol}", ignore))
            if count == 150:
                ws.rotate()
            await trio.sleep(0.003)
        await bound[-1]
        await trio.sleep(2)
        assert max(most) <= LIMIT
        assert is_whole(ws, 75)
        assert len(ws.statistics().lines) == 3
        assert not of(Disconnected, events)
        assert owed(events) == 0


async def test_load_is_spread_over_the_lines_there_are(
    virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = names(120)
    async with running("mexc", virtual, symbols=symbols, pace=QUIET) as (simulator, ws, _):
        bindings = [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols]
        await bindings[-1]
        for binding in bindings[::2]:
            binding.unbind()
        for symbol in symbols[::4]:
            ws.bind(f"spot.trades.{symbol}", ignore)
        await trio.sleep(5)
        assert sum(spread(simulator)) == 90
        assert max(spread(simulator)) - min(spread(simulator)) <= 1


async def test_an_emptied_line_closes_and_a_new_one_opens(
    virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = names(61)
    async with running("mexc", virtual, symbols=symbols, pace=QUIET) as (simulator, ws, events):
        for _ in range(3):
            bindings = [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols]
            for binding in bindings:
                await binding
            assert spread(simulator) == [30, 30, 1]
            for binding in bindings[30:]:
                binding.unbind()
            await trio.sleep(2)
            assert spread(simulator) == [30]
            for binding in bindings:
                binding.unbind()
        assert not of(Disconnected, events), "to be closed is no loss"


async def test_a_line_that_is_emptied_while_it_is_down_is_given_up(
    virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = names(31)
    async with running("mexc", virtual, symbols=symbols, pace=QUIET) as (simulator, ws, events):
        bindings = [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols]
        for binding in bindings:
            await binding
        simulator.reject(500)
        simulator.disconnect("drop")
        await events.wait(told(Disconnected, 6))
        bindings[-1].unbind()
        await trio.sleep(60)
        assert {event.line for event in of(Disconnected, events)[-3:]} == {0}
        simulator.admit()
        await wait_until(lambda: is_whole(ws, 30))
        assert spread(simulator) == [30]


@pytest.mark.parametrize("exchange", ["mexc", "gateio"])
async def test_requests_keep_to_the_rate_of_the_venue(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """Three hundred bindings, each in a moment of its own: no second holds more than allowed."""
    symbols = names(29)
    times: list[float] = []
    async with running(exchange, virtual, symbols=symbols, pace=QUIET) as (simulator, ws, events):
        rate = ws.venue.rules.requests_a_second
        (connection,) = simulator.connections
        seen = connection.requests_received
        for symbol in itertools.islice(itertools.cycle(symbols), 300):
            bound = ws.bind(f"spot.trades.{symbol}", ignore)
            await trio.sleep(0.001)
            times += [trio.current_time()] * (connection.requests_received - seen)
            seen = connection.requests_received
            bound.unbind()
            await trio.sleep(0.001)
            times += [trio.current_time()] * (connection.requests_received - seen)
            seen = connection.requests_received
        for begin in times:
            assert sum(begin <= time < begin + 1 for time in times) <= math.ceil(2 * rate)
        assert len(times) > rate, "and it is used"
        assert not of(Disconnected, events)


@pytest.mark.parametrize("exchange", ["mexc", "gateio"])
async def test_subscriptions_are_asked_for_in_as_few_frames_as_the_venue_takes(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = names(30)
    channels = {f"spot.trades.{symbol}": ignore for symbol in symbols}
    async with running(exchange, virtual, symbols=symbols, bind_channels=channels, pace=QUIET) as (
        simulator,
        ws,
        events,
    ):
        most = ws.venue.rules.max_topics_a_request
        for count in range(1, 4):
            assert simulator.connections[0].requests_received == math.ceil(30 / most)
            simulator.disconnect("drop")
            await events.wait(told(Reconnected, count))
            assert is_whole(ws, 30)


async def test_lines_are_rotated_one_and_all(virtual: Environment, autojump_clock: Clock) -> None:
    symbols = names(90)
    got = Collector()
    async with running("mexc", virtual, symbols=symbols, pace=0.2) as (simulator, ws, events):
        bindings = [ws.bind(f"spot.trades.{symbol}", got) for symbol in symbols]
        for binding in bindings:
            await binding
        ws.rotate()
        await events.wait(told(Rotated, 3))
        assert {event.line for event in of(Rotated, events)} == {0, 1, 2}
        await trio.sleep(1)
        assert spread(simulator) == [30, 30, 30]
        assert is_whole(ws, 90)
        assert not of(Disconnected, events)
