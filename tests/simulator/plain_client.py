"""A client of the simulator that knows nothing of trioex: trio-websocket and hand-made readers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from trioex.simulator import Simulator

DATA = Path(__file__).parents[1] / "data"


class Client:
    """A WebSocket to the simulator."""

    def __init__(self, websocket: WebSocketConnection, stream: trio.abc.Stream) -> None:
        self.websocket = websocket
        self.stream = stream

    async def send(self, request: Any) -> None:
        await self.websocket.send_message(
            request if isinstance(request, str) else json.dumps(request)
        )

    async def raw(self) -> str | bytes:
        """The next frame, within an hour."""
        with trio.fail_after(3600):
            return await self.websocket.get_message()

    async def read(self) -> Any:
        """The next frame: text as JSON, binary as a tree of fields."""
        frame = await self.raw()
        return json.loads(frame) if isinstance(frame, str) else fields(frame)

    async def ask(self, request: Any) -> Any:
        """Send a request and return the first text frame that follows."""
        await self.send(request)
        while True:
            frame = await self.raw()
            if isinstance(frame, str) and '"event":"update"' not in frame:
                return json.loads(frame)

    async def collect(self, seconds: float) -> list[Any]:
        """Everything that comes in so many seconds."""
        found: list[Any] = []
        with trio.move_on_after(seconds):
            while True:
                found.append(await self.read())
        return found


@asynccontextmanager
async def connected(sim: Simulator) -> AsyncGenerator[Client]:
    """A client of a simulator in memory; at the end its stream is just closed."""
    stream = await sim.dial(sim.url)
    async with trio.open_nursery() as nursery:
        path = "/" + sim.url.split("/", 3)[3]
        yield Client(await wrap_client_stream(nursery, stream, "simulator", path), stream)
        await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()


# Protobuf, read without any definitions


def walk(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a message on the wire."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        tag = varint()
        assert tag & 7 in {0, 2}, f"wire type {tag & 7}"
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            size = varint()
            assert place + size <= len(data)
            yield tag >> 3, data[place : place + size]
            place += size


def fields(data: bytes) -> dict[int, list[Any]]:
    """A push of MEXC: field number to values; the body, 301 and up, is walked two levels deep."""
    return {
        number: [nested(value) if number > 300 else text(value) for value in values]
        for number, values in group(data).items()
    }


def group(data: bytes) -> dict[int, list[int | bytes]]:
    found: dict[int, list[int | bytes]] = {}
    for number, value in walk(data):
        found.setdefault(number, []).append(value)
    return found


def text(value: int | bytes) -> int | str:
    return value if isinstance(value, int) else value.decode()


REPEATED = {303: {1, 2}, 310: {1}, 311: {1}, 313: {1, 2}, 314: {1}}


def nested(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def body(push: dict[int, list[Any]]) -> tuple[int, dict[int, list[Any]]]:
    """The oneof of a push: its field number, and its fields; repeated messages are walked."""
    (number,) = (each for each in push if each > 300)
    found: dict[int, list[Any]] = {}
    for key, values in group(push[number][0]).items():
        found[key] = [
            {k: [text(v) for v in vs] for k, vs in group(nested(each)).items()}
            if key in REPEATED.get(number, ())
            else text(each)
            for each in values
        ]
    return number, found
