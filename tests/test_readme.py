"""Each block of Python in the README runs as it is shown, but on the simulator and its clock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import trioex
from trioex import Environment
from trioex.simulator import open_simulator

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.+?)^```", README, re.MULTILINE | re.DOTALL)
PROGRAMS = [block for block in BLOCKS if "trio.run(main)" in block]
TESTS = [block for block in BLOCKS if "autojump_clock" in block]


def test_each_block_is_run_here() -> None:
    assert len(PROGRAMS) == 3
    assert len(TESTS) == 1
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program(
    program: str,
    autojump_clock: MockClock,
    virtual: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mains: list[Any] = []
    async with open_simulator(
        "gateio", symbols=["BTCUSDT", "ETHUSDT"], environment=virtual
    ) as exchange:
        real = trioex.create_exchange_component

        def create(name: Any, config: Any = None, **settings: Any) -> Any:
            measures = config is not None and config.latency
            return real(name, exchange.config(latency=measures), **settings)

        monkeypatch.setattr(trioex, "create_exchange_component", create)
        with monkeypatch.context() as patched:
            patched.setattr(trio, "run", mains.append)
            exec(program, {"__name__": "__main__"})
        with trio.move_on_after(20):  # most go on for ever
            await mains[0]()
    assert len(capsys.readouterr().out.splitlines()) > (6 if "latency=True" in program else 20)


@pytest.mark.parametrize("source", TESTS)
async def test_a_test(source: str, autojump_clock: MockClock) -> None:
    found: dict[str, Any] = {}
    exec(source, found)
    (test,) = (value for name, value in found.items() if name.startswith("test_"))
    assert any(mark.name == "trio" for mark in test.pytestmark)
    await test(autojump_clock)
