"""`trioex decode`: whole captures, exit codes, pipes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from trioex.cli import main
from trioex.cli.decode import numbered_lines

CAPTURE = Path(__file__).parents[1] / "data" / "captures" / "gateio_spot_20210422" / "ws.txt"
TRADE = (
    '{"time":1,"time_ms":1000,"channel":"spot.trades","event":"update","result":{"id":1,'
    '"create_time":1,"create_time_ms":"1000.5","side":"buy","currency_pair":"BTC_USDT",'
    '"amount":"0.10","price":"5.0"}}'
)
# What Python does by itself, whatever the environment of the tests asks it to do.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
COMMAND = [sys.executable, "-m", "trioex", "decode", "--exchange", "gateio"]


def test_the_whole_capture(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--exchange", "gateio", "--market", "spot", str(CAPTURE)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    printed = [json.loads(line) for line in out.splitlines()]
    assert Counter(each.get("control", each["type"]) for each in printed) == {
        "book_delta": 172,
        "ticker": 22,
        "kline": 14,
        "trade": 9,
        "request": 22,
        "answer": 22,
        "connected": 1,
    }


def test_the_values_are_those_of_the_capture(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--exchange", "gateio", "--decimal", str(CAPTURE)]) == 0
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    tickers = [each for each in printed if each["type"] == "ticker"]
    recorded = []
    for line in CAPTURE.read_text().splitlines():
        time, _, frame = line.partition(": ")
        if " " not in time and '"spot.tickers"' in frame and '"update"' in frame:
            recorded.append((time, json.loads(frame)["result"]))
    assert len(tickers) == len(recorded) == 22
    for ticker, (time, result) in zip(tickers, recorded, strict=True):
        assert ticker["receive_time"] == int(Decimal(time).scaleb(9))
        assert ticker["symbol"] == result["currency_pair"].replace("_", "")
        assert ticker["last"] == result["last"]
        assert ticker["quote_volume"] == result["quote_volume"]


def test_a_line_that_cannot_be_decoded_is_named_after_all_others_were_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "frames"
    path.write_text(f"{TRADE}\n\nnonsense\n{TRADE}\n")
    assert main(["decode", "--exchange", "gateio", str(path)]) == 1
    out, err = capfd.readouterr()
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["trade", "trade"]
    assert err == "trioex: line 3: it is neither JSON text nor hex\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--exchange", "gatio", "x"], 2, "did you mean 'gateio'?"),
        (["--exchange", "gateio", "--market", "moon", "x"], 2, "market='moon'"),
        (["x"], 2, "--exchange requires"),
        (["--exchange", "gateio", "/nonexistent/file"], 1, "No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", *arguments]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("trioex: ")
    assert words in err
    assert err.count("\n") == 1


def test_lines_of_a_pipe_come_out_as_they_come_in() -> None:
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=BUFFERED
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for _ in range(3):
            process.stdin.write(f"{TRADE}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["price"] == 5.0
        process.stdin.close()
        assert process.stdout.read() == ""
    assert process.returncode == 0


def test_a_dash_is_stdin(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{TRADE}\n".encode())))
    assert main(["decode", "-", "--exchange", "gateio"]) == 0
    assert '"type":"trade"' in capfd.readouterr().out


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=BUFFERED,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdin.write(f"{TRADE}\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(f"{TRADE}\n")
        process.stdin.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_line_that_is_too_long_is_given_up_and_the_next_one_is_read() -> None:
    stream = io.BytesIO(b"short\n" + b"x" * 100 + b"\n12345678\n" + b"y" * 100)
    assert list(numbered_lines(stream, 8)) == [
        (1, b"short\n"),
        (2, None),
        (3, b"12345678\n"),
        (4, None),
    ]
