"""Gate.io's front end against the venue's own messages."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from simulator.plain_client import DATA, Client, connected
from trio.abc import Clock

from trioex.config import Environment
from trioex.errors import HttpError
from trioex.simulator import open_simulator

SAMPLES = DATA / "simulator" / "gate_spot"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


def subscribe(channel: str, *payload: str, event: str = "subscribe", **more: Any) -> dict[str, Any]:
    return {"time": 1, "channel": channel, "event": event, "payload": list(payload), **more}


def shape(value: Any) -> Any:
    """Keys in order and the types of values; of a list only its first item."""
    if isinstance(value, dict):
        return [(key, shape(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.fixture
async def client(virtual: Environment) -> Any:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        yield client


PUSHES = {
    "spot.tickers.push.live_us": ("spot.tickers", "BTC_USDT"),
    "spot.candlesticks.push": ("spot.candlesticks", "1m", "BTC_USDT"),
    "spot.book_ticker.push": ("spot.book_ticker", "BTC_USDT"),
    "spot.order_book.push": ("spot.order_book", "BTC_USDT", "5", "100ms"),
}


@pytest.mark.parametrize("name", PUSHES)
async def test_a_push_has_the_shape_of_the_venues_own(
    client: Client, name: str, autojump_clock: Clock
) -> None:
    assert (await client.ask(subscribe(*PUSHES[name])))["result"] == {"status": "success"}
    assert shape(await client.read()) == shape(sample(name))


async def test_a_trade_has_the_keys_of_the_venues_own(
    client: Client, autojump_clock: Clock
) -> None:
    await client.ask(subscribe("spot.trades", "BTC_USDT"))
    trade, documented = await client.read(), sample("spot.trades.push.2026")
    # The documents of 2026 leave out time_ms, and put id_market last.
    assert {**trade, "time_ms": 0, "result": set(trade["result"])} == {
        **trade, "time_ms": 0, "result": set(documented["result"]),
    }  # fmt: skip
    assert shape(trade["result"]) != shape(documented["result"])
    assert sorted(shape(trade["result"])) == sorted(shape(documented["result"]))
    whole, _, fraction = trade["result"]["create_time_ms"].partition(".")
    assert int(whole) // 1000 == trade["result"]["create_time"]
    assert len(fraction) == 4


async def test_an_update_has_the_keys_of_the_venues_own(
    client: Client, autojump_clock: Clock
) -> None:
    await client.ask(subscribe("spot.order_book_update", "BTC_USDT", "100ms"))
    documented = sample("spot.order_book_update.push")
    update = await client.read()
    del documented["result"]["full"]  # whole books are documented but were never seen
    assert [*update, *update["result"]] == [*documented, *documented["result"]]
    assert update["result"]["l"] == "100"


async def test_obu_sends_the_whole_book_before_it_confirms(
    client: Client, autojump_clock: Clock
) -> None:
    await client.send(subscribe("spot.obu", "ob.BTC_USDT.400"))
    full, ack = await client.read(), await client.read()
    assert shape(full) == shape(sample("spot.obu.push_full.ccxt"))
    assert shape(ack) == shape(sample("spot.obu.subscribe_ack.live_20250801"))
    delta = await client.read()
    documented = sample("spot.obu.push_delta.live_20250801")
    assert list(delta) == list(documented)
    assert set(delta["result"]) <= set(documented["result"])
    assert delta["result"]["U"] == full["result"]["u"] + 1


@pytest.mark.parametrize("name", ["ob.BTC_USDT.50", "ob.BTC_USDT.400"])
async def test_obu_replays_to_the_book(
    virtual: Environment, name: str, autojump_clock: Clock
) -> None:
    async with (
        open_simulator("gateio", environment=virtual, pace=5) as sim,
        connected(sim) as client,
    ):
        await client.send(subscribe("spot.obu", name))
        frames = await client.collect(10.0)
        sim.market.pace = 1e-5  # until the stream has caught up with the market
        frames += await client.collect(1.0)
        count = 50 if name.endswith("50") else 400
        book = sim.market["BTCUSDT"]
        held, last = replay(frames[0]["result"], [frame["result"] for frame in frames[2:]])
        assert last == book.version
        assert held == expected(book, count)


async def test_updates_on_a_snapshot_are_the_book(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with (
        open_simulator("gateio", environment=virtual, pace=5) as sim,
        connected(sim) as client,
    ):
        await client.ask(subscribe("spot.order_book_update", "ETH_USDT", "100ms"))
        buffered = await client.collect(1.05)
        url = "/spot/order_book?currency_pair=ETH_USDT&limit=100&with_id=true"
        snapshot = json.loads(await sim.fetch(sim.rest_url + url))
        assert shape(snapshot) == shape(sample("rest.order_book.response"))
        frames = buffered + await client.collect(10.0)
        sim.market.pace = 1e-5  # until the stream has caught up with the market
        updates = [each["result"] for each in frames + await client.collect(1.0)]
        first = {"u": snapshot["id"], "b": snapshot["bids"], "a": snapshot["asks"]}
        later = [each for each in updates if each["u"] > snapshot["id"]]
        assert later[0]["U"] <= snapshot["id"] + 1 <= later[0]["u"]
        assert all(b["U"] == a["u"] + 1 for a, b in pairwise(updates))
        held, last = replay(first, [{**later[0], "U": snapshot["id"] + 1}, *later[1:]])
        assert last == sim.market["ETHUSDT"].version
        assert held == expected(sim.market["ETHUSDT"], 100)


def replay(
    full: dict[str, Any], deltas: list[dict[str, Any]]
) -> tuple[dict[str, dict[str, str]], int]:
    held = {side: dict(full[side]) for side in "ba"}
    last = full["u"]
    for delta in deltas:
        assert delta["U"] == last + 1
        last = delta["u"]
        for side in "ba":
            for price, amount in delta.get(side, ()):
                if amount == "0":
                    held[side].pop(price, None)
                else:
                    held[side][price] = amount
    return held, last


def expected(book: Any, count: int) -> dict[str, dict[str, str]]:
    listing = book.listing
    return {
        side: {listing.price(p): listing.quantity(q) for p, q in ladder.levels(count)}
        for side, ladder in (("b", book.engine.bids), ("a", book.engine.asks))
    }


async def test_every_channel_tells_the_same_story(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        for payload in (
            ("spot.trades", "BTC_USDT"),
            ("spot.candlesticks", "10s", "BTC_USDT"),
            ("spot.tickers", "BTC_USDT"),
        ):
            await client.send(subscribe(*payload))
        windows: dict[int, list[dict[str, Any]]] = {}
        closed: list[dict[str, Any]] = []
        last = None
        for frame in await client.collect(45.0):
            result = frame["result"]
            if frame["event"] != "update":
                continue
            if frame["channel"] == "spot.trades":
                windows.setdefault(result["create_time"] // 10 * 10, []).append(result)
                last = result
            elif frame["channel"] == "spot.candlesticks" and result["w"]:
                closed.append(result)
            elif frame["channel"] == "spot.tickers" and last is not None:
                assert result["last"] == last["price"]
                assert Decimal(result["highest_bid"]) < Decimal(result["lowest_ask"])
                assert Decimal(result["low_24h"]) <= Decimal(result["last"])
        assert len(closed) == 5
        for candle in closed[1:]:  # the first window ended before the subscription
            trades = windows[int(candle["t"])]
            prices = [Decimal(trade["price"]) for trade in trades]
            amounts = [Decimal(trade["amount"]) for trade in trades]
            assert [Decimal(candle[key]) for key in "ohlcav"] == [
                prices[0], max(prices), min(prices), prices[-1], sum(amounts),
                sum(p * a for p, a in zip(prices, amounts, strict=True)),
            ]  # fmt: skip


async def test_book_tickers_and_tops_come_on_change(client: Client, autojump_clock: Clock) -> None:
    await client.send(subscribe("spot.book_ticker", "BTC_USDT"))
    await client.send(subscribe("spot.order_book", "BTC_USDT", "5", "1000ms"))
    frames = [frame for frame in await client.collect(20.0) if frame["event"] == "update"]
    tops = [f["result"] for f in frames if f["channel"] == "spot.book_ticker"]
    books = [f for f in frames if f["channel"] == "spot.order_book"]
    quotes = [[top[key] for key in "bBaA"] for top in tops]
    assert all(one != other for one, other in pairwise(quotes))
    assert [top["u"] for top in tops] == sorted({top["u"] for top in tops})
    assert 18 <= len(books) <= 21
    assert all(b["time_ms"] - a["time_ms"] >= 998 for a, b in pairwise(books[1:]))
    assert {len(book["result"]["bids"]) for book in books} == {5}


# Answers


async def test_acks_are_the_venues_own(client: Client, autojump_clock: Clock) -> None:
    ack = await client.ask(subscribe("spot.order_book", "BTC_USDT", "20", "100ms"))
    assert shape(ack) == shape(sample("spot.order_book.subscribe_ack.live_us"))
    assert ack["trace_id"] == ack["requestId"]
    assert (ack["payload"], ack["event"]) == (["BTC_USDT", "20", "100ms"], "subscribe")
    again = await client.ask(subscribe("spot.order_book", "BTC_USDT", "20", "100ms", id=7))
    assert again["result"] == {"status": "success"}
    assert (again["id"], again["conn_id"]) == (7, ack["conn_id"])
    assert list(again)[:3] == ["time", "time_ms", "id"]


async def test_refusals_are_the_venues_own(client: Client, autojump_clock: Clock) -> None:
    refusal = await client.ask(subscribe("spot.order_book_update", "NOPE_USD", "100ms"))
    measured = sample("spot.order_book_update.subscribe_error.live_us_unknown_pair")
    assert shape(refusal) == shape(measured)
    assert refusal["error"] == measured["error"]
    assert refusal["result"] == measured["result"]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (subscribe("spot.trades", "btc_usdt"), 2, "unknown currency pair: btc_usdt"),
        (subscribe("spot.trades", "BTCUSDT"), 2, "unknown currency pair: BTCUSDT"),
        (subscribe("spot.trades", "BTCU_SDT"), 2, "unknown currency pair: BTCU_SDT"),
        (
            subscribe("spot.order_book", "BTC_USDT", "30", "100ms"),
            2,
            "provided level not supported: 30",
        ),
        (
            subscribe("spot.order_book", "BTC_USDT", "20", "20ms"),
            2,
            "incorrect update interval specified: 20ms",
        ),
        (
            subscribe("spot.order_book_update", "BTC_USDT", "1000ms"),
            2,
            "incorrect update interval specified: 1000ms",
        ),
        (subscribe("spot.nothing", "BTC_USDT"), 2, "Unknown channel spot.nothing"),
        ({"channel": "spot.trades"}, 1, "request message need json scheme"),
        ({"channel": "spot.trades", "event": "subscribe", "payload": [1]}, 1,
         "request message need json scheme"),
        (subscribe("spot.trades"), 2, "invalid argument: empty payload"),
        (subscribe("spot.order_book", "BTC_USDT"), 2, "invalid argument: 3 expected"),
        (subscribe("spot.candlesticks", "7m", "BTC_USDT"), 2, "incorrect interval specified: 7m"),
    ],
)  # fmt: skip
async def test_refusals(
    client: Client, request_: Any, code: int, message: str, autojump_clock: Clock
) -> None:
    answer = await client.ask(request_)
    assert answer["error"] == {"code": code, "message": message}
    assert answer["result"] == {"status": "fail"}


async def test_a_payload_is_atomic(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        answer = await client.ask(subscribe("spot.trades", "BTC_USDT", "LUNARLENS_USDT", id=1))
        documented = sample("spot.trades.subscribe_error.ccxt")
        assert shape(answer) == shape(documented)
        assert answer["error"] == documented["error"]
        assert sim.connections[0].topics == ()


async def test_obu_minds_being_subscribed_twice(client: Client, autojump_clock: Clock) -> None:
    await client.ask(subscribe("spot.obu", "ob.BTC_USDT.400"))
    answer = await client.ask(subscribe("spot.obu", "ob.BTC_USDT.400"))
    assert answer["error"] == sample("spot.obu.subscribe_error")["error"]
    await client.ask(subscribe("spot.obu", "ob.BTC_USDT.400", event="unsubscribe"))
    assert "error" not in await client.ask(subscribe("spot.obu", "ob.BTC_USDT.400"))


@pytest.mark.parametrize(
    "name", ["ob.NOPE_USDT.400", "ob.BTC_USDT.30", "nonsense", "x.BTC_USDT.50"]
)
async def test_an_obu_stream_that_is_not_is_confirmed_and_silent(
    client: Client, name: str, autojump_clock: Clock
) -> None:
    assert (await client.ask(subscribe("spot.obu", name)))["result"] == {"status": "success"}
    assert await client.collect(10.0) == []


async def test_unsubscribed_is_silent(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await client.ask(subscribe("spot.trades", "BTC_USDT", "ETH_USDT"))
        assert sim.connections[0].topics == ("spot.trades BTC_USDT", "spot.trades ETH_USDT")
        answer = await client.ask(subscribe("spot.trades", "BTC_USDT", event="unsubscribe"))
        assert (answer["event"], answer["result"]) == ("unsubscribe", {"status": "success"})
        frames = await client.collect(10.0)
        assert {frame["result"]["currency_pair"] for frame in frames} == {"ETH_USDT"}


async def test_pings_and_what_is_no_request(client: Client, autojump_clock: Clock) -> None:
    for nonsense in ("nonsense", "[]", '"x"', "[" * 100_000):
        await client.send(nonsense)
    pong = await client.ask({"time": 1, "channel": "spot.ping"})
    assert shape(pong) == shape(sample("spot.ping.pong.live_us"))
    assert (pong["channel"], pong["event"], pong["result"]) == ("spot.pong", "", None)


async def test_upgrades_are_announced(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        sim.announce_upgrade()
        notice, documented = await client.read(), sample("spot.system.push_upgrade")
        assert {**notice, "time": 0, "time_ms": 0} == {**documented, "time": 0, "time_ms": 0}


# REST and refusing


async def test_rest(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        pairs = json.loads(await sim.fetch(f"{sim.rest_url}/spot/currency_pairs"))
        documented = sample("rest.currency_pairs.response")[0]
        assert [pair["id"] for pair in pairs] == ["BTC_USDT", "ETH_USDT"]
        assert set(pairs[0]) <= set(documented)
        book = json.loads(await sim.fetch(f"{sim.rest_url}/spot/order_book?currency_pair=BTC_USDT"))
        assert "id" not in book
        assert len(book["bids"]) == 10
        assert b"server_time" in await sim.fetch(f"{sim.rest_url}/spot/time")


@pytest.mark.parametrize(
    ("path", "status", "label"),
    [
        ("/spot/order_book?currency_pair=NOPE_USDT", 400, "INVALID_CURRENCY_PAIR"),
        ("/spot/order_book?currency_pair=BTC_USDT&limit=x", 400, "INVALID_PARAM_VALUE"),
        ("/spot/order_book?currency_pair=BTC_USDT&limit=5000", 400, "INVALID_PARAM_VALUE"),
        ("/spot/nothing", 404, "404"),
    ],
)
async def test_rest_errors(
    virtual: Environment, path: str, status: int, label: str, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", environment=virtual) as sim:
        with pytest.raises(HttpError, match=label) as caught:
            await sim.fetch(sim.rest_url + path)
        assert caught.value.status == status


async def test_a_refused_symbol_is_unknown(virtual: Environment, autojump_clock: Clock) -> None:
    async with open_simulator("gateio", environment=virtual) as sim, connected(sim) as client:
        await client.ask(subscribe("spot.trades", "BTC_USDT"))
        sim.refuse("BTCUSDT")
        await client.collect(0.0)
        assert await client.collect(10.0) == []
        answer = await client.ask(subscribe("spot.tickers", "BTC_USDT"))
        assert answer["error"]["message"] == "unknown currency pair: BTC_USDT"
        pairs = json.loads(await sim.fetch(f"{sim.rest_url}/spot/currency_pairs"))
        assert [pair["id"] for pair in pairs] == ["ETH_USDT"]
        with pytest.raises(HttpError):
            await sim.fetch(f"{sim.rest_url}/spot/order_book?currency_pair=BTC_USDT")
