"""Latency: what is measured, how often, and what of it may be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from scenario import wait_until
from support import Collector
from trio.testing import MockClock

from trioex import BookDelta, Environment, ExchangeEnum, Side, Trade, WebSocketManager
from trioex.channels import Channel, Parameters
from trioex.config import ErrorPolicy, OverflowPolicy
from trioex.exchanges.base import Control
from trioex.exchanges.gateio.spot import GateioSpot
from trioex.frames import Batch
from trioex.instrumentation import ClockBounds, Latency, LatencyStatistics
from trioex.instrumentation.latency import Probe, Stamped
from trioex.router import MessageQueue, Outlet, Route, Router
from trioex.simulator import open_simulator, virtual_environment

CAPTURE = Path(__file__).parents[1] / "data" / "captures" / "gateio_spot_20210422" / "ws.txt"
MS = 1_000_000
SECOND = 1_000 * MS
BATCH = Batch(True, [b"a", b"b"], 100, 2)


class Clock:
    """Wall time and fine time, which pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def stamped(clock: Clock, latency: Latency, batch: Batch = BATCH) -> Stamped:
    return latency.stamp(batch, batch.received + 7, clock)


def message(sent: int, exchange: str = "gateio") -> Trade:
    return Trade(ExchangeEnum(exchange), "spot", "BTCUSDT", sent, 0, 1.0, 1.0, Side.BUY)


def measured_one(latency: Latency, took: int, sent: int = 60) -> None:
    clock = Clock()
    clock.now = 1000
    batch = stamped(clock, latency)
    batch.probe.taken = 1020
    latency.routed(batch, 1025, 1028, 1028 + took, message(sent))


# What is counted


def test_each_step_has_its_histogram_and_they_add_up() -> None:
    latency = Latency()
    measured_one(latency, 31)
    latency.answered("gateio", 9, 0)
    said = latency.statistics()
    highest = {name: facts["highest"] for name, facts in figures(said).items()}
    assert highest == {
        "read": 7,
        "queue": 20,
        "decode": 3,
        "handler": 31,
        "wire_to_handler": 7 + 28,
        "exchange_to_local": 40,
        "round_trip": 9,
    }
    assert said.measured == 1
    assert said.wire_to_handler.count == 2, "it stands for the two messages of its read"
    assert said.round_trip.count == 1


def figures(said: LatencyStatistics) -> dict[str, Any]:
    return {name: each for name, each in said.as_dict().items() if name not in NO_FIGURES}


NO_FIGURES = {"measured", "clocks"}


def test_a_snapshot_does_not_change_and_several_can_be_put_together() -> None:
    one, other = Latency(), Latency()
    measured_one(one, 10)
    before = one.statistics()
    measured_one(one, 10, sent=96)
    measured_one(other, 30, sent=97)
    assert (before.measured, before.handler.count) == (1, 2)
    both = LatencyStatistics.merged([one.statistics(), other.statistics()])
    assert (both.measured, both.handler.highest) == (3, 30)
    assert (both.handler.p50, both.handler.p99) == (10, 30)
    assert both.clocks == {"gateio": ClockBounds(None, 3)}
    assert LatencyStatistics.merged([]).measured == 0


def test_it_is_counted_sooner_or_later() -> None:
    latency = Latency()
    for _ in range(1000):
        measured_one(latency, 5)
    said = latency.statistics()
    assert (said.measured, said.handler.mean) == (1000, 5.0)


def test_it_can_be_read_by_people_and_by_programs() -> None:
    latency = Latency()
    assert str(latency.statistics()) == "wire to handler: nothing was measured"
    probe = Probe(latency, Clock(), 250, 0, 1)
    batch = Stamped(True, [], 3 * MS, 0, probe)
    latency.routed(batch, 10_500, 12_000, 12_000 + 2 * SECOND, message(0, "mexc"))
    assert "p50 12250" in repr(latency)
    said = latency.statistics()
    assert str(said) == "wire to handler: p50 12.2 µs, p99 12.2 µs (1 measured)"
    lines = said.table().splitlines()
    assert lines[0].split() == ["p50", "p90", "p99", "p99.9", "highest", "count"]
    assert lines[1].split() == ["read", *["250", "ns"] * 5, "1"]
    assert "2.00 s" in lines[4]
    assert lines[7].split() == ["round", "trip", *"-----", "0"]
    assert lines[8] == "our clock and mexc's: ahead by 3.0 ms at most"
    assert len({len(line) for line in lines[:8]}) == 1
    assert said.as_dict()["decode"]["p99"] == 1500
    assert said.as_dict()["clocks"] == {"mexc": {"at_least": None, "at_most": 3 * MS}}


