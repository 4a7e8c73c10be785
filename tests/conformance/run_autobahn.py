"""Run trioex through the Autobahn test suite's fuzzing server and judge its report.

    python tests/conformance/run_autobahn.py ws://127.0.0.1:9001 --reports reports

The server must be running; README.md beside this file says how. Exits 1 when a case failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import trio

from trioex.config import Environment
from trioex.errors import ConnectionLost
from trioex.frames import Batch
from trioex.testing.echo import echo
from trioex.transport import Dialer, open_websocket

AGENT = "trioex"
# What the suite calls a good end. NON-STRICT is a pass with another order of events, and
# INFORMATIONAL cases have no right answer.
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


async def ask(url: str) -> str:
    """Connect, take the one message there is, wait for the server's Close."""
    answers: list[str] = []

    async def deliver(batch: Batch) -> None:
        answers.extend(frame.decode() for frame in batch.frames)

    try:
        async with open_websocket(
            url,
            deliver,
            dial=Dialer(),
            environment=Environment(),
            max_message_bytes=1 << 20,
            close_timeout=2.0,
        ) as websocket:
            await websocket.wait_closed()
    except* ConnectionLost:
        pass
    return answers[0] if answers else ""


async def run(base: str) -> None:
    """Run every case the server has, one after another."""
    count = int(await ask(f"{base}/getCaseCount"))
    for case in range(1, count + 1):
        with trio.fail_after(120):
            await echo(f"{base}/runCase?case={case}&agent={AGENT}")
        print(f"\r{case} of {count}", end="", file=sys.stderr, flush=True)
    await ask(f"{base}/updateReports?agent={AGENT}")
    print(file=sys.stderr)


def judge(report: Path) -> int:
    """Print what the report says; return how many cases failed."""
    cases: dict[str, dict[str, str]] = json.loads(report.read_text())[AGENT]
    for column in ("behavior", "behaviorClose"):
        counts = Counter(case[column] for case in cases.values())
        print(f"{column:14}", ", ".join(f"{n} {name}" for name, n in counts.most_common()))
    failed = {
        name: case
        for name, case in cases.items()
        if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD
    }
    for name, case in failed.items():
        print(f"  {name:8} {case['behavior']:14} close {case['behaviorClose']}")
    print(f"{len(cases) - len(failed)} of {len(cases)} cases passed")
    return len(failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("base", metavar="URL", help="of the fuzzing server")
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), help="its outdir (default: reports)"
    )
    options = parser.parse_args()
    trio.run(run, options.base.rstrip("/"))
    return 1 if judge(options.reports / "index.json") else 0


if __name__ == "__main__":
    sys.exit(main())
