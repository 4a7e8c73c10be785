"""Each block of Python in the README runs as it is shown, but on the simulator and its clock."""

from __future__ import annotations

import re
from functools import partial
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
    assert len(PROGRAMS) == 2
    assert len(TESTS) == 1
    assert len(BLOCKS) == 3


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
        create = partial(trioex.create_exchange_component, config=exchange.config())
        monkeypatch.setattr(trioex, "create_exchange_component", create)
        with monkeypatch.context() as patched:
            patched.setattr(trio, "run", mains.append)
            exec(program, {"__name__": "__main__"})
        with trio.move_on_after(20) as scope:
            await mains[0]()
    assert scope.cancelled_caught
    assert len(capsys.readouterr().out.splitlines()) > 20


@pytest.mark.parametrize("source", TESTS)
async def test_a_test(source: str, autojump_clock: MockClock) -> None:
    found: dict[str, Any] = {}
    exec(source, found)
    (test,) = (value for name, value in found.items() if name.startswith("test_"))
    assert any(mark.name == "trio" for mark in test.pytestmark)
    await test(autojump_clock)
