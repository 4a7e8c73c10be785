"""The server of all socket benchmarks: a process that writes prebuilt bytes.

    python -m benchmarks.server [--certificate FILE]

It prints its ports as JSON and ends when its standard input does, so never outlives whoever
started it. What a connection gets is in the URL it asks for:

    kind     gate, mexc, trade, trades or book: which payloads
    count    how many; 0 for a server that only confirms subscriptions
    rate     a second, one write each, or 0 for as many as go through, in big writes
    ack      0 for a server that confirms nothing
    fresh    1 for payloads that never come again, as a book's versions must not
    drop     1 to cut the connection behind the last payload
    pause    so many fresh payloads come first, and the others when those have been taken for sure
    snapshot 1 for a client that will ask for the book by REST: after some payloads the others
             wait until it has been given

It begins with the first request of the client. TLS has one record a message, as exchanges
send, and all records are encrypted before the first is sent. A GET is answered with the book
that `book` begins with.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .samples import (
    gate_book,
    gate_snapshot,
    gate_trade,
    gate_trades,
    gate_updates,
    mexc_depths,
)

__all__ = ["Pipe", "main"]

_TEXT, _BINARY = 0x81, 0x82
_BLOCK = 1000
"""Payloads a write; where they need not be fresh, they are sent again and again."""

_BEFORE_SNAPSHOT = 20
"""Payloads before the book by REST: ccxt asks for it with its eleventh."""
_SETTLING_S = 0.05
"""From the answer of a GET to what comes behind it: a client takes a few milliseconds."""
_PAUSE_S = 0.2
"""After the payloads that come first: enough for a thousand of the slowest client."""

_FRAME_OF_KIND = dict.fromkeys(("gate", "trade", "trades", "book"), _TEXT) | {"mexc": _BINARY}


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole server frame of less than 64 KiB."""
    length = len(payload)
    head = (
        struct.pack("!BB", opcode, length)
        if length < 126
        else struct.pack("!BBH", opcode, 126, length)
    )
    return head + payload


def accept(head: bytes) -> bytes:
    """The 101 response to a handshake."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    assert key is not None
    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def confirm(kind: str, request: bytes) -> bytes | None:
    """The answer to a subscription; None for what is no request, such as a ping."""
    said = json.loads(request)
    if kind == "mexc":
        if "params" not in said:
            return None
        answer = {"id": said["id"], "code": 0, "msg": ",".join(said["params"])}
    else:
        if said.get("event") != "subscribe":
            return None
        answer = {key: said[key] for key in ("time", "id", "channel", "event") if key in said}
        answer |= {"error": None, "result": {"status": "success"}}
    return frame(_TEXT, json.dumps(answer, separators=(",", ":")).encode())


class Pipe:
    """A blocking socket, with TLS or without, whose bytes can be prepared before they go."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        self._socket = connection
        self._buffer = b""
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if context is not None:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self.send_prepared(self.prepare([data]))

    def prepare(self, frames: list[bytes]) -> bytes:
        """What has to be written to send `frames`: with TLS, one record each."""
        if self._tls is None:
            return b"".join(frames)
        for each in frames:
            self._tls.write(each)
        return self._outgoing.read()

    def send_prepared(self, data: bytes) -> None:
        """Send what `prepare` returned, in this order and once."""
        self._socket.sendall(data)

    def read_until_head(self) -> bytes:
        """The HTTP head."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def read_messages(self) -> Iterator[bytes]:
        """The text messages of the client, to the end of the connection."""
        with suppress(EOFError):
            while True:
                opcode, payload = self._read_frame()
                if opcode == _TEXT:
                    yield payload
                elif opcode & 0x0F == 8:
                    self.send(frame(opcode, payload))
                    return  # who serves closes TCP first

    def _read_frame(self) -> tuple[int, bytes]:
        opcode, length = self._take(2)
        length &= 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        mask = self._take(4)
        payload = self._take(length)
        return opcode, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill(self) -> None:
        if self._tls is None:
            data = self._socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._buffer += data
            return
        while True:
            try:
                # A client's Finished may come together with its first data.
                plain = self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                if out := self._outgoing.read():
                    self._socket.sendall(out)
                data = self._socket.recv(1 << 16)
                if not data:
                    raise EOFError from None
                self._incoming.write(data)
                continue
            if not plain:
                raise EOFError
            self._buffer += plain
            return


class Snapshots:
    """Counts the books that were given, so that a session can wait for the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.given = 0

    def give(self, pipe: Pipe) -> None:
        """Answer a GET."""
        body = gate_snapshot()
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        pipe.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        with self._changed:
            self.given += 1
            self._changed.notify_all()

    def wait_beyond(self, given: int) -> None:
        """Wait until more than so many were given."""
        with self._changed:
            self._changed.wait_for(lambda: self.given > given)


