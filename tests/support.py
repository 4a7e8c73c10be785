"""Fakes and helpers that several test modules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio


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
