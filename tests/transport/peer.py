"""The other side, by hand: a server's bytes, written from RFC 6455 alone."""

from __future__ import annotations

import base64
import hashlib
import ssl
import struct

import attrs
import trio
import trustme

from trioex.config import Environment
from trioex.frames import Batch

URL = "ws://exchange.test/ws"
ENVIRONMENT = Environment(time_ns=lambda: 1_700_000_000_000_000_000)
MOST = 1 << 20

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@attrs.frozen
class Certificates:
    """TLS contexts for `localhost`.

    `quiet` is a server that sends no session tickets, which nobody reads in lockstep;
    `stranger` a client that does not trust either. `authority` issued `leaf`, for servers that
    have no context of Python's.
    """

    server: ssl.SSLContext
    quiet: ssl.SSLContext
    client: ssl.SSLContext
    stranger: ssl.SSLContext
    authority: trustme.CA
    leaf: trustme.LeafCert


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A server's frame: final, not masked."""
    if len(payload) < 126:
        return struct.pack("!BB", 0x80 | opcode, len(payload)) + payload
    return struct.pack("!BBH", 0x80 | opcode, 126, len(payload)) + payload


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


class Peer:
    """A server on one stream, which does what a test tells it and nothing else."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.request = b""
        self._buffer = b""

    async def read_request(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            data = await self.stream.receive_some()
            assert data, "the client left within its request"
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.request = head
        return head

    async def accept(self, behind: bytes = b"") -> None:
        """Answer the request with 101, and more in the same write."""
        head = await self.read_request()
        await self.stream.send_all(response_101(head) + behind)

    async def send(self, *frames: bytes) -> None:
        await self.stream.send_all(b"".join(frames))

    async def say_goodbye(self) -> None:
        """Answer the client's Close and close TCP, as servers do."""
        while (received := await self.receive()) and received[0] != CLOSE:
            pass
        if received:
            await self.send(frame(CLOSE, received[1]))
        await self.stream.aclose()

    async def receive(self) -> tuple[int, bytes] | None:
        """One frame of the client's, unmasked; None at the end of the stream."""
        while True:
            parsed = self._take()
            if parsed:
                return parsed
            data = await self.stream.receive_some()
            if not data:
                assert not self._buffer, f"the client ended within a frame: {self._buffer!r}"
                return None
            self._buffer += data

    def _take(self) -> tuple[int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        assert data[0] & 0xF0 == 0x80
        assert data[1] & 0x80, "a client masks"
        length, at = data[1] & 0x7F, 2
        if length > 125:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
        if len(data) < at + 4 + length:
            return None
        mask, payload = data[at : at + 4], data[at + 4 : at + 4 + length]
        self._buffer = data[at + 4 + length :]
        return data[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def response_101(request: bytes) -> bytes:
    headers = dict(line.lower().split(b": ", 1) for line in request.split(b"\r\n")[1:])
    key = next(
        line.split(b": ", 1)[1]
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    assert headers[b"upgrade"] == b"websocket"
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


class Inbox:
    """A `deliver` that keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._more = trio.Event()

    async def __call__(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._more.set()
        self._more = trio.Event()

    @property
    def messages(self) -> list[bytes]:
        return [frame for batch in self.batches for frame in batch.frames]

    async def wait_for(self, count: int) -> None:
        while len(self.messages) < count:
            await self._more.wait()
