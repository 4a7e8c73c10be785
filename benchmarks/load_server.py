"""The exchange of the load benchmark: one thread that paces numbered pushes over many sockets.

    python -m benchmarks.load_server SPEC

SPEC is JSON, made by `load.Load`. It prints its port; at the line `go` it begins, and when it is
done it prints what it sent and saw. It ends when its standard input does.

Every stream, which is a symbol on a connection, has numbers that run on by one from `FIRST`, so
that each binding can tell what is missing or came twice. Only the number and the time of sending
change in the bytes of a push, and they have a constant width: a block of pushes is made once a
connection and written over in place.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Any

import attrs

from .server import accept, confirm, frame

__all__ = ["FIRST", "Load", "Server", "payload"]

FIRST = 1_000_000_000
"""The number before the first: all numbers have ten digits."""

_TEXT, _PING = 0x81, 0x89
_NUMBER, _TIME = b"N" * 10, b"T" * 19
"""What stands in a push where the number and the time of sending come to stand."""
_PING_EVERY_S = 0.5
_MOST_AT_ONCE = 64
"""Bursts between two looks at what clients say."""
_SEND_BUFFER = 256 << 10
"""Of a connection; a server with thousands allows no more, and soon notices who does not read."""
_PATIENCE_S = 120.0
"""For clients to take what they were sent."""


@attrs.frozen(kw_only=True)
class Load:
    """What is sent.

    Attributes:
        kind: `trades` or `deltas`.
        rate: messages a second over all connections; 0 for as many as the sockets take.
        burst: messages a write.
    """

    kind: str = "trades"
    connections: int = 50
    bindings: int = 30
    seconds: float = 60.0
    rate: float = 100_000.0
    burst: int = 10


def payload(kind: str, native: str) -> bytes:
    """A push with room for number and time."""
    number, sent = _NUMBER.decode(), _TIME.decode()
    if kind == "trades":
        text = (
            '{"time":1790134390,"time_ms":1790134390859,"channel":"spot.trades","event":"update",'
            f'"result":{{"id":{number},"create_time":1790134390,"create_time_ms":"{sent}",'
            f'"side":"sell","currency_pair":"{native}","amount":"16.4700000000",'
            f'"price":"0.4705000000","range":"2390902-2390902","id_market":{number}}}}}'
        )
    else:
        text = (
            '{"time":1790134390,"time_ms":1790134390859,"channel":"spot.order_book_update",'
            '"event":"update","result":{"t":1790134390854,"e":"depthUpdate","E":1790134390,'
            f'"s":"{native}","U":{number},"u":{number},'
            '"b":[["19137.74","0.0001"],["19136.74","0.0001"],["19135.74","0.0001"]],'
            f'"a":[["19138.74","{sent}"],["19139.74","0.0900"],["19140.74","1.5555"]]}}}}'
        )
    return text.encode()


def _places(block: bytes, mark: bytes) -> list[int]:
    places, at = [], block.find(mark)
    while at >= 0:
        places.append(at)
        at = block.find(mark, at + 1)
    return places


class Stream:
    """One connection: what it asks for, and the pushes it gets."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.sent = 0
        self.blocked_at: float | None = None
        self.blocked_s = 0.0
        self.pongs_ms: list[float] = []
        self.pings = 0
        self.is_gone = False
        self._read = b""
        self._is_open = False
        self._natives: list[str] = []
        self._block = bytearray()
        self._ends: list[int] = []
        self._numbers: list[list[int]] = []
        self._times: list[int] = []
        self._next = 0
        self._round = FIRST
        self._kind = ""
        self._rest = memoryview(b"")

    # What the client says

    def receive(self) -> None:
        """Read, and answer: the handshake, subscriptions, pings."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_gone = True
            return
        self._read += data
        if not self._is_open:
            head, found, rest = self._read.partition(b"\r\n\r\n")
            if not found:
                return
            self._read, self._is_open = rest, True
            self.socket.sendall(accept(head))
        while (message := self._take()) is not None:
            self._hear(*message)

    def _take(self) -> tuple[int, bytes] | None:
        data = self._read
        if len(data) < 6:
            return None
        length, at = data[1] & 0x7F, 2
        if length == 126:
            length, at = int.from_bytes(data[2:4], "big"), 4
        if len(data) < at + 4 + length:
            return None
        mask = data[at : at + 4]
        body = data[at + 4 : at + 4 + length]
        self._read = data[at + 4 + length :]
        return data[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))

    def _hear(self, opcode: int, body: bytes) -> None:
        if opcode == 0xA and len(body) == 8:
            self.pongs_ms.append((time.monotonic_ns() - int.from_bytes(body, "big")) / 1e6)
        elif opcode == 8:
            self._send_now(frame(0x88, body))
        elif opcode == 1 and (answer := confirm("gate", body)) is not None:
            said = json.loads(body)
            self._natives += [word for word in said["payload"] if "_" in word]
            self._send_now(answer)
        elif opcode == 1 and b"spot.ping" in body:
            self._send_now(frame(_TEXT, b'{"time":1790134390,"channel":"spot.pong","event":""}'))

    def _send_now(self, data: bytes) -> None:
        """Send beside the pushes: behind what is under way, and never in the middle of it."""
        self._rest = memoryview(bytes(self._rest) + data)
        self.flush()

    def ping(self) -> None:
        """Ask whether it still answers."""
        self.pings += 1
        self._send_now(frame(_PING, time.monotonic_ns().to_bytes(8, "big")))

    # What it is sent

    def prepare(self, kind: str) -> None:
        """Make the block of pushes, one a symbol."""
        for native in self._natives:
            whole = frame(_TEXT, payload(kind, native))
            start = len(self._block)
            self._block += whole
            self._ends.append(len(self._block))
            self._numbers.append([start + at for at in _places(whole, _NUMBER)])
            self._times.append(start + whole.index(_TIME))
        self._kind = kind

    def send(self, burst: int) -> int:
        """Send the next pushes; return how many, 0 while earlier ones are under way."""
        if self._rest and not self.flush():
            return 0
        block, first = self._block, self._next
        last = min(first + burst, len(self._ends))
        now = time.time_ns()
        if self._kind == "trades":  # in ms with five digits behind the point
            stamp = b"%d.%05d" % (now // 1_000_000, now % 1_000_000 // 10)
        else:  # in s
            stamp = b"%d.%08d" % (now // 1_000_000_000, now % 1_000_000_000 // 10)
        if first == 0:
            self._round += 1
        number = b"%d" % self._round
        size = len(stamp)
        for index in range(first, last):
            at = self._times[index]
            block[at : at + size] = stamp
            for at in self._numbers[index]:
                block[at : at + 10] = number
        start = self._ends[first - 1] if first else 0
        self._rest = memoryview(bytes(block[start : self._ends[last - 1]]))
        self._next = last % len(self._ends)
        self.sent += last - first
        self.flush()
        return last - first

    def flush(self) -> bool:
        """Send what is under way; whether all of it went."""
        try:
            while self._rest:
                self._rest = self._rest[self.socket.send(self._rest) :]
        except BlockingIOError:
            if self.blocked_at is None:
                self.blocked_at = time.monotonic()
            return False
        except OSError:
            self.is_gone = True
            self._rest = memoryview(b"")
        self.stop_blocking()
        return True

    def stop_blocking(self) -> None:
        """Count the time for which it has been blocked until now."""
        if self.blocked_at is not None:
            self.blocked_s += time.monotonic() - self.blocked_at
            self.blocked_at = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self.is_gone or not self._rest


class Server:
    """All connections."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._epoll.register(0, select.EPOLLIN)
        self._streams: dict[int, Stream] = {}
        self._commands = b""

    def run(self) -> None:
        """Serve until standard input ends."""
        print(self._listener.getsockname()[1], flush=True)
        while not self._commands.startswith(b"go"):
            self._look(0.1)
        print(json.dumps(self._send()), flush=True)
        while True:
            self._look(0.1)
            for stream in self._streams.values():
                stream.flush()

    def _look(self, timeout: float) -> None:
        """See what clients say."""
        for descriptor, _ in self._epoll.poll(timeout):
            if descriptor == 0:
                data = os.read(0, 100)
                if not data:
                    os._exit(0)
                self._commands += data
            elif descriptor == self._listener.fileno():
                self._take()
            else:
                stream = self._streams[descriptor]
                stream.receive()
                if stream.is_gone:
                    self._epoll.unregister(descriptor)

    def _take(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._streams[connection.fileno()] = Stream(connection)
        self._epoll.register(connection, select.EPOLLIN)

    def _send(self) -> dict[str, Any]:
        streams = list(self._streams.values())
        for stream in streams:
            stream.prepare(self._load.kind)
        cpu, begin = time.process_time(), time.monotonic()
        most_behind = self._pace(streams) if self._load.rate else self._blast(streams)
        sent_s = time.monotonic() - begin
        while not all(stream.is_idle for stream in streams):
            if time.monotonic() - begin > self._load.seconds + _PATIENCE_S:
                break
            self._look(0.01)
            for stream in streams:
                stream.flush()
        for stream in streams:
            stream.stop_blocking()
        pongs = [ms for stream in streams for ms in stream.pongs_ms]
        return {
            "sent": sum(stream.sent for stream in streams),
            "seconds": sent_s,
            "taken_s": time.monotonic() - begin,
            "cpu_share": (time.process_time() - cpu) / (time.monotonic() - begin),
            "most_behind": most_behind,
            "blocked_connections": sum(stream.blocked_s > 0 for stream in streams),
            "blocked_s": max(stream.blocked_s for stream in streams),
            "gone": sum(stream.is_gone for stream in streams),
            "pings": sum(stream.pings for stream in streams),
            "pongs": len(pongs),
            "slowest_pong_ms": max(pongs, default=None),
        }

    def _pace(self, streams: list[Stream]) -> int:
        """Send at the rate; return the most messages it ever was behind its own schedule."""
        load = self._load
        clock = time.monotonic
        begin = clock()
        pinged = begin
        sent = most_behind = 0
        turn = 0
        while (now := clock()) - begin < load.seconds:
            due = int((now - begin) * load.rate)
            most_behind = max(most_behind, due - sent)
            bursts = misses = 0
            while sent < due and bursts < _MOST_AT_ONCE and misses < len(streams):
                stream = streams[turn]
                turn = (turn + 1) % len(streams)
                if taken := stream.send(load.burst):
                    sent += taken
                    bursts += 1
                    misses = 0
                else:
                    misses += 1
            if now - pinged > _PING_EVERY_S:
                pinged = now
                for stream in streams:
                    stream.ping()
            self._look(0.0 if bursts and not misses else 0.001)
        return most_behind

    def _blast(self, streams: list[Stream]) -> int:
        """Send as much as the sockets take."""
        load = self._load
        begin = pinged = time.monotonic()
        while (now := time.monotonic()) - begin < load.seconds:
            taken = sum(stream.send(load.bindings) for stream in streams)
            if now - pinged > _PING_EVERY_S:
                pinged = now
                for stream in streams:
                    stream.ping()
            self._look(0.0 if taken else 0.001)
        return 0


def main() -> None:
    """Serve what the first argument says."""
    with suppress(KeyboardInterrupt):
        Server(Load(**json.loads(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
