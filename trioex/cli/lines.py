"""A line of a file to the objects in it: messages, control frames, what was skipped.

A line is one frame, as JSON text or as hex for a binary one, or an event of a recorded
session in its text form:

    URL <-> TIME              connected
    URL <- TIME: FRAME        a frame the client sent
    TIME: FRAME               a frame the venue sent

TIME is in seconds since the epoch and becomes `receive_time`, in ns and exactly; on a line
without TIME `receive_time` is 0. Pure: bytes in, objects out. Nothing of a request that could
be a secret (`auth`, the payload of a log-in) is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias, cast

import attrs
import msgspec

from ..errors import DecodeError
from ..exchanges.base import Answer, Control, Decoder, Notice, Pong, Skipped, Venue
from ..messages import MarketMessage, Number

__all__ = ["LineDecoder", "Result", "nanoseconds"]

Result: TypeAlias = MarketMessage | dict[str, object]
"""A message, or an object whose `type` is `control` or `skipped`."""

_EVENT = re.compile(
    rb"(?:(\S+) (<->|<-|->) )?(\d{1,10}(?:\.\d+)?)(?:: (.+))?",
    re.DOTALL,
)
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}\s*)+")
_MOST_DECODERS = 4096
"""Streams with a decoder at hand; one more makes the longest unused one be made again."""
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)


def nanoseconds(seconds: str) -> int:
    """Convert decimal seconds to ns, exactly; what is below one ns is cut off."""
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(f"{fraction:0<9}"[:9])


class LineDecoder:
    """Decodes the lines of one venue.

    Args:
        number_type: `float` or `Decimal`, for prices and quantities.
    """

    def __init__(self, venue: Venue, number_type: type[Number] = float) -> None:
        self._venue = venue
        self._number_type = number_type
        self._decoder = lru_cache(_MOST_DECODERS)(self._make_decoder)

    def decode(self, line: bytes) -> list[Result]:
        """Return what is in a line, in order; a blank line holds nothing.

        Raises:
            DecodeError: it is no line of a known form, or its frame is not what it promises.
        """
        line = line.strip()
        if not line:
            return []
        event = _EVENT.fullmatch(line)
        if event is None:
            return self._frame(line, 0)
        url, arrow, seconds, frame = event.groups()
        time = nanoseconds(seconds.decode())
        if arrow == b"<->" and frame is None:
            return [self._control("connected", time, url=url.decode(errors="replace"))]
        if frame is None:
            # Digits alone may be hex; with an arrow they are an event cut short.
            return self._frame(line, 0)
        if arrow == b"<-":
            return [self._sent(frame, time)]
        if arrow is None:
            return self._frame(frame, time)
        return [_skipped("the answer to a GET, no frame")]

    # Frames of the venue

    def _frame(self, frame: bytes, time: int) -> list[Result]:
        if frame[:1] in (b"{", b"["):
            return self._text(frame, time)
        if _HEX.fullmatch(frame):
            return self._push(bytes.fromhex(frame.decode()), False, time)
        # A venue's words that are no JSON, such as MEXC's `Invalid listen key`.
        control = self._venue.control(frame, True)
        if isinstance(control, Skipped):
            raise DecodeError("it is neither JSON text nor hex")
        return [self._received(control, time)]

    def _text(self, frame: bytes, time: int) -> list[Result]:
        if self._venue.key(frame, True) is None:
            try:
                request = _read_request(msgspec.json.decode(frame))
            except _MALFORMED as error:
                raise DecodeError(f"it is no whole JSON: {error}") from None
            if request is not None:
                return [self._control("request", time, direction="sent", **request)]
        return self._push(frame, True, time)

    def _push(self, frame: bytes, text: bool, time: int) -> list[Result]:
        key = self._venue.key(frame, text)
        if key is None:
            return [self._received(self._venue.control(frame, text), time)]
        decode = self._decoder(key)
        if decode is None:
            name = key.decode(errors="replace")
            return [_skipped(f"a stream that this version does not know: {name}")]
        return list(decode(frame, time)) or [_skipped("a push without content")]

    def _make_decoder(self, key: bytes) -> Decoder | None:
        topic = self._venue.topic_of(key)
        return None if topic is None else self._venue.decoder(topic, self._number_type)

    # Everything else

    def _sent(self, frame: bytes, time: int) -> Result:
        try:
            request = _read_request(msgspec.json.decode(frame))
        except _MALFORMED as error:
            raise DecodeError(f"the request is no whole JSON: {error}") from None
        facts = request or {"request": None, "id": None, "channel": None, "payload": None}
        return self._control("request", time, direction="sent", **facts)

    def _received(self, control: Control, time: int) -> Result:
        if isinstance(control, Skipped):
            return _skipped(control.reason)
        return self._control(_NAMES[type(control)], time, **attrs.asdict(control))

    def _control(
        self, name: str, time: int, *, direction: str = "received", **facts: object
    ) -> dict[str, object]:
        return {
            "type": "control",
            "control": name,
            "direction": direction,
            "exchange": self._venue.exchange,
            "market": self._venue.market,
            "receive_time": time,
            **facts,
        }


_NAMES: Mapping[type[Control], str] = {Answer: "answer", Pong: "pong", Notice: "notice"}


def _skipped(reason: str) -> dict[str, object]:
    return {"type": "skipped", "reason": reason}


# A client's own requests. Both venues' are told from answers by what no answer has or lacks.


def _read_request(said: Any) -> dict[str, object] | None:
    """What a client's request says, or None where it is none."""
    if not isinstance(said, dict):
        return None
    said = cast("dict[str, Any]", said)
    if isinstance(said.get("method"), str):  # MEXC
        return _request(said["method"], said, None, said.get("params"))
    channel = said.get("channel")
    if not isinstance(channel, str) or {"result", "error", "header", "data"} & said.keys():
        return None
    event = said.get("event") or ("ping" if channel.endswith(".ping") else None)
    if event in ("subscribe", "unsubscribe"):
        return _request(event, said, channel, said.get("payload"))
    return _request(event, said, channel, None) if event in ("ping", "api") else None


_WORDS = {"SUBSCRIPTION": "subscribe", "UNSUBSCRIPTION": "unsubscribe", "PING": "ping"}


def _request(
    verb: str, said: dict[str, Any], channel: str | None, payload: object
) -> dict[str, object]:
    return {
        "request": _WORDS.get(verb, verb),
        "id": said.get("id"),
        "channel": channel,
        "payload": payload,
    }
