"""A client that sends every message back: `python -m trioex.testing.echo URL`.

It uses the transport that everything else uses, so a WebSocket test suite that drives it
drives trioex. It ends when the peer closes.
"""

from __future__ import annotations

import argparse
import sys

import trio

from ..config import Environment
from ..errors import ConfigError, ConnectFailed, ConnectionLost
from ..frames import Batch
from ..transport import Dialer, open_websocket

__all__ = ["echo", "main"]

_EXAMPLE = """\
example:
  python -m trioex.testing.echo ws://127.0.0.1:9001
"""


async def echo(url: str, *, max_message_bytes: int = 64 << 20, close_timeout: float = 2.0) -> None:
    """Connect to `url` and send every message back, text as text, until the peer ends it.

    However it ends it: a peer that breaks the protocol is told so and left.

    Raises:
        ConfigError: the URL is none.
        ConnectFailed: no connection could be opened.
    """
    ready = trio.Event()

    async def deliver(batch: Batch) -> None:
        await ready.wait()
        for frame in batch.frames:
            await websocket.send(frame.decode() if batch.text else frame)

    try:
        async with open_websocket(
            url,
            deliver,
            dial=Dialer(),
            environment=Environment(),
            max_message_bytes=max_message_bytes,
            close_timeout=close_timeout,
        ) as websocket:
            ready.set()
            await websocket.wait_closed()
    except* ConnectionLost:
        pass  # the peer is the one who ends this


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 when the peer ended it, 1 when it could not begin."""
    parser = argparse.ArgumentParser(
        prog="python -m trioex.testing.echo",
        description="Connect to a WebSocket server and send every message back until it closes.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="ws://… or wss://…")
    options = parser.parse_args(arguments)
    try:
        trio.run(echo, options.url)
    except (ConfigError, ConnectFailed) as failure:
        print(failure, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