# Which reads are measured


def run(gaps: list[int], frames: list[bytes]) -> tuple[list[int], int]:
    """Read a batch after each gap, as a connection does; which are measured, for how many."""
    clock, latency = Clock(), Latency()
    measured: list[int] = []
    weight = 0
    for index, gap in enumerate(gaps):
        clock.now += gap
        batch = Batch(True, list(frames), clock.now, 0)
        latency.countdown -= 1
        if latency.countdown < 0 or batch.received > latency.due:
            measured.append(index)
            weight += latency.stamp(batch, clock.now, clock).probe.weight
    return measured, weight


def test_reads_that_are_apart_are_all_measured() -> None:
    measured, weight = run([12 * MS] * 50, [b"x"] * 3)
    assert measured == list(range(50))
    assert weight == 150


@pytest.mark.parametrize("gap", [2_400, 100_000, MS])
def test_in_a_rush_some_hundred_a_second_are_measured(gap: int) -> None:
    measured, weight = run([gap] * 20_000, [b"x"])
    most = 20_000 * gap / (10 * MS)
    assert most / 2 <= len(measured) <= 1.1 * most + 20
    assert abs(weight - 20_000) <= 4096


def test_where_time_stands_still_one_in_4096_is_measured() -> None:
    measured, _ = run([0] * 20_000, [b"x"])
    assert len(measured) == 13 + 3


def test_in_bursts_it_is_not_always_the_first() -> None:
    measured, _ = run([15 * MS, 1_000, 1_000, 1_000] * 500, [b"x"])
    places = [index % 4 for index in measured]
    assert all(places.count(place) > 100 for place in range(4))


def test_a_rush_is_forgotten() -> None:
    measured, weight = run([1_000] * 10_000 + [30 * MS] * 20, [b"x"])
    assert measured[-20:] == list(range(10_000, 10_020))
    assert weight <= 10_020


@given(st.lists(st.sampled_from([0, 1000, 50_000, 12 * MS, 25 * MS]), max_size=300))
def test_what_is_measured_stands_for_no_more_than_came(gaps: list[int]) -> None:
    measured, weight = run(gaps, [b"x"])
    assert measured == sorted(set(measured))
    assert weight <= len(gaps)


def test_a_stamped_batch_is_the_batch() -> None:
    batch = stamped(Clock(), Latency())
    plain = Batch(batch.text, batch.frames, batch.received, batch.size)
    assert plain == BATCH
    assert "2 messages" in repr(batch)


# Two clocks


def bounds(*what: tuple[str, int, int]) -> ClockBounds:
    """After messages with differences, and round trips, at some second."""
    latency = Latency()
    for kind, value, second in what:
        if kind == "difference":
            batch = stamped(Clock(), latency, Batch(True, [], second * SECOND, 0))
            latency.routed(batch, 0, 0, None, message(second * SECOND - value, "mexc"))
        else:
            latency.answered("mexc", value, second * SECOND)
    return latency.statistics().clocks["mexc"]


def test_our_clock_is_ahead_by_the_least_difference_at_most() -> None:
    found = bounds(("difference", 30, 1), ("difference", -20, 2), ("difference", 50, 3))
    assert found == ClockBounds(None, -20)
    assert str(found) == "ahead by -0.0 ms at most"
    assert str(ClockBounds(None, None)) == "unknown"


def test_a_ping_says_by_how_much_at_least() -> None:
    found = bounds(("difference", 3 * MS, 1), ("trip", 9 * MS, 1), ("trip", 5 * MS, 2))
    assert found == ClockBounds(-2 * MS, 3 * MS)
    assert str(found) == "ahead by -2.0 ms to 3.0 ms"


@given(
    ahead=st.integers(-SECOND, SECOND),
    ways=st.lists(st.integers(0, 20 * MS), min_size=1),
    trips=st.lists(st.integers(0, 20 * MS), min_size=1),
)
def test_the_truth_is_within_the_bounds(ahead: int, ways: list[int], trips: list[int]) -> None:
    """Where the fastest message was no slower than the fastest ping there and back."""
    trips = [trip + min(ways) for trip in trips]
    found = bounds(
        *(("difference", ahead + way, 1) for way in ways), *(("trip", trip, 1) for trip in trips)
    )
    assert found.at_least is not None
    assert found.at_most is not None
    assert found.at_least <= ahead <= found.at_most
    assert found.at_most - found.at_least == min(trips)


