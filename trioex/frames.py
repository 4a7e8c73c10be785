"""Bytes of a WebSocket in, batches of whole messages out.

`FrameSplitter` reads the frames a server sends (RFC 6455 section 5): unmasked, without
extensions. Messages come out of `feed` as batches, in the order of the wire; control frames
come out as the bytes they are, for whoever answers them. It holds at most one message of
`max_message_bytes` and one read, whatever the peer sends.

The rule: nothing behind a Close frame or behind a violation is ever looked at.
"""

from __future__ import annotations

import codecs
import struct
from typing import TypeAlias

import attrs

from .errors import FrameError
from .speedups import accelerated

__all__ = ["Batch", "Close", "Event", "FrameSplitter", "take_run"]


@attrs.frozen
class Batch:
    """The messages of one kind that one read of a socket completed.

    Attributes:
        text: whether they are text (UTF-8, checked) or binary.
        frames: the messages, in the order of the wire.
        received: wall time of the read, ns since the epoch.
        size: bytes in `frames`.
    """

    text: bool
    frames: list[bytes]
    received: int
    size: int


@attrs.frozen
class Close:
    """A valid Close frame.

    Attributes:
        code: the status code, or None where the frame has none.
        reason: the peer's words, often empty.
        frame: the bytes of the frame.
    """

    code: int | None
    reason: str
    frame: bytes


Event: TypeAlias = Batch | Close | FrameError | bytes
"""What `feed` returns: messages, a Close, a violation, or a ping or pong as its bytes."""

_FIN = 0x80
_RESERVED = 0x70
_MASKED = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = frozenset({_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG})
_WHOLE_TEXT = _FIN | _TEXT
_WHOLE = frozenset({_WHOLE_TEXT, _FIN | _BINARY})
_HEADER = struct.Struct("!HH")

_NOT_UTF8, _TOO_BIG = 1007, 1009
# RFC 6455 section 7.4 and the IANA registry: what may stand in a Close frame. 1004, 1005, 1006
# and 1015 are reserved for the use of programs; 3000 to 4999 belong to libraries and users.
_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})


def python_take_run(data: bytes, at: int, most: int, frames: list[bytes]) -> tuple[int, int]:
    """Take whole data messages of the kind that begins at `at`, each one frame under 64 KiB.

    Stops at the first frame that is anything else, without judging it. At market open this is
    most of what a program does, so it has a twin in C.

    Args:
        most: bytes in one message.
        frames: gets the payloads.

    Returns:
        Where it stopped, and how many bytes it took into `frames`.
    """
    total = len(data)
    last = total - 3
    kind = data[at]
    long = kind << 8 | 126
    text = kind == _WHOLE_TEXT
    unpack = _HEADER.unpack_from
    append = frames.append
    size = 0
    while at < last:
        # The first two bytes and a length of two bytes, should there be one.
        head, length = unpack(data, at)
        if head == long:
            if length < 126:
                break
            start = at + 4
        elif head >> 8 == kind and (length := head & 0xFF) < 126:
            start = at + 2
        else:
            break
        stop = start + length
        if stop > total or length > most:
            break
        payload = data[start:stop]
        if text and not (payload.isascii() or _is_utf8(payload)):
            break
        append(payload)
        size += length
        at = stop
    return at, size


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


take_run = accelerated("take_run", python_take_run)


