"""What users test their programs with; the examples in the documentation run."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio
from trio.abc import Clock

import trioex
import trioex.testing
from trioex.config import Environment
from trioex.errors import ConfigError
from trioex.simulator import EPOCH_NS
from trioex.testing import Fault, Faults, open_exchange, plugin


def example(module: object) -> str:
    """The indented block in a module's documentation."""
    lines = (inspect.getdoc(module) or "").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("    "))
    rest = enumerate(lines[first:], start=first)
    last = next(number for number, line in rest if line and not line.startswith("    "))
    return textwrap.dedent("\n".join(lines[first:last]))


def test_the_example_runs() -> None:
    exec(compile(example(trioex.testing), "example", "exec"), {"__name__": "example"})


def test_the_plugin_and_its_example_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["trioex.testing.plugin"]\n')
    (tmp_path / "test_example.py").write_text(example(plugin))
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        env={**os.environ, "PYTHONPATH": str(Path(trioex.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_pytest_is_imported_by_the_plugin_only() -> None:
    code = "import sys, trioex.testing; print('pytest' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found == "False\n"


async def test_time_is_the_clocks(autojump_clock: Clock) -> None:
    await trio.sleep(1.5)
    async with open_exchange("gateio") as exchange:
        assert exchange.config().environment.time_ns() == EPOCH_NS + 1_500_000_000


async def test_without_a_virtual_clock_it_is_the_walls() -> None:
    async with open_exchange("gateio") as exchange:
        assert exchange.config().environment.time_ns is Environment().time_ns


async def test_an_environment_of_your_own(autojump_clock: Clock) -> None:
    mine = Environment(time_ns=lambda: EPOCH_NS)
    async with open_exchange("gateio", environment=mine) as exchange:
        assert exchange.config().environment is mine


async def test_arguments_are_handed_on(autojump_clock: Clock) -> None:
    plan = Faults.script([Fault("refuse_connect", at=1.0)])
    async with open_exchange("mexc", symbols=("SOLUSDT",), latency=0.5, faults=plan) as exchange:
        assert "SOLUSDT" in exchange.market
        await exchange.dial(exchange.url)
        assert trio.current_time() == 1.0
        await trio.sleep(0.1)
        assert [each.fault.kind for each in exchange.applied] == ["refuse_connect"]
    with pytest.raises(ConfigError, match="pace"):
        async with open_exchange("mexc", pace=-1.0):
            raise AssertionError("opened")
