"""What a manager tells of itself, to whom, and that the numbers are right."""

from __future__ import annotations

import json
from typing import Any

import attrs
import msgspec
import pytest
import trio
from scenario import QUIET, VENUES, ignore, of, running, told, wait_until
from support import Collector
from trio.testing import MockClock as Clock

from trioex import BookDelta, Environment
from trioex.events import Connected, Disconnected, Gap, Reconnected, SlowConsumer

CHANNEL = "spot.trades.BTCUSDT"
BOOK = "spot.orderbook_delta.BTCUSDT"


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_loss_is_told_with_its_reason_its_times_and_its_end(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(exchange, virtual, bind_channels={CHANNEL: ignore}, latency=0.04) as (
        simulator,
        _,
        events,
    ):
        await trio.sleep(1)
        simulator.reject(500)
        lost_at = virtual.time_ns()
        simulator.disconnect("close")
        await events.wait(told(Disconnected, 3))
        simulator.admit()
        await events.wait(told(Reconnected))
        assert [type(event) for event in events] == [
            Connected,
            Disconnected,
            Disconnected,
            Disconnected,
            Reconnected,
        ]
        first, *failed = of(Disconnected, events)
        (back,) = of(Reconnected, events)
        assert "1001" in first.reason
        assert all("500" in event.reason for event in failed)
        assert first.time == lost_at + 20_000_000, "half a round trip after it"
        assert back.outage_ns == back.time - first.time == virtual.time_ns() - first.time
        assert back.attempts == 3
        assert {(e.exchange, e.market, e.line, e.leg) for e in events} == {(exchange, "spot", 0, 0)}


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_gap_names_exactly_what_is_missing(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    book = Collector()
    lost = 0

    def lose(connection: Any, frame: Any) -> tuple[Any, ...]:
        nonlocal lost
        content = frame.encode() if isinstance(frame, str) else bytes(frame)
        is_push = b"depth" in content or (b"order_book" in content and b'"update"' in content)
        if is_push and len(book) >= 5 and lost < 2:
            lost += 1
            return ()
        return (frame,)

    async with running(exchange, virtual, bind_channels={BOOK: book}, pace=5.0) as (
        simulator,
        _,
        events,
    ):
        simulator.tamper = lose
        await events.wait(told(Gap))
        await book.wait(10)
        (gap,) = of(Gap, events)
        deltas = [each for each in book if isinstance(each, BookDelta)]
        before = max(each.last_version for each in deltas if each.last_version < gap.first_version)
        after = min(each.first_version for each in deltas if each.first_version > gap.last_version)
        assert (before + 1, after - 1) == (gap.first_version, gap.last_version)
        assert gap.channel == BOOK
        assert gap.line == -1


@pytest.mark.parametrize("kind", ["sync", "async", "iterator"])
async def test_every_way_to_hear_of_events_hears_the_same(
    kind: str, virtual: Environment, autojump_clock: Clock
) -> None:
    heard: list[object] = []

    async def handler(event: object) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(event)

    async with running("gateio", virtual, bind_channels={CHANNEL: ignore}) as (
        simulator,
        ws,
        events,
    ):
        if kind != "iterator":
            binding = ws.bind_events(heard.append if kind == "sync" else handler)
        else:
            binding = ws.bind_events()
        assert await binding is binding, "there is nothing to wait for"
        known = len(events)
        for count in range(1, 4):
            simulator.disconnect("drop")
            await events.wait(told(Reconnected, count))
        await trio.sleep(0.1)
        if kind == "iterator":
            heard += [await binding.__anext__() for _ in range(6)]
        assert heard == events[known:]
        binding.unbind()
        simulator.disconnect("drop")
        await events.wait(told(Reconnected, 4))
        assert len(heard) == 6


async def test_who_does_not_listen_holds_nobody_up(
    virtual: Environment, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Events wait in a bounded queue of their own; the oldest are given up, and counted."""
    caplog.set_level("ERROR", "trioex")

    async def stuck(event: object) -> None:
        await trio.sleep_forever()

    symbols = tuple(f"C{number:03}USDT" for number in range(300))
    async with running("mexc", virtual, symbols=symbols, pace=QUIET, backoff_most=0.01) as (
        simulator,
        ws,
        events,
    ):
        for binding in [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols]:
            await binding
        slow, unread = ws.bind_events(stuck), ws.bind_events()
        while len(events) < 1200:
            known = len(of(Reconnected, events))
            simulator.disconnect("drop")
            await events.wait(lambda got, known=known: len(of(Reconnected, got)) == known + 10)
        assert slow.statistics().queued == unread.statistics().queued == 1024
        assert unread.statistics().dropped >= 100
        newest = None
        for _ in range(1024):
            newest = await unread.__anext__()
        assert newest == events[-1]


async def test_a_listener_that_raises_is_no_secret(
    virtual: Environment, autojump_clock: Clock
) -> None:
    def broken(event: object) -> None:
        raise LookupError("a mistake of the user's")

    with pytest.RaisesGroup(pytest.RaisesExc(LookupError), flatten_subgroups=True):
        async with running("gateio", virtual) as (simulator, ws, _):
            ws.bind_events(broken)
            simulator.disconnect("drop")
            await trio.sleep(5)


@pytest.mark.parametrize("how", ["drop", "silence"])
@pytest.mark.parametrize("kind", [Disconnected, Connected, Reconnected])
@pytest.mark.parametrize("exchange", VENUES)
async def test_a_listener_may_bind_and_unbind(
    exchange: str, kind: Any, how: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    """In the very moment of a loss: what is asked then is asked of the next connection."""
    got = Collector()
    async with running(
        exchange,
        virtual,
        bind_channels={CHANNEL: ignore},
        pace=5.0,
        ping_interval=2.0,
        pong_timeout=1.0,
        redundancy="hot" if kind is Connected else "none",
    ) as (simulator, ws, _):

        def on_event(event: object) -> None:
            if isinstance(event, kind):
                ws.unbind(CHANNEL)
                ws.bind("spot.trades.ETHUSDT", got)

        ws.bind_events(on_event)
        simulator.disconnect(how)
        if kind is Connected:
            ws.rotate()
        await got.wait(3)
        await wait_until(lambda: all(len(each.topics) == 1 for each in simulator.connections))
        (line,) = ws.statistics().lines
        assert line.wanted == line.confirmed == 1


@pytest.mark.parametrize("handoff", ["channel", "direct"])
async def test_a_slow_consumer_is_named_once_a_time(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    gate = trio.Event()

    async def slow(message: object) -> None:
        await gate.wait()

    async with running(
        "gateio", virtual, pace=20.0, frame_channel_bytes=20_000, handoff=handoff
    ) as (_, ws, events):
        ws.bind("spot.trades.ETHUSDT", ignore)
        ws.bind(CHANNEL, slow, queue_size=5)
        for _ in range(2):
            await events.wait(told(SlowConsumer))
            (event,) = of(SlowConsumer, events)
            assert event.channel == CHANNEL
            assert 10_000 <= event.waiting_bytes <= 20_000 == event.bound_bytes
            await trio.sleep(3)
            assert of(SlowConsumer, events) == [event]
            gate.set()
            await trio.sleep(3)
            events.clear()
            gate = trio.Event()


async def test_events_are_frozen_and_can_be_written_down(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, bind_channels={CHANNEL: ignore}) as (
        simulator,
        _,
        events,
    ):
        simulator.disconnect("drop")
        await events.wait(told(Reconnected))
    for event in events:
        with pytest.raises(AttributeError):
            event.time = 0
        written = msgspec.json.encode(event)
        assert json.loads(written)["type"] in {"connected", "disconnected", "reconnected"}
        assert msgspec.json.decode(written, type=type(event)) == event


@pytest.mark.parametrize("exchange", VENUES)
async def test_statistics_are_a_snapshot_and_count_right(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(exchange, virtual, bind_channels={CHANNEL: got}, pace=5.0) as (
        simulator,
        ws,
        events,
    ):
        await got.wait(5)
        before = ws.statistics()
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            before.frames = 0  # type: ignore[misc]
        with pytest.raises(TypeError):
            before.skipped["a reason"] = 1  # type: ignore[index]
        await ws.process_test_message('{"what":"nobody knows"}')
        assert (len(before.skipped), len(ws.statistics().skipped)) == (0, 1)
        for count in range(1, 4):
            simulator.disconnect("drop")
            await events.wait(told(Reconnected, count))
        await ws.bind("spot.book_ticker.BTCUSDT", ignore)
        await got.wait(len(got) + 5)
        after = ws.statistics()
        assert before.lines[0].connections == 1, "it is as it was"
        assert after.lines[0].connections == 4
        assert after.answers == after.lines[0].answers == 5
        assert (after.unrouted, after.undecodable, len(after.skipped)) == (0, 0, 1)
        assert after.frames > before.frames
        assert after.lines[0].wanted == after.lines[0].confirmed == 2
        assert [name for name, _ in after.bindings] == [
            "<Binding connection events CONFIRMED>",
            f"<Binding {CHANNEL} CONFIRMED>",
            "<Binding spot.book_ticker.BTCUSDT CONFIRMED>",
        ]