def test_what_is_old_is_forgotten_and_what_is_of_a_clock_that_went_back() -> None:
    assert bounds(("difference", 1, 0), ("difference", 9, 70)).at_most == 1
    assert bounds(("difference", 1, 0), ("difference", 9, 70), ("difference", 8, 140)).at_most == 8
    assert bounds(("difference", 1, 0), ("difference", 9, 500)).at_most == 9
    assert bounds(("difference", 1, 100), ("difference", 9, 50)).at_most == 9


# The router measures a frame and does with it what it does with any


VENUE = GateioSpot()


@attrs.define
class Source:
    leg: int | None
    heard: int = 0
    controls: list[Control] = attrs.field(factory=list)

    def on_control(self, control: Control) -> None:
        self.controls.append(control)


class Routed:
    """A router with outlets of all kinds, and everything they got."""

    def __init__(self, capacity: int, *, is_general: bool = False) -> None:
        self.got: list[object] = []
        self.router = Router(VENUE, float, lambda *gap: self.got.append(gap))
        self.queue = MessageQueue(capacity, OverflowPolicy.BLOCK)
        self.legs = {leg: Source(leg) for leg in (None, 0, 1)}
        for number, kind in enumerate(("orderbook_delta", "trades", "ticker")):
            self.bind(2 * number, f"spot.{kind}.BTCUSDT", self.got.append)
        self.bind(1, "spot.trades.BTCUSDT", self.queue)
        self.bind(3, "spot.trades.BTCUSDT", self.fail)
        general = self.outlet(9, "spot.trades", self.got.append)
        if is_general:
            self.router.bind_general(Channel.parse("spot.trades"), Parameters(), general)
        for kind in ("orderbook_delta", "trades"):
            self.router.merge([topic(kind)])
        for leg in (0, 1):
            for kind in ("orderbook_delta", "trades"):
                self.router.join(leg, topic(kind))

    def bind(self, number: int, name: str, target: Any) -> Route:
        topic = VENUE.topic(Channel.parse(name), Parameters())
        return self.router.bind(topic, self.outlet(number, name, target))

    def outlet(self, number: int, label: str, target: Any) -> Outlet:
        return Outlet(
            number,
            target,
            label=label,
            on_error=ErrorPolicy.LOG,
        )

    def fail(self, message: object) -> None:
        self.got.append("failed")
        raise KeyError(message)

    def facts(self) -> dict[str, Any]:
        router = self.router
        return {
            "got": self.got,
            "queued": list(self.queue.items),
            "full": [outlet.label for outlet in router.full],
            "heard": [source.heard for source in self.legs.values()],
            "routes": [router.heard(topic(kind)) for kind in ("orderbook_delta", "trades")],
            "controls": [source.controls for source in self.legs.values()],
            "counts": (
                *(router.frames, router.unrouted, router.empty, router.undecodable),
                *(router.controls, router.skipped, router.duplicates),
            ),
        }


def topic(kind: str) -> Any:
    return VENUE.topic(Channel.parse(f"spot.{kind}.BTCUSDT"), Parameters())


def push(channel: str, result: str) -> bytes:
    text = '{"time":1,"time_ms":1000,"channel":"spot.%s","event":"update","result":%s}'
    return (text % (channel, result)).encode()


def delta(first: int, last: int) -> bytes:
    return push(
        "order_book_update",
        f'{{"t":1000,"e":"depthUpdate","E":1,"s":"BTC_USDT","U":{first},"u":{last},'
        '"b":[["1.5","2"]],"a":[]}',
    )


def trade(number: int, pair: str = "BTC_USDT") -> bytes:
    return push(
        "trades",
        f'{{"id":{number},"create_time":1,"create_time_ms":"1000.5","side":"buy",'
        f'"currency_pair":"{pair}","amount":"1","price":"2","range":"{number}-{number}"}}',
    )


BROKEN = trade(1).replace(b'"price":"2"', b'"price":"x"')
FRAMES = st.one_of(
    st.builds(delta, st.integers(1, 6), st.integers(3, 8)),
    st.builds(trade, st.integers(1, 5)),
    st.just(trade(1, "ETH_USDT")),
    st.just(BROKEN),
    st.just(b"what is this?"),
    st.just(b'{"time":1,"channel":"spot.pong","event":"","result":null}'),
)


