"""The doors, the faults, the timers, and that a run is a function of its seed."""

from __future__ import annotations

import json
import random
import ssl
from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trustme
from simulator.plain_client import Client, connected
from trio.abc import Clock
from trio.testing import MockClock, wait_all_tasks_blocked
from trio_websocket import (
    ConnectionClosed,
    open_websocket_url,
    wrap_client_stream,
)

from trioex.channels import ExchangeEnum
from trioex.config import Environment
from trioex.errors import ConfigError, HttpError
from trioex.simulator import EPOCH_NS, Connection, Market, open_simulator, virtual_environment
from trioex.simulator.board import Board
from trioex.simulator.mexc_spot import MexcSession
from trioex.simulator.outbox import OUTBOX

GATEIO = {"time": 1, "channel": "spot.trades", "event": "subscribe", "payload": ["BTC_USDT"]}
OBU = {"time": 1, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.BTC_USDT.50"]}
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"
MEXC = {"method": "SUBSCRIPTION", "params": [TICKER]}
REQUESTS: dict[str, Any] = {"gateio": GATEIO, "mexc": MEXC}
HANDSHAKE = (
    b"GET /ws/v4/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PATHS = {
    "gateio": "/spot/order_book?currency_pair=BTC_USDT",
    "mexc": "/api/v3/depth?symbol=BTCUSDT",
}


@pytest.fixture(scope="session")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server on 127.0.0.1 and for a client that trusts it."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def get(stream: trio.abc.Stream, request: bytes) -> bytes:
    await stream.send_all(request)
    return b"".join([part async for part in stream])


# Doors


@pytest.mark.parametrize("exchange", ["gateio", "mexc"])
@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_websocket_and_rest_on_one_port(
    exchange: str, transport: Any, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, context = contexts if transport == "tls" else (None, None)
    async with open_simulator(
        exchange, transport=transport, ssl_context=server, client_ssl_context=context
    ) as sim:
        config = sim.config()
        assert (config.exchange, config.url) == (ExchangeEnum(exchange), sim.url)
        assert (config.rest_url, config.ssl_context) == (sim.rest_url, context)
        assert config.dial is None
        assert config.fetch is None
        with trio.fail_after(30):
            async with open_websocket_url(sim.url, ssl_context=context) as websocket:
                await websocket.send_message(json.dumps(REQUESTS[exchange]))
                assert "spot" in str(await websocket.get_message())
                await websocket.get_message()
                assert len(sim.connections) == 1
                await websocket.ping(b"still there?")
            host, port = sim.rest_url.split("/")[2].split(":")
            stream: trio.abc.Stream = await trio.open_tcp_stream(host, int(port))
            if context is not None:
                stream = trio.SSLStream(
                    stream, context, server_hostname=host, https_compatible=True
                )
            base = "/" + "/".join(sim.rest_url.split("/")[3:])
            target = (base.rstrip("/") + PATHS[exchange]).encode()
            answer = await get(stream, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert f"Content-Length: {len(body)}".encode() in head
            assert json.loads(body)["bids"]
            await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET nonsense HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (
            HANDSHAKE.replace(b"/ws/v4/", b"/wrong"),
            404,
        ),
    ],
)
async def test_bad_requests_are_answered(
    virtual: Environment, request_: bytes, status: int, autojump_clock: Clock
) -> None:
    async with open_simulator("mexc", environment=virtual) as sim:
        answer = await get(await sim.dial(sim.url), request_)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert not sim.connections


async def test_half_a_request_is_not_waited_for(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("mexc", environment=virtual) as sim:
        assert await get(await sim.dial(sim.url), b"GET / HT") == b""
        assert trio.current_time() == pytest.approx(10.0)
        stream = await sim.dial(sim.url)
        await stream.send_all(b"GET / HT")
        await stream.send_eof()  # type: ignore[attr-defined]
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400 ")


async def test_the_end_of_the_block_ends_everything(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with trio.open_nursery() as nursery:
        async with open_simulator("gateio", environment=virtual) as sim:
            stream = await sim.dial(sim.url)
            await wrap_client_stream(nursery, stream, "simulator", "/ws/v4/")
            idle = await sim.dial(sim.url)
            sim.disconnect("silence")
            await wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        assert await idle.receive_some() == b""
        with pytest.raises(ConnectionRefusedError):
            await sim.dial(sim.url)
        nursery.cancel_scope.cancel()
    assert "ENDED" in repr(sim)


async def test_nothing_listens_any_more() -> None:
    async with open_simulator("gateio", transport="tcp") as sim:
        port = int(sim.url.split(":")[2].split("/")[0])
        await trio.aclose_forcefully(await trio.open_tcp_stream("127.0.0.1", port))
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", port)


async def test_an_exception_of_the_block_leaves_it_as_it_is(
    virtual: Environment, autojump_clock: Clock
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_simulator("gateio", environment=virtual):
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"exchange": "gatio"}, "gatio.*gateio"),
        ({"transport": "udp"}, "transport='udp'"),
        ({"transport": "tls"}, "ssl_context"),
        ({"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}, "ssl_context"),
        ({"symbols": ("nope",)}, "nope"),
        ({"pace": None}, "pace=None"),
        ({"pace": -1.0}, "pace=-1.0"),
    ],
)
async def test_what_cannot_be_opened_is_named(arguments: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        async with open_simulator(**{"exchange": "gateio", **arguments}):
            raise AssertionError("opened")


# Faults


async def begin(client: Client) -> None:
    await client.ask(GATEIO)
    await client.read()


async def test_drop(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await begin(client)
        sim.disconnect("drop")
        assert not sim.connections
        with pytest.raises(ConnectionClosed) as closed:
            await client.collect(1.0)
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1006


async def test_close(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await begin(client)
        sim.disconnect("close")
        with pytest.raises(ConnectionClosed) as closed:
            await client.collect(1.0)
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001


async def handshake(stream: trio.abc.Stream, path: str = "/ws/v4/") -> None:
    await stream.send_all(HANDSHAKE.replace(b"/ws/v4/", path.encode()))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some(1)
    assert head.startswith(b"HTTP/1.1 101 ")


def masked(payload: str) -> bytes:
    data = payload.encode()
    return b"\x81\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data


async def test_linger(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        stream = await sim.dial(sim.url)
        await handshake(stream)
        await stream.send_all(masked(json.dumps(OBU).ljust(130)))
        await trio.sleep(1.0)
        sim.disconnect("linger")
        data = b""
        with trio.move_on_after(100.0):  # far longer than any timer of the venue
            while not data.endswith(b"\x88\x02\x03\xe9"):
                data += await stream.receive_some()
            await stream.send_all(b"\x88\x82\0\0\0\0\x03\xe9")
            pytest.fail(f"TCP was not left open: {await stream.receive_some()!r}")
        assert not sim.connections
        await stream.aclose()


async def test_cut(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        stream = await sim.dial(sim.url)
        await handshake(stream)
        await stream.send_all(masked(json.dumps(GATEIO).ljust(130)))
        await trio.sleep(5.0)
        sim.disconnect("cut")
        data = b"".join([part async for part in stream])
        while data[:2] == b"\x81\x7e" and len(data) >= 4 + int.from_bytes(data[2:4], "big"):
            data = data[4 + int.from_bytes(data[2:4], "big") :]
        assert data[:2] == b"\x81\x7e"
        assert 4 < len(data) < 4 + int.from_bytes(data[2:4], "big")


async def test_cut_before_the_first_frame(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        stream = await sim.dial(sim.url)
        await handshake(stream)
        sim.disconnect("cut")
        data = b"".join([part async for part in stream])
        assert data[:2] == b"\x81\x7e"
        assert len(data) < int.from_bytes(data[2:4], "big")


async def test_silence(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await begin(client)
        sim.disconnect("silence")
        await client.collect(0.01)  # what was on its way
        await client.send({"time": 1, "channel": "spot.ping"})
        with pytest.raises(trio.TooSlowError), trio.fail_after(100):
            await client.websocket.ping()
        assert await client.collect(100.0) == []
        assert not sim.connections
        assert client.websocket.closed is None


async def test_one_connection_of_two(virtual: Environment, autojump_clock: Clock) -> None:
    async with (
        open_simulator("gateio", environment=virtual) as sim,
        connected(sim) as one,
        connected(sim) as other,
    ):
        await begin(one)
        await begin(other)
        first, second = sim.connections
        assert (first.number, second.number) == (1, 2)
        sim.disconnect("drop", first)
        assert sim.connections == [second]
        assert "DROP" in repr(first)
        assert "OPEN, 1 topics" in repr(second)
        assert await other.collect(5.0)
        with pytest.raises(ConnectionClosed):
            await one.collect(5.0)


async def test_an_unknown_way_is_named(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim):
        with pytest.raises(ConfigError, match=r"'explode'.*silence"):
            sim.disconnect("explode")  # type: ignore[arg-type]


async def test_frames_can_be_lost_and_doubled(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await client.ask(OBU)
        first = (await client.read())["result"]["u"]
        lost: list[Any] = []

        def lose(connection: Connection, frame: str | bytes) -> Sequence[str | bytes]:
            assert connection is sim.connections[0]
            if not lost:
                lost.append(json.loads(frame))
                return []
            return [frame, frame]

        sim.tamper = lose
        frames = [frame["result"] for frame in await client.collect(5.0)]
        assert lost[0]["result"]["U"] == first + 1
        assert frames[0]["U"] == lost[0]["result"]["u"] + 1
        assert frames[0::2] == frames[1::2]


async def test_everyone_is_turned_away(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        sim.reject(429, retry_after=7)
        with pytest.raises(HttpError) as caught:
            await sim.fetch(f"{sim.rest_url}/spot/time")
        assert (caught.value.status, caught.value.retry_after) == (429, 7)
        answer = await get(await sim.dial(sim.url), HANDSHAKE)
        assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"\r\nRetry-After: 7\r\n" in answer
        sim.admit()
        async with connected(sim) as client:
            await begin(client)


async def test_a_snapshot_may_be_old(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        url = f"{sim.rest_url}/spot/order_book?currency_pair=BTC_USDT&with_id=true"
        sim.snapshot_age = 5.0
        old = await sim.fetch(url)
        await trio.sleep(4.9)
        assert await sim.fetch(url) == old
        await trio.sleep(0.2)
        assert json.loads(await sim.fetch(url))["id"] > json.loads(old)["id"]
        sim.snapshot_age = 0.0
        await trio.sleep(1.0)
        new = json.loads(await sim.fetch(url))["id"]
        assert 0 <= sim.market["BTCUSDT"].version - new < 15


async def test_a_client_that_does_not_read_is_dropped(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("mexc", environment=virtual) as sim:
        stream = await sim.dial(sim.url)
        await handshake(stream, "/ws")
        await stream.send_all(masked(json.dumps(MEXC).ljust(130)))
        await trio.sleep(20.0)
        assert len(sim.connections) == 1
        await trio.sleep(20.0)
        assert not sim.connections
        read = b"".join([part async for part in stream])
        statistics = sim.statistics()
        assert statistics.slow_clients == 1
        assert statistics.frames_sent < OUTBOX
        assert len(read) < 200_000


# Timers


async def lifetime(client: Client, clock: Clock) -> tuple[float, int]:
    """How long a connection lasts from now on, and the code with which it ends."""
    begun = trio.current_time()
    with pytest.raises(ConnectionClosed) as closed:
        await client.collect(100_000.0)
    assert closed.value.reason is not None
    return trio.current_time() - begun, closed.value.reason.code


@pytest.mark.parametrize(("exchange", "code"), [("gateio", 1006), ("mexc", 1001)])
async def test_without_subscription_30_seconds(
    virtual: Environment, exchange: str, code: int, autojump_clock: Clock
) -> None:
    async with open_simulator(exchange, environment=virtual) as sim, connected(sim) as client:
        seconds, closed = await lifetime(client, autojump_clock)
        assert 30.0 <= seconds < 31.1
        assert closed == code


async def test_gateio_spares_a_client_that_speaks(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        for number in range(5):
            await trio.sleep(25.0)
            if number % 2:
                await client.ask({"time": 1, "channel": "spot.ping"})
            else:
                await client.websocket.ping()
        assert (await lifetime(client, autojump_clock))[0] == pytest.approx(30.0, abs=1.1)


async def test_mexc_does_not(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("mexc", environment=virtual) as sim, connected(sim) as client:
        await trio.sleep(25.0)
        await client.ask({"method": "PING"})
        assert (await lifetime(client, autojump_clock))[0] == pytest.approx(5.0, abs=1.1)


QUIET = {
    "gateio": {**GATEIO, "payload": ["ETH_USDT"]},
    "mexc": {**MEXC, "params": ["spot@public.aggre.deals.v3.api.pb@100ms@ETHUSDT"]},
}


@pytest.mark.parametrize("exchange", ["gateio", "mexc"])
async def test_subscribed_but_quiet_60_seconds(
    virtual: Environment, exchange: str, autojump_clock: Clock
) -> None:
    async with (
        open_simulator(exchange, environment=virtual, pace=1e-6) as sim,
        connected(sim) as client,
    ):
        await client.ask(QUIET[exchange])
        await trio.sleep(50.0)
        ping = {"gateio": {"time": 1, "channel": "spot.ping"}, "mexc": {"method": "PING"}}[exchange]
        await client.ask(ping)
        seconds, _ = await lifetime(client, autojump_clock)
        assert 60.0 <= seconds < 61.1


def test_mexc_ends_a_connection_after_a_day() -> None:
    second = 1_000_000_000
    market = Market(("BTCUSDT",), seed=0, now=EPOCH_NS, pace=1e-6)
    board = Board(market)
    session = MexcSession(board, random.Random(0), EPOCH_NS)
    session.receive(json.dumps(MEXC), EPOCH_NS)
    almost = EPOCH_NS + 86_399 * second
    session.said = almost
    assert session.ending(almost) is None
    assert session.next_due() == EPOCH_NS + 86_400 * second
    assert session.ending(almost + second) == "close"


# One clock


async def session(exchange: str, seed: int) -> list[tuple[float, str | bytes]]:
    """Everything a client of a simulator reads, and when."""
    found: list[tuple[float, str | bytes]] = []
    async with (
        open_simulator(exchange, seed=seed, environment=virtual_environment(seed)) as sim,
        connected(sim) as client,
    ):
        await client.send(REQUESTS[exchange])
        for _ in range(3):
            with trio.move_on_after(2.0):
                while True:
                    frame = await client.websocket.get_message()
                    found.append((trio.current_time(), frame))
            await client.send({"time": 1, "channel": "spot.ping", "method": "PING"})
            await client.send(OBU)
    return found


@pytest.mark.parametrize("exchange", ["gateio", "mexc"])
def test_same_seed_same_bytes_at_the_same_time(exchange: str) -> None:
    def run(seed: int) -> list[tuple[float, str | bytes]]:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(session, exchange, seed, clock=clock)

    first = run(1)
    assert len(first) > 20
    assert all(run(1) == first for _ in range(3))
    assert run(2) != first


async def test_virtual_time(autojump_clock: Clock) -> None:
    environment = virtual_environment(7)
    assert environment.time_ns() == EPOCH_NS
    await trio.sleep(1.5)
    assert environment.time_ns() == EPOCH_NS + 1_500_000_000
    assert virtual_environment(epoch_ns=5).time_ns() == 1_500_000_005
    assert virtual_environment(7).random.random() == environment.random.random()


async def test_statistics(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        async with connected(sim) as client:
            await client.ask(GATEIO)
            frames = 1 + len(await client.collect(5.0))
            await sim.fetch(f"{sim.rest_url}/spot/time")
            now = sim.statistics()
            assert (now.connections, now.open_connections, now.requests, now.gets) == (1, 1, 1, 1)
            assert now.frames_sent == frames == sim.connections[0].frames_sent
            assert now.bytes_sent == sim.connections[0].bytes_sent > 200 * frames
            assert now.steps == sim.market.steps
        await trio.sleep(1.0)
        after = sim.statistics()
        assert (after.connections, after.open_connections, after.slow_clients) == (1, 0, 0)
        assert after.frames_sent >= now.frames_sent
        with pytest.raises(ConfigError, match="recording"):
            await sim.wait_finished()


async def test_a_market_that_is_too_much_for_the_machine_takes_its_time(
    virtual: Environment, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await client.ask(OBU)

        def compute(connection: Connection, frame: str | bytes) -> Sequence[str | bytes]:
            autojump_clock.jump(2.0)
            return [frame]

        sim.tamper = compute
        before = await client.read()
        sim.tamper = None
        after = await client.read()
        # The two seconds but for a half were not caught up with: nothing happened in them.
        assert after["time_ms"] - before["time_ms"] < 600
        assert after["result"]["U"] == before["result"]["u"] + 1
    assert [record.name for record in caplog.records] == ["trioex.simulator"]
    assert "a smaller pace= helps" in caplog.text
