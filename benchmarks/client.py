"""The process in which one contender runs once: `python -m benchmarks.client SPEC`.

SPEC is JSON, made by `harness.Bench.client`. The answer is one line of JSON: what was measured,
or `{"missing": NAME}` where a package is not installed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import attrs

__all__ = ["Meter", "Spec", "Stopwatch", "Tally", "quantile"]


@attrs.frozen(kw_only=True)
class Spec:
    """What one run does.

    Attributes:
        contender: a key of `_CONTENDERS`.
        url: of the server, with what it is to send.
        work: what each message is made into: `bytes`, `view`, `gate`, `mexc`, `trade`; of whole
            peers `trades`, `delta` or `book`.
        warm: messages before the clock starts.
        count: messages it runs for.
        subscribe: the request that makes the server begin, for contenders without a manager.
        ca: file of the certificate authority, for TLS.
        handoff, spin: of trioex.
        measured: whether trioex measures its latency.
    """

    contender: str
    url: str
    work: str = "bytes"
    warm: int = 0
    count: int = 0
    subscribe: str = ""
    ca: str | None = None
    handoff: str = "channel"
    spin: bool = False
    measured: bool = False


class Meter:
    """A handler that counts, and takes the time between its first and its last message.

    Attributes:
        on_done: called behind the last message.
    """

    __slots__ = ("_cpu", "_mark", "_marks", "_seen", "_wall", "count", "on_done", "result")

    def __init__(self, spec: Spec) -> None:
        self.count = spec.count
        self.on_done: Callable[[], object] = lambda: None
        self.result: dict[str, float] = {}
        self._seen = 0
        self._marks = [spec.warm + spec.count]
        self._mark = spec.warm or 1
        self._wall = self._cpu = 0.0

    def __call__(self, _message: object) -> None:
        self._seen += 1
        if self._seen == self._mark:
            self._reached()

    def _reached(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        if self._marks:
            self._wall, self._cpu = wall, cpu
            self._mark = self._marks.pop()
            return
        seconds = wall - self._wall
        self.result = {
            "rate": self.count / seconds,
            "cpu_us": (cpu - self._cpu) / self.count * 1e6,
        }
        self.on_done()


class Tally:
    """A handler that also learns of several messages at once, and keeps the last.

    Attributes:
        on_done: called behind the last message.
        last: what came last.
    """

    __slots__ = ("_cpu", "_from", "_mark", "_marks", "_seen", "_wall", "last", "on_done", "result")

    def __init__(self, spec: Spec) -> None:
        self.on_done: Callable[[], object] = lambda: None
        self.result: dict[str, Any] = {}
        self.last: Any = None
        self._seen = self._from = 0
        self._marks = [spec.warm + spec.count]
        self._mark = spec.warm or 1
        self._wall = self._cpu = 0.0

    def __call__(self, message: object) -> None:
        """One more message."""
        self.last = message
        self._seen += 1
        if self._seen >= self._mark:
            self._reached()

    def upto(self, number: int, message: object) -> None:
        """All messages up to this one, the first of which has the number 1."""
        self.last = message
        self._seen = number
        if number >= self._mark:
            self._reached()

    def _reached(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        if self._marks:
            self._wall, self._cpu, self._from = wall, cpu, self._seen
            self._mark = self._marks.pop()
            return
        count = self._seen - self._from
        self.result = {
            "rate": count / (wall - self._wall),
            "cpu_us": (cpu - self._cpu) / count * 1e6,
            "received": self._seen,
        }
        self._mark = sys.maxsize
        self.on_done()


class Stopwatch:
    """A handler of trades that notes how long ago each was sent."""

    def __init__(self, spec: Spec) -> None:
        self.on_done: Callable[[], object] = lambda: None
        self._spec = spec
        self._waits: list[int] = []
        self._cpu = 0.0

    def __call__(self, sent: int) -> None:
        self._waits.append(time.perf_counter_ns() - sent)
        if len(self._waits) == self._spec.warm:
            self._cpu = time.process_time()
        elif len(self._waits) == self._spec.warm + self._spec.count:
            self._cpu = time.process_time() - self._cpu
            self.on_done()

    @property
    def result(self) -> dict[str, float]:
        """The median and the 99th percentile of the way, and CPU a message, in microseconds."""
        waits = sorted(self._waits[self._spec.warm :])
        return {
            "p50_us": quantile(waits, 0.5) / 1e3,
            "p99_us": quantile(waits, 0.99) / 1e3,
            "cpu_us": self._cpu / self._spec.count * 1e6,
        }


def quantile(ordered: list[int], share: float) -> int:
    """The value below which `share` of the sorted values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


_CONTENDERS = {
    "trioex frames": ("run_trioex", "frames"),
    "trioex typed": ("run_trioex", "typed"),
    "trioex latency": ("run_trioex", "latency"),
    "trioex whole": ("run_whole", "trioex"),
    "cryptofeed whole": ("run_whole_peers", "cryptofeed"),
    "ccxt pro whole": ("run_whole_peers", "ccxt_pro"),
    "trioex memory": ("run_trioex", "memory"),
    "trioex pauses": ("run_pauses", "pauses"),
    "trioex connect": ("run_trioex", "connect"),
    "trioex loss": ("run_trioex", "loss"),
    "trioex reconnect": ("reconnect", "lose"),
    "picows": ("run_picows", "stream"),
    "picows connect": ("run_picows", "connect"),
    "book trioex": ("run_books", "trioex"),
    "book order_book, Decimal": ("run_books", "order_book_decimal"),
    "book order_book, float": ("run_books", "order_book_float"),
    "book sortedcontainers": ("run_books", "sorted_dict"),
    "wire trioex": ("run_wire", "trioex_float"),
    "wire trioex, Decimal": ("run_wire", "trioex_decimal"),
    "wire cryptofeed": ("run_wire_peers", "cryptofeed"),
    "wire ccxt pro": ("run_wire_peers", "ccxt_pro"),
    "wire ccxt pro, handler": ("run_wire_peers", "ccxt_handler"),
    "websockets": ("run_asyncio", "websockets_messages"),
    "aiohttp": ("run_asyncio", "aiohttp_messages"),
    "websockets.trio": ("run_peers", "websockets_trio"),
    "trio-websocket": ("run_peers", "trio_websocket_messages"),
}


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # only its end ever comes
    os._exit(1)


def main() -> None:
    """Run what the first argument says."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    spec = Spec(**json.loads(sys.argv[1]))
    module, name = _CONTENDERS[spec.contender]
    answer: dict[str, Any]
    try:
        answer = getattr(import_module(f".{module}", __package__), name)(spec)
    except ModuleNotFoundError as error:
        answer = {"missing": error.name}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