class FrameSplitter:
    """Splits what a server sends behind the HTTP response into messages and control frames.

    Args:
        max_message_bytes: a longer message is a violation, as soon as its length is known.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._most = max_message_bytes
        self._held = bytearray()  # the beginning of a frame that has not arrived whole
        self._missing = 0  # bytes without which looking at it again is useless
        self._opcode = _CONTINUATION  # of the message whose fragments are arriving
        self._message = bytearray()  # its payload so far
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._over = False

    def __repr__(self) -> str:
        state = "OVER" if self._over else "FRAGMENT" if self._opcode else "OPEN"
        return f"<FrameSplitter {state} held={len(self._held) + len(self._message)}>"

    def feed(self, data: bytes, received: int) -> list[Event]:
        """Take what one read returned.

        Args:
            data: the bytes, cut anywhere.
            received: wall time of the read, ns since the epoch.

        Returns:
            What it completed, in the order of the wire. Consecutive messages of one kind share
            a batch; one that is fragmented or longer than 64 KiB has its own. A violation is
            the last event, as a `FrameError`; what came before it in the same read precedes it.
        """
        if self._held:
            if len(data) < self._missing:
                self._held += data
                self._missing -= len(data)
                return []
            data = b"".join((self._held, data))
            self._held.clear()
        events: list[Event] = []
        try:
            at = self._split(data, received, events)
        except FrameError as violation:
            events.append(violation)
            self._end()
        else:
            if at < len(data) and not self._over:
                self._held += memoryview(data)[at:]
        return events

    def _split(self, data: bytes, received: int, events: list[Event]) -> int:
        """Take every whole frame in `data`; return where the first incomplete one begins."""
        at = after = 0
        while after < len(data) and not self._over:
            if not self._opcode:
                after = self._take_messages(data, at, received, events)
            if after == at:
                after = self._take_frame(data, at, received, events)
            if after == at:
                break
            at = after
        return at

    def _take_messages(self, data: bytes, at: int, received: int, events: list[Event]) -> int:
        """Take a run of data messages of one frame and less than 64 KiB: nearly all there are."""
        if data[at] not in _WHOLE:
            return at
        frames: list[bytes] = []
        stop, size = take_run(data, at, self._most, frames)
        if frames:
            events.append(Batch(data[at] == _WHOLE_TEXT, frames, received, size))
        return stop

    def _take_frame(self, data: bytes, at: int, received: int, events: list[Event]) -> int:
        """Take one frame of any kind; return where it ends, or `at` when it is not whole."""
        total = len(data)
        start = at + 2
        if start > total:
            self._missing = start - total
            return at
        first, length = data[at], data[at + 1]
        self._check_header(first, length)
        if length > 125:
            start += 2 if length == 126 else 8
            if start > total:
                self._missing = start - total
                return at
            length = _long_length(data[at + 2 : start])
        opcode = first & 0x0F
        if opcode < _CLOSE and len(self._message) + length > self._most:
            most = f"a message of more than max_message_bytes={self._most}"
            raise FrameError(most, _TOO_BIG)
        stop = start + length
        if stop > total:
            self._missing = stop - total
            return at
        if opcode < _CLOSE:
            self._take_data(first, data[start:stop], received, events)
        elif opcode == _CLOSE:
            events.append(_close(data[start:stop], data[at:stop]))
            self._end()
        else:
            events.append(data[at:stop])
        return stop

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & _RESERVED:
            raise FrameError("a reserved bit is set and no extension was agreed on")
        if opcode not in _OPCODES:
            raise FrameError(f"opcode {opcode:#x} is reserved")
        if second & _MASKED:
            raise FrameError("a server must not mask its frames")
        if opcode >= _CLOSE:
            if not first & _FIN:
                raise FrameError("a control frame is fragmented")
            if second > 125:
                raise FrameError("a control frame is longer than 125 bytes")
        elif opcode == _CONTINUATION:
            if not self._opcode:
                raise FrameError("a continuation frame continues nothing")
        elif self._opcode:
            raise FrameError("a new message begins inside a fragmented one")

    def _take_data(self, first: int, payload: bytes, received: int, events: list[Event]) -> None:
        """Take a long message of one frame, or add a fragment to the message it belongs to."""
        if first in _WHOLE:
            text = first == _WHOLE_TEXT
            if text and not payload.isascii():
                _check_utf8(payload)
            events.append(Batch(text, [payload], received, len(payload)))
            return
        finished = bool(first & _FIN)
        if not self._opcode:
            self._opcode = first & 0x0F
        if self._opcode == _TEXT:
            try:
                self._decoder.decode(payload, finished)
            except UnicodeDecodeError as error:
                raise _not_utf8(error) from None
        self._message += payload
        if finished:
            message = bytes(self._message)
            events.append(Batch(self._opcode == _TEXT, [message], received, len(message)))
            self._opcode = _CONTINUATION
            self._message = bytearray()

    def _end(self) -> None:
        self._over = True
        self._held.clear()
        self._message.clear()


def _long_length(field: bytes) -> int:
    """Read a length of 2 or 8 bytes; RFC 6455 section 5.2 wants the shortest form."""
    length = int.from_bytes(field, "big")
    if length >> 63:
        raise FrameError("the top bit of a 64-bit length is set")
    if length < 126 or (len(field) == 8 and length < 1 << 16):
        raise FrameError(f"the length {length} is not in its shortest form")
    return length


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None


def _not_utf8(error: UnicodeDecodeError) -> FrameError:
    return FrameError(f"text that is not UTF-8: {error.reason} at byte {error.start}", _NOT_UTF8)


def _close(payload: bytes, frame: bytes) -> Close:
    if not payload:
        return Close(None, "", frame)
    if len(payload) == 1:
        raise FrameError("a Close frame with half a status code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
        raise FrameError(f"a Close frame with the status code {code}, which must not be sent")
    try:
        return Close(code, payload[2:].decode(), frame)
    except UnicodeDecodeError:
        raise FrameError("the reason in a Close frame is not UTF-8", _NOT_UTF8) from None
