"""From payload to message as one would write it by hand for one channel, with msgspec.

The struct of the wire is the message, and nothing is routed or checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

__all__ = ["Take", "trade_decoder", "update_decoder"]

Take: TypeAlias = Callable[[Any], object]
"""Takes a message, a frame or a payload."""


class _Update(msgspec.Struct, gc=False):
    s: str
    t: int
    U: int
    u: int
    b: tuple[tuple[float, float], ...]
    a: tuple[tuple[float, float], ...]


class _Trade(msgspec.Struct, gc=False):
    id: int
    currency_pair: str
    create_time_ms: float
    side: str
    price: float
    amount: float


class _UpdatePush(msgspec.Struct, gc=False):
    time_ms: int
    result: _Update


class _TradePush(msgspec.Struct, gc=False):
    time_ms: int
    result: _Trade


def update_decoder() -> Callable[[Any], Any]:
    """From payload to book update, in the `result` of what it returns."""
    return msgspec.json.Decoder(_UpdatePush, strict=False).decode


def trade_decoder() -> Callable[[Any], Any]:
    """From payload to trade, in the `result` of what it returns."""
    return msgspec.json.Decoder(_TradePush, strict=False).decode
