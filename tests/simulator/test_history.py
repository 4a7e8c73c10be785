"""The simulator's true book of every version, its REST limits and its failing snapshots."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
import trio

from trioex.config import Environment
from trioex.errors import ConfigError, HttpError
from trioex.simulator import Fault, history, open_simulator
from trioex.simulator.quota import Quota, QuotaRules

DEPTH = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
S = 10**9


def levels(rows: list[list[str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(quantity) for price, quantity in rows}


async def test_every_version_is_remembered(
    virtual: Environment, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_CHECKPOINT", 100)
    async with open_simulator("mexc", environment=virtual, remember_books=True) as simulator:
        seen: list[dict[str, Any]] = []
        for _ in range(30):
            body = await simulator.fetch(simulator.rest_url + DEPTH)
            seen.append(json.loads(body))
            await trio.sleep(1.03)
        random.Random(1).shuffle(seen)
        for each in seen:
            book = simulator.true_book("BTCUSDT", each["lastUpdateId"])
            assert book.version == each["lastUpdateId"]
            assert list(book.bids.items()) == list(levels(each["bids"]).items())
            assert list(book.asks.items()) == list(levels(each["asks"]).items())
        newest = simulator.true_book("BTCUSDT", levels=3)
        assert newest.version == simulator.market["BTCUSDT"].version
        assert len(newest.bids) == len(newest.asks) == 3
        with pytest.raises(LookupError, match="no book of version 7; known are"):
            simulator.true_book("BTCUSDT", 7)


async def test_who_wants_the_past_says_so(virtual: Environment, autojump_clock: object) -> None:
    async with open_simulator("mexc", environment=virtual) as simulator:
        with pytest.raises(ConfigError, match="remember_books=True"):
            simulator.true_book("BTCUSDT")


def test_a_quota_refuses_and_then_bans() -> None:
    quota = Quota(QuotaRules(weight=5, banned=418, weights={"/heavy": 3}, patience=2))
    assert [quota.refuse("/a", 0) for _ in range(6)] == [None] * 5 + [(429, 10)]
    assert quota.refuse("/heavy", 0) is None
    assert quota.refuse("/heavy", 1) == (429, 10)
    assert quota.refuse("/a", 10 * S) is None
    assert quota.refuse("/heavy", 3 * S) == (418, 120)
    assert (quota.rejected, quota.bans) == (3, 1)
    assert quota.refuse("/a", 100 * S) == (418, 23)
    assert quota.refuse("/a", 123 * S) is None


@pytest.mark.parametrize(
    ("exchange", "allowed", "banned"), [("mexc", 500, 418), ("gateio", 200, 403)]
)
async def test_the_venues_limits(
    exchange: str, allowed: int, banned: int, virtual: Environment, autojump_clock: object
) -> None:
    path = DEPTH if exchange == "mexc" else "/spot/order_book?currency_pair=BTC_USDT"
    async with open_simulator(exchange, environment=virtual) as simulator:
        said: list[int | None] = []
        for _ in range(allowed + 22):
            try:
                await simulator.fetch(simulator.rest_url + path)
            except HttpError as error:
                said.append(error.status)
        assert said == [429] * 20 + [banned] * 2
        assert simulator.statistics().gets_rejected == 22
        assert simulator.statistics().bans == 1


async def test_snapshots_fail_for_whom_they_should(
    virtual: Environment, autojump_clock: object
) -> None:
    async with open_simulator("mexc", environment=virtual) as simulator:
        simulator.apply(Fault("failing_snapshot", symbol="ETHUSDT", duration=5))
        simulator.apply(Fault("late_snapshot", symbol="BTCUSDT", duration=5, delay=2))
        asked = simulator.market["BTCUSDT"].version
        begin = trio.current_time()
        body = json.loads(await simulator.fetch(simulator.rest_url + DEPTH))
        assert trio.current_time() == pytest.approx(begin + 2)
        assert body["lastUpdateId"] == asked  # late, not of later
        with pytest.raises(HttpError) as caught:
            await simulator.fetch(simulator.rest_url + DEPTH.replace("BTC", "ETH"))
        assert caught.value.status == 500
        await trio.sleep(5)
        await simulator.fetch(simulator.rest_url + DEPTH.replace("BTC", "ETH"))