@given(
    reads=st.lists(
        st.tuples(st.sampled_from([None, 0, 1]), st.lists(FRAMES, min_size=1, max_size=4)),
        max_size=12,
    ),
    capacity=st.integers(1, 20),
    is_general=st.booleans(),
)
def test_a_measured_frame_is_routed_as_any_other(
    reads: list[tuple[int | None, list[bytes]]], capacity: int, is_general: bool
) -> None:
    plain, measured = (Routed(capacity, is_general=is_general) for _ in range(2))
    clock = Clock()
    for received, (leg, frames) in enumerate(reads, 1):
        source = plain.legs[leg]
        left = plain.router.begin(list(frames))
        paused = 0
        while plain.router.feed(left, True, received, source):
            paused += 1
        source = measured.legs[leg]
        batch = stamped(clock, Latency(), Batch(True, list(frames), received, 0))
        last = measured.router.take_last(batch)
        left = measured.router.begin(batch.frames)
        while measured.router.feed(left, True, received, source):
            paused -= 1
        if last is not None:
            paused -= measured.router.feed_measured(last, batch, source)
        assert paused == 0
        assert plain.facts() == measured.facts()


def test_what_is_no_message_is_not_measured(caplog: pytest.LogCaptureFixture) -> None:
    routed, clock, latency = Routed(9), Clock(), Latency()
    batch = stamped(clock, latency, Batch(True, [BROKEN], 1, 0))
    assert routed.router.take_last(batch) == BROKEN
    assert not routed.router.feed_measured(BROKEN, batch, routed.legs[0])
    assert routed.router.undecodable == 1
    for frame in (b"what is this?", trade(1, "ETH_USDT")):
        latency.countdown = 7
        batch = stamped(clock, latency, Batch(True, [trade(1), frame], 1, 0))
        assert routed.router.take_last(batch) is None
        assert len(batch.frames) == 2
        assert latency.countdown == 0  # the next read is measured instead
    assert latency.statistics().measured == 0


def test_steps_are_told_apart() -> None:
    clock, latency, routed = Clock(), Latency(), Routed(9)

    def pass_time(nanoseconds: int) -> None:
        clock.now += nanoseconds

    route = routed.bind(7, "spot.ticker.BTCUSDT", lambda _: pass_time(500))
    decode = route.decode

    def decode_slowly(frame: bytes, received: int) -> Any:
        pass_time(30)
        return decode(frame, received)

    route.decode = decode_slowly
    frame, _ = VENUE.sample(topic("ticker"), SECOND)
    batch = stamped(clock, latency, Batch(True, [frame], SECOND, 0))
    pass_time(4000)
    batch.probe.taken = clock()
    last = routed.router.take_last(batch)
    assert last is not None
    pass_time(200)
    routed.router.feed_measured(last, batch, routed.legs[0])
    said = latency.statistics()
    assert (said.decode.highest, said.handler.highest) == (30, 500)
    assert said.wire_to_handler.highest == 7 + 4000 + 200 + 30


def test_a_copy_takes_no_handler_and_is_decoded_all_the_same() -> None:
    clock, latency, routed = Clock(), Latency(), Routed(9)
    for leg in (0, 1):
        batch = stamped(clock, latency, Batch(True, [delta(1, 3)], 1, 0))
        last = routed.router.take_last(batch)
        assert last is not None
        routed.router.feed_measured(last, batch, routed.legs[leg])
    said = latency.statistics()
    assert (said.decode.count, said.handler.count, said.exchange_to_local.count) == (2, 1, 2)


# The manager


async def live(environment: Environment, latency: Any = True, **config: Any) -> WebSocketManager:
    """Half a minute of a market, on connections that are a millisecond long."""
    got: list[object] = []
    async with (
        open_simulator(
            "gateio", symbols=["BTCUSDT"], environment=environment, latency=0.002, seed=3
        ) as simulator,
        WebSocketManager(
            simulator.config(latency=latency, ping_interval=5.0, pong_timeout=1.0, **config),
            bind_channels={"spot.trades.BTCUSDT": got.append, "spot.orderbook.BTCUSDT": got.append},
        ) as ws,
    ):
        await trio.sleep(30)
    assert len(got) > 30
    return ws


@pytest.mark.parametrize("handoff", ["channel", "direct"])
async def test_a_manager_measures_what_it_is_told_to(
    handoff: str, autojump_clock: MockClock, virtual: Environment
) -> None:
    said = (await live(virtual, handoff=handoff)).statistics().latency
    assert said is not None
    assert said.wire_to_handler.count > 30
    assert said.wire_to_handler.highest == said.queue.highest == 0, "no time passes meanwhile"
    assert said.round_trip.count == 6
    assert said.round_trip.p50 == pytest.approx(2 * MS, rel=0.1)
    (clock,) = said.clocks.values()
    assert clock.at_least is not None
    assert clock.at_most is not None
    assert clock.at_least <= 0 <= clock.at_most


