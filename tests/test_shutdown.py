"""Leaving, from every state: never longer than `close_timeout`, and nothing stays behind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from scenario import QUIET, ignore, of, running, told, wait_until
from support import Collector, client_tasks, wait_left
from trio.testing import MockClock as Clock

from trioex import BindingState, Environment, ManagerClosed, WebSocketConfig, WebSocketManager
from trioex.events import Disconnected, Rotated
from trioex.exchanges.base import Instrument, Instruments
from trioex.simulator import Simulator, open_simulator

HANDOFFS = ("channel", "direct")
CHANNEL = "spot.trades.BTCUSDT"
CLOSE = 2.0


@asynccontextmanager
async def left_within(most: float) -> AsyncGenerator[Callable[[], None]]:
    """Check that what follows the call ends in time and leaves no task of the library."""
    left_at: list[float] = []
    yield lambda: left_at.append(trio.current_time())
    assert left_at, "nobody left"
    assert trio.current_time() - left_at[0] <= most
    assert not client_tasks()


# Before it is open


async def hang(url: str) -> trio.abc.Stream:
    await trio.sleep_forever()
    raise AssertionError


async def mute(url: str) -> trio.abc.Stream:
    """A server that accepts and says nothing: no answer to the handshake, ever."""
    return trio.testing.memory_stream_pair()[0]


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
@pytest.mark.parametrize("dial", [hang, mute])
async def test_while_connecting(
    dial: Any, redundancy: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    config = WebSocketConfig(
        exchange="gateio",
        dial=dial,
        redundancy=redundancy,
        close_timeout=CLOSE,
        connect_timeout=600.0,
        environment=virtual,
    )
    async with left_within(0.0) as leave, trio.open_nursery() as nursery:
        manager = WebSocketManager(config, bind_channels={CHANNEL: ignore})
        nursery.start_soon(manager.run)
        await trio.sleep(5)
        leave()
        await manager.aclose()
    async with left_within(0.0) as leave:
        with trio.move_on_after(5):
            async with WebSocketManager(config):
                raise AssertionError("entered")
        autojump_clock.jump(0.0)
        leave()


async def test_in_back_off(virtual: Environment, autojump_clock: Clock) -> None:
    async with left_within(0.0) as leave:
        async with running("gateio", virtual, close_timeout=CLOSE) as (simulator, _, events):
            simulator.reject(429, retry_after=3000.0)
            simulator.disconnect("drop")
            await events.wait(told(Disconnected, 2))
            await trio.sleep(5)
            leave()


async def test_in_the_middle_of_connecting_again(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as simulator:
        dials = [simulator.dial, hang]

        async def dial(url: str) -> trio.abc.Stream:
            return await (dials.pop(0) if len(dials) > 1 else dials[0])(url)

        async with left_within(0.0) as leave:
            config = simulator.config(dial=dial, close_timeout=CLOSE)
            async with WebSocketManager(config, bind_channels={CHANNEL: ignore}):
                simulator.disconnect("drop")
                await trio.sleep(5)
                leave()


# While it is open


@pytest.mark.parametrize("how", ["drop", "close", "linger", "cut", "silence"])
@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_from_a_peer_that_is_going_or_gone(
    how: Any, handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with left_within(CLOSE) as leave:
        async with running(
            "mexc", virtual, bind_channels={CHANNEL: ignore}, close_timeout=CLOSE, handoff=handoff
        ) as (simulator, _, _):
            simulator.disconnect(how)
            leave()


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_in_the_middle_of_a_frame(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """Half a frame was read; the other half never comes, and no goodbye is answered."""
    async with left_within(CLOSE) as leave:
        async with running("mexc", virtual, close_timeout=CLOSE, handoff=handoff) as (
            simulator,
            ws,
            _,
        ):
            await ws.bind(CHANNEL, ignore)
            simulator.disconnect("cut")
            await trio.lowlevel.checkpoint()
            leave()


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_with_a_handler_that_never_ends(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """Its queue is full, the router waits for it, and frames wait in the channel."""
    cancelled: list[object] = []

    async def handler(message: object) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(message)

    async with left_within(CLOSE) as leave:
        async with running("gateio", virtual, pace=20.0, close_timeout=CLOSE, handoff=handoff) as (
            _,
            ws,
            _,
        ):
            binding = ws.bind(CHANNEL, handler, queue_size=1)
            await wait_until(lambda: ws.statistics().waiting_bytes > 0)
            leave()
    assert len(cancelled) == 1
    assert binding.state is BindingState.UNBOUND


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_with_an_iterator_nobody_reads(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with left_within(CLOSE) as leave:
        async with running("gateio", virtual, pace=20.0, close_timeout=CLOSE, handoff=handoff) as (
            _,
            ws,
            _,
        ):
            iterator = ws.bind(CHANNEL, queue_size=1)
            await wait_until(lambda: ws.statistics().waiting_bytes > 0)
            leave()
    assert [message.symbol async for message in iterator] != [], "what it has can still be read"


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_a_shielded_handler_is_waited_for_and_nothing_else_is_kept(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """Trio abandons no task: a shield is the handler's own decision, and all it can hold up."""
    entered = trio.Event()

    async def handler(message: object) -> None:
        entered.set()
        with trio.CancelScope(shield=True):
            await trio.sleep(50)

    async with open_simulator("gateio", environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(close_timeout=CLOSE, handoff=handoff))
        async with left_within(50) as leave, trio.open_nursery() as nursery:
            await nursery.start(manager.run)
            manager.bind(CHANNEL, handler)
            await entered.wait()
            leave()
            nursery.start_soon(manager.aclose)
            await trio.sleep(CLOSE + 0.1)
            assert not simulator.connections
            assert len(client_tasks()) <= 3, "run, the handler and who waits for the end"


