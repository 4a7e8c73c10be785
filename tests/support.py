"""Fakes and helpers that several test modules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from trioex.simulator import Simulator


class Collector(list[Any]):
    """A sync handler that keeps what it gets and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._more = trio.Event()

    def __call__(self, message: object) -> None:
        self.append(message)
        self._more.set()

    async def wait(self, until: int | Callable[[list[Any]], bool]) -> list[Any]:
        """Wait for so many messages, or until a condition holds, for a minute at most."""
        with trio.fail_after(60):
            while not (until(self) if callable(until) else len(self) >= until):
                self._more = trio.Event()
                await self._more.wait()
        return self


def client_tasks() -> list[str]:
    """The names of the living tasks that are the library's, the simulator's left out."""
    found = []
    todo = [trio.lowlevel.current_root_task()]
    while todo:
        task = todo.pop()
        if task is None:
            continue
        if task.name.startswith("trioex.") and not task.name.startswith("trioex.simulator"):
            found.append(task.name)
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


async def wait_left(simulator: Simulator) -> None:
    """Wait until the simulator has noticed that its clients are gone."""
    with trio.fail_after(5):
        while simulator.connections:  # noqa: ASYNC110  the simulator has no event for it
            await trio.sleep(0.01)
