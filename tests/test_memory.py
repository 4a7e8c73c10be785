"""What bindings take, and that nothing of them is left when they are gone."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trio
from scenario import QUIET, ignore, running
from support import client_tasks
from trio.testing import MockClock as Clock

import trioex
from trioex import Environment, WebSocketConfig, WebSocketManager
from trioex.channels import ExchangeEnum
from trioex.exchanges import open_venue

KINDS = ("trades", "book_ticker", "ticker", "orderbook_delta", "orderbook")
PAIRS = ("BTCUSDT", "ETHUSDT")
CHANNELS = [f"spot.{kind}.{pair}" for kind in KINDS for pair in PAIRS]


def sync_handler() -> Callable[[Any], object]:
    return lambda message: message


def async_handler() -> Callable[[Any], object]:
    async def handle(message: object) -> None:
        await trio.lowlevel.checkpoint()

    return handle


def late_handler() -> Callable[[Any], object]:
    """One that looks sync and is none."""
    handle = async_handler()
    return lambda message: handle(message)  # noqa: PLW0108  it is not known for an async one


Handlers: TypeAlias = Sequence[Callable[[], Callable[[Any], object] | None]]
HANDLERS: Handlers = (sync_handler, async_handler, late_handler, lambda: None)


def bind_and_unbind(
    ws: WebSocketManager, count: int, handlers: Handlers = HANDLERS
) -> list[weakref.ref[Any]]:
    """Bind and unbind, in all ways; return what must be gone then."""
    gone: list[weakref.ref[Any]] = []
    for number in range(count):
        handler = handlers[number % len(handlers)]()
        binding = ws.bind(CHANNELS[number % len(CHANNELS)], handler)
        gone.append(weakref.ref(binding))
        if handler is not None:
            gone.append(weakref.ref(handler))
        if number % 3:
            binding.unbind()
        else:
            ws.unbind(CHANNELS[number % len(CHANNELS)], handler)
    return gone


def living(prefixes: tuple[str, ...] = ("trioex.", "trio.", "trio_websocket.")) -> Counter[str]:
    """The objects that could be the library's, by type."""
    gc.collect()
    types = (type(each) for each in gc.get_objects())
    names = (f"{each.__module__}.{each.__qualname__}" for each in types)
    return Counter(
        name for name in names if name.startswith(prefixes) and ".simulator." not in name
    )


def traced() -> int:
    """Bytes that the library has allocated and not given back."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, str(Path(trioex.__file__).parent / "*"))]
    )
    return sum(each.size for each in snapshot.statistics("filename"))


async def test_thousands_of_bindings_leave_nothing(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with running("gateio", virtual, bind_channels={CHANNELS[0]: ignore}, pace=QUIET) as (
        simulator,
        ws,
        _,
    ):

        async def rounds(number: int) -> Counter[str]:
            gone = []
            for _ in range(number):
                gone += bind_and_unbind(ws, 50)
                await trio.sleep(1)  # what was asked is sent, and answered
            await trio.sleep(30)
            gc.collect()
            assert not [each for each in gone if each() is not None]
            return living()

        tasks = client_tasks()
        before = await rounds(5)
        after = await rounds(60)
        assert (after - before).total() < 10, after - before  # the simulator's own scopes
        assert client_tasks() == tasks
        assert sum(len(each.topics) for each in simulator.connections) == 1
        assert ws.statistics().lines[0].wanted == 1


async def test_thousands_of_bindings_on_an_idle_manager_leave_nothing() -> None:
    ws = WebSocketManager(WebSocketConfig(exchange="gateio"))
    bind_and_unbind(ws, 200)
    tracemalloc.start()
    try:
        # Without a queue: Python's cache of methods keeps the names by which its `put` is found.
        bind_and_unbind(ws, 200, [sync_handler])
        before = traced()
        bind_and_unbind(ws, 1500, [sync_handler])
        assert traced() - before < 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("kind", "most"), [("trades", 2900), ("ticker", 2600)])
async def test_a_binding_is_small(kind: str, most: int) -> None:
    symbols = list(open_venue(ExchangeEnum.GATEIO, "spot").instruments)[:1000]
    ws = WebSocketManager(WebSocketConfig(exchange="gateio"))
    ws.bind(f"spot.{kind}.{symbols.pop()}", ignore)
    tracemalloc.start()
    try:
        for symbol in symbols:
            ws.bind(f"spot.{kind}.{symbol}", ignore)
        assert tracemalloc.get_traced_memory()[0] / len(symbols) < most
    finally:
        tracemalloc.stop()


async def test_a_sync_handler_needs_no_task(virtual: Environment, autojump_clock: Clock) -> None:
    async with running("gateio", virtual, bind_channels={CHANNELS[0]: ignore}) as (_, ws, _):
        tasks = client_tasks()
        for channel in CHANNELS[:6]:
            await ws.bind(channel, ignore)
        await trio.sleep(5)
        assert len(client_tasks()) <= len(tasks) + 1, "but the one that watches over the channels"
