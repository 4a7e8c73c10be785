"""Load: many connections and bindings at once, and what happens beyond capacity.

    python -m benchmarks.load                            50 connections, 100 000 a second, a minute
    python -m benchmarks.load --seconds 600              ten minutes
    python -m benchmarks.load --kind deltas              book updates instead of trades
    python -m benchmarks.load --rate 0 --seconds 10      as many as the sockets take
    python -m benchmarks.load --beyond                   slow handlers, one policy after another

The server is one process with one thread, and so is the client: two cores. Each stream, a symbol
on a connection, is numbered, and each binding checks every number it gets.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .load_client import Job
from .load_server import Load

__all__ = ["main", "run", "slope"]

_POLICIES = ("block", "latest", "drop_oldest", "raise")
_SETTLED = 0.25
"""The part of a run after which memory must be flat: until then tables fill."""


def run(load: Load, **job: Any) -> dict[str, Any]:
    """Run server and client once, and return what both measured."""
    server = _start("load_server", attrs.asdict(load))
    try:
        spec = Job(port=int(_line(server)), load=load, **job)
        client = _start("load_client", attrs.asdict(spec))
        try:
            _line(client)
            _tell(server, "go")
            sent = json.loads(_line(server))
            _tell(client, str(sent["sent"]))
            got = json.loads(_line(client))
        finally:
            _end(client)
    finally:
        _end(server)
    return {"load": attrs.asdict(load), "job": attrs.asdict(spec), "server": sent, "client": got}


def _start(module: str, spec: Mapping[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"{__package__}.{module}", json.dumps(spec)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args} ended with {process.wait()}")
    return line


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _end(process: subprocess.Popen[str]) -> None:
    """Both end when their standard input does."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait(10)


def slope(samples: Sequence[Sequence[float]]) -> float:
    """MiB a minute by which memory grows once tables are full; samples are (seconds, MiB, ...)."""
    settled = [each for each in samples if each[0] >= samples[-1][0] * _SETTLED]
    if len(settled) < 2:
        return 0.0
    line = statistics.linear_regression([s[0] for s in settled], [s[1] for s in settled])
    return line.slope * 60


def _rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    server, client = result["server"], result["client"]
    missing = server["sent"] - client["received"] - client["dropped"] - client["unrouted"]
    cpu_us = client["cpu_share"] * client["seconds"] / max(client["received"], 1) * 1e6
    rows = [
        ("sent", _flow(server["sent"], server["seconds"])),
        ("received", _flow(client["received"], client["seconds"])),
        ("lost", f"{client['lost']} on the fast bindings, {missing} in all"),
        ("duplicates", f"{client['duplicates']}"),
        ("CPU", f"client {_share(client)}, {cpu_us:.1f} us a message; server {_share(server)}"),
        ("wire to handler", _latency(client)),
        ("resident memory", _memory(client["samples"])),
        ("frame channel", _channel(client)),
        ("events", ", ".join(f"{name} {n}" for name, n in sorted(client["events"].items()))),
        ("pings of the server", _pings(server)),
        ("back-pressure", _pressure(server)),
    ]
    if result["job"]["slow_ms"]:
        rows.append(("slow bindings", _slow(client)))
    return rows


def _share(process: Mapping[str, Any]) -> str:
    return f"{process['cpu_share']:.0%} of a core"


def _latency(client: Mapping[str, Any]) -> str:
    marks = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p999_us", "most": "highest_us"}
    return ", ".join(f"{name} {client[key] / 1e3:,.2f} ms" for name, key in marks.items())


def _channel(client: Mapping[str, Any]) -> str:
    one, all_ = client["peak_channel_kib"], client["all_channels_kib"]
    return f"{one:,.0f} KiB at most in one of them, {all_:,.0f} KiB if all were so at once"


def _pings(server: Mapping[str, Any]) -> str:
    slowest = server["slowest_pong_ms"] or 0
    answered = f"{server['pongs']} of {server['pings']} answered while it sent"
    return f"{answered}, the slowest after {slowest:,.0f} ms"


