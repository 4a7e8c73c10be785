"""`trioex watch`: what it prints, when it ends, and how it fails."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trioex import Channel, ExchangeEnum
from trioex.cli import main
from trioex.cli.watch import Watch, watch

CAPTURE = Path(__file__).parents[1] / "data" / "captures" / "gateio_spot_20210422" / "ws.txt"
KINDS = ["spot.orderbook_delta", "spot.ticker", "spot.kline", "spot.trades"]


def test_a_recording_is_printed_whole(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "gateio", *KINDS, "--recording", str(CAPTURE), "--json"]) == 0
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert Counter(each["type"] for each in printed) == {
        "book_delta": 172,
        "ticker": 22,
        "kline": 14,
        "trade": 9,
    }


def test_one_symbol_of_a_recording(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["watch", "gateio", "spot.trades.NEOBTC", "--recording", str(CAPTURE), "--json"])
    assert code == 0
    prices = [json.loads(line)["price"] for line in capfd.readouterr().out.splitlines()]
    recorded = [
        float(json.loads(line.partition(": ")[2])["result"]["price"])
        for line in CAPTURE.read_text().splitlines()
        if '"spot.trades"' in line and '"update"' in line and "NEO_BTC" in line
    ]
    assert prices == recorded
    assert prices


def test_readable_lines_and_a_count(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["watch", "gateio", "spot.orderbook_delta.DOGEUSDT", "--simulate", "--count", "3"])
    out, err = capfd.readouterr()
    assert code == 0
    assert len(out.splitlines()) == 3
    assert all("  DOGEUSDT " in line and "bids" in line for line in out.splitlines())
    assert "gateio connection 0: connected" in err


def test_a_count_is_kept_when_more_is_waiting(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = [*KINDS, "--recording", str(CAPTURE), "--count", "5"]
    assert main(["watch", "gateio", *arguments]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 5


class Stuck(io.RawIOBase):
    """An output that takes nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        assert self.released.wait(60)
        self.written += bytes(data)
        return len(data)


async def test_a_recording_is_printed_whole_however_slow_the_output(
    mock_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ws.txt"
    trade = (
        '{"time":1,"channel":"spot.trades","event":"update","result":{"id":%d,"create_time":1,'
        '"side":"buy","currency_pair":"BTC_USDT","amount":"1","price":"2"}}'
    )
    path.write_text("".join(f"1.5: {trade % number}\n" for number in range(3000)))
    output = Stuck()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(output)))
    channels = (Channel.parse("spot.trades"),)
    what = Watch(exchange=ExchangeEnum.GATEIO, channels=channels, recording=path, as_json=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, what)
        await wait_all_tasks_blocked(0.05)
        mock_clock.jump(60)  # longer than a manager waits for its handlers by default
        await wait_all_tasks_blocked(0.05)
        output.released.set()
    printed = [json.loads(line)["trade_id"] for line in output.written.splitlines()]
    assert printed == [str(number) for number in range(3000)]


def test_parameters_reach_the_exchange(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["spot.orderbook_snapshot.BTCUSDT", "--simulate", "--count", "1", "--json"]
    assert main(["watch", "gateio", *arguments, "--depth", "5"]) == 0
    (book,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert book["depth"] == 5
    assert len(book["bids"]) == 5


@pytest.mark.slow
def test_without_a_symbol_it_is_the_stream_of_all_symbols(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["watch", "mexc", "spot.ticker", "--simulate", "--count", "2", "--json"]) == 0
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {each["symbol"] for each in printed} == {"BTCUSDT", "ETHUSDT"}


def test_it_ends_after_its_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["watch", "gateio", "spot.book_ticker.BTCUSDT", "--simulate", "--seconds", "0.5"]
    assert main(arguments) == 0
    assert capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gatio", "spot.trades.BTCUSDT"], 2, "did you mean 'gateio'?"),
        (["gateio", "spot.trade.BTCUSDT"], 2, "did you mean 'spot.trades'?"),
        (["gateio"], 2, "CHANNELS"),
        (["gateio", "spot.trades", "--simulate"], 2, "no all-symbols stream"),
        (["gateio", "spot.orderbook_delta.BTCUSDT", "--simulate", "--depth", "7"], 2, "50, 400"),
        (["gateio", "spot.trades.BTCUSDT", "--count", "0"], 2, "--count"),
        (["gateio", "spot.trades.BTCUSDT", "--simulate", "--recording", "x"], 2, "exclude"),
        (["gateio", "spot.trades.BTCUSDT", "--recording", "/nowhere"], 2, "/nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *arguments]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_a_bad_recording_is_named_with_its_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ws.txt"
    path.write_text("nonsense\n")
    assert main(["watch", "gateio", "spot.trades", "--recording", str(path)]) == 2
    assert f"{path}, line 1" in capfd.readouterr().err


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trioex", "watch", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_ends_it_without_a_traceback() -> None:
    process = start("gateio", "spot.orderbook_delta.BTCUSDT", "--simulate")
    assert process.stdout is not None
    with process:
        assert "BTCUSDT" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in err


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    process = start("gateio", "spot.orderbook_delta.BTCUSDT", "--simulate")
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert "Traceback" not in err