async def test_what_was_read_is_delivered_at_once_where_nobody_is_slow(
    virtual: Environment, autojump_clock: Clock
) -> None:
    handled: list[object] = []
    everything = Collector()

    async def handler(message: object) -> None:
        await trio.lowlevel.checkpoint()
        handled.append(message)

    async with left_within(0.5) as leave:
        async with running("gateio", virtual, pace=20.0, close_timeout=60.0) as (_, ws, _):
            ws.bind(CHANNEL, handler)
            ws.bind(CHANNEL, everything)
            await everything.wait(20)
            leave()
    assert handled == everything


# From inside


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_from_inside_an_async_handler(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """The handler goes on after it: waiting there for its own end would be waiting for ever."""
    done: list[str] = []

    async with open_simulator("gateio", environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(close_timeout=CLOSE, handoff=handoff))

        async def handler(message: object) -> None:
            leave()
            await manager.aclose()
            done.append("handled")

        async with left_within(0.1) as leave:
            async with manager:
                manager.bind(CHANNEL, handler)
                await manager.wait_closed()
    assert done == ["handled"]


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_from_inside_a_sync_handler(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(close_timeout=CLOSE, handoff=handoff))

        def handler(message: object) -> Any:
            leave()
            return manager.aclose()

        async with left_within(0.1) as leave:
            async with manager:
                manager.bind(CHANNEL, handler)
                await manager.wait_closed()


@pytest.mark.parametrize("handoff", HANDOFFS)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_handler_may_cancel_the_block_it_is_in(
    handoff: str, is_async: bool, virtual: Environment, autojump_clock: Clock
) -> None:
    calls: list[object] = []
    with trio.CancelScope() as scope:

        def handler(message: object) -> None:
            leave()
            calls.append(message)
            scope.cancel()

        async def async_handler(message: object) -> None:
            handler(message)

        async with left_within(0.0) as leave:
            async with running("gateio", virtual, pace=20.0, handoff=handoff) as (_, ws, _):
                ws.bind(CHANNEL, async_handler if is_async else handler)
                await trio.sleep_forever()
    assert len(calls) == 1, "nothing is delivered any more"


async def test_a_handler_of_events_may_end_it(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(close_timeout=CLOSE))

        async def on_event(event: object) -> None:
            if isinstance(event, Disconnected):
                leave()
                await manager.aclose()

        async with left_within(0.1) as leave:
            async with manager:
                manager.bind_events(on_event)
                simulator.disconnect("drop")
                await manager.wait_closed()


# From outside, and twice


@pytest.mark.parametrize("how", [None, "silence", "linger"])
@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_under_an_outer_cancel_nothing_waits(
    how: Any, handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None:
        await trio.sleep_forever()

    async with left_within(0.0) as leave:
        with trio.CancelScope() as scope:
            async with running(
                "gateio", virtual, pace=20.0, close_timeout=60.0, handoff=handoff
            ) as (simulator, ws, _):
                ws.bind(CHANNEL, handler, queue_size=1)
                await wait_until(lambda: ws.statistics().waiting_bytes > 0)
                if how is not None:
                    simulator.disconnect(how)
                leave()
                scope.cancel()
                await trio.sleep_forever()


async def test_an_outer_cancel_ends_a_leaving_that_takes_its_time(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None:
        await trio.sleep_forever()

    async with left_within(1.0) as leave:
        with trio.move_on_after(30) as scope:
            async with running("gateio", virtual, close_timeout=60.0) as (simulator, ws, _):
                ws.bind(CHANNEL, handler)
                await trio.sleep(5)
                simulator.disconnect("silence")
                scope.deadline = trio.current_time() + 1.0
                leave()


async def test_twice_and_by_many_at_once(virtual: Environment, autojump_clock: Clock) -> None:
    async def handler(message: object) -> None:
        await trio.sleep_forever()

    async with open_simulator("gateio", environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(close_timeout=CLOSE))
        async with left_within(CLOSE) as leave:
            async with manager:
                manager.bind(CHANNEL, handler)
                await trio.sleep(5)
                leave()
                async with trio.open_nursery() as nursery:
                    for _ in range(5):
                        nursery.start_soon(manager.aclose)
                    await trio.sleep(0.1)
                    with pytest.raises(ManagerClosed):
                        manager.bind(CHANNEL, ignore)
                    with pytest.raises(ManagerClosed):
                        manager.rotate()
        await manager.aclose()
        await manager.wait_closed()


async def test_aclose_is_cancelled_and_the_manager_ends_all_the_same(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None:
        await trio.sleep_forever()

    async with open_simulator("gateio", environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(close_timeout=CLOSE))
        async with left_within(CLOSE) as leave, trio.open_nursery() as nursery:
            await nursery.start(manager.run)
            manager.bind(CHANNEL, handler)
            await trio.sleep(5)
            leave()
            with trio.move_on_after(0.1):
                await manager.aclose()


# In the middle of something else


async def test_while_a_symbol_is_looked_up(virtual: Environment, autojump_clock: Clock) -> None:
    fetches: list[str] = []

    async def fetch(url: str) -> bytes:
        fetches.append(url)
        await trio.sleep_forever()
        raise AssertionError

    async with left_within(0.1) as leave:
        async with running("gateio", virtual, fetch=fetch, close_timeout=CLOSE) as (_, ws, _):
            binding = ws.bind("spot.trades.NEWC0INUSDT", ignore)
            await trio.sleep(5)
            leave()
    assert len(fetches) == 1, "nobody looks up anything any more"
    with pytest.raises(ManagerClosed):
        await binding


async def test_a_symbol_found_while_leaving_opens_nothing(
    virtual: Environment, autojump_clock: Clock
) -> None:
    """The lines are full, the list comes in the last moment: no line is opened for it."""
    symbols = tuple(f"C{number:02}USDT" for number in range(30))
    simulators: list[Simulator] = []

    async def fetch(url: str) -> bytes:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
            return await simulators[0].fetch(url)

    async with left_within(CLOSE) as leave:
        async with running(
            "mexc",
            virtual,
            symbols=(*symbols, "NEWC0INUSDT"),
            close_timeout=CLOSE,
            pace=QUIET,
            fetch=fetch,
        ) as (simulator, ws, _):
            simulators.append(simulator)
            ws.venue.instruments = Instruments(Instrument(each, each) for each in symbols)
            for binding in [ws.bind(f"spot.trades.{symbol}", ignore) for symbol in symbols]:
                await binding
            ws.bind("spot.trades.NEWC0INUSDT", ignore)
            await trio.sleep(0.5)
            leave()
    assert "NEWC0INUSDT" in ws.venue.instruments, "it was found, though"
    assert len(ws.statistics().lines) == 2
    assert simulator.statistics().connections == 1


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
async def test_while_legs_are_replaced(
    redundancy: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """What was read is delivered: the overlap is not waited for, nor is the deadline."""
    handled: list[object] = []
    everything = Collector()

    async def handler(message: object) -> None:
        await trio.lowlevel.checkpoint()
        handled.append(message)

    for moment in (0.0, 0.001, 1.0):
        everything.clear()
        handled.clear()
        async with left_within(0.5) as leave:
            async with running(
                "gateio",
                virtual,
                pace=20.0,
                redundancy=redundancy,
                rotation_overlap=300.0,
                close_timeout=30.0,
            ) as (_, ws, events):
                ws.bind(CHANNEL, handler)
                ws.bind(CHANNEL, everything)
                await everything.wait(3)
                ws.rotate()
                await trio.sleep(moment)
                leave()
        assert handled == everything
        if redundancy == "none":
            assert not of(Rotated, events)


async def test_it_ends_while_the_first_lines_are_not_ready(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as simulator:
        simulator.tamper = lambda _, frame: ()
        manager = WebSocketManager(
            simulator.config(close_timeout=CLOSE), bind_channels={CHANNEL: ignore}
        )
        async with left_within(CLOSE) as leave, trio.open_nursery() as nursery:
            nursery.start_soon(manager.run)
            await trio.sleep(1)
            leave()
            await manager.aclose()


# On sockets


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("secure", [False, True])
async def test_a_server_that_accepts_and_says_nothing(secure: bool) -> None:
    """TCP is up; TLS, or the answer to the handshake, never comes."""
    files = open_files()
    accepted = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        accepted.set()
        async with stream:
            while await stream.receive_some():
                pass

    async with trio.open_nursery() as nursery:
        (listener, *_) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        config = WebSocketConfig(
            exchange="gateio",
            url=f"ws{'s' if secure else ''}://127.0.0.1:{port}/ws/v4/",
            connect_timeout=3600.0,
            close_timeout=3600.0,
            ssl_context=ssl.create_default_context(),
        )
        with trio.fail_after(30):
            async with trio.open_nursery() as running_nursery:
                manager = WebSocketManager(config)
                running_nursery.start_soon(manager.run)
                await accepted.wait()
                await manager.aclose()
            assert not client_tasks()
        nursery.cancel_scope.cancel()
    assert open_files() == files


@pytest.mark.parametrize("how", ["silence", "linger"])
async def test_a_peer_on_a_socket_that_does_not_answer_the_goodbye(how: Any) -> None:
    async with open_simulator("gateio", transport="tcp", pace=QUIET) as simulator:
        files = open_files()
        with trio.fail_after(30):
            async with WebSocketManager(simulator.config(close_timeout=0.05)) as ws:
                await ws.bind(CHANNEL, ignore)
                simulator.disconnect(how)
        assert not client_tasks()
        await wait_left(simulator)
        with trio.fail_after(30):
            while open_files() != files:  # noqa: ASYNC110  the simulator's end closes after ours
                await trio.sleep(0.01)