def _pressure(server: Mapping[str, Any]) -> str:
    return (
        f"{server['blocked_connections']} connections blocked, for {server['blocked_s']:.1f} s at "
        f"most; {server['most_behind']:,} messages behind at most; {server['gone']} cut"
    )


def _flow(count: int, seconds: float) -> str:
    return f"{count:,} in {seconds:.1f} s, {count / max(seconds, 1e-9):,.0f} a second"


def _memory(samples: Sequence[Sequence[float]]) -> str:
    memory = [round(sample[1], 1) for sample in samples]
    every = max(1, len(samples) // 6)
    return (
        f"{memory[0]} MiB at the start, {memory[-1]} at the end; "
        f"every {every} s: {' '.join(map(str, memory[::every]))}; "
        f"{slope(samples):+.2f} MiB a minute behind the first quarter"
    )


def _slow(client: Mapping[str, Any]) -> str:
    return (
        f"{client['slow_received']:,} handled, {client['dropped']:,} dropped, "
        f"{client['queued']:,} still queued, {client['most_queued']:,} queued at most, "
        f"{client['refused']} ended by QueueOverflow, {client['unrouted']:,} came after that; "
        f"SlowConsumer named {client['blamed']}"
    )


def _print(title: str, result: Mapping[str, Any]) -> None:
    print(f"\n{title}")
    for name, text in _rows(result):
        print(f"  {name:20} {text}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description="Many connections and bindings under load; every message is accounted for.",
        epilog="examples:\n" + "\n".join((__doc__ or "").splitlines()[2:7]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, help="of load (60)")
    add("--rate", type=float, default=100_000.0, help="messages a second in all; 0: all that go")
    add("--connections", type=int, default=50, help="each with a manager of its own (50)")
    add("--bindings", type=int, default=30, help="of each connection (30)")
    add("--burst", type=int, default=10, help="messages a write of the server (10)")
    add("--kind", choices=("trades", "deltas"), default="trades")
    add("--handoff", choices=("channel", "direct"), default="channel")
    add("--slow-ms", type=float, default=0.0, help="what one binding a connection takes a message")
    add("--overflow", choices=_POLICIES, default="block", help="of that binding")
    add("--queue-size", type=int, default=1000, help="of that binding (1000)")
    add("--channel-kib", type=int, default=0, help="frame_channel_bytes (64 MiB)")
    add("--beyond", action="store_true", help="slow handlers with each policy, and rate 0")
    add("--json", metavar="FILE", help="write all figures, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _arguments(arguments)
    load = Load(
        kind=options.kind,
        connections=options.connections,
        bindings=options.bindings,
        seconds=options.seconds,
        rate=options.rate,
        burst=options.burst,
    )
    job = {
        "handoff": options.handoff,
        "slow_ms": options.slow_ms,
        "overflow": options.overflow,
        "queue_size": options.queue_size,
        "channel_kib": options.channel_kib,
    }
    results: dict[str, Any] = {}
    for title, what, how in _beyond(load, job) if options.beyond else [("load", load, job)]:
        results[title] = run(what, **how)
        _print(title, results[title])
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


def _beyond(load: Load, job: Mapping[str, Any]) -> list[tuple[str, Load, dict[str, Any]]]:
    """Each policy with a handler that takes a fifth of what comes, and as much as goes."""
    seconds = min(load.seconds, 20.0)
    few = attrs.evolve(load, seconds=seconds, connections=10, rate=20_000.0)
    slow = {**job, "slow_ms": 75.0, "queue_size": 100, "channel_kib": 1024}
    runs = [(f"slow handlers, {policy}", few, {**slow, "overflow": policy}) for policy in _POLICIES]
    return [
        *runs,
        ("all that go through", attrs.evolve(load, seconds=seconds, rate=0.0), {**job}),
    ]


if __name__ == "__main__":
    main()
