"""`trioex demo`: what it shows, and when it is content."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec
import pytest
import trio
from rich.console import Console
from trio.testing import MockClock

from trioex import Environment, ExchangeEnum, Side, Trade
from trioex.cli.board import Board
from trioex.cli.demo import Demo
from trioex.cli.hot import HotLine
from trioex.cli.screen import LiveScreen, PlainScreen
from trioex.events import Reconnected

GATEIO, MEXC = ExchangeEnum.GATEIO, ExchangeEnum.MEXC
KINDS = {
    "spot.orderbook",
    "spot.orderbook_snapshot",
    "spot.book_ticker",
    "spot.trades",
    "spot.ticker",
    "spot.kline",
}


class NoScreen:
    """A screen that remembers what it was told."""

    interval = 1.0

    def __init__(self) -> None:
        self.events: list[str] = []
        self.elapsed: list[float] = []
        self.facts: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def event(self, line: str) -> None:
        self.events.append(line)

    def show(self, board: Board, elapsed: float) -> None:
        self.elapsed.append(elapsed)

    def summary(self, board: Board, facts: Sequence[str]) -> None:
        self.facts = list(facts)


def trade(latency_ns: int = 1_000_000) -> Trade:
    return Trade(GATEIO, "spot", "BTCUSDT", 10**18, 10**18 + latency_ns, 5.0, 0.1, Side.BUY)


# The run, on a virtual clock


def make(screen: NoScreen, environment: Environment, seconds: float = 8.0, **rest: float) -> Demo:
    return Demo(screen, seconds=seconds, transport="memory", environment=environment, **rest)


async def test_every_kind_of_both_venues_speaks(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    screen = NoScreen()
    demo = make(screen, virtual)
    assert await demo.run() == 0
    rows = {(row.exchange, row.channel): row.messages for row in demo.board.rows}
    assert {channel for exchange, channel in rows if exchange is GATEIO} == KINDS | {
        "spot.trades, hot line"
    }
    assert {channel for exchange, channel in rows if exchange is MEXC} == KINDS | {
        "spot.book_ticker batch",
        "spot.ticker all symbols",
    }
    assert all(rows.values()), rows
    assert set(demo.board.reconnects) == {GATEIO, MEXC}
    assert [each.undecodable for each in demo.statistics.values()] == [0, 0]


async def test_the_forced_disconnect_and_the_return_are_events(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    screen = NoScreen()
    await make(screen, virtual).run()
    for exchange in (GATEIO, MEXC):
        told = [line for line in screen.events if f"{exchange} connection 0" in line]
        assert len(told) == 2
        assert "lost, trying again at once" in told[0]
        assert "reconnected" in told[1]
        assert any(f"{exchange}: reconnected" in fact for fact in screen.facts)
        assert any(f"{exchange}: " in f and " 0 undecodable" in f for f in screen.facts)


async def test_it_goes_on_beyond_its_time_until_every_channel_has_spoken(
    autojump_clock: MockClock,
    virtual: Environment,
) -> None:
    screen = NoScreen()
    demo = make(screen, virtual, seconds=0.5)
    assert await demo.run() == 0
    assert screen.elapsed[-1] > 1.5
    assert all(row.messages for row in demo.board.rows)


async def test_a_silent_channel_is_named_and_fails(
    autojump_clock: MockClock, virtual: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = make(NoScreen(), virtual, seconds=0.5, patience=0.5)
    assert await demo.run() == 1
    assert "trioex: nothing came on mexc spot.ticker, within 1 s" in capsys.readouterr().err


async def test_the_same_seed_is_the_same_demo(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    runs = []
    for seed in (5, 5, 6):
        demo = make(NoScreen(), virtual, seconds=4, seed=seed)
        await demo.run()
        last = {str(row): row.last for row in demo.board.rows}
        runs.append(last["gateio spot.ticker"].high)  # type: ignore[union-attr]
    assert runs[0] == runs[1] != runs[2]


async def test_ctrl_c_ends_it_with_a_summary(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    screen = NoScreen()
    demo = make(screen, virtual, seconds=1000)
    codes = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            codes.append(await demo.run())

        nursery.start_soon(run)
        await trio.sleep(2.5)
        signal.raise_signal(signal.SIGINT)
    assert codes == [130]
    assert any("frames" in fact for fact in screen.facts)
    assert screen.events == []  # it had not come to the middle, and ends in peace


@pytest.mark.slow
def test_on_real_sockets_and_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trioex", "demo", "--seconds", "2", "--seed", "3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert len(re.findall(r"reconnected .* ms after the forced disconnect", done.stdout)) == 2
    counted = re.findall(
        r"^(mexc|gateio) +(spot\.\S+(?: batch| all symbols| hot line)?) .* (\d+) +[\d.]+ +"
        r"-?[\d.]+ +-?[\d.]+$",
        done.stdout,
        re.MULTILINE,
    )
    assert len(counted) == 15
    assert "1 of 2 connections lost" in done.stdout
    assert "0 lost, 0 delivered twice" in done.stdout
    assert all(int(count) for _, _, count in counted)


# The board


def test_a_row_counts_and_measures() -> None:
    board = Board()
    row = board.add(GATEIO, "spot.trades")
    for milliseconds in range(1, 101):
        row(trade(milliseconds * 1_000_000))
    board.tick(4.0)
    assert (row.messages, row.rate) == (100, 25.0)
    assert (row.latency(0.5), row.latency(0.99)) == (51.0, 100.0)
    board.tick(5.0)
    assert row.rate == 0.0
    board.finish(5.0)
    assert row.rate == 20.0
    assert board.messages == 100


def test_a_silent_row_has_no_latency() -> None:
    assert Board().add(GATEIO, "spot.trades").latency(0.5) is None


def test_what_is_missing_is_named() -> None:
    board = Board()
    board.add(GATEIO, "spot.kline")
    assert board.missing([GATEIO]) == [
        "nothing came on gateio spot.kline",
        "gateio did not reconnect",
    ]
    board.rows[0](trade())
    board.on_event(Reconnected(GATEIO, "spot", 0, 0, 5, 1))
    assert board.missing([GATEIO]) == []
    assert board.reconnects == {GATEIO: 5}


# The screens


@pytest.fixture
def board() -> Board:
    board = Board()
    board.add(GATEIO, "spot.trades")(trade())
    board.add(MEXC, "spot.kline")
    return board


def test_the_plain_screen_writes_lines(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainScreen() as screen:
        screen.event("something happened")
        screen.show(board, 1.0)
        screen.summary(board, ["a fact"])
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == [
        "something happened",
        "  1.0 s  1 messages, 1 of 2 channels still silent",
    ]
    assert [" ".join(line.split()) for line in out[2:5]] == [
        "venue channel last value count per s p50 ms p99 ms",
        "gateio spot.trades 5 buy 0.1 1 0.0 1.0 1.0",
        "mexc spot.kline - 0 0.0 - -",
    ]
    assert out[5:] == ["a fact"]


def test_the_live_screen_shows_table_events_and_facts(board: Board) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
    with LiveScreen(console) as screen:
        screen.event("12:00:00.000  gateio connection 0: lost, trying again at once: cut")
        screen.show(board, 1.0)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert "5 buy 0.1" in shown
        assert "lost, trying again" in shown
        screen.summary(board, ["a fact"])
    left = console.file.getvalue()[len(shown) :]  # type: ignore[attr-defined]
    assert "5 buy 0.1" in left
    assert "lost, trying again" in left
    assert "a fact" in left


# The hot line


def test_the_hot_line_tells_what_is_missing_and_what_came_twice() -> None:
    hot = HotLine()
    for number in (5, 6, 6, 9):
        hot(msgspec.structs.replace(trade(), sequence=number))
    assert (hot.lost, hot.twice) == (2, 1)
    assert hot.faults() == [hot.fact()]
    assert HotLine().faults() == []
