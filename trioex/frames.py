"""Bytes of a WebSocket in, batches of whole messages out."""

from __future__ import annotations

import attrs

__all__ = ["Batch"]


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
