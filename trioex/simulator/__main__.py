"""`python -m trioex.simulator`: an exchange on loopback, for any client that speaks WebSocket."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import trio

from ..errors import TrioexError
from .opening import open_simulator

_EXAMPLE = """\
example:
  python -m trioex.simulator gateio --port 8765 --seed 7 --symbols BTCUSDT,ETHUSDT
then subscribe with any client:
  {"time":1,"channel":"spot.trades","event":"subscribe","payload":["BTC_USDT"]}
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m trioex.simulator",
        description="Run a simulated exchange on 127.0.0.1 until it is interrupted.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("exchange", choices=("gateio", "mexc"))
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="of the market (default: 0)")
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT", help="default: %(default)s")
    parser.add_argument("--pace", type=float, default=1.0, help="2 is twice as fast (default: 1)")
    parser.add_argument("--recording", help="serve this recorded session instead of a market")
    return parser


async def serve(arguments: argparse.Namespace) -> None:
    """Run the simulator until cancelled; prints where it is."""
    async with open_simulator(
        arguments.exchange,
        symbols=arguments.symbols.split(","),
        transport="tcp",
        port=arguments.port,
        seed=arguments.seed,
        pace=arguments.pace,
        recording=arguments.recording,
    ) as simulator:
        sys.stdout.write(f"WebSocket {simulator.url}\nREST      {simulator.rest_url}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    arguments = parser().parse_args(argv)
    status = 0
    try:
        # Raised in whatever task happens to run, it could be lost in a callback.
        trio.run(serve, arguments, restrict_keyboard_interrupt_to_checkpoints=True)
    except* KeyboardInterrupt:
        status = 130
    except* (TrioexError, OSError) as group:
        causes = "; ".join(str(each) for each in group.exceptions)
        sys.stderr.write(f"python -m trioex.simulator: {causes}\n")
        status = 2
    return status


if __name__ == "__main__":
    sys.exit(main())
