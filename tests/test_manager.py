"""The manager against the simulated exchanges, in memory and on a virtual clock."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from scenario import VENUES, managed
from support import Collector, client_tasks
from trio.testing import MockClock as Clock

from trioex import (
    BaseWebsocketInterface,
    BindingError,
    BindingState,
    BookDelta,
    ChannelError,
    ConnectFailed,
    Environment,
    Kline,
    ManagerClosed,
    QueueOverflow,
    SubscriptionRefused,
    Trade,
    UnknownSymbol,
    WebSocketConfig,
    WebSocketManager,
)
from trioex.events import Connected, Disconnected, Gap, Reconnected, SlowConsumer
from trioex.events import SubscriptionRefused as RefusedEvent
from trioex.simulator import open_simulator

HANDOFFS = ("channel", "direct")
pytestmark = pytest.mark.parametrize("exchange", VENUES)


# Binding


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_every_kind_arrives_typed(
    exchange: str, handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    kinds = ("orderbook", "orderbook_snapshot", "book_ticker", "trades", "ticker", "kline")
    got = {kind: Collector() for kind in kinds}
    channels = {f"spot.{kind}.BTCUSDT": handler for kind, handler in got.items()}
    async with managed(exchange, virtual, bind_channels=channels, handoff=handoff) as (_, ws):
        for kind, collector in got.items():
            (message, *_) = await collector.wait(1)
            assert (message.exchange, message.market, message.symbol) == (
                exchange,
                "spot",
                "BTCUSDT",
            ), kind
            assert 0 <= message.receive_time - message.exchange_time < 10e9
        statistics = ws.statistics()
    assert (statistics.unrouted, statistics.undecodable, statistics.skipped) == (0, 0, {})
    assert [line.confirmed for line in statistics.lines] == [6]


async def test_deltas_of_a_book_are_contiguous(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    deltas = Collector()
    async with managed(exchange, virtual) as (_, ws):
        await ws.bind("spot.orderbook_delta.BTCUSDT", deltas)
        await deltas.wait(20)
    chain = [each for each in deltas if isinstance(each, BookDelta)]
    for one, next_one in itertools.pairwise(chain):
        assert next_one.first_version == one.last_version + 1


async def test_bind_works_before_while_and_after_connecting_awaited_or_not(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    before, awaited_before, during, awaited = (Collector() for _ in range(4))
    async with open_simulator(exchange, environment=virtual) as simulator:
        ws = WebSocketManager(simulator.config())
        ws.bind("spot.trades.BTCUSDT", before)
        binding = await ws.bind("spot.trades.ETHUSDT", awaited_before)
        assert binding.state is BindingState.PENDING, "the exchange was not asked yet"
        async with ws:
            assert binding.state is BindingState.CONFIRMED, "entering waits for it"
            ws.bind("spot.book_ticker.BTCUSDT", during)
            confirmed = await ws.bind("spot.book_ticker.ETHUSDT", awaited)
            assert confirmed.state is BindingState.CONFIRMED
            for collector in (before, awaited_before, during, awaited):
                await collector.wait(1)
        with pytest.raises(ManagerClosed):
            ws.bind("spot.trades.BTCUSDT", before)


async def test_it_is_the_interface_users_know(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with managed(exchange, virtual) as (_, ws):
        assert isinstance(ws, BaseWebsocketInterface)
    assert BaseWebsocketInterface.__abstractmethods__ == {"bind", "unbind"}


async def test_a_binding_without_handler_iterates_and_unbinds_on_the_way_out(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with managed(exchange, virtual) as (simulator, ws):
        async with ws.bind("spot.trades.BTCUSDT") as trades:
            count = 0
            async for trade in trades:
                assert isinstance(trade, Trade)
                count += 1
                if count == 5:
                    break
        assert trades.state is BindingState.UNBOUND
        with pytest.raises(StopAsyncIteration):
            await trades.__anext__()
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.1)
        assert not [topic for each in simulator.connections for topic in each.topics]


async def test_several_bindings_share_one_subscription(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    order: list[str] = []
    async with managed(exchange, virtual) as (simulator, ws):
        one = ws.bind("spot.trades.BTCUSDT", lambda m: order.append("one"))
        async with ws.bind("spot.trades.BTCUSDT") as iterator:
            ws.bind("spot.trades", lambda m: order.append("general"))
            other = await ws.bind("spot.trades.BTCUSDT", lambda m: order.append("other"))
            await iterator.__anext__()
            assert order[-3:] == ["one", "general", "other"]
            (connection,) = simulator.connections
            assert len(connection.topics) == 1
        one.unbind()
        await trio.sleep(0.1)
        assert len(connection.topics) == 1, "somebody still wants it"
        await ws.unbind(other)
        await trio.sleep(0.1)
        assert not connection.topics, "the last one out unsubscribes"


async def test_a_binding_without_symbol_gets_what_others_subscribed(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    every = Collector()
    async with managed(exchange, virtual) as (_, ws):
        assert (await ws.bind("spot.trades", every)).state is BindingState.CONFIRMED
        await ws.bind("spot.trades.BTCUSDT", lambda m: None)
        await ws.bind("spot.trades.ETHUSDT", lambda m: None)
        await ws.bind("spot.book_ticker.ETHUSDT", lambda m: None)
        await every.wait(lambda got: {m.symbol for m in got} == {"BTCUSDT", "ETHUSDT"})
    assert {type(m) for m in every} == {Trade}


async def test_what_can_never_work_is_said_at_once(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with managed(exchange, virtual) as (_, ws):
        for arguments, says in (
            (("spot.orderbok.BTCUSDT", print), "did you mean 'spot.orderbook'"),
            (("spot.trades.BTCUSDT", 3), "callable with one message"),
            (("spot.balances", print), "does not offer"),
            (("futures.positions", print), "does not offer"),
        ):
            with pytest.raises(BindingError, match=says):
                ws.bind(*arguments)
        for keywords, says in (
            ({"depth": 3}, "depth"),
            ({"interval": "2m"}, "interval"),
            ({"symbols": "some"}, "'all'"),
            ({"symbols": "all"}, "contradicts the symbol"),
            ({"overflow": "drop"}, "drop_oldest"),
            ({"on_error": "ignore"}, "raise, unbind, log"),
            ({"queue_size": 0}, "whole number"),
        ):
            with pytest.raises(BindingError, match=says):
                ws.bind("spot.kline.BTCUSDT", print, **keywords)
        with pytest.raises(ChannelError):
            ws.unbind("nothing")
        assert len(ws.unbind("spot.trades.BTCUSDT").bindings) == 0
        assert ws.statistics().bindings == ()


# Refusals


async def test_a_refused_symbol_fails_alone(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    good, events = Collector(), Collector()
    async with managed(exchange, virtual, connection_handlers=events) as (simulator, ws):
        simulator.refuse("ETHUSDT")
        first = ws.bind("spot.trades.BTCUSDT", good)
        bad = ws.bind("spot.trades.ETHUSDT", good)
        second = ws.bind("spot.book_ticker.BTCUSDT", good)
        await first
        await second
        with pytest.raises(SubscriptionRefused) as caught:
            await bad
        assert caught.value.channel == "spot.trades.ETHUSDT"
        assert bad.state is BindingState.REFUSED
        await good.wait(3)
        refusals = [event for event in events if isinstance(event, RefusedEvent)]
        assert [(each.channel, each.reason) for each in refusals] == [
            ("spot.trades.ETHUSDT", caught.value.reason)
        ]
        simulator.disconnect("drop")
        await events.wait(lambda got: any(isinstance(each, Reconnected) for each in got))
        assert len([each for each in events if isinstance(each, RefusedEvent)]) == 1, "not again"


async def test_an_unknown_symbol_is_looked_up_and_suggested(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with managed(exchange, virtual) as (_, ws):
        with pytest.raises(UnknownSymbol, match="did you mean 'BTCUSDT'"):
            await ws.bind("spot.trades.BTCUSDTT")
        with pytest.raises(UnknownSymbol):
            async with ws.bind("spot.trades.QQQQQQ"):
                raise AssertionError("entered")
        assert ws.statistics().bindings == ()


async def test_a_symbol_newer_than_the_shipped_list_is_found(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with managed(
        exchange,
        virtual,
        symbols=("BTCUSDT", "NEWC0INUSDT"),
        bind_channels={"spot.trades.NEWC0INUSDT": got},
    ) as (_, ws):
        await got.wait(1)
        assert got[0].symbol == "NEWC0INUSDT"
        assert "NEWC0INUSDT" in ws.venue.instruments


async def test_symbols_are_guessed_when_the_list_cannot_be_had(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    from trioex.errors import HttpError

    async def fetch(url: str) -> bytes:
        raise HttpError(f"GET {url} was answered with HTTP 503", 503)

    got = Collector()
    async with managed(exchange, virtual, symbols=("BTCUSDT", "NEWC0INUSDT"), fetch=fetch) as (
        _,
        ws,
    ):
        await ws.bind("spot.trades.NEWC0INUSDT", got)
        await got.wait(1)
        assert got[0].symbol == "NEWC0INUSDT"


# Handlers


async def test_a_handler_that_raises_ends_the_manager_in_a_group(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    def sync_handler(message: object) -> None:
        raise LookupError("handler bug")

    async def async_handler(message: object) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("handler bug")

    async with open_simulator(exchange, environment=virtual) as simulator:
        for handoff in HANDOFFS:
            for handler in (sync_handler, async_handler):
                manager = WebSocketManager(simulator.config(handoff=handoff))
                with pytest.RaisesGroup(
                    pytest.RaisesExc(LookupError, match="handler bug"), flatten_subgroups=True
                ):
                    async with manager:
                        manager.bind("spot.trades.BTCUSDT", handler)
                        await trio.sleep_forever()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("policy", ["log", "unbind"])
async def test_isolated_handlers_do_not_disturb_others(
    exchange: str,
    virtual: Environment,
    autojump_clock: Clock,
    policy: str,
    is_async: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[object] = []

    def broken(message: object) -> None:
        calls.append(message)
        raise LookupError("handler bug")

    async def broken_async(message: object) -> None:
        broken(message)

    good = Collector()
    async with managed(exchange, virtual) as (_, ws):
        bad = ws.bind("spot.trades.BTCUSDT", broken_async if is_async else broken, on_error=policy)
        ws.bind("spot.trades.BTCUSDT", good)
        await good.wait(4)
        await trio.testing.wait_all_tasks_blocked()
        if policy == "unbind":
            assert len(calls) == 1
            assert bad.state is BindingState.REFUSED
        else:
            assert len(calls) == len(good)
    assert "handler bug" in caplog.text


async def test_an_exception_of_the_block_leaves_as_it_is(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with managed(exchange, virtual):
            raise KeyError("mine")
    manager = None
    async with open_simulator(exchange, environment=virtual) as simulator:
        with pytest.raises(KeyError, match="mine"):
            async with WebSocketManager(simulator.config()) as manager:
                raise KeyError("mine")
    assert manager is not None
    assert "CLOSED" in repr(manager)


async def test_a_handler_may_unbind_itself_and_bind_others(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    seen: list[str] = []
    second = Collector()
    finished = trio.Event()

    async with managed(exchange, virtual) as (_, ws):

        async def once(message: object) -> None:
            seen.append("once")
            await ws.unbind("spot.trades.BTCUSDT", once)
            await trio.sleep(0.01)
            await ws.bind("spot.trades.ETHUSDT", second)
            seen.append("went on after unbinding itself")
            finished.set()

        ws.bind("spot.trades.BTCUSDT", once)
        await finished.wait()
        await second.wait(3)
        assert seen == ["once", "went on after unbinding itself"]


async def test_unbinding_cancels_a_handler_at_work_and_keeps_nothing_of_it(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    entered, cancelled = trio.Event(), trio.Event()

    class Handler:
        async def __call__(self, message: object) -> None:
            entered.set()
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

    handler = Handler()
    alive = weakref.ref(handler)
    async with managed(exchange, virtual) as (_, ws):
        binding = ws.bind("spot.trades.BTCUSDT", handler)
        await entered.wait()
        await ws.unbind(binding)
        assert cancelled.is_set()
        del handler
        gc.collect()
        assert alive() is None
        ws.bind("spot.trades.BTCUSDT", again := Collector())
        await again.wait(1)


async def test_a_blocked_handler_delays_only_itself(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def blocked(message: object) -> None:
        await trio.sleep_forever()

    good = Collector()
    async with managed(exchange, virtual) as (_, ws):
        ws.bind("spot.trades.BTCUSDT", blocked)
        ws.bind("spot.trades.BTCUSDT", good)
        await good.wait(50)


async def test_a_sync_handler_that_returns_a_coroutine_is_served(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()

    async def later(message: object) -> None:
        await trio.lowlevel.checkpoint()
        got(message)

    async with managed(exchange, virtual) as (_, ws):
        ws.bind("spot.trades.BTCUSDT", lambda message: later(message))  # noqa: PLW0108  sync, to look at
        await got.wait(3)


# Overflow


async def test_block_loses_nothing_and_reports_the_slow_consumer(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    slow: list[int] = []
    all_of_them, events = Collector(), Collector()
    release = trio.Event()

    async def handler(message: Any) -> None:
        await release.wait()
        slow.append(message.receive_time)

    async with managed(
        exchange,
        virtual,
        pace=20.0,
        connection_handlers=events,
        frame_channel_bytes=20_000,
        ping_interval=5.0,
        pong_timeout=5.0,
    ) as (_, ws):
        ws.bind("spot.trades.BTCUSDT", handler, queue_size=10)
        ws.bind("spot.trades.BTCUSDT", all_of_them)
        await events.wait(lambda got: any(isinstance(each, SlowConsumer) for each in got))
        event = next(each for each in events if isinstance(each, SlowConsumer))
        assert event.channel == "spot.trades.BTCUSDT"
        assert event.waiting_bytes >= 10_000
        await trio.sleep(0.5)
        waited = len(all_of_them)
        assert waited == 10 + len(all_of_them) - 10
        assert ws.statistics().waiting_bytes <= 20_000, "at the bound reading pauses"
        release.set()
        await all_of_them.wait(waited + 50)
        await trio.testing.wait_all_tasks_blocked()
    assert slow == [message.receive_time for message in all_of_them], "nothing lost, in order"
    assert not [each for each in events if isinstance(each, Disconnected)]


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_a_slow_handler_is_no_dead_peer(
    exchange: str, handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    events = Collector()
    release = trio.Event()

    async def handler(message: object) -> None:
        await release.wait()

    async with managed(
        exchange,
        virtual,
        pace=20.0,
        connection_handlers=events,
        handoff=handoff,
        frame_channel_bytes=4096,
        ping_interval=1.0,
        pong_timeout=1.0,
    ) as (_, ws):
        ws.bind("spot.trades.BTCUSDT", handler, queue_size=1)
        await trio.sleep(10)
        release.set()
        await trio.sleep(5)
        assert not [each for each in events if isinstance(each, Disconnected)]


async def test_latest_and_drop_oldest_count_their_drops(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with managed(exchange, virtual, pace=5.0) as (_, ws):
        latest = await ws.bind("spot.trades.BTCUSDT", overflow="latest")
        oldest = await ws.bind("spot.trades.BTCUSDT", overflow="drop_oldest", queue_size=3)
        ws.bind("spot.trades.BTCUSDT", everything := Collector())
        await everything.wait(10)
        assert latest.statistics().queued == 1
        assert oldest.statistics().queued == 3
        assert await latest.__anext__() == everything[-1]
        assert await oldest.__anext__() == everything[-3]
        assert latest.statistics().dropped >= 9
        assert oldest.statistics().dropped >= 7


async def test_overflow_raise_raises(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    with pytest.RaisesGroup(QueueOverflow, flatten_subgroups=True):
        async with managed(exchange, virtual, pace=5.0) as (_, ws):
            ws.bind("spot.trades.BTCUSDT", overflow="raise", queue_size=2)
            await trio.sleep(60)


# Connections


@pytest.mark.parametrize("how", ["drop", "close", "linger", "cut"])
async def test_a_lost_connection_is_reopened_at_once_and_subscribed_again(
    exchange: str, how: Any, virtual: Environment, autojump_clock: Clock
) -> None:
    got, events = Collector(), Collector()
    channels = {"spot.trades.BTCUSDT": got, "spot.orderbook_delta.ETHUSDT": got}
    async with managed(exchange, virtual, bind_channels=channels, connection_handlers=events) as (
        simulator,
        ws,
    ):
        await got.wait(3)
        lost_at = trio.current_time()
        simulator.disconnect(how)
        await events.wait(lambda got: any(isinstance(each, Reconnected) for each in got))
        assert trio.current_time() - lost_at < 0.1
        got.clear()
        await got.wait(lambda got: {m.symbol for m in got} == {"BTCUSDT", "ETHUSDT"})
        told = [event for event in events if not isinstance(event, Gap)]
        assert [type(event) for event in told] == [Connected, Disconnected, Reconnected]
        assert told[1].retry_in == 0.0
        assert ws.statistics().lines[0].connections == 2
        for gap in events:
            if isinstance(gap, Gap):  # none, where it is back before the next push is due
                assert gap.channel == "spot.orderbook_delta.ETHUSDT"
                assert gap.last_version >= gap.first_version


async def test_a_silent_peer_is_noticed(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got, events = Collector(), Collector()
    async with managed(
        exchange,
        virtual,
        bind_channels={"spot.trades.BTCUSDT": got},
        connection_handlers=events,
        ping_interval=5.0,
        pong_timeout=3.0,
    ) as (simulator, _):
        await got.wait(1)
        silent_at = trio.current_time()
        simulator.disconnect("silence")
        await events.wait(lambda got: any(isinstance(each, Reconnected) for each in got))
        assert trio.current_time() - silent_at <= 5.0 + 3.0 + 5.0
        assert "silent for 3 s" in events[1].reason


async def test_a_quiet_connection_is_kept_open_by_pings(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    events = Collector()
    async with managed(exchange, virtual, pace=1e-6, connection_handlers=events) as (_, ws):
        await ws.bind("spot.trades.BTCUSDT", lambda m: None)
        await trio.sleep(600)
    assert [type(event) for event in events] == [Connected]


async def test_no_exchange_is_a_typed_error_in_time(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def refuse(url: str) -> trio.abc.Stream:
        raise OSError("nobody there")

    async def hang(url: str) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    for dial, says in ((refuse, "nobody there"), (hang, "no connection within 3 s")):
        config = WebSocketConfig(
            exchange=exchange, dial=dial, connect_timeout=3.0, environment=virtual
        )
        start = trio.current_time()
        with pytest.raises(ConnectFailed, match=says):
            async with WebSocketManager(config):
                raise AssertionError("entered")
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConnectFailed, match=says):
                await nursery.start(WebSocketManager(config).run)
        assert trio.current_time() - start <= 6.1


async def test_three_hundred_bindings(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    symbols = tuple(f"C{number:03}USDT" for number in range(300))
    every = Collector()
    async with managed(exchange, virtual, symbols=symbols, pace=0.2) as (simulator, ws):
        ws.bind("spot.book_ticker", every)
        bindings = [ws.bind(f"spot.book_ticker.{symbol}", lambda m: None) for symbol in symbols]
        for binding in bindings:
            await binding
        await every.wait(lambda got: len({m.symbol for m in got}) == 300)
        most = ws.venue.rules.max_topics
        for connection in simulator.connections:
            assert most is None or len(connection.topics) <= most
        assert len(simulator.connections) == (10 if exchange == "mexc" else 1)
        for binding in bindings:
            binding.unbind()
        await trio.sleep(20)
        assert len(simulator.connections) <= 1, "emptied connections close"


async def test_binding_ten_thousand_times_grows_nothing(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def handler(message: object) -> None: ...

    async with managed(exchange, virtual) as (_, ws):

        async def rounds(count: int) -> tuple[int, int]:
            for number in range(count):
                symbol = ("BTCUSDT", "ETHUSDT")[number % 2]
                ws.bind(f"spot.trades.{symbol}", handler)
                ws.unbind(f"spot.trades.{symbol}", handler)
                if number % 100 == 99:
                    await trio.sleep(0.05)
            await trio.sleep(10)
            gc.collect()
            return len(gc.get_objects()), trio.lowlevel.current_statistics().tasks_living

        await rounds(500)
        objects, tasks = await rounds(500)
        more_objects, more_tasks = await rounds(10_000)
        assert more_tasks == tasks
        assert more_objects - objects < 1_000, "less than a tenth of an object a binding"
        assert ws.statistics().bindings == ()


# Leaving


@pytest.mark.parametrize("handoff", HANDOFFS)
async def test_leaving_the_block_leaves_nothing(
    exchange: str, handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async def stuck(message: object) -> None:
        await trio.sleep_forever()

    async with open_simulator(exchange, environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config(handoff=handoff, close_timeout=2.0))
        async with manager:
            await manager.bind("spot.trades.BTCUSDT", stuck)
            iterator = manager.bind("spot.trades.BTCUSDT")
            await iterator.__anext__()
            leaving_at = trio.current_time()
        assert trio.current_time() - leaving_at <= 2.0
        with trio.CancelScope() as scope:
            async with WebSocketManager(simulator.config(handoff=handoff)) as cancelled:
                await cancelled.bind("spot.trades.BTCUSDT", stuck)
                cancelled_at = trio.current_time()
                scope.cancel()
                await trio.sleep_forever()
        assert trio.current_time() == cancelled_at, "no close waits for the peer"
        await trio.sleep(1)
        assert not client_tasks()
        assert not simulator.connections
        await manager.wait_closed()
        await manager.aclose()
        with pytest.raises(ManagerClosed):
            await manager.run()


async def test_what_was_read_is_delivered_before_the_end(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    handled: list[object] = []
    everything = Collector()

    async def slowly(message: object) -> None:
        await trio.sleep(0.01)
        handled.append(message)

    async with managed(exchange, virtual, close_timeout=30.0, pace=10.0) as (_, ws):
        ws.bind("spot.trades.BTCUSDT", slowly)
        ws.bind("spot.trades.BTCUSDT", everything)
        await everything.wait(30)
    assert handled == everything


async def test_nothing_is_delivered_after_an_outer_cancel(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    with trio.CancelScope() as scope:
        async with managed(exchange, virtual, pace=10.0) as (_, ws):
            ws.bind("spot.trades.BTCUSDT", got)
            await got.wait(5)
            scope.cancel()
            count = len(got)
            await trio.lowlevel.checkpoint()
    assert len(got) == count


async def test_run_in_a_nursery_of_yours(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with open_simulator(exchange, environment=virtual) as simulator:
        async with trio.open_nursery() as nursery:
            manager = WebSocketManager(
                simulator.config(), bind_channels={"spot.trades.BTCUSDT": got}
            )
            started = await nursery.start(manager.run)
            assert started is manager
            assert manager.statistics().lines[0].confirmed == 1
            await got.wait(1)
            await manager.aclose()


async def test_waiting_for_a_confirmation_ends_with_the_manager(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator(exchange, environment=virtual) as simulator:
        manager = WebSocketManager(simulator.config())
        outcome: list[BaseException] = []

        async def wait(binding: Any) -> None:
            try:
                await binding
            except ManagerClosed as error:
                outcome.append(error)

        async with trio.open_nursery() as nursery, manager:
            simulator.disconnect("silence")
            nursery.start_soon(wait, manager.bind("spot.trades.BTCUSDT"))
            await trio.testing.wait_all_tasks_blocked()
        assert len(outcome) == 1


# Testing without an exchange


async def test_process_test_message_without_managed(exchange: str) -> None:
    from unittest.mock import AsyncMock, Mock

    mock, async_mock, seen = Mock(), AsyncMock(), Collector()

    async def slow(message: object) -> None:
        await trio.lowlevel.checkpoint()
        seen(message)

    ws = WebSocketManager(WebSocketConfig(exchange=exchange))
    ws.bind("spot.trades.BTCUSDT", mock)
    ws.bind("spot.orderbook_delta.BTCUSDT", async_mock)
    ws.bind("spot.ticker", slow)
    ws.bind("spot.kline.NEWC0INUSDT", lambda message: slow(message), interval="15m")  # noqa: PLW0108
    assert await ws.process_test_message() == 4
    mock.assert_called_once()
    async_mock.assert_awaited_once()
    assert len(seen) >= 2
    assert isinstance(mock.call_args.args[0], Trade)
    (kline,) = [message for message in seen if isinstance(message, Kline)]
    assert kline.symbol == "NEWC0INUSDT"
    assert kline.close_time - kline.open_time == 15 * 60 * 10**9


async def test_process_test_message_while_managed(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    seen = Collector()

    async def slow(message: object) -> None:
        await trio.sleep(1)
        seen(message)

    async with managed(exchange, virtual, pace=1e-6) as (_, ws):
        await ws.bind("spot.trades.BTCUSDT", slow)
        (topic,) = [ws.bind("spot.trades.BTCUSDT", seen).topic]
        assert topic is not None
        frame, text = ws.venue.sample(topic, virtual.time_ns())
        assert await ws.process_test_message(frame.decode() if text else frame) == 1
        assert len(seen) == 2
        assert await ws.process_test_message('{"what":"is this"}') == 0, "skipped, not fatal"


def test_a_configuration_without_exchange_says_so(exchange: str) -> None:
    with pytest.raises(ValueError, match=r"config\.exchange is missing"):
        WebSocketManager(WebSocketConfig())
    with pytest.raises(ValueError, match="WebSocketConfig"):
        WebSocketManager(exchange)  # type: ignore[arg-type]
    config = attrs.evolve(WebSocketConfig(), exchange=exchange)
    with pytest.raises(ValueError, match="bind_channels"):
        WebSocketManager(config, bind_channels=["spot.trades"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="connection_handlers"):
        WebSocketManager(config, connection_handlers="no")  # type: ignore[arg-type]