_SNAPSHOTS = Snapshots()


class Session(threading.Thread):
    """One connection, to its end."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        super().__init__(daemon=True)
        self._socket = connection
        self._pipe = Pipe(connection, context)
        self._wish: dict[str, str] = {}
        self._given = _SNAPSHOTS.given

    def run(self) -> None:
        with suppress(OSError, EOFError), self._socket:
            head = self._pipe.read_until_head()
            if b"upgrade: websocket" not in head.lower():
                _SNAPSHOTS.give(self._pipe)
                return
            target = head.split(b" ", 2)[1].decode()
            self._wish = dict(parse_qsl(urlsplit(target).query))
            self._pipe.send(accept(head))
            self._serve()

    def _serve(self) -> None:
        kind = self._wish.get("kind", "gate")
        count = int(self._wish.get("count", "0"))
        for message in self._pipe.read_messages():
            answer = confirm(kind, message) if self._wish.get("ack", "1") == "1" else None
            if answer is not None:
                self._pipe.send(answer)
            if count:
                rate = float(self._wish.get("rate", "0"))
                self._pace(count, rate) if rate else self._blast(kind, count)
                if self._wish.get("drop") == "1":
                    return
                count = 0

    def _blast(self, kind: str, count: int) -> None:
        opcode = _FRAME_OF_KIND[kind]
        distinct = count if self._wish.get("fresh") == "1" else _BLOCK
        frames = [frame(opcode, payload) for payload in _payloads(kind, distinct)]
        done = 0
        if self._wish.get("snapshot") == "1":
            done = _BEFORE_SNAPSHOT
            self._pipe.send_prepared(self._pipe.prepare(frames[:done]))
            _SNAPSHOTS.wait_beyond(self._given)
            time.sleep(_SETTLING_S)
        if pause := int(self._wish.get("pause", "0")):
            self._pipe.send_prepared(self._pipe.prepare(frames[done:pause]))
            time.sleep(_PAUSE_S)
            done = pause
        frames = frames[done:]
        blocks = [frames[at : at + _BLOCK] for at in range(0, len(frames), _BLOCK)]
        repeats = -(-count // distinct)
        if "secure" in self._wish:
            self._pipe.send_prepared(self._pipe.prepare(frames * repeats))
            return
        prepared = [self._pipe.prepare(block) for block in blocks]
        for block in prepared * repeats:
            self._pipe.send_prepared(block)

    def _pace(self, count: int, rate: float) -> None:
        """One trade a write, each with the time at which it was written."""
        due = time.perf_counter()
        for _ in range(count):
            due += 1 / rate
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
            self._pipe.send(frame(_TEXT, gate_trade(time.perf_counter_ns())))


@functools.cache
def _payloads(kind: str, count: int) -> list[bytes]:
    made = {"gate": gate_updates, "mexc": mexc_depths, "trades": gate_trades, "book": gate_book}
    return made[kind](count)


def _listen(context: ssl.SSLContext | None) -> int:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Session(connection, context).start()

    threading.Thread(target=serve, daemon=True).start()
    address: tuple[str, int] = listener.getsockname()
    return address[1]


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("--certificate", type=Path, help="PEM with key and chain; without, no TLS")
    certificate: Path | None = parser.parse_args().certificate
    ports: dict[str, Any] = {"ws": _listen(None)}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        ports["wss"] = _listen(context)
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)  # without waiting for threads that write to clients


if __name__ == "__main__":
    main()
