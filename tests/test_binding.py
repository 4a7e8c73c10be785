"""A binding through everything that may happen to its connection."""

from __future__ import annotations

import gc
import traceback
import weakref

import pytest
import trio
import trio.testing
from scenario import VENUES, ignore, running, told, wait_until
from support import Collector
from trio.testing import MockClock as Clock

from trioex import (
    BindingError,
    BindingState,
    Environment,
    ExchangeConfig,
    ManagerClosed,
    WebSocketManager,
)
from trioex.channels import Channel, Parameters
from trioex.errors import SubscriptionRefused
from trioex.events import Disconnected, Reconnected

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


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("on_error", ["raise", "log", "unbind"])
async def test_a_handler_that_binds_while_the_manager_ends_has_done_nothing_wrong(
    is_async: bool,
    on_error: str,
    virtual: Environment,
    autojump_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = Collector()
    ending = False

    def bind(message: object) -> None:
        if ending:
            try:
                ws.bind(OTHER, ignore)
            except ManagerClosed as error:
                refused(error)
                raise

    async def handler(message: object) -> None:
        await trio.sleep(0.2)  # what waits is drained after the end began
        bind(message)

    async with running("gateio", virtual, pace=20.0) as (_, ws, _):
        if is_async:
            binding = await ws.bind(CHANNEL, handler, on_error=on_error)
        else:
            slow = await ws.bind(CHANNEL, handler, queue_size=1)
            binding = await ws.bind(CHANNEL, bind, on_error=on_error)
            await wait_until(lambda: ws.statistics().waiting_bytes > 0)
            assert slow.state is BindingState.CONFIRMED
        await wait_until(lambda: is_async or ws.statistics().waiting_bytes > 2000)
        await trio.sleep(1)
        ending = True
    assert refused
    assert binding.state is BindingState.UNBOUND
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_a_handler_that_meets_the_end_of_another_manager_is_judged_as_ever(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, pace=20.0) as (_, other, _):
        pass

    async with running("gateio", virtual, pace=20.0) as (_, ws, _):
        binding = ws.bind(CHANNEL, lambda _: other.bind(CHANNEL, ignore), on_error="unbind")
        await wait_until(lambda: binding.has_ended)
        with pytest.raises(ManagerClosed):
            await binding


async def test_who_is_cancelled_gets_no_message_more(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    with trio.CancelScope() as scope:

        async def handler(message: object) -> None:  # without a checkpoint
            got(message)
            if len(got) == 3:
                scope.cancel()

        async with running("gateio", virtual) as (_, ws, _):
            await ws.bind(CHANNEL, handler)
            frame, _ = ws.venue.sample(ws.venue.topic(Channel.parse(CHANNEL), Parameters()), 10**18)
            async with trio.open_nursery() as nursery:
                for _ in range(9):
                    nursery.start_soon(ws.process_test_message, frame)
                await trio.sleep(60)
    assert len(got) == 3


class Handler:
    """A handler that can be referred to weakly."""

    def __call__(self, message: object) -> None:
        """Do nothing."""

    async def wait(self, message: object) -> None:
        """Do nothing, but wait."""
        await trio.lowlevel.checkpoint()

    def fail(self, message: object) -> None:
        """Fail at the first message."""
        raise RuntimeError("no more")


@pytest.mark.parametrize("method", ["__call__", "wait", "fail"])
@pytest.mark.parametrize("end", ["unbind", "manager", "never ran"])
async def test_a_binding_that_has_ended_lets_its_handler_go(
    end: str,
    method: str,
    virtual: Environment,
    autojump_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("CRITICAL", "trioex.router")  # a record kept would hold the frames
    handler = Handler()
    seen = weakref.ref(handler)
    called = getattr(handler, method)
    if end == "never ran":
        ws = WebSocketManager(ExchangeConfig(exchange="gateio"))
        binding = ws.bind(CHANNEL, called, on_error="unbind")
        await ws.aclose()
    else:
        async with running("gateio", virtual, pace=20.0) as (_, ws, _):
            binding = await ws.bind(CHANNEL, called, on_error="unbind")
            await trio.sleep(1)
            if end == "unbind":
                await ws.unbind(binding)
    del handler, called
    gc.collect()
    assert seen() is None
    assert binding.handler is None
    assert binding.has_ended


async def test_an_error_that_is_raised_again_and_again_grows_nothing(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, symbols=("BTCUSDT",)) as (_, ws, _):
        binding = ws.bind("spot.trades.LTCUSDT")
        raised: list[SubscriptionRefused] = []
        for wait in (lambda: binding, binding.__anext__) * 20:
            with pytest.raises(SubscriptionRefused, match="LTC_USDT") as info:
                await wait()
            raised.append(info.value)
        assert len({id(each) for each in raised}) == len(raised)
        depths = [len(list(traceback.walk_tb(each.__traceback__))) for each in raised]
        assert max(depths[:2]) == max(depths)
        assert raised[0].args == raised[-1].args


class Odd(Exception):
    """An exception that cannot be copied."""

    def __init__(self, *, why: str) -> None:
        super().__init__("a", "b", "c")
        self.why = why


async def test_an_exception_that_cannot_be_copied_is_raised_all_the_same(
    virtual: Environment, autojump_clock: Clock
) -> None:
    def handler(message: object) -> None:
        raise Odd(why="so")

    async with running("gateio", virtual, pace=20.0) as (_, ws, _):
        binding = ws.bind(CHANNEL, handler, on_error="unbind")
        await wait_until(lambda: binding.has_ended)
        for _ in range(3):
            with pytest.raises(Odd) as info:
                await binding
            assert info.value.why == "so"
            assert len(list(traceback.walk_tb(info.value.__traceback__))) < 8
