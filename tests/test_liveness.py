"""When a peer is dead, and when it is only quiet or somebody else is slow."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from scenario import QUIET, VENUES, ignore, of, running, told
from support import Collector
from trio.testing import MockClock as Clock

from trioex import Environment
from trioex.events import ChannelStale, Connected, Disconnected, Reconnected, SlowConsumer

HANDOFFS = ("channel", "direct")
CHANNEL = "spot.trades.BTCUSDT"


@pytest.mark.parametrize("moment", [0.1, 4.9, 5.1, 7.9, 8.1])
@pytest.mark.parametrize("exchange", VENUES)
async def test_a_peer_that_says_nothing_more_is_left_one_ping_later(
    exchange: str, moment: float, virtual: Environment, autojump_clock: Clock
) -> None:
    """Whenever it dies: at the latest the next ping finds it out."""
    async with running(
        exchange,
        virtual,
        bind_channels={CHANNEL: ignore},
        pace=QUIET,
        ping_interval=5.0,
        pong_timeout=3.0,
    ) as (simulator, _, events):
        await trio.sleep(10.0 + moment)
        silent_at = trio.current_time()
        simulator.disconnect("silence")
        await events.wait(told(Disconnected))
        assert trio.current_time() - silent_at <= 5.0 + 3.0 + 0.001
        await events.wait(told(Reconnected))
        assert trio.current_time() - silent_at <= 5.0 + 3.0 + 0.1, "and the next is there"


@pytest.mark.parametrize("exchange", VENUES)
async def test_pings_keep_to_their_interval(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(
        exchange,
        virtual,
        bind_channels={CHANNEL: ignore},
        pace=QUIET,
        ping_interval=5.0,
        pong_timeout=3.0,
    ) as (simulator, _, events):
        (connection,) = simulator.connections
        await trio.sleep(100.5)
        pings = [each for each in connection.requests if "ping" in each.lower()]
        assert len(pings) == 20
        assert [type(event) for event in events] == [Connected]


@pytest.mark.parametrize("how", ["linger", "close", "drop", "cut"])
@pytest.mark.parametrize("exchange", VENUES)
async def test_an_end_that_can_be_seen_waits_for_no_deadline(
    exchange: str, how: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(
        exchange,
        virtual,
        bind_channels={CHANNEL: ignore},
        pace=QUIET,
        ping_interval=600.0,
        pong_timeout=600.0,
        close_timeout=5.0,
    ) as (simulator, _, events):
        ended_at = trio.current_time()
        simulator.disconnect(how)
        await events.wait(told(Reconnected))
        assert trio.current_time() - ended_at < 0.1
        assert of(Reconnected, events)[0].outage_ns < 100_000_000


@pytest.mark.parametrize("exchange", VENUES)
async def test_pongs_alone_are_not_enough_where_data_must_come(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(
        exchange,
        virtual,
        bind_channels={CHANNEL: got},
        pace=5.0,
        data_timeout=8.0,
        ping_interval=1.0,
        pong_timeout=1.0,
    ) as (simulator, _, events):
        await trio.sleep(30)
        assert not of(Disconnected, events), "data comes"
        mute = simulator.connections[0].number
        is_push = ("trades", "deals")

        def lose(connection: Any, frame: Any) -> tuple[Any, ...]:
            content = frame.encode() if isinstance(frame, str) else frame
            lost = connection.number == mute and any(each.encode() in content for each in is_push)
            return () if lost else (frame,)

        simulator.tamper = lose
        muted_at = trio.current_time()
        await events.wait(told(Disconnected))
        assert 8.0 - 1.0 <= trio.current_time() - muted_at <= 8.0 * 1.25 + 0.001
        assert "no data for 8 s" in of(Disconnected, events)[0].reason
        got.clear()
        await got.wait(2)


@pytest.mark.parametrize("handoff", HANDOFFS)
@pytest.mark.parametrize("exchange", VENUES)
async def test_a_slow_handler_is_neither_a_dead_peer_nor_a_stale_channel(
    exchange: str, handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    release = trio.Event()
    got: list[object] = []

    async def handler(message: object) -> None:
        await release.wait()
        got.append(message)

    everything = Collector()
    async with running(
        exchange,
        virtual,
        pace=10.0,
        handoff=handoff,
        ping_interval=2.0,
        pong_timeout=2.0,
        data_timeout=5.0,
        stale_after=5.0,
        subscribe_timeout=2.0,
    ) as (simulator, ws, events):
        await ws.bind(CHANNEL, handler, queue_size=1)
        ws.bind(CHANNEL, everything)
        await everything.wait(1)
        (connection,) = simulator.connections
        asked = len([each for each in connection.requests if "sub" in each.lower()])
        await trio.sleep(25)
        assert not of(Disconnected, events)
        assert not of(ChannelStale, events)
        release.set()
        await trio.sleep(12)
        assert not of(Disconnected, events)
        assert not of(ChannelStale, events)
        assert len([each for each in connection.requests if "sub" in each.lower()]) == asked
        assert len(got) >= 50, "and nothing is lost"


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_a_dead_peer_is_noticed_behind_a_slow_handler(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None:
        await trio.sleep_forever()

    async with running(
        "gateio", virtual, pace=10.0, handoff=handoff, ping_interval=2.0, pong_timeout=2.0
    ) as (simulator, ws, events):
        await ws.bind(CHANNEL, handler, queue_size=1)
        await trio.sleep(5)
        for how, limit in (("drop", 0.1), ("linger", 0.1), ("silence", 4.1)):
            events.clear()
            at = trio.current_time()
            simulator.disconnect(how)  # type: ignore[arg-type]
            await events.wait(told(Disconnected))
            assert trio.current_time() - at <= limit, how
            await events.wait(told(Reconnected))
        assert ws.statistics().lines[0].confirmed == 1


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_at_the_bound_reading_pauses_and_the_peer_is_not_blamed(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    release = trio.Event()

    async def handler(message: object) -> None:
        await release.wait()

    async with running(
        "mexc",
        virtual,
        pace=20.0,
        handoff=handoff,
        frame_channel_bytes=4096,
        ping_interval=2.0,
        pong_timeout=2.0,
        data_timeout=5.0,
        stale_after=5.0,
    ) as (simulator, ws, events):
        await ws.bind("spot.orderbook_delta.BTCUSDT", handler, queue_size=1)
        await events.wait(told(SlowConsumer))
        await trio.sleep(12)
        assert ws.statistics().waiting_bytes <= 4096
        release.set()
        await trio.sleep(10)
        assert not of(Disconnected, events)
        assert not of(ChannelStale, events)
        assert len(simulator.connections) == 1
