"""What Gate.io says besides pushes: acknowledgements, errors, pongs, announcements.

A name is the channel and its payload, `spot.order_book BTC_USDT 20 100ms`; an answer that
repeats the payload therefore names its topics, whichever request it belongs to. Old sessions
and some hosts leave payload or id out: then only the channel is known, the `scope`.

Several streams in one request fail together when one of them is bad. The message tells which;
only that one is refused, and the others are neither accepted nor refused: ask again for them.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import msgspec

from ..base import Answer, Control, Notice, Pong, Skipped
from .endpoints import LISTING, PING, PONG, SYSTEM
from .wire import MALFORMED

__all__ = ["read_control", "topic_name"]

_Json: TypeAlias = dict[str, Any]

_ALREADY_SUBSCRIBED = "Alert sub "
"""How `spot.obu` answers a second subscription; the first one stays."""

_SERVER_ERROR = 3
"""The one code of the documents (1 body, 2 argument, 4 authentication) that may pass."""

_parse = msgspec.json.Decoder(dict[str, Any]).decode


def topic_name(channel: str, *arguments: object) -> str:
    """The name of a topic: the channel and what its payload says."""
    return " ".join((channel, *map(str, arguments)))


def read_control(frame: bytes) -> Control:
    """What a frame that is no push says; anything unknown is `Skipped`."""
    try:
        said = _parse(frame)
    except MALFORMED as error:
        return Skipped(f"no JSON object: {error}")
    channel = _text(said, "channel")
    event = _text(said, "event")
    if channel in {PONG, PING}:
        return Pong()
    if event in {"subscribe", "unsubscribe"}:
        return _answer(said, channel, event == "subscribe")
    if said.get("error"):
        return _failure(said, channel)
    if channel == SYSTEM and event == "update":
        result = _object(said, "result")
        return Notice(_text(result, "type") or "system", _text(result, "msg"))
    return Skipped(f"channel {channel or 'unnamed'!r}, event {event!r}, and no known stream")


def _answer(said: _Json, channel: str, subscribe: bool) -> Answer:
    request = _integer(said, "id")
    streams = _streams(said, channel)
    names = tuple(streams)
    scope = None if names or not channel else channel
    if not _has_failed(said):
        return Answer(request, accepted=names or None, subscribe=subscribe, scope=scope)
    code, reason = _reason(said)
    named = tuple(name for name, stream in streams.items() if stream in reason.split())
    if reason.startswith(_ALREADY_SUBSCRIBED) and named:
        return Answer(request, accepted=named, subscribe=subscribe)
    return Answer(
        request,
        accepted=() if names else None,
        refused=named or names,
        reason=reason,
        code=code,
        subscribe=subscribe,
        scope=scope,
        is_transient=code == _SERVER_ERROR,
    )


def _failure(said: _Json, channel: str) -> Answer | Notice:
    """An error that does not say which request it is about, unless by id."""
    request = _integer(said, "id")
    code, reason = _reason(said)
    if request is None:
        return Notice("error", reason)
    transient = code == _SERVER_ERROR
    return Answer(request, reason=reason, code=code, scope=channel or None, is_transient=transient)


def _streams(said: _Json, channel: str) -> dict[str, str]:
    """The names of the topics in the payload, each with the one word that tells it."""
    payload = said.get("payload")
    if not channel or not isinstance(payload, list) or not payload:
        return {}
    words = [str(word) for word in cast("list[object]", payload)]
    if channel in LISTING:
        return {topic_name(channel, word): word for word in words}
    return {topic_name(channel, *words): words[0]} if words else {}


def _has_failed(said: _Json) -> bool:
    # Success has been written as `"error":null` and without the field.
    return bool(said.get("error")) or _text(_object(said, "result"), "status") == "fail"


def _reason(said: _Json) -> tuple[int | None, str]:
    error = _object(said, "error")
    reason = _text(error, "message") or (str(said.get("error") or "no reason given"))
    return _integer(error, "code"), reason.strip()


def _object(said: _Json, name: str) -> _Json:
    value = said.get(name)
    return cast("_Json", value) if isinstance(value, dict) else {}


def _text(said: _Json, name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _integer(said: _Json, name: str) -> int | None:
    value = said.get(name)
    return value if type(value) is int else None
