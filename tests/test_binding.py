"""A binding through everything that may happen to its connection."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from scenario import ignore, running, told, wait_until
from support import Collector
from trio.testing import MockClock as Clock

from trioex import BindingError, BindingState, Environment, ManagerClosed
from trioex.events import Disconnected, Reconnected

VENUES = ("mexc", "gateio")
CHANNEL = "spot.trades.BTCUSDT"
OTHER = "spot.trades.ETHUSDT"


@pytest.mark.parametrize("exchange", VENUES)
async def test_its_state_follows_its_connection(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(exchange, virtual, latency=0.1) as (simulator, ws, events):
        binding = ws.bind(CHANNEL, ignore)
        assert binding.state is BindingState.PENDING
        await binding
        assert binding.state is BindingState.CONFIRMED
        simulator.disconnect("drop")
        await events.wait(told(Disconnected))
        assert binding.state is BindingState.PENDING
        assert await binding is binding, "it waits for the next confirmation"
        assert binding.state is BindingState.CONFIRMED
        await events.wait(told(Reconnected))
        binding.unbind()
        assert binding.state is BindingState.UNBOUND
        with pytest.raises(BindingError, match="was unbound"):
            await binding


async def test_many_may_wait_for_one_confirmation_and_give_up_waiting(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, latency=0.1) as (_, ws, _):
        binding = ws.bind(CHANNEL, ignore)
        confirmed: list[float] = []

        async def wait() -> None:
            await binding
            confirmed.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(wait)
            with trio.move_on_after(0.01) as scope:
                await binding
            assert scope.cancelled_caught
            assert binding.state is BindingState.PENDING, "cancelling the wait leaves it bound"
        assert len(confirmed) == 5


async def test_a_context_left_while_waiting_unbinds(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, latency=0.1) as (simulator, ws, _):
        with trio.move_on_after(0.05):
            async with ws.bind(CHANNEL):
                raise AssertionError("confirmed too soon")
        await trio.sleep(1)
        assert [len(each.topics) for each in simulator.connections] == [0]
        assert len(ws.statistics().bindings) == 1, "the collector of events"


@pytest.mark.parametrize("exchange", VENUES)
async def test_an_iterator_goes_on_over_a_loss_and_ends_with_the_binding(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    seen = Collector()

    async with running(exchange, virtual, pace=5.0) as (simulator, ws, _):
        binding = await ws.bind(CHANNEL)

        async def iterate() -> None:
            async for message in binding:
                seen(message)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(iterate)
                await seen.wait(3)
                simulator.disconnect("drop")
                await seen.wait(20)
                binding.unbind()


async def test_each_message_reaches_one_of_the_tasks_that_iterate(
    virtual: Environment, autojump_clock: Clock
) -> None:
    shared = Collector()
    everything = Collector()

    async with running("gateio", virtual, pace=20.0) as (_, ws, _):
        binding = await ws.bind(CHANNEL)
        ws.bind(CHANNEL, everything)

        async def iterate() -> None:
            async for message in binding:
                shared(message)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(iterate)
            await everything.wait(50)
            await trio.testing.wait_all_tasks_blocked()
            binding.unbind()
    assert shared == everything[: len(shared)]
    assert len(shared) >= 50


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_handler_may_unbind_itself_and_others_and_bind_anew(
    is_async: bool, virtual: Environment, autojump_clock: Clock
) -> None:
    first, second = Collector(), Collector()

    async with running("gateio", virtual, pace=20.0) as (_, ws, _):
        other = ws.bind(CHANNEL, second)

        def handler(message: object) -> None:
            first(message)
            binding.unbind()
            other.unbind()
            ws.bind(OTHER, second)

        async def async_handler(message: object) -> None:
            handler(message)
            await trio.lowlevel.checkpoint()
            first("finished what it was doing")

        binding = ws.bind(CHANNEL, async_handler if is_async else handler)
        await first.wait(1)
        second.clear()
        await second.wait(5)
        assert {each.symbol for each in second} == {"ETHUSDT"}
        assert len(first) == 1 + is_async


async def test_after_unbind_has_returned_nothing_more_comes(
    virtual: Environment, autojump_clock: Clock
) -> None:
    """Not out of the frame channel, nor out of its own queue, nor out of the frame at work."""
    gate = trio.Event()
    late = Collector()

    async def slow(message: object) -> None:
        await gate.wait()

    async with running("gateio", virtual, pace=20.0) as (_, ws, _):
        binding = ws.bind(CHANNEL, slow, queue_size=2)
        ended = ws.bind(CHANNEL, late)
        await wait_until(lambda: ws.statistics().waiting_bytes > 2000)
        count = len(late)
        ended.unbind()
        gate.set()
        await trio.sleep(1)
        assert len(late) == count
        binding.unbind()
        assert binding.statistics().queued == 0


async def test_a_manager_that_ends_wakes_whoever_waits(
    virtual: Environment, autojump_clock: Clock
) -> None:
    outcomes: list[str] = []

    async def wait(binding: object) -> None:
        try:
            await binding  # type: ignore[misc]
        except ManagerClosed:
            outcomes.append("closed")

    async def iterate(binding: object) -> None:
        async for _ in binding:  # type: ignore[attr-defined]
            pass
        outcomes.append("ended")

    async with trio.open_nursery() as nursery:
        async with running("gateio", virtual) as (simulator, ws, events):
            simulator.reject(500)
            simulator.disconnect("drop")
            await events.wait(told(Disconnected, 2))
            nursery.start_soon(wait, ws.bind(CHANNEL, ignore))
            nursery.start_soon(iterate, ws.bind(OTHER))
            await trio.testing.wait_all_tasks_blocked()
    assert sorted(outcomes) == ["closed", "ended"]
