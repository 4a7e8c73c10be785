"""Which channels are alive: read by `channel_state`, told by events, mended by asking again."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from scenario import VENUES, ignore, of, running, told, wait_until
from support import Collector
from trio.testing import MockClock as Clock

from trioex import BindingError, ChannelState, Environment
from trioex.events import ChannelLive, ChannelStale, Disconnected, Reconnected

TRADES = "spot.trades.BTCUSDT"
TICKER = "spot.ticker.BTCUSDT"


def is_push_of(frame: Any, *words: str) -> bool:
    """Whether a frame is a push of a channel with one of the venues' words for it."""
    content = frame.encode() if isinstance(frame, str) else bytes(frame)
    is_answer = b"subscri" in content or b'"code"' in content
    return not is_answer and any(word.encode() in content for word in words)


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_channel_that_falls_silent_is_told_asked_for_again_and_told_alive(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    events = Collector()
    async with running(exchange, virtual, pace=5.0, stale_after=4.0) as (simulator, ws, _):
        async with ws.bind_events() as told_events:
            await ws.bind(TRADES, ignore)
            await ws.bind("spot.orderbook_delta.BTCUSDT", ignore)
            assert ws.channel_state(TRADES) is ChannelState.PENDING
            await wait_until(lambda: ws.channel_state(TRADES) is ChannelState.LIVE)
            silent = True
            simulator.tamper = lambda _, frame: (
                () if silent and is_push_of(frame, "trades", "deals") else (frame,)
            )
            silent_at = trio.current_time()
            asked = simulator.connections[0].requests_received
            async for event in told_events:
                events(event)
                if isinstance(event, ChannelStale):
                    assert event.channel == TRADES
                    assert 3.0 <= trio.current_time() - silent_at <= 6.0
                    assert event.silent_ns >= 4e9
                    assert ws.channel_state(TRADES) is ChannelState.STALE
                    assert ws.channel_state("spot.orderbook_delta.BTCUSDT") is ChannelState.LIVE
                    await trio.sleep(1)
                    assert simulator.connections[0].requests_received >= asked + 2
                    silent = False
                if isinstance(event, ChannelLive):
                    assert event.channel == TRADES
                    break
            assert ws.channel_state(TRADES) is ChannelState.LIVE
        assert not of(Disconnected, events)
        assert len(simulator.connections[0].topics) == 2


async def test_a_channel_with_a_rhythm_is_judged_by_it_unasked(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("mexc", virtual) as (simulator, ws, events):
        await ws.bind(TICKER, ignore)
        await ws.bind(TRADES, ignore)
        await trio.sleep(60)
        assert not of(ChannelStale, events)
        simulator.tamper = lambda _, frame: (
            () if is_push_of(frame, "miniTicker", "deals") else (frame,)
        )
        await trio.sleep(45)
        assert {event.channel for event in of(ChannelStale, events)} == {TICKER}


async def test_asking_again_wakes_what_the_exchange_forgot(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running("mexc", virtual, bind_channels={TICKER: got}) as (simulator, ws, events):
        await got.wait(1)
        (connection,) = simulator.connections
        session: Any = connection.session
        for name in list(session.streams):
            session.remove(name, virtual.time_ns())
        await events.wait(told(ChannelLive))
        assert len(of(ChannelStale, events)) == 1
        assert len(connection.topics) == 1
        assert ws.channel_state(TICKER) is ChannelState.LIVE
        assert not of(Disconnected, events)


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_lost_connection_makes_no_channel_stale(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(exchange, virtual, bind_channels={TRADES: got}, stale_after=5.0) as (
        simulator,
        ws,
        events,
    ):
        await got.wait(1)
        simulator.reject(503)
        simulator.disconnect("drop")
        await trio.sleep(20)
        assert ws.channel_state(TRADES) is ChannelState.PENDING
        simulator.admit()
        await events.wait(told(Reconnected))
        assert ws.channel_state(TRADES) is ChannelState.PENDING
        got.clear()
        await got.wait(1)
        assert ws.channel_state(TRADES) is ChannelState.LIVE
        assert not of(ChannelStale, events)


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_stale_channel_is_told_alive_though_its_connection_was_lost_meanwhile(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(
        exchange, virtual, pace=5.0, bind_channels={TRADES: got}, stale_after=4.0
    ) as (simulator, ws, events):
        await got.wait(1)
        simulator.tamper = lambda _, frame: () if is_push_of(frame, "trades", "deals") else (frame,)
        await events.wait(told(ChannelStale))
        simulator.disconnect("drop")
        await events.wait(told(Reconnected))
        await trio.sleep(2)
        assert not of(ChannelLive, events), "nothing came yet"
        assert ws.channel_state(TRADES) is ChannelState.STALE
        simulator.tamper = None
        await events.wait(told(ChannelLive))
        assert ws.channel_state(TRADES) is ChannelState.LIVE
        assert len(of(ChannelStale, events)) == 1


async def test_what_was_unbound_is_not_judged(virtual: Environment, autojump_clock: Clock) -> None:
    async with running("mexc", virtual) as (simulator, ws, events):
        binding = await ws.bind(TICKER, ignore)
        await trio.sleep(5)
        simulator.tamper = lambda _, frame: () if is_push_of(frame, "miniTicker") else (frame,)
        binding.unbind()
        await trio.sleep(60)
        assert not of(ChannelStale, events)
        with pytest.raises(BindingError, match="nothing is bound"):
            ws.channel_state(TICKER)
        again = await ws.bind(TICKER, ignore)
        assert ws.channel_state(TICKER) is ChannelState.PENDING
        await events.wait(told(ChannelStale))
        again.unbind()
        await trio.sleep(60)
        assert not of(ChannelLive, events)
        await ws.bind(TICKER, ignore)
        assert ws.channel_state(TICKER) is ChannelState.PENDING, "it begins anew"


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
async def test_what_is_bound_anew_before_its_unsubscribe_went_out_is_judged(
    redundancy: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running("gateio", virtual, pace=5.0, stale_after=4.0, redundancy=redundancy) as (
        simulator,
        ws,
        events,
    ):
        binding = await ws.bind(TRADES, ignore)
        await trio.sleep(1)
        binding.unbind()
        ws.bind(TRADES, got)
        await got.wait(1)
        assert ws.channel_state(TRADES) is ChannelState.LIVE
        simulator.tamper = lambda _, frame: () if is_push_of(frame, "trades") else (frame,)
        await events.wait(told(ChannelStale))
