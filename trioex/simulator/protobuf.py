"""A writer for the protobuf wire format: just enough to say what MEXC says.

Written by hand on purpose: a simulator that used the client's generated classes could not
find a mistake in them. As in proto3, empty strings and zeros are not written.
"""

from __future__ import annotations

__all__ = ["integer", "message", "text", "varint"]


def varint(value: int) -> bytes:
    """A non-negative integer, seven bits a byte, low bits first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """Field `number` as an int32, int64 or bool that is not negative."""
    return varint(number << 3) + varint(value) if value else b""


def text(number: int, value: str) -> bytes:
    """Field `number` as a string."""
    return message(number, value.encode()) if value else b""


def message(number: int, body: bytes) -> bytes:
    """Field `number` as a message that was already written, even an empty one."""
    return varint(number << 3 | 2) + varint(len(body)) + body
