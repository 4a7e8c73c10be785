"""`trioex book`: what it shows, when it ends, and how it fails."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import trio
from rich.console import Console, ConsoleDimensions
from scenario import wait_until
from trio.testing import MockClock

import trioex.simulator
from trioex import Environment, ExchangeEnum, UnknownSymbol, WebSocketConfig
from trioex.cli import main
from trioex.cli.book import Books
from trioex.cli.book_screen import LineScreen, TerminalScreen
from trioex.cli.ladder import Drawing
from trioex.cli.tally import Tally
from trioex.simulator import Fault, Simulator, open_simulator

GATEIO, MEXC = ExchangeEnum.GATEIO, ExchangeEnum.MEXC


def terminal(height: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=height)


def drawn(console: Console) -> list[str]:
    """The lines of the last picture, without colours."""
    assert isinstance(console.file, io.StringIO)
    plain = re.sub(r"\x1b\[[0-9;?]*m", "", console.file.getvalue())
    return [line for line in re.split(r"\x1b\[[0-9;?]*[A-Zhl]", plain)[-2:] if line][-1].split("\n")


def make(environment: Environment, *symbols: str, **rest: Any) -> Books:
    return Books(
        **{
            "exchange": GATEIO,
            "symbols": symbols or ("BTCUSDT",),
            "simulate": True,
            "seconds": 10.0,
            "environment": environment,
            "console": terminal(),
            **rest,
        }
    )


@pytest.fixture
def simulators(monkeypatch: pytest.MonkeyPatch) -> list[Simulator]:
    """The simulator that the command opened; it lists no symbol that begins with NO."""
    opened: list[Simulator] = []

    @asynccontextmanager
    async def listing(
        exchange: ExchangeEnum, *, symbols: tuple[str, ...], **settings: Any
    ) -> AsyncGenerator[Simulator]:
        listed = [each for each in symbols if not each.startswith("NO")] or ["ETHUSDT"]
        async with open_simulator(exchange, symbols=listed, **settings) as simulator:
            opened.append(simulator)
            yield simulator

    monkeypatch.setattr(trioex.simulator, "open_simulator", listing)
    return opened


# On a terminal, on a virtual clock


@pytest.mark.parametrize("exchange", ExchangeEnum)
async def test_a_ladder_is_drawn(
    exchange: ExchangeEnum,
    autojump_clock: MockClock,
    virtual: Environment,
    capsys: pytest.CaptureFixture[str],
) -> None:
    books = make(virtual, exchange=exchange, drawing=Drawing(levels=5))
    assert await books.run() == 0
    lines = drawn(books.console)
    assert lines[0].startswith(f"{exchange} spot BTCUSDT  LIVE  version ")
    assert re.match(r"\d+\.\d updates/s  latency p50 \d+\.\d ms", lines[1])
    assert [line[:3] for line in lines[5:16]] == ["ask"] * 5 + ["---"] + ["bid"] * 5
    prices = [float(line.split()[1]) for line in lines[5:16] if line[:3] != "---"]
    assert prices == sorted(prices, reverse=True)
    assert max(map(len, lines)) <= 80
    tally = books.tallies["BTCUSDT"]
    summary = capsys.readouterr().err.splitlines()[-1]
    assert summary.startswith(f"trioex: {tally.updates} updates of 1 book in 10.0 s, 0 resyncs")
    assert tally.updates > 50


async def test_the_ladder_fits_the_terminal(
    autojump_clock: MockClock, virtual: Environment
) -> None:
    books = make(virtual, console=terminal(height=16))
    await books.run()
    lines = drawn(books.console)
    assert [line[:3] for line in lines].count("ask") == 5
    assert len(lines) == 16 + 1  # and the cursor's, when it is over


@pytest.mark.parametrize("what", ["resize", "continue"])
async def test_the_picture_begins_anew_where_it_was_moved_or_written_over(
    what: str, autojump_clock: MockClock, virtual: Environment
) -> None:
    books = make(virtual)
    assert isinstance(books.console.file, io.StringIO)
    erase = "\x1b[2J"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(books.run)
        await trio.sleep(4.1)
        assert erase not in books.console.file.getvalue()
        if what == "resize":
            books.console.size = ConsoleDimensions(60, 20)
        else:
            signal.raise_signal(signal.SIGCONT)
        await trio.sleep(0.3)
        assert books.console.file.getvalue().count(erase) == 1
        nursery.cancel_scope.cancel()


async def test_several_are_a_table(autojump_clock: MockClock, virtual: Environment) -> None:
    books = make(virtual, "BTCUSDT", "ETHUSDT", "BTCUSDT")
    assert await books.run() == 0
    lines = drawn(books.console)
    assert lines[0].startswith("2 of 2 books live, 0 refused, 0 gap, ")
    assert [line.split()[0] for line in lines[3:5]] == ["BTCUSDT", "ETHUSDT"]


async def test_without_a_connection_it_shows_why_and_no_prices(
    autojump_clock: MockClock, virtual: Environment, simulators: list[Simulator]
) -> None:
    books = make(virtual, seconds=1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(books.run)
        await trio.sleep(5.1)
        assert books.tallies["BTCUSDT"].state == "LIVE"
        simulators[0].apply(Fault("refuse_connect", duration=5.0))
        simulators[0].disconnect("drop")
        await trio.sleep(0.6)
        lines = drawn(books.console)
        nursery.cancel_scope.cancel()
    assert "  STALE  " in lines[0]
    assert lines[2].startswith("no prices: ")
    assert not any(line.startswith(("ask", "bid", "mid")) for line in lines)


async def test_ctrl_c_ends_it_with_a_summary(
    autojump_clock: MockClock, virtual: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    books = make(virtual, seconds=None)
    codes = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            codes.append(await books.run())

        nursery.start_soon(run)
        await trio.sleep(4.6)
        signal.raise_signal(signal.SIGINT)
    assert codes == [130]
    assert " of 1 book in 4.6 s, 0 resyncs, latency p50 " in capsys.readouterr().err


async def test_a_refused_symbol_is_told_and_the_others_go_on(
    autojump_clock: MockClock,
    virtual: Environment,
    simulators: list[Simulator],
    capsys: pytest.CaptureFixture[str],
) -> None:
    books = make(virtual, "BTCUSDT", "NOUSDT")
    assert await books.run() == 1
    lines = drawn(books.console)
    assert lines[0].startswith("1 of 2 books live, 1 refused, 0 gap")
    assert "NOUSDT   REFUSED" in lines[4]
    *_, summary, complaint = capsys.readouterr().err.splitlines()
    assert " of 2 books in 10.0 s" in summary
    assert complaint.startswith("trioex: NOUSDT was never live: ")


async def test_when_all_are_refused_it_ends_with_the_first_reason(
    autojump_clock: MockClock, virtual: Environment, simulators: list[Simulator]
) -> None:
    with pytest.raises(UnknownSymbol, match="NOUSDT"):
        await make(virtual, "NOUSDT", "NONEUSDT", seconds=None).run()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(url: str) -> Any:
        await trio.sleep(0.1)
        raise OSError("the network is down")

    config = partial(WebSocketConfig, dial=refuse, fetch=refuse)
    monkeypatch.setattr("trioex.cli.book.WebSocketConfig", config)


async def test_without_any_connection_it_fails_and_says_so(
    no_network: None,
    autojump_clock: MockClock,
    virtual: Environment,
    capsys: pytest.CaptureFixture[str],
) -> None:
    symbols = [f"C{number}USDT" for number in range(12)]
    books = make(virtual, *symbols, simulate=False, seconds=5)
    assert await books.run() == 1
    assert "-  there is no connection:" in drawn(books.console)[3]
    lines = capsys.readouterr().err.splitlines()
    lost = [line for line in lines if "lost, trying again" in line]
    assert len(lost) == 1
    assert lost[0].endswith("the network is down")
    (begin,) = (number for number, line in enumerate(lines) if "0 updates of 12 books" in line)
    lines = lines[begin:]
    assert lines[1].startswith("trioex: there was no connection: ")
    assert lines[2].startswith("trioex: C0USDT was never live: ")
    assert lines[12:] == ["trioex: nor were 2 more"]


@pytest.mark.slow
async def test_without_any_connection_objects_say_why(
    no_network: None, capfd: pytest.CaptureFixture[str]
) -> None:
    books = make(Environment(), simulate=False, as_json=True, seconds=None)
    codes = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            codes.append(await books.run())

        nursery.start_soon(run)
        await wait_until(lambda: bool(books.tallies and books.tallies["BTCUSDT"].outage))
        signal.raise_signal(signal.SIGINT)
    assert codes == [130]
    out, err = capfd.readouterr()
    (said,) = map(json.loads, out.splitlines())
    assert (said["symbol"], said["state"], said["bids"]) == ("BTCUSDT", "syncing", None)
    assert said["reason"].startswith("there is no connection: ")
    assert said["reason"].endswith("the network is down")
    assert err.splitlines()[-1] == f"trioex: {said['reason']}"


# Without a terminal


def test_a_line_a_second(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["book", "gateio", "BTCUSDT", "--simulate", "--seconds", "0.5"]) == 0
    out, err = capfd.readouterr()
    first, *_, last = out.splitlines()
    assert first.startswith("   0.0 s  gateio spot BTCUSDT  SYNCING  ")
    assert re.match(r" +\d\.\d s  gateio spot BTCUSDT  LIVE  ", last)
    assert "\x1b" not in out
    assert "gateio connection 0: connected" in err
    assert err.splitlines()[-1].startswith("trioex: ")


def test_json_is_a_line_a_change(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--json", "--levels", "3", "--source", "limited", "--depth", "5"]
    assert main(["book", "mexc", "BTCUSDT", "--simulate", "--seconds", "0.9", *arguments]) == 0
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(printed) > 1
    for each in printed:
        assert (each["type"], each["symbol"], each["state"]) == ("book", "BTCUSDT", "live")
        assert len(each["bids"]) == len(each["asks"]) == 3
        assert each["asks"][0][0] - each["bids"][0][0] == pytest.approx(each["spread"])


def test_exact_numbers_are_strings(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--json", "--decimal", "--simulate", "--seconds", "0.9"]
    assert main(["book", "gateio", "BTCUSDT", *arguments]) == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    bid, ask = said["bids"][0][0], said["asks"][0][0]
    assert Decimal(said["spread"]) == Decimal(ask) - Decimal(bid)
    assert isinstance(said["microprice"], str)


@pytest.mark.slow
async def test_json_tells_when_a_book_is_lost(
    simulators: list[Simulator], capfd: pytest.CaptureFixture[str]
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(make(Environment(), seconds=1.0, as_json=True).run)
        await trio.sleep(0.5)
        simulators[0].apply(Fault("refuse_connect", duration=5.0))
        simulators[0].disconnect("drop")
    last = [json.loads(line) for line in capfd.readouterr().out.splitlines()][-1]
    assert last["state"] == "stale"
    assert last["reason"]
    assert last["bids"] is last["mid"] is None


def test_many_books_are_counted_and_the_worst_named() -> None:
    lines: list[str] = []
    tallies = [Tally(f"C{number}USDT") for number in range(21)]
    with LineScreen(lines.append, Drawing()) as screen:
        screen.show(tallies[:20], 1.0)
        assert len(lines) == 20
        lines.clear()
        screen.show(tallies, 2.0)
    assert lines[0] == ("   2.0 s  0 of 21 books live, 0 refused, 0 gap, 21 syncing, 0.0 updates/s")
    assert len(lines) == 4


def test_a_terminal_that_knows_ascii_only_gets_ascii() -> None:
    console = Console(
        file=io.TextIOWrapper(io.BytesIO(), "ascii"), force_terminal=True, width=80, height=40
    )
    assert not TerminalScreen(console, Drawing()).draws_blocks
    assert TerminalScreen(terminal(), Drawing()).draws_blocks


# What it is told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gatio", "BTCUSDT"], "did you mean 'gateio'?"),
        (["gateio"], "SYMBOLS"),
        (["gateio", "BTC/USDT"], "BTC/USDT"),
        (["gateio", "BTCUSDT", "--market", "moon"], "moon"),
        (["gateio", "BTCUSDT", "--simulate", "--depth", "7"], "cannot have depth=7"),
        (["gateio", "BTCUSDT", "--simulate", "--source", "tea"], "limited"),
        (["gateio", "BTCUSDT", "--levels", "0"], "--levels"),
        (["gateio", "BTCUSDT", "--bars", "gold"], "--bars"),
        (["gateio", "BTCUSDT", "--seconds", "0"], "--seconds"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["book", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["book", "--help"]) == 0
    out = capsys.readouterr().out
    options = "market simulate seconds json decimal levels bars source depth speed"
    assert [option for option in options.split() if f"--{option}" not in out] == []
    assert "trioex book gateio BTCUSDT" in out.partition("Try:")[2].replace("\n", " ")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trioex", "book", "gateio", "BTCUSDT", "--simulate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_ends_it_quietly() -> None:
    process = start()
    assert process.stdout is not None
    with process:
        assert "SYNCING" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in err
    assert " of 1 book in " in err.splitlines()[-1]


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    process = start("--json")
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert "Traceback" not in err
