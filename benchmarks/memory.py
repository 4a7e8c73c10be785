"""What one more connection with thirty bindings takes, in a process that has some already.

With TLS most of it is OpenSSL's. So TLS alone is measured, too: a stream that shook hands and has
nothing on it, opened by the same function. What is left when it is taken away is ours. Nothing
flows; what grows with messages is measured by `load` and `soak`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import attrs

from .cli import main
from .harness import Bench, Result, Row, Target, compare
from .run_memory import MemorySpec

__all__ = ["measure"]

_TARGET = Target(2.04 * 1024, 0.1 * 1024, "value")
_RESIDENT, _TRACED = "a connection, resident memory", "a connection, Python's memory"
_KEYS = ("resident_kib", "traced_kib")
_PLAIN, _TLS, _STREAM = "trioex, plain", "trioex, TLS", "trioex, TLS alone"
_BEYOND = "trioex, TLS, beyond TLS"
_LINE = "trioex, plain, one more of a manager"


def measure(bench: Bench) -> list[Row]:
    """Growth of the process, and what Python itself allocated."""
    secure = bench.authority is not None
    runs = {
        _PLAIN: lambda: _run(bench, "manager"),
        _LINE: lambda: _run(bench, "line", kind="mexc"),
    }
    if secure:
        runs[_TLS] = lambda: _run(bench, "manager", secure=True)
        runs[_STREAM] = lambda: _run(bench, "stream", secure=True)
    turns: dict[str, Any] = dict(bench.turns(runs, 3))
    if secure:
        turns[_BEYOND] = [
            {key: whole[key] - alone[key] for key in _KEYS}
            for whole, alone in zip(turns[_TLS], turns[_STREAM], strict=True)
        ]
    targets = dict.fromkeys((_PLAIN, _LINE, _BEYOND), _TARGET)
    return [
        *compare(_RESIDENT, turns, "resident_kib", "KiB", targets=targets),
        *compare(_TRACED, turns, "traced_kib", "KiB"),
    ]


def _run(bench: Bench, what: str, *, kind: str = "gate", secure: bool = False) -> Result:
    spec = MemorySpec(
        what=what,
        url=bench.url(kind=kind, secure=secure),
        ca=str(bench.authority) if secure else None,
    )
    command = [sys.executable, "-m", f"{__package__}.run_memory", json.dumps(attrs.asdict(spec))]
    done = subprocess.run(command, stdin=bench.life, stdout=subprocess.PIPE, timeout=60, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main("memory")
