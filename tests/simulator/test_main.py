"""`python -m trioex.simulator`."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial

import pytest
import trio
from trio_websocket import open_websocket_url

from trioex.simulator.__main__ import main

COMMAND = [sys.executable, "-m", "trioex.simulator"]


async def test_it_serves_until_it_is_interrupted() -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            command = [*COMMAND, "gateio", "--symbols", "BTCUSDT", "--seed", "3", "--pace", "2"]
            run = partial(  # noqa: ASYNC105  the nursery awaits it
                trio.run_process, command, stdout=subprocess.PIPE, check=False
            )
            process: trio.Process = await nursery.start(run)
            assert process.stdout is not None
            output = b""
            while output.count(b"\n") < 2:
                output += await process.stdout.receive_some()
            websocket, rest = (line.split()[-1] for line in output.decode().splitlines())
            assert rest.endswith("/api/v4")
            async with open_websocket_url(websocket) as client:
                await client.send_message(
                    '{"time":1,"channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT"]}'
                )
                assert '"success"' in str(await client.get_message())
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--symbols", "nope"], "nope"), (["--recording", "absent.txt"], "absent.txt")],
)
def test_mistakes_are_told_in_a_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert main(["mexc", *arguments]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--port 8765" in capsys.readouterr().out
