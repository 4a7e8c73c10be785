"""Turns, processes and rows: what every benchmark module is written with.

A module has `measure(bench) -> list[Row]`. Each value of a row is of one turn, and so is each
ratio: the contender's value in a turn divided by its peer's in the same turn.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs

from .client import Spec

__all__ = ["Bench", "Result", "Row", "Target", "Turns", "compare", "open_bench"]

Result: TypeAlias = Mapping[str, Any]
Turns: TypeAlias = Mapping[str, Sequence[Result]]
"""Contender to what it measured, turn by turn."""

_PATIENCE = 60.0
"""Seconds for one run of a client: it takes one or two."""


@attrs.frozen
class Target:
    """What the design asks for.

    Attributes:
        at_least, aim: bounds of the ratio to the peer, or of the value itself.
        of: which of the two.
        better: whether a higher or a lower figure is better.
    """

    at_least: float
    aim: float
    of: Literal["ratio", "value"] = "ratio"
    better: Literal["higher", "lower"] = "lower"

    def verdict(self, figure: float) -> str:
        """`aim`, `at least` or `below`."""
        sign = 1 if self.better == "higher" else -1
        if figure * sign >= self.aim * sign:
            return "aim"
        return "at least" if figure * sign >= self.at_least * sign else "below"


@attrs.frozen(kw_only=True)
class Row:
    """One line of the report.

    Attributes:
        what: is measured.
        contender: who did it.
        unit: of the values.
        values: one a turn; empty where a package is missing.
        peer: whom `ratios` compare with, or None.
        ratios: one a turn.
        note: why there are no values.
    """

    what: str
    contender: str
    unit: str
    values: Sequence[float] = ()
    peer: str | None = None
    ratios: Sequence[float] = ()
    target: Target | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        """The median of the values."""
        return statistics.median(self.values) if self.values else None

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def verdict(self) -> str:
        """Where the figure stands beside its target; empty without one."""
        figure = self.ratio if self.target and self.target.of == "ratio" else self.median
        return "" if self.target is None or figure is None else self.target.verdict(figure)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **attrs.asdict(self),
            "median": self.median,
            "ratio": self.ratio,
            "verdict": self.verdict,
        }


@attrs.frozen
class Bench:
    """The server that runs, and how long everything may take.

    Attributes:
        quick: one turn and fewer messages: a look, not a measurement.
        authority: file of the certificate authority, or None where `trustme` is missing.
        life: a descriptor that comes to its end with this process: what clients read.
    """

    quick: bool
    ports: Mapping[str, int]
    authority: Path | None
    life: int

    def scaled(self, count: int) -> int:
        """`count`, or a part of it when it must be quick."""
        return count // 4 if self.quick else count

    def url(self, *, secure: bool = False, **wish: object) -> str:
        """A URL of the server, for what it is to send."""
        scheme, host = ("wss", "localhost") if secure else ("ws", "127.0.0.1")
        query = "&".join(f"{key}={value}" for key, value in wish.items())
        return f"{scheme}://{host}:{self.ports[scheme]}/?{query}" + ("&secure=1" if secure else "")

    def client(self, contender: str, url: str, **spec: Any) -> Result:
        """Run a client process once and return what it measured."""
        authority = str(self.authority) if url.startswith("wss") else None
        text = json.dumps(attrs.asdict(Spec(contender=contender, url=url, ca=authority, **spec)))
        done = subprocess.run(
            [sys.executable, "-m", f"{__package__}.client", text],
            stdin=self.life,
            stdout=subprocess.PIPE,
            timeout=_PATIENCE,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def turns(self, runs: Mapping[str, Callable[[], Result]], count: int = 5) -> Turns:
        """Let contenders take turns: A B C A B C. A missing one gets one turn only."""
        results: dict[str, list[Result]] = {name: [] for name in runs}
        for _ in range(1 if self.quick else count):
            for name, run in runs.items():
                if not any("missing" in result for result in results[name]):
                    results[name].append(run())
        return results


def compare(
    what: str,
    turns: Turns,
    key: str,
    unit: str,
    *,
    peer: str | None = None,
    targets: Mapping[str, Target] | None = None,
) -> list[Row]:
    """One row a contender from the value `key` of each turn."""
    rows = []
    against = turns.get(peer or "", ())
    for name, results in turns.items():
        missing = [result["missing"] for result in results if "missing" in result]
        if missing:
            rows.append(
                Row(what=what, contender=name, unit=unit, note=f"{missing[0]} is not installed")
            )
            continue
        ratios = [
            result[key] / other[key]
            for result, other in zip(results, against, strict=False)
            if name != peer and key in other
        ]
        rows.append(
            Row(
                what=what,
                contender=name,
                unit=unit,
                values=[result[key] for result in results],
                peer=peer if ratios else None,
                ratios=ratios,
                target=(targets or {}).get(name),
            )
        )
    return rows


@contextlib.contextmanager
def open_bench(*, quick: bool = False) -> Generator[Bench, None, None]:
    """Start the server, and end it with the block.

    Server and clients end with this process in any case, even when it is killed.
    """
    with tempfile.TemporaryDirectory(prefix="trioex-bench-") as name:
        folder = Path(name)
        secure = _write_certificates(folder)
        command = [sys.executable, "-m", f"{__package__}.server"]
        if secure:
            command += ["--certificate", str(folder / "server.pem")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            ports: dict[str, int] = json.loads(server.stdout.readline())
            life, held = os.pipe()
            try:
                yield Bench(quick, ports, folder / "authority.pem" if secure else None, life)
            finally:
                os.close(life)
                os.close(held)
                assert server.stdin is not None
                server.stdin.close()


def _write_certificates(folder: Path) -> bool:
    if importlib.util.find_spec("trustme") is None:
        return False
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return True
