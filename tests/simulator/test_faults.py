"""Every kind of fault does what it says, and a plan is a function of its seed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import trio
from simulator.plain_client import Client, connected
from trio.abc import Clock
from trio_websocket import ConnectionClosed, HandshakeError

from trioex.config import Environment
from trioex.errors import ConfigError, HttpError
from trioex.simulator import (
    Fault,
    FaultKind,
    Faults,
    Simulator,
    faults,
    open_simulator,
    virtual_environment,
)
from trioex.simulator.faults import KINDS

UPDATES = {
    "time": 1,
    "channel": "spot.order_book_update",
    "event": "subscribe",
    "payload": ["BTC_USDT", "100ms"],
}
PING = {"time": 1, "channel": "spot.ping"}
BOOK = "/spot/order_book?currency_pair=BTC_USDT&with_id=true"
BEGIN = 2.0
"""When what is tested goes wrong."""


@asynccontextmanager
async def suffering(
    environment: Environment, *faults: Fault, **settings: Any
) -> AsyncGenerator[tuple[Simulator, Client]]:
    """A client that is subscribed, and an exchange with which something goes wrong."""
    async with (
        open_simulator(
            "gateio", environment=environment, faults=Faults.script(faults), **settings
        ) as sim,
        connected(sim) as client,
    ):
        await client.ask(UPDATES)
        yield sim, client


async def timed(client: Client, until: float) -> list[tuple[float, Any]]:
    """What comes until then, and when."""
    found: list[tuple[float, Any]] = []
    with trio.move_on_at(until):
        while True:
            frame = await client.websocket.get_message()
            found.append((trio.current_time(), frame))
    return found


def late_by(found: list[tuple[float, Any]]) -> list[float]:
    """How late each push is."""
    return [time - (json.loads(frame)["time_ms"] / 1000 - 1_790_000_000) for time, frame in found]


def chain(frames: list[Any]) -> list[int]:
    """How many versions are missing before each frame but the first; less than 0: too many."""
    results = [json.loads(frame)["result"] for frame in frames]
    return [later["U"] - earlier["u"] - 1 for earlier, later in pairwise(results)]


# Connections


@pytest.mark.parametrize("kind", ["drop", "cut", "close"])
async def test_endings(kind: FaultKind, virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault(kind, at=BEGIN)) as (sim, client):
        with pytest.raises(ConnectionClosed) as closed:
            await client.collect(9.0)
        assert trio.current_time() == pytest.approx(BEGIN, abs=0.002)
        assert closed.value.reason is not None
        assert closed.value.reason.code == (1001 if kind == "close" else 1006)
        (applied,) = sim.applied
        assert (applied.fault.kind, applied.connections) == (kind, (1,))
        assert applied.time == 1_790_000_000_000_000_000 + int(BEGIN * 1e9)


@pytest.mark.parametrize("kind", ["half_open", "silence"])
async def test_open_and_dead(kind: FaultKind, virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault(kind, at=BEGIN)) as (sim, client):
        assert await client.collect(BEGIN)
        assert await client.collect(100.0) == []
        assert client.websocket.closed is None
        assert not sim.connections
        write = client.stream.send_all(bytes(1 << 20))
        with trio.move_on_after(100.0) as written:
            await write
        # Half open: nobody reads what we write, either.
        assert written.cancelled_caught is (kind == "half_open")


async def test_mute_answers_pings_and_pushes_nothing(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with suffering(virtual, Fault("mute", at=BEGIN, duration=3.0)) as (_, client):
        before = await timed(client, BEGIN)
        await client.send(PING)
        await client.websocket.ping()
        during = await timed(client, BEGIN + 3.0)
        after = await timed(client, BEGIN + 6.0)
        assert [json.loads(frame)["channel"] for _, frame in during] == ["spot.pong"]
        assert len(before) > 5
        missing = chain([before[-1][1], after[0][1]])
        assert missing[0] > 0
        assert set(chain([frame for _, frame in after])) == {0}


async def test_delay_keeps_the_order(virtual: Environment, autojump_clock: Clock) -> None:
    fault = Fault("delay", at=BEGIN, duration=3.0, delay=0.7)
    async with suffering(virtual, fault) as (_, client):
        found = await timed(client, BEGIN + 0.65)
        assert all(time < BEGIN + 0.001 for time, _ in found), "nothing comes at first"
        await client.ask(PING)
        assert trio.current_time() == pytest.approx(BEGIN + 0.65), "answers are not late"
        found += await timed(client, BEGIN + 6.0)
        assert set(chain([frame for _, frame in found])) == {0}
        lates = late_by(found)
        assert sum(0.69 < late < 0.71 for late in lates) > 20
        assert lates[-1] < 0.01


async def test_duplicate(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("duplicate", at=BEGIN, count=2)) as (_, client):
        frames = [frame for _, frame in await timed(client, BEGIN + 3.0)]
        assert sum(a == b for a, b in pairwise(frames)) == 2
        assert sorted(set(frames), key=frames.index) == [
            a for a, b in pairwise([*frames, None]) if a != b
        ]


async def test_reorder(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("reorder", at=BEGIN)) as (_, client):
        gaps = chain([frame for _, frame in await timed(client, BEGIN + 3.0)])
        odd = [gap for gap in gaps if gap]
        assert len(odd) == 3
        assert odd[0] > 0 > odd[1]


async def test_lost_delta(virtual: Environment, autojump_clock: Clock) -> None:
    tickers = {**UPDATES, "channel": "spot.tickers", "payload": ["BTC_USDT"]}
    async with suffering(virtual, Fault("lost_delta", at=BEGIN, count=3)) as (_, client):
        await client.ask(tickers)
        frames = [json.loads(frame) for _, frame in await timed(client, BEGIN + 3.0)]
        books = [json.dumps(each) for each in frames if each["channel"] == UPDATES["channel"]]
        assert len([gap for gap in chain(books) if gap]) == 1
        assert sum(each["channel"] == "spot.tickers" for each in frames) == 5


async def test_garbage_text(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("garbage", at=BEGIN)) as (_, client):
        frames = [frame for _, frame in await timed(client, BEGIN + 3.0)]
        broken = [frame for frame in frames if not frame.endswith("}}")]
        assert len(broken) == 1
        assert broken[0].startswith('{"time":')
        with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
            json.loads(broken[0])


async def test_garbage_protobuf(virtual: Environment, autojump_clock: Clock) -> None:
    param = "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT"
    async with open_simulator("mexc", environment=virtual) as sim, connected(sim) as client:
        await client.ask({"method": "SUBSCRIPTION", "params": [param]})
        sim.apply(Fault("garbage"))
        with pytest.raises(AssertionError):  # a field is longer than what is left
            await client.read()
        await client.read()


async def test_garbage_frame(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("garbage_frame", at=BEGIN)) as (_, client):
        with pytest.raises(ConnectionClosed):
            await client.collect(9.0)
        assert client.websocket.closed is not None
        assert client.websocket.closed.code == 1002


async def test_slow_reader(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("slow_reader", at=BEGIN, duration=3.0)) as (_, client):
        await client.collect(BEGIN + 0.5)
        await client.ask(PING)
        assert trio.current_time() == pytest.approx(BEGIN + 3.0, abs=0.002)
        await client.ask(PING)
        assert trio.current_time() == pytest.approx(BEGIN + 3.0, abs=0.002)


# The exchange


async def test_late_snapshot(virtual: Environment, autojump_clock: Clock) -> None:
    fault = Fault("late_snapshot", at=BEGIN, duration=3.0, delay=0.8)
    async with suffering(virtual, fault, latency=0.1) as (sim, _):
        await trio.sleep_until(BEGIN + 0.5)
        version = sim.market["BTCUSDT"].version
        book = json.loads(await sim.fetch(sim.rest_url + BOOK))
        assert trio.current_time() == pytest.approx(BEGIN + 0.5 + 0.3 + 0.8)
        assert version < book["id"] < sim.market["BTCUSDT"].version
        begun = trio.current_time()
        await sim.fetch(f"{sim.rest_url}/spot/time")
        assert trio.current_time() - begun == pytest.approx(0.3), "only books are late"


async def test_stale_snapshot(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("stale_snapshot", at=BEGIN, duration=3.0)) as (sim, _):
        await trio.sleep_until(BEGIN - 0.001)
        version = json.loads(await sim.fetch(sim.rest_url + BOOK))["id"]
        await trio.sleep_until(BEGIN + 2.9)
        stale = json.loads(await sim.fetch(sim.rest_url + BOOK))
        assert 0 <= stale["id"] - version < 15  # those of a tenth of a second
        await trio.sleep_until(BEGIN + 3.1)
        fresh = json.loads(await sim.fetch(sim.rest_url + BOOK))
        assert version + 30 < fresh["id"] <= sim.market["BTCUSDT"].version


async def test_refuse(virtual: Environment, autojump_clock: Clock) -> None:
    fault = Fault("refuse", at=BEGIN, duration=3.0, symbol="ETHUSDT")
    other = {**UPDATES, "payload": ["ETH_USDT", "100ms"]}
    async with suffering(virtual, fault) as (_, client):
        await trio.sleep_until(BEGIN + 0.1)
        assert (await client.ask(other))["result"] == {"status": "fail"}
        await client.ask(UPDATES)
        await trio.sleep_until(BEGIN + 3.1)
        assert (await client.ask(other))["result"] == {"status": "success"}


async def test_reject_429(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("reject_429", at=BEGIN, duration=7.0)) as (sim, client):
        await trio.sleep_until(BEGIN + 2.5)
        with pytest.raises(HttpError) as caught:
            await sim.fetch(sim.rest_url + BOOK)
        assert (caught.value.status, caught.value.retry_after) == (429, 5)
        assert await client.collect(1.0), "who is connected stays"
        await trio.sleep_until(BEGIN + 7.1)
        await sim.fetch(sim.rest_url + BOOK)
        sim.apply(Fault("reject_429", retry_after=2.0))
        with pytest.raises(HttpError) as caught:
            await sim.fetch(sim.rest_url + BOOK)
        assert caught.value.retry_after == 2.0
        sim.admit()
        await sim.fetch(sim.rest_url + BOOK)


async def test_refuse_connect(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("refuse_connect", at=BEGIN), latency=0.2) as (sim, _):
        await trio.sleep_until(BEGIN + 1.0)
        with pytest.raises(ConnectionRefusedError):
            await sim.dial(sim.url)
        assert trio.current_time() == pytest.approx(BEGIN + 1.2)
        with pytest.raises(HttpError, match="refused"):
            await sim.fetch(sim.rest_url + BOOK)
        await trio.sleep_until(BEGIN + 5.0)
        await sim.fetch(sim.rest_url + BOOK)


async def test_refuse_connect_on_a_socket() -> None:
    async with open_simulator("gateio", transport="tcp") as sim:
        sim.apply(Fault("refuse_connect", duration=3600.0))
        port = int(sim.url.split(":")[2].split("/")[0])
        with trio.fail_after(30):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                assert await stream.receive_some() == b""


async def test_never_upgrade(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("never_upgrade", at=BEGIN)) as (sim, _):
        await trio.sleep_until(BEGIN + 1.0)
        with trio.move_on_after(60.0) as waited:
            async with connected(sim):
                pytest.fail("it was answered")
        assert waited.cancelled_caught
        async with connected(sim) as client:
            await client.ask(PING)


# Which, and when


async def test_which_connections(virtual: Environment, autojump_clock: Clock) -> None:
    plan = Faults.script(
        [
            Fault("drop", at=4.0, connection="newest"),
            Fault("drop", at=3.0, connection="one"),
            Fault("drop", at=5.0, connection="random"),
            Fault("drop", at=6.0),
            Fault("drop", at=7.0),
        ]
    )
    async with open_simulator("gateio", environment=virtual, faults=plan) as sim:
        async with AsyncExitStack() as stack:
            for _ in range(5):
                client = await stack.enter_async_context(connected(sim))
                await client.ask(UPDATES)
            await trio.sleep(10.0)
        hit = [applied.connections for applied in sim.applied]
        assert hit[:2] == [(1,), (5,)]
        assert len(hit[2]) == 1
        assert {*hit[2], *hit[3]} == {2, 3, 4}
        assert hit[4] == ()


async def test_after_so_many_frames(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual, Fault("close", after=12)) as (sim, client):
        for _ in range(11):
            await client.raw()
        with pytest.raises(ConnectionClosed):
            await client.raw()
        assert sim.statistics().frames_sent == 12


async def test_a_disconnect_is_told_as_well(virtual: Environment, autojump_clock: Clock) -> None:
    async with suffering(virtual) as (sim, _):
        sim.disconnect("half_open")
        assert [each.fault.kind for each in sim.applied] == ["half_open"]
        assert not sim.connections


async def test_what_was_announced_is_sent_before_a_close(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with suffering(virtual) as (sim, client):
        sim.announce_upgrade()
        sim.disconnect("close")
        assert (await client.read())["channel"] == "spot.system"
        with pytest.raises(ConnectionClosed):
            await client.read()


# Plans


def draw(faults: Faults, count: int = 200) -> list[Fault]:
    return list(islice(faults.timed(), count))


def test_a_seeded_plan_is_a_function_of_its_seed() -> None:
    plan = Faults.seeded(1, rate=0.5)
    assert draw(plan) == draw(plan) == draw(Faults.seeded(1, rate=0.5))
    assert draw(plan) != draw(Faults.seeded(2, rate=0.5))
    times = [fault.at or 0.0 for fault in draw(plan)]
    assert times == sorted(times)
    assert 300 < times[-1] < 500
    assert {fault.kind for fault in draw(plan)} == set(KINDS)
    assert {fault.connection for fault in draw(plan)} == {"one", "all", "newest", "random"}


def test_a_seeded_plan_keeps_to_its_bounds() -> None:
    plan = Faults.seeded(1, rate=2.0, kinds=("drop", "mute"), start=5.0, until=50.0, duration=1.0)
    found = draw(plan)
    assert 50 < len(found) < 150
    assert {fault.kind for fault in found} == {"drop", "mute"}
    assert all(5.0 < (fault.at or 0.0) < 50.0 and fault.duration <= 3.0 for fault in found)


def test_a_script_is_sorted() -> None:
    one, other, third = Fault("drop", at=2.0), Fault("cut", at=1.0), Fault("drop", after=3)
    plan = Faults.script([one, third, other])
    assert draw(plan) == [other, one]
    assert plan.counted() == [third]
    assert "3 by script" in repr(plan)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Fault("drip"), "kind='drip'.*drop"),  # type: ignore[arg-type]
        (lambda: Fault("drop", at=-1.0), "at=-1.0"),
        (lambda: Fault("drop", at=1.0, after=1), r"at=1\.0 and after=1"),
        (lambda: Fault("drop", connection="some"), "connection='some'"),  # type: ignore[arg-type]
        (lambda: Fault("mute", duration=float("nan")), "duration=nan"),
        (lambda: Fault("garbage", count=0), "count=0"),
        (lambda: Faults.script([Fault("drop")]), "neither at= nor after="),
        (lambda: Faults.seeded(1, rate=0.0), "rate=0.0"),
        (lambda: Faults.seeded(1, kinds=["nope"]), "kind='nope'"),  # type: ignore[list-item]
    ],
)
def test_what_cannot_be_is_named(make: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()


def test_every_kind_is_documented() -> None:
    text = Path(faults.__file__).read_text("utf-8")
    for kind in get_args(FaultKind):
        for each in get_args(kind) or (kind,):
            assert f"`{each}`" in text, each


# One clock


async def story(seed: int) -> tuple[list[Any], list[Any]]:
    """What two clients that connect again and again read, and what was done to them."""
    found: list[Any] = []

    async def read(sim: Simulator, name: str) -> None:
        while True:
            try:
                async with connected(sim) as client:
                    await client.send(UPDATES)
                    with trio.move_on_after(15.0):
                        while True:
                            frame = await client.websocket.get_message()
                            found.append((trio.current_time(), name, frame))
            except* (ConnectionClosed, HandshakeError, OSError, trio.BrokenResourceError):
                found.append((trio.current_time(), name, "lost"))
            await trio.sleep(0.123)

    async with (
        open_simulator(
            "gateio",
            seed=seed,
            environment=virtual_environment(seed),
            faults=Faults.seeded(seed, rate=0.5),
            latency=0.05,
            jitter=0.01,
        ) as sim,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(read, sim, "one")
        await trio.sleep(0.51)
        nursery.start_soon(read, sim, "other")
        await trio.sleep(60.0)
        nursery.cancel_scope.cancel()
    return found, list(sim.applied)


def test_same_seed_same_faults_same_bytes_at_the_same_time() -> None:
    def run(seed: int) -> tuple[list[Any], list[Any]]:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(story, seed, clock=clock)

    found, applied = run(3)
    assert len(found) > 300
    assert len(applied) > 15
    for _ in range(3):
        again, applied_again = run(3)
        assert applied_again == applied
        for name in ("one", "other"):
            assert [e for e in again if e[1] == name] == [e for e in found if e[1] == name]
    assert run(4)[1] != applied
