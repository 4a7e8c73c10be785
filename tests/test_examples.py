"""The examples run, and deliver every value of the recording."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CAPTURE = ROOT / "tests" / "data" / "captures" / "gateio_spot_20210422" / "ws.txt"


LATENCY = re.compile(
    r"wire to handler: p50 [\d.]+ (ns|µs|ms), p99 [\d.]+ (ns|µs|ms) \([1-9]\d* measured\)"
)


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_one_binding_on_the_simulator() -> None:
    done = run("websocket_demo.py", "--seconds", "1.5")
    assert done.returncode == 0, done.stderr
    *trades, last = done.stdout.splitlines()
    assert all(line.startswith("BTCUSDT: ") for line in trades)
    assert trades
    assert LATENCY.fullmatch(last), last


def test_one_binding_on_the_recording() -> None:
    done = run("websocket_demo.py", "--recording", str(CAPTURE))
    assert done.returncode == 0, done.stderr
    *trades, last = done.stdout.splitlines()
    assert len(trades) == 9
    assert LATENCY.fullmatch(last), last


@pytest.mark.slow
def test_the_tour_on_the_simulators() -> None:
    done = run("websocket_public_demo.py")
    assert done.returncode == 0, done.stderr
    for exchange in ("mexc", "gateio"):
        assert f"{exchange}: ETHUSDT at" in done.stdout
        assert f"{exchange}: sell" in done.stdout or f"{exchange}: buy" in done.stdout
        assert "order book updates, " in done.stdout
    assert LATENCY.fullmatch(done.stdout.splitlines()[-1]), done.stdout


def test_the_tour_on_the_recording() -> None:
    done = run("websocket_public_demo.py", "--recording", str(CAPTURE))
    assert done.returncode == 0, done.stderr
    *counts, last = done.stdout.splitlines()
    assert counts == [
        "172 order book updates, 22 tickers, 14 klines, 9 trades",
        "22 acknowledgements",
    ]
    assert LATENCY.fullmatch(last), last


# Every delivered value against the recording, read by nothing but json


def levels(given: list[list[str]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(price), float(quantity)) for price, quantity in given)


def order_book(result: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbol": result["s"].replace("_", ""),
        "exchange_time": result["t"] * 1_000_000,
        "bids": levels(result["b"]),
        "asks": levels(result["a"]),
        "first_version": result["U"],
        "last_version": result["u"],
    }


def ticker(result: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbol": result["currency_pair"].replace("_", ""),
        "exchange_time": said["time"] * 1_000_000_000,
        "last": float(result["last"]),
        "high": float(result["high_24h"]),
        "low": float(result["low_24h"]),
        "base_volume": float(result["base_volume"]),
        "quote_volume": float(result["quote_volume"]),
        "change_percent": float(result["change_percentage"]),
        "bid_price": float(result["highest_bid"]),
        "ask_price": float(result["lowest_ask"]),
    }


def kline(result: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    interval, pair = result["n"].split("_", 1)
    assert interval == "1m"
    return {
        "symbol": pair.replace("_", ""),
        "exchange_time": said["time"] * 1_000_000_000,
        "interval": interval,
        "open_time": int(result["t"]) * 1_000_000_000,
        "close_time": (int(result["t"]) + 60) * 1_000_000_000,
        "open": float(result["o"]),
        "high": float(result["h"]),
        "low": float(result["l"]),
        "close": float(result["c"]),
        "quote_volume": float(result["v"]),
        "base_volume": None,
        "closed": None,
    }


def trade(result: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    milliseconds, _, fraction = result["create_time_ms"].partition(".")
    return {
        "symbol": result["currency_pair"].replace("_", ""),
        "exchange_time": int(milliseconds) * 1_000_000 + int(f"{fraction:0<6}"[:6]),
        "price": float(result["price"]),
        "quantity": float(result["amount"]),
        "side": result["side"],
        "trade_id": str(result["id"]),
        "sequence": None,
    }


READERS = {
    "spot.order_book_update": ("orderbook", order_book),
    "spot.tickers": ("ticker", ticker),
    "spot.candlesticks": ("kline", kline),
    "spot.trades": ("trades", trade),
}


def recorded() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind, _ in READERS.values()}
    for line in CAPTURE.read_text().splitlines():
        time, _, frame = line.partition(": ")
        if " " in time or not frame:
            continue
        said = json.loads(frame)
        if said["event"] == "update":
            kind, read = READERS[said["channel"]]
            found[kind].append(read(said["result"], said))
    return found


async def test_every_delivered_value_is_the_one_recorded() -> None:
    delivered = await load("websocket_public_demo").replay(str(CAPTURE))
    expected = recorded()
    assert {kind: len(messages) for kind, messages in expected.items()} == {
        "orderbook": 172,
        "ticker": 22,
        "kline": 14,
        "trades": 9,
    }
    for kind, facts in expected.items():
        assert len(delivered[kind]) == len(facts)
        for message, fact in zip(delivered[kind], facts, strict=True):
            assert (message.exchange, message.market) == ("gateio", "spot")
            assert {name: getattr(message, name) for name in fact} == fact
