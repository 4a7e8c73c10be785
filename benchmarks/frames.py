"""Frames a second through the socket, plain and TLS, and what one costs the reading process.

Every contender hands each 342-byte Gate.io frame to a handler that counts. All give bytes, but
trio-websocket, which gives text, and picows in the line that says so: a view of its own buffer,
which is only good until the handler returns. trioex and trio-websocket check that text is UTF-8;
picows, websockets and aiohttp, when asked for bytes, do not. picows, websockets and aiohttp run
on uvloop.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from .cli import main
from .harness import Bench, Row, Target, compare
from .samples import subscribe_text

__all__ = ["measure"]

_PEER = "picows"
_FASTEST, _FAST, _SLOW, _SLOWEST = 200_000, 80_000, 40_000, 16_000
_MORE = 1.05  # sent beyond what is counted, so that the last read is as full as the others

_PLAIN: Mapping[str, tuple[str, int, dict[str, str]]] = {
    "trioex, channel": ("trioex frames", _FASTEST, {"handoff": "channel"}),
    "trioex, direct": ("trioex frames", _FASTEST, {"handoff": "direct"}),
    _PEER: ("picows", _FASTEST, {"work": "bytes"}),
    "picows, views": ("picows", _FASTEST, {"work": "view"}),
    "aiohttp": ("aiohttp", _FAST, {}),
    "websockets": ("websockets", _FAST, {}),
    "websockets.trio": ("websockets.trio", _SLOW, {}),
    "trio-websocket": ("trio-websocket", _SLOWEST, {}),
}
_TLS = {name: run for name, run in _PLAIN.items() if run[1] >= _FAST and name != f"{_PEER}, views"}

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
