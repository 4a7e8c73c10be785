"""Just enough HTTP/1.1 for a server of GETs and WebSocket handshakes.

A head is read up to a bound and a deadline. What was read is handed on, so that whoever
speaks WebSocket sees the stream as if nobody had looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import attrs
import trio

__all__ = ["MAX_HEAD", "BadRequest", "Head", "Replayed", "read_head", "response"]

MAX_HEAD = 16_384
"""Bytes of a request line and its headers."""


class BadRequest(Exception):
    """A request that is answered with `status` and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@attrs.frozen
class Head:
    """A request without its body.

    Attributes:
        method, target: of the request line.
        headers: by lower-case name; of a repeated one the last.
        raw: every byte read so far, also those behind the head.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def upgrades(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        """Parse the head at the start of `raw`; raises BadRequest(400)."""
        try:
            first, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
            method, target, version = first.split(" ")
            pairs = [line.split(":", 1) for line in lines]
            headers = {name.lower(): value.strip() for name, value in pairs}
        except ValueError:
            raise BadRequest(400) from None
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not target.startswith("/"):
            raise BadRequest(400)
        head = cls(method, target, headers, raw)
        if head.upgrades and not (
            method == "GET"
            and headers.get("sec-websocket-version") == "13"
            and headers.get("sec-websocket-key")
            and "upgrade" in headers.get("connection", "").lower()
            and headers.get("host")
        ):
            raise BadRequest(400)
        return head


async def read_head(stream: trio.abc.ReceiveStream) -> Head | None:
    """Read one request's head; None when the peer closed before it said anything.

    Raises:
        BadRequest: 400 for what is no HTTP request, 431 for a head that is too long.
    """
    raw = b""
    while b"\r\n\r\n" not in raw:
        data = await stream.receive_some(MAX_HEAD)
        if not data:
            if raw:
                raise BadRequest(400)
            return None
        raw += data
        if len(raw.partition(b"\r\n\r\n")[0]) > MAX_HEAD:
            raise BadRequest(431)
    return Head.parse(raw)


def response(status: int, body: bytes = b"", retry_after: float | None = None) -> bytes:
    """A whole response, after which the connection ends."""
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if retry_after is not None:
        lines.append(f"Retry-After: {retry_after:g}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Replayed(trio.abc.Stream):
    """A stream that first returns bytes that were already read from it."""

    def __init__(self, stream: trio.abc.Stream, read: bytes) -> None:
        self._stream = stream
        self._read = read

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the stream below."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Ask the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return what was read before, then what the stream below has."""
        if self._read:
            await trio.lowlevel.checkpoint()
            data, self._read = self._read[:max_bytes], self._read[len(self._read[:max_bytes]) :]
            return data
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()
