"""The instrument list that is fetched for a symbol nobody knows yet, and what may come instead."""

from __future__ import annotations

import json

import pytest
import trio
from scenario import QUIET, ignore, running
from trio.testing import MockClock as Clock

from trioex import Environment, SubscriptionRefused, UnknownSymbol

NEW = "spot.trades.NEWC0INUSDT"
SYMBOLS = ("BTCUSDT", "NEWC0INUSDT")


class Lists:
    """A `fetch` that answers with Gate.io's list of these pairs and counts how often."""

    def __init__(self, *pairs: str) -> None:
        self.pairs = pairs
        self.count = 0

    async def __call__(self, url: str) -> bytes:
        await trio.lowlevel.checkpoint()
        self.count += 1
        return json.dumps([{"id": pair} for pair in self.pairs]).encode()


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route to host"),
        ValueError("bad"),
        trio.TooSlowError(),
        ExceptionGroup("many", [OSError("one")]),
    ],
)
async def test_whatever_a_fetch_raises_symbols_are_guessed(
    error: Exception,
    virtual: Environment,
    autojump_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fetch(url: str) -> bytes:
        raise error

    async with running("gateio", virtual, symbols=SYMBOLS, pace=QUIET, fetch=fetch) as (_, ws, _):
        with trio.fail_after(5):
            await ws.bind(NEW, ignore)
    (record,) = [each for each in caplog.records if each.name == "trioex.registry"]
    assert (str(error) or type(error).__name__) in record.getMessage()


@pytest.mark.parametrize(
    ("exchange", "body"),
    [
        ("gateio", b"[]"),
        ("gateio", '[{"id": "É_USDT"}]'.encode()),
        ("mexc", b'{"symbols": []}'),
        ("mexc", b'{"symbols": [{"symbol": "lower"}]}'),
        ("mexc", None),
    ],
)
async def test_a_list_of_nothing_is_none(
    exchange: str,
    body: bytes | None,
    virtual: Environment,
    autojump_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fetch(url: str) -> bytes | None:
        return body

    async with running(exchange, virtual, symbols=SYMBOLS, pace=QUIET, fetch=fetch) as (_, ws, _):
        before = len(ws.venue.instruments)
        with trio.fail_after(5):
            await ws.bind(NEW, ignore)
        assert len(ws.venue.instruments) == before + 1
    assert "symbols are guessed" in caplog.text


async def test_a_short_list_takes_nothing_away(virtual: Environment, autojump_clock: Clock) -> None:
    lists = Lists("NEWC0IN_USDT", "BTCU_SDT")
    async with running("gateio", virtual, symbols=SYMBOLS, pace=QUIET, fetch=lists) as (_, ws, _):
        known = dict(ws.venue.instruments)
        with trio.fail_after(5):
            await ws.bind(NEW, ignore)
        assert set(ws.venue.instruments) == {*known, "NEWC0INUSDT"}
        assert ws.venue.instruments.native("BTCUSDT") == "BTCU_SDT", "the newer list is right"
        assert ws.venue.instruments.symbol("BTC_USDT") is None


@pytest.mark.parametrize("fails", [False, True])
async def test_one_list_serves_everybody_for_a_minute(
    fails: bool, virtual: Environment, autojump_clock: Clock
) -> None:
    """Those asked for meanwhile are judged by it: unknown, or guessed where there is no list."""
    lists = Lists() if fails else Lists("ETH_USDT")
    async with running("gateio", virtual, pace=QUIET, fetch=lists) as (_, ws, _):
        for number in range(20):
            binding = ws.bind(f"spot.trades.N0{number}USDT", ignore, on_error="log")
            with trio.fail_after(1), pytest.raises(refusal(fails)):
                await binding
            await trio.sleep(1)
        assert lists.count == 1
        await trio.sleep(60)
        lists.pairs = ("NEWC0IN_USDT",)
        with pytest.raises(refusal(True)):  # by the exchange: it was found this time
            await ws.bind(NEW, ignore)
        assert lists.count == 2


def refusal(is_guessed: bool) -> type[Exception]:
    return SubscriptionRefused if is_guessed else UnknownSymbol