async def test_it_measures_nothing_unless_it_is_told_to(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    assert (await live(virtual, latency=False)).statistics().latency is None


async def test_several_managers_may_share_one(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    latency = Latency()
    first = (await live(virtual, latency)).statistics().latency
    second = (await live(virtual, latency)).statistics().latency
    alone = (await live(virtual)).statistics().latency
    assert first is not None
    assert second is not None
    assert alone is not None
    assert second.measured > first.measured > 30
    assert alone.measured < second.measured, "True is one of its own"


def test_the_same_seed_is_the_same_histogram() -> None:
    def facts(seed: int) -> dict[str, Any]:
        clock = MockClock(autojump_threshold=0)
        ws = trio.run(live, virtual_environment(seed), clock=clock)
        said = ws.statistics().latency
        assert said is not None
        return said.as_dict()

    assert facts(4) == facts(4)


@pytest.mark.parametrize("handoff", ["channel", "direct"])
async def test_of_large_reads_nothing_is_lost_either(
    handoff: str, autojump_clock: MockClock
) -> None:
    versions: list[int] = []

    async def take(delta: BookDelta) -> None:  # slower than the session comes
        versions.append(delta.last_version)
        await trio.sleep(0.001)

    heard: list[BookDelta] = []
    async with open_simulator("gateio", recording=CAPTURE, pace=None) as simulator:
        config = simulator.config(
            latency=True, handoff=handoff, reconnect=False, close_timeout=60.0
        )
        async with WebSocketManager(config) as ws:
            ws.bind("spot.orderbook_delta", heard.append)
            ws.bind("spot.orderbook_delta", take, queue_size=1)
            await ws.wait_closed()
    said = ws.statistics().latency
    assert said is not None
    assert said.wire_to_handler.count > said.measured, "there were reads of more than one"
    assert versions == [delta.last_version for delta in heard]
    assert len(versions) == 172


async def test_a_queue_that_is_full_within_a_measured_read_loses_nothing(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    """Each place at which routing in the reader's task may have to leave the rest to the router."""
    async with open_simulator(
        "gateio", symbols=["BTCUSDT"], environment=virtual, pace=1e-6
    ) as simulator:
        config = simulator.config(latency=True, handoff="direct")
        async with WebSocketManager(config) as ws:
            latency = ws.config.latency
            assert isinstance(latency, Latency)
            for size in range(1, 5):
                trades = await ws.bind("spot.trades.BTCUSDT", queue_size=size)
                before = ws.statistics().frames
                batch = Batch(True, [trade(number) for number in range(1, 4)], virtual.time_ns(), 0)
                await ws._deliver(Source(None), latency.stamp(batch, 0, virtual.perf_ns))
                with trio.fail_after(30):
                    numbers = [(await anext(trades)).trade_id for _ in range(3)]
                assert numbers == ["1", "2", "3"]
                await trio.testing.wait_all_tasks_blocked()
                said = ws.statistics()
                assert said.frames - before == 3
                assert said.waiting_bytes == 0
                assert said.latency is not None
                assert said.latency.measured == size
                trades.unbind()
                await trio.sleep(1)


@pytest.mark.parametrize("handoff", ["channel", "direct"])
async def test_a_wait_for_a_full_queue_is_part_of_the_way(
    handoff: str, autojump_clock: MockClock, virtual: Environment
) -> None:
    """Nothing is lost or comes out of order either, though the last of a read is taken out."""
    numbers: list[int] = []

    async def take(trade: Trade) -> None:
        assert trade.sequence is None or numbers.append(trade.sequence) is None
        await trio.sleep(0.25)

    seen = Collector()
    async with open_simulator(
        "gateio", symbols=["BTCUSDT"], environment=virtual, pace=50.0
    ) as simulator:
        config = simulator.config(latency=True, handoff=handoff)
        async with WebSocketManager(config, bind_channels={"spot.trades.BTCUSDT": seen}) as ws:
            ws.bind("spot.trades.BTCUSDT", take, queue_size=1)
            await wait_until(lambda: len(numbers) > 20)
            said = ws.statistics().latency
    assert said is not None
    assert said.wire_to_handler.p99 >= SECOND // 4
    assert said.queue.p99 >= SECOND // 4
    assert numbers == [trade.sequence for trade in seen[: len(numbers)]]
