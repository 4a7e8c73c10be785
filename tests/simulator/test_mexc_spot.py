"""MEXC's front end against the venue's own messages."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import trio
from simulator.plain_client import DATA, Client, body, connected, walk
from trio.abc import Clock
from trio_websocket import ConnectionClosed

from trioex.config import Environment
from trioex.errors import ConfigError, HttpError
from trioex.simulator import open_simulator

SAMPLES = DATA / "simulator" / "mexc_spot"

DEPTH = "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT"
DEALS = "spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT"
BOOK_TICKER = "spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT"
LIMIT = "spot@public.limit.depth.v3.api.pb@BTCUSDT@5"
BATCH = "spot@public.bookTicker.batch.v3.api.pb@BTCUSDT"
KLINE = "spot@public.kline.v3.api.pb@BTCUSDT@Min1"
MINI = "spot@public.miniTicker.v3.api.pb@BTCUSDT@UTC+8"
MINIS = "spot@public.miniTickers.v3.api.pb@24H"
RETIRED = "spot@public.increase.depth.v3.api.pb@BTCUSDT"


def subscribe(*params: str, method: str = "SUBSCRIPTION", **more: Any) -> dict[str, Any]:
    return {"method": method, "params": list(params), **more}


def message(name: str) -> str:
    answer = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    assert (answer["id"], answer["code"]) == (0, 0)
    text: str = answer["msg"]
    return text


# Messages that repeat inside a body; everything else in it is a string or a number.
REPEATED = {303: {1, 2}, 310: {1}, 311: {1}, 313: {1, 2}, 314: {1}}


def paths(data: bytes, inside: int = 0) -> set[tuple[Any, ...]]:
    """Every field of a push with its wire type and the path to it."""
    found: set[tuple[Any, ...]] = set()
    for number, value in walk(data):
        found.add((number, type(value).__name__))
        walked = number in REPEATED.get(inside, ()) if inside else number > 300
        if isinstance(value, bytes) and walked:
            found |= {(number, *path) for path in paths(value, number)}
    return found


@pytest.fixture
async def client(virtual: Environment) -> Any:
    async with open_simulator("mexc", environment=virtual) as sim, connected(sim) as client:
        yield client


# What the definitions of 2026-06 added, absent in the older samples.
ADDED = {
    303: {(5, "int")},
    311: {(2, "bytes"), (3, "int")},
    313: {(6, "int")},
}
PUSHES = [
    (LIMIT, "public.limit.depth"),
    (BATCH, "public.bookTicker.batch"),
    (KLINE, "public.kline"),
    (MINI, "public.miniTicker"),
    (MINIS, "public.miniTickers"),
    (DEALS, "public.aggre.deals.with_tradeId"),
    (BOOK_TICKER, "public.aggre.bookTicker.push.live_20260923"),
    (DEPTH, "public.aggre.depth"),
]


@pytest.mark.parametrize(("param", "name"), PUSHES)
async def test_a_push_has_the_fields_of_the_venues_own(
    client: Client, param: str, name: str, autojump_clock: Clock
) -> None:
    official = paths(bytes.fromhex((SAMPLES / f"{name}.hex").read_text().strip()))
    assert (await client.ask(subscribe(param)))["msg"] == param
    seen: set[tuple[Any, ...]] = set()
    for _ in range(10):
        frame = await client.raw()
        assert isinstance(frame, bytes)
        seen |= paths(frame)
    number = next(path[0] for path in official if path[0] > 300)
    added = {(number, *path) for path in ADDED.get(number, ())}
    if number == 313:  # the sample has changes on one side only
        added |= {(313, 1, "bytes"), (313, 1, 1, "bytes"), (313, 1, 2, "bytes")}
    if number == 314:  # the live frames carry no eventType, the definitions have it
        added |= {(314, 2, "bytes")}
    assert official <= seen
    assert seen - official <= added


async def test_the_head_stands_before_the_body(client: Client, autojump_clock: Clock) -> None:
    live = bytes.fromhex((SAMPLES / "public.aggre.deals.push.live_20260727.hex").read_text())
    await client.ask(subscribe(DEALS))
    frame = await client.raw()
    assert isinstance(frame, bytes)
    assert [number for number, _ in walk(frame)] == [number for number, _ in walk(live)]
    assert frame.startswith(live[:47])


async def test_depth_on_a_snapshot_is_the_book(virtual: Environment, autojump_clock: Clock) -> None:
    async with (
        open_simulator("mexc", environment=virtual, pace=5) as sim,
        connected(sim) as client,
    ):
        await client.ask(subscribe(DEPTH))
        frames = await client.collect(1.05)
        snapshot = json.loads(
            await sim.fetch(f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=5000")
        )
        assert list(snapshot) == ["lastUpdateId", "bids", "asks"]
        frames += await client.collect(10.0)
        sim.market.pace = 1e-5  # until the stream has caught up with the market
        frames += await client.collect(1.0)
        bodies = [body(frame)[1] for frame in frames]
        versions = [(int(each[4][0]), int(each[5][0])) for each in bodies]
        assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(versions))
        version = snapshot["lastUpdateId"]
        held = {side: dict(snapshot[name]) for side, name in ((1, "asks"), (2, "bids"))}
        zeros = set()
        for (_, last), each in zip(versions, bodies, strict=True):
            if last <= version:
                continue
            for side, levels in held.items():
                for level in each.get(side, ()):
                    price, quantity = level[1][0], level[2][0]
                    levels[price] = quantity
                    if not Decimal(quantity):
                        zeros.add(quantity)
                        del levels[price]
        book = sim.market["BTCUSDT"]
        assert versions[-1][1] == book.version
        assert zeros == {"0", "0.00000000"}
        for side, ladder in ((1, book.engine.asks), (2, book.engine.bids)):
            assert held[side] == {
                book.listing.price(p): book.listing.quantity(q) for p, q in ladder.levels()
            }


async def test_every_channel_tells_the_same_story(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("mexc", environment=virtual) as sim, connected(sim) as client:
        await client.send(subscribe(DEALS, KLINE, MINI, BOOK_TICKER))
        windows: dict[int, list[Any]] = {}
        candles: dict[int, Any] = {}
        price = None
        for frame in await client.collect(190.0):
            if "code" in frame:
                continue
            number, found = body(frame)
            if number == 314:
                for deal in found[1]:
                    assert deal[3][0] in {1, 2}
                    windows.setdefault(deal[4][0] // 60_000 * 60, []).append(deal)
                    price = deal[1][0]
            elif number == 308:
                assert found[9][0] - found[2][0] == 60
                candles[found[2][0]] = found  # the last push of a window is final
            elif number == 309 and price is not None:
                assert Decimal(found[6][0]) <= Decimal(found[2][0]) <= Decimal(found[5][0])
                assert found[1] == ["BTCUSDT"]
            elif number == 315:
                assert Decimal(found[1][0]) < Decimal(found[3][0])
        whole = sorted(candles)[1:-1]
        assert len(whole) == 2
        for start in whole:
            prices = [Decimal(deal[1][0]) for deal in windows[start]]
            amounts = [Decimal(deal[2][0]) for deal in windows[start]]
            turnover = sum(p * a for p, a in zip(prices, amounts, strict=True))
            assert [Decimal(candles[start][field][0]) for field in range(3, 9)] == [
                prices[0], prices[-1], max(prices), min(prices), sum(amounts), turnover,
            ]  # fmt: skip


async def test_book_tickers_come_changed_or_not(client: Client, autojump_clock: Clock) -> None:
    await client.send(subscribe("spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"))
    frames = [frame for frame in await client.collect(2.0) if "code" not in frame]
    versions = [body(frame)[1][5][0] for frame in frames]
    assert 195 <= len(frames) <= 200
    assert len(set(versions)) < len(versions)


# Answers


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ((RETIRED,), "error.blocked.live"),
        (
            (DEALS.replace("100ms", "10ms"), RETIRED),
            "error.blocked.mixed_reconstructed",
        ),
        (
            (BOOK_TICKER.replace("100ms", "10ms"), DEALS.replace("100ms", "10ms")),
            "public.aggre.deals.ack.two_params_reconstructed",
        ),
    ],
)
async def test_answers_are_the_venues_own(
    client: Client, params: tuple[str, ...], name: str, autojump_clock: Clock
) -> None:
    await client.send(subscribe(*params))
    frame = await client.raw()
    expected = {"id": 0, "code": 0, "msg": message(name)}
    assert frame == json.dumps(expected, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    "param",
    [
        DEALS.replace("BTC", "NOPE"), DEALS.replace("BTCUSDT", "btcusdt"),
        DEALS.replace("100ms", "50ms"), LIMIT.replace("@5", "@7"), BATCH + "@5",
        KLINE.replace("Min1", "Min2"), MINI.replace("UTC+8", "UTC-9"),
        KLINE.replace("spot@", "futures@"), "nonsense", "", "@",
        "spot@public.aggre.deals.v3.api.pb", "spot@public.miniTickers.v3.api.pb",
        "spot@public.deals.v3.api.pb@BTCUSDT",
    ],
)  # fmt: skip
async def test_what_is_blocked(client: Client, param: str, autojump_clock: Clock) -> None:
    answer = await client.ask(subscribe(param, id=77))
    assert answer == {
        "id": 77,
        "code": 0,
        "msg": f"Not Subscribed successfully! [{param}].  Reason： Blocked! ",
    }


async def test_several_refusals_share_a_bracket(client: Client, autojump_clock: Clock) -> None:
    answer = await client.ask(subscribe("a", DEALS, "b", DEPTH))
    assert answer["msg"] == (
        f"Subscribed successful! [{DEALS},{DEPTH}]. "
        "Not Subscribed successfully! [a,b].  Reason： Blocked! "
    )


async def test_unsubscribed_is_silent(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("mexc", environment=virtual) as sim, connected(sim) as client:
        await client.ask(subscribe(DEALS, BOOK_TICKER))
        assert sim.connections[0].topics == (DEALS, BOOK_TICKER)
        assert sim.connections[0].requests[0] == json.dumps(subscribe(DEALS, BOOK_TICKER))
        answer = await client.ask(subscribe(DEALS, BOOK_TICKER, method="UNSUBSCRIPTION", id=5))
        assert answer == {"id": 5, "code": 0, "msg": f"{DEALS},{BOOK_TICKER}"}
        assert await client.collect(20.0) == []
        again = await client.ask(subscribe(DEALS, method="UNSUBSCRIPTION"))
        assert "no subscription" in again["msg"]


async def test_pings_and_what_is_no_request(client: Client, autojump_clock: Clock) -> None:
    for nonsense in ("nonsense", "[]", '{"method":"SUBSCRIPTION"}', '{"method":"X","params":[]}'):
        await client.send(nonsense)
    assert await client.ask({"method": "PING"}) == {"id": 0, "code": 0, "msg": "PONG"}
    assert await client.ask({"method": "PING", "id": 3}) == {"id": 3, "code": 0, "msg": "PONG"}


# Limits


async def test_of_32_subscriptions_30_push(virtual: Environment, autojump_clock: Clock) -> None:
    symbols = [f"COIN{number}USDT" for number in range(32)]
    params = [f"spot@public.aggre.bookTicker.v3.api.pb@100ms@{symbol}" for symbol in symbols]
    async with (
        open_simulator("mexc", environment=virtual, symbols=symbols) as sim,
        connected(sim) as client,
    ):
        assert (await client.ask(subscribe(*params)))["msg"] == ",".join(params)
        heard = {frame[3][0] for frame in await client.collect(1.0)}
        assert heard == set(symbols[:30])
        gone = await client.ask(subscribe(params[31], method="UNSUBSCRIPTION"))
        assert gone["msg"] == params[31]


async def test_a_hundred_requests_a_second_are_too_many(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("mexc", environment=virtual) as sim, connected(sim) as client:
        for _ in range(100):
            await client.ask({"method": "PING"})
        await trio.sleep(1.5)
        for _ in range(100):
            await client.ask({"method": "PING"})
        await client.send({"method": "PING"})
        with pytest.raises(ConnectionClosed):
            await client.collect(1.0)
        assert sim.statistics().requests == 201


async def test_there_is_no_upgrade_notice(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("mexc", environment=virtual) as sim:
        with pytest.raises(ConfigError, match="mexc"):
            sim.announce_upgrade()


# REST


async def test_rest(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("mexc", environment=virtual) as sim:
        info = json.loads(await sim.fetch(f"{sim.rest_url}/api/v3/exchangeInfo"))
        documented = json.loads((SAMPLES / "rest.exchangeInfo.symbol.json").read_text())
        assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
        assert set(info["symbols"][0]) <= set(documented)
        one = json.loads(await sim.fetch(f"{sim.rest_url}/api/v3/exchangeInfo?symbol=ETHUSDT"))
        assert [row["baseAsset"] for row in one["symbols"]] == ["ETH"]
        assert await sim.fetch(f"{sim.rest_url}/api/v3/ping") == b"{}"
        time = json.loads(await sim.fetch(f"{sim.rest_url}/api/v3/time"))
        assert time == {"serverTime": virtual.time_ns() // 1_000_000}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v3/depth?symbol=NOPEUSDT", 400, "10007"),
        ("/api/v3/depth?symbol=BTCUSDT&limit=9999", 400, "33333"),
        ("/api/v3/exchangeInfo?symbols=BTCUSDT,NOPEUSDT", 400, "10007"),
        ("/api/v3/nothing", 404, "404"),
    ],
)
async def test_rest_errors(
    virtual: Environment, path: str, status: int, code: str, autojump_clock: Clock
) -> None:
    async with open_simulator("mexc", environment=virtual) as sim:
        with pytest.raises(HttpError, match=code) as caught:
            await sim.fetch(sim.rest_url + path)
        assert caught.value.status == status
