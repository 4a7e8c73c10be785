"""What a leg does when a connection is lost or cannot be opened: when it tries again, or not."""

from __future__ import annotations

import gc
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from scenario import QUIET, VENUES, ignore, of, running, told, wait_until
from support import Collector, client_tasks, wait_left
from trio.testing import MockClock as Clock

from trioex import BindingState, Environment, WebSocketManager
from trioex.errors import AuthenticationFailed, HandshakeRejected, Verdict
from trioex.events import Disconnected, Reconnected, Rotated, SubscriptionRefused
from trioex.simulator import Fault, Simulator, open_simulator

CHANNEL = "spot.trades.BTCUSDT"

# The rhythm of attempts


async def test_the_first_retry_is_made_at_once_and_the_next_ones_back_off(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running("gateio", virtual, bind_channels={CHANNEL: got}) as (simulator, _, events):
        await got.wait(1)
        simulator.reject(500)
        simulator.disconnect("drop")
        await events.wait(told(Disconnected, 9))
        waits = [event.retry_in for event in of(Disconnected, events)]
        times = [event.time for event in of(Disconnected, events)]
        assert waits[0] == 0.0
        assert times[1] - times[0] < 1_000_000, "at once"
        for count, wait in enumerate(waits[1:]):
            assert wait is not None
            assert 0.05 * 2**count <= wait <= 0.1 * 2**count
        for (one, next_one), wait in zip(itertools.pairwise(times[1:]), waits[1:], strict=False):
            assert next_one - one == pytest.approx(wait * 1e9, abs=1e6), "it waits what it says"
        assert len({wait / 2**n for n, wait in enumerate(waits[1:]) if wait}) > 1, "with jitter"
        simulator.admit()
        await events.wait(told(Reconnected))
        assert of(Reconnected, events)[0].attempts == 9


async def test_back_off_grows_to_its_most_and_no_further(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running(
        "gateio", virtual, bind_channels={CHANNEL: ignore}, pace=QUIET, backoff_most=2.0
    ) as (simulator, _, events):
        simulator.reject(502)
        simulator.disconnect("drop")
        await events.wait(told(Disconnected, 30))
        late = [event.retry_in for event in of(Disconnected, events)][8:]
        assert all(wait is not None and 1.0 <= wait <= 2.0 for wait in late)


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_server_that_confirms_and_drops_is_not_hammered(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """To accept, and to confirm, is no data: the next attempt waits longer all the same."""
    async with running(exchange, virtual, bind_channels={CHANNEL: ignore}, pace=QUIET) as (
        simulator,
        ws,
        events,
    ):
        while len(of(Disconnected, events)) < 10:
            await wait_until(lambda: ws.statistics().lines[0].confirmed == 1)
            simulator.disconnect("drop")
            await trio.sleep(0.001)
        waits = [event.retry_in for event in of(Disconnected, events)]
        assert waits[0] == 0.0
        assert all(wait and wait >= 0.05 * 2**count for count, wait in enumerate(waits[1:8]))


@pytest.mark.parametrize("exchange", VENUES)
async def test_once_data_flowed_the_next_loss_is_a_first_one(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(exchange, virtual, bind_channels={CHANNEL: got}) as (simulator, _, events):
        for count in range(1, 6):
            await events.wait(lambda told, count=count: len(of(Reconnected, told)) == count - 1)
            got.clear()
            await got.wait(2)
            simulator.disconnect("drop")
            await events.wait(told(Disconnected, count))
        assert [event.retry_in for event in of(Disconnected, events)] == [0.0] * 5


async def test_data_that_flowed_counts_though_something_new_was_not_yet_confirmed(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running("gateio", virtual, bind_channels={CHANNEL: got}) as (simulator, ws, events):
        for count in (1, 2):
            got.clear()
            await got.wait(3)
            if count == 2:
                simulator.tamper = lambda _, frame: () if "subscribe" in str(frame) else (frame,)
                ws.bind("spot.trades.ETHUSDT", ignore)  # never answered
                got.clear()
                await got.wait(3)
            simulator.disconnect("drop")
            await events.wait(told(Disconnected, count))
        assert [event.retry_in for event in of(Disconnected, events)] == [0.0, 0.0]


# What the server says of it


@pytest.mark.parametrize("status", [429, 418, 503])
async def test_a_server_that_names_a_wait_is_waited_for(
    status: int, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, bind_channels={CHANNEL: ignore}, pace=QUIET) as (
        simulator,
        ws,
        events,
    ):
        simulator.reject(status, retry_after=37.0)
        simulator.disconnect("drop")
        await events.wait(told(Disconnected, 2))
        rejected_at = trio.current_time()
        assert of(Disconnected, events)[1].retry_in == 37.0
        assert str(status) in of(Disconnected, events)[1].reason
        await trio.sleep(36.9)
        simulator.admit()
        ws.bind("spot.trades.ETHUSDT", ignore)  # no reason to be sooner
        assert len(of(Disconnected, events)) == 2
        await events.wait(told(Reconnected))
        assert trio.current_time() - rejected_at == pytest.approx(37.0, abs=0.1)


@pytest.mark.parametrize("status", [429, 418])
async def test_a_limit_of_rate_without_a_time_is_waited_for_all_the_same(
    status: int, virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, bind_channels={CHANNEL: ignore}, pace=QUIET) as (
        simulator,
        _,
        events,
    ):
        simulator.reject(status)
        simulator.disconnect("drop")
        await events.wait(told(Disconnected, 2))
        wait = of(Disconnected, events)[1].retry_in
        assert wait is not None
        assert wait >= 5.0


@pytest.mark.parametrize("status", [401, 403, 404, 451])
async def test_a_refusal_for_good_ends_plain_and_at_once_at_the_start(
    status: int, virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as simulator:
        simulator.reject(status)
        with pytest.raises(HandshakeRejected) as caught:
            async with WebSocketManager(simulator.config(), bind_channels={CHANNEL: ignore}):
                raise AssertionError("entered")
        assert caught.value.status == status
        assert trio.current_time() < 0.1
        with pytest.raises(HandshakeRejected):
            await WebSocketManager(simulator.config()).run()
        assert not client_tasks()


@pytest.mark.parametrize("status", [401, 403, 451])
async def test_a_refusal_for_good_ends_plain_in_the_middle_of_a_run(
    status: int, virtual: Environment, autojump_clock: Clock
) -> None:
    events: list[Any] = []
    with pytest.raises(HandshakeRejected) as caught:  # noqa: PT012  the block ends it
        async with running("gateio", virtual, bind_channels={CHANNEL: ignore}) as (
            simulator,
            _,
            events,
        ):
            simulator.reject(status)
            simulator.disconnect("drop")
            await trio.sleep_forever()
    assert caught.value.status == status
    assert [event.retry_in for event in of(Disconnected, events)] == [0.0, None]
    assert trio.current_time() < 0.1


# A verdict of one's own


async def test_a_verdict_of_your_own_is_asked_and_followed(
    virtual: Environment, autojump_clock: Clock
) -> None:
    asked: list[BaseException] = []

    def classify(failure: BaseException) -> Verdict:
        asked.append(failure)
        return Verdict.RETRY_LATER if len(asked) == 1 else Verdict.GIVE_UP

    with pytest.raises(HandshakeRejected):  # noqa: PT012  the block ends it
        async with running(
            "gateio", virtual, bind_channels={CHANNEL: ignore}, classify=classify
        ) as (simulator, ws, events):
            await ws.bind("spot.trades.ETHUSDT", ignore)
            simulator.reject(500)
            simulator.disconnect("close")
            await events.wait(told(Disconnected))
            wait = of(Disconnected, events)[0].retry_in
            assert wait is not None
            assert wait >= 5.0
            lost_at = trio.current_time()
            await events.wait(told(Disconnected, 2))
            assert trio.current_time() - lost_at >= wait, "it waits what it says"
            await trio.sleep_forever()
    assert [type(each).__name__ for each in asked] == ["ConnectionLost", "HandshakeRejected"]


async def test_an_authentication_failure_ends_in_its_own_error(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async def dial(url: str) -> trio.abc.Stream:
        raise AuthenticationFailed("no such key")

    async with open_simulator("gateio", environment=virtual) as simulator:
        with pytest.RaisesGroup(AuthenticationFailed, flatten_subgroups=True, allow_unwrapped=True):
            async with WebSocketManager(simulator.config(dial=dial)):
                raise AssertionError("entered")


@pytest.mark.parametrize("handoff", ["channel", "direct"])
async def test_a_verdict_that_raises_is_heard_of(
    handoff: str, virtual: Environment, autojump_clock: Clock
) -> None:
    def classify(failure: BaseException) -> Verdict:
        raise LookupError("a mistake of the user's")

    with pytest.RaisesGroup(
        pytest.RaisesExc(LookupError, match="of the user's"), flatten_subgroups=True
    ):
        async with running("gateio", virtual, classify=classify, handoff=handoff) as (
            simulator,
            _,
            _,
        ):
            simulator.disconnect("drop")
            await trio.sleep(60)
    assert not client_tasks()


async def test_without_reconnecting_a_loss_ends_the_manager(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, bind_channels={CHANNEL: ignore}, reconnect=False) as (
        simulator,
        ws,
        events,
    ):
        iterator = ws.bind(CHANNEL)
        simulator.disconnect("drop")
        async for _ in iterator:
            pass
        await ws.wait_closed()
        assert [event.retry_in for event in of(Disconnected, events)] == [None]


# Bindings while nobody is connected


@pytest.mark.parametrize("exchange", VENUES)
async def test_what_is_bound_and_unbound_while_it_is_down_is_right_when_it_is_up(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    before, during = Collector(), Collector()
    async with running(exchange, virtual, bind_channels={CHANNEL: before}) as (
        simulator,
        ws,
        events,
    ):
        await before.wait(1)
        simulator.reject(503)
        simulator.disconnect("drop")
        await events.wait(told(Disconnected, 4))
        late = ws.bind("spot.trades.ETHUSDT", during)
        ws.bind("spot.book_ticker.ETHUSDT", ignore).unbind()
        ws.unbind(CHANNEL)
        count = len(before)
        simulator.admit()
        await late
        await during.wait(2)
        assert len(before) == count
        assert [len(each.topics) for each in simulator.connections] == [1]
        assert owed_by(ws) == (1, 1)


def owed_by(ws: WebSocketManager) -> tuple[int, int]:
    """Subscriptions wanted and confirmed."""
    lines = ws.statistics().lines
    return sum(each.wanted for each in lines), sum(each.confirmed for each in lines)


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_loss_between_the_request_and_its_answer_costs_no_subscription(
    exchange: str, virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running(exchange, virtual) as (simulator, ws, _):
        answers: list[object] = []

        def swallow(connection: Any, frame: Any) -> tuple[Any, ...]:
            answers.append(frame)
            return ()

        simulator.tamper = swallow
        binding = ws.bind(CHANNEL, got)
        await wait_until(lambda: bool(answers))
        simulator.disconnect("cut")
        simulator.tamper = None
        await binding
        await got.wait(2)
        assert owed_by(ws) == (1, 1)


# A thousand times


async def test_a_thousand_reconnects_grow_nothing(
    virtual: Environment, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", "trioex")  # pytest would keep every warning, and its exception
    hows = itertools.cycle(("drop", "close", "cut", "linger"))
    got = Collector()
    async with running(
        "gateio",
        virtual,
        bind_channels={CHANNEL: got, "spot.orderbook_delta.BTCUSDT": got},
        pace=5.0,
    ) as (simulator, ws, events):

        async def rounds(number: int) -> tuple[int, int]:
            for _ in range(number):
                events.clear()
                simulator.disconnect(next(hows))
                await events.wait(told(Reconnected))
                got.clear()
                await got.wait(1)
            events.clear()
            await trio.sleep(5)
            got.clear()
            return client_objects(), len(client_tasks())

        await rounds(50)
        objects, tasks = await rounds(50)
        more_objects, more_tasks = await rounds(900)
        assert more_tasks == tasks
        grown = more_objects - objects
        assert grown.total() < 200, grown.most_common(5)
        assert ws.statistics().lines[0].connections == 1001


def client_objects() -> Counter[str]:
    """The living objects that could be the library's, by type.

    The simulator remembers faults and steps, in lists and tuples.
    """
    gc.collect()
    types = (type(each) for each in gc.get_objects())
    names = (f"{each.__module__}.{each.__qualname__}" for each in types)
    return Counter(
        name
        for name in names
        if not name.startswith(("trioex.simulator", "builtins.list", "builtins.tuple"))
    )


@pytest.mark.parametrize("redundancy", ["none", "hot"])
async def test_hundreds_of_reconnects_on_sockets_grow_nothing(redundancy: str) -> None:
    events, got = Collector(), Collector()
    async with open_simulator("gateio", transport="tcp", pace=100.0) as simulator:
        manager = WebSocketManager(
            simulator.config(redundancy=redundancy),
            bind_channels={CHANNEL: got},
            connection_handlers=events,
        )
        async with manager as ws:

            async def rounds(number: int) -> int:
                for _ in range(number):
                    events.clear()
                    got.clear()
                    await got.wait(1)  # or the next attempt would wait longer
                    simulator.disconnect("drop", simulator.connections[0])
                    await events.wait(told(Reconnected))
                await wait_settled(simulator, ws)
                return open_files()

            files = await rounds(5)
            assert await rounds(60) == files
        assert not client_tasks()
        await wait_left(simulator)


def open_files() -> int:
    """Sockets and files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def wait_settled(simulator: Simulator, ws: WebSocketManager) -> None:
    """Wait until both sides agree on how many connections there are."""
    with trio.fail_after(10):
        while simulator.statistics().open_connections != sum(  # noqa: ASYNC110  no event for it
            leg.is_open for line in ws.statistics().lines for leg in line.legs
        ):
            await trio.sleep(0.01)
    await trio.sleep(0.05)  # the simulator closes its end a moment after it forgot it


def busy(connection: object, frame: Any) -> list[Any]:
    """What a server says that cannot subscribe anybody just now."""
    if not isinstance(frame, str) or '"event":"subscribe"' not in frame:
        return [frame]
    answer = json.loads(frame)
    answer["error"], answer["result"] = {"code": 3, "message": "busy"}, {"status": "fail"}
    return [json.dumps(answer, separators=(",", ":"))]


async def test_what_was_confirmed_outlives_a_refusal_of_the_moment(
    virtual: Environment, autojump_clock: Clock
) -> None:
    got = Collector()
    async with running("gateio", virtual, pace=5.0) as (simulator, ws, events):
        binding = await ws.bind("spot.trades.BTCUSDT", got)
        simulator.tamper = busy
        simulator.disconnect("drop")
        await events.wait(told(SubscriptionRefused, 3))
        refused = of(SubscriptionRefused, events)
        assert {(each.code, each.reason, each.is_final) for each in refused} == {(3, "busy", False)}
        assert refused[2].time - refused[1].time > refused[1].time - refused[0].time
        assert binding.state is BindingState.PENDING
        assert not of(Reconnected, events)
        simulator.tamper = None
        await binding
        assert of(Reconnected, events)
        got.clear()
        await got.wait(3)


@pytest.mark.parametrize("mode", ["none", "standby"])
@pytest.mark.parametrize("exchange", VENUES)
async def test_what_was_confirmed_is_asked_for_again_though_the_words_are_final(
    exchange: str, mode: str, virtual: Environment, autojump_clock: Clock
) -> None:
    """An exchange that starts anew may know no symbols for a while; one delisted stays unknown."""
    got, gone = Collector(), Collector()
    async with running(exchange, virtual, redundancy=mode) as (simulator, ws, events):
        lives = await ws.bind("spot.trades.BTCUSDT", got)
        ends = await ws.bind("spot.trades.ETHUSDT", gone)
        simulator.refuse("ETHUSDT")
        simulator.apply(Fault("refuse", duration=20.0, symbol="BTCUSDT"))
        simulator.disconnect("drop", simulator.connections[0])
        await trio.sleep(240)
        assert lives.state is BindingState.CONFIRMED
        assert ends.state is BindingState.REFUSED
        refused = Counter((e.channel, e.is_final) for e in of(SubscriptionRefused, events))
        assert refused[str(ends.channel), False] == 5
        assert refused[str(ends.channel), True] == 1
        # The one topic that keeps a spare of MEXC open was never lost.
        was_lost = (exchange, mode) != ("mexc", "standby")
        assert bool(refused[str(lives.channel), False]) == was_lost
        assert not refused[str(lives.channel), True]
        assert of(Reconnected, events)
        got.clear()
        await got.wait(3)


async def test_a_leg_that_is_refused_for_the_moment_takes_over_from_nobody(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual) as (simulator, ws, events):
        await ws.bind("spot.trades.BTCUSDT", ignore)
        simulator.tamper = busy
        ws.rotate()
        await trio.sleep(60)
        assert not of(Rotated, events)
        simulator.tamper = None
        await events.wait(told(Rotated))
