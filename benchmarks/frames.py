"""Frames a second through the socket, plain and TLS, and what one costs the reading process.

Every contender hands each 342-byte Gate.io frame to a handler that counts. trioex and
websockets.trio give bytes, trio-websocket gives text; picows gives bytes here too, and a view of
its own buffer in the line that says so, which is only good until the handler returns. trioex and
the two Trio peers check that text is UTF-8, picows does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from .cli import main
from .harness import Bench, Row, Target, compare
from .samples import subscribe_text

__all__ = ["measure"]

_PEER = "picows"
_FASTEST, _SLOW, _SLOWEST = 200_000, 40_000, 16_000
_MORE = 1.05  # sent beyond what is counted, so that the last read is as full as the others

_PLAIN: Mapping[str, tuple[str, int, dict[str, str]]] = {
    "trioex, channel": ("trioex frames", _FASTEST, {"handoff": "channel"}),
    "trioex, direct": ("trioex frames", _FASTEST, {"handoff": "direct"}),
    _PEER: ("picows", _FASTEST, {"work": "bytes"}),
    "picows, views": ("picows", _FASTEST, {"work": "view"}),
    "websockets.trio": ("websockets.trio", _SLOW, {}),
    "trio-websocket": ("trio-websocket", _SLOWEST, {}),
}
_TLS = dict(list(_PLAIN.items())[:3])

_RATE = {"plain": Target(0.9, 1.1, better="higher"), "TLS": Target(0.85, 1.0, better="higher")}


def measure(bench: Bench) -> list[Row]:
    """Rates and CPU times."""
    rows = _measure(bench, "plain", _PLAIN, secure=False)
    if bench.authority is None:
        what = "frames a second, TLS"
        return [*rows, Row(what=what, contender="all", unit="/s", note="trustme is not installed")]
    return rows + _measure(bench, "TLS", _TLS, secure=True)


def _measure(
    bench: Bench,
    label: str,
    contenders: Mapping[str, tuple[str, int, dict[str, str]]],
    *,
    secure: bool,
) -> list[Row]:
    subscribe = subscribe_text("gateio", "spot.orderbook_delta.BTCUSDT")
    runs = {}
    for name, (contender, count, spec) in contenders.items():
        count = bench.scaled(count)
        warm = count // 10
        sent = int((warm + count) * _MORE) + 2000
        url = bench.url(secure=secure, kind="gate", count=sent, ack=0)
        runs[name] = partial(
            bench.client, contender, url, warm=warm, count=count, subscribe=subscribe, **spec
        )
    turns = bench.turns(runs)
    ours = dict.fromkeys(("trioex, channel", "trioex, direct"), _RATE[label])
    return [
        *compare(f"frames a second, {label}", turns, "rate", "/s", peer=_PEER, targets=ours),
        *compare(f"CPU a frame, {label}", turns, "cpu_us", "us", peer=_PEER),
    ]


if __name__ == "__main__":
    main("frames")
