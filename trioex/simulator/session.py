"""What every venue's front end has in common: one session a connection, pure.

A session is told what the client wrote and what time it is, and answers with frames: text as
`str`, binary as `bytes`. The streams it subscribed to are the board's, shared with every other
session. Times are ns since the epoch.
"""

from __future__ import annotations

import abc
import json
import random
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

import attrs

from ..channels import ExchangeEnum
from .board import SECOND, Board, Frame, Stream
from .market import Market
from .quota import QuotaRules

__all__ = [
    "Body",
    "Ending",
    "FrontEnd",
    "Limits",
    "Query",
    "Session",
    "parse_object",
    "split_url",
    "strings",
]

Ending: TypeAlias = Literal["drop", "close"]
"""How a venue ends a connection: TCP closed without a word, or after a Close frame."""
Query: TypeAlias = Mapping[str, str]
Body: TypeAlias = tuple[int, bytes]
"""An HTTP status and a JSON body."""


def split_url(url: str) -> tuple[str, Query]:
    """The path and the query of a URL or of a request target."""
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query))


def parse_object(text: str) -> Mapping[str, object] | None:
    """A JSON object, or None for anything else a client may have written."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None


def strings(value: object) -> list[str] | None:
    """A list of strings, or None for anything else."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    return [str(each) for each in items] if all(isinstance(e, str) for e in items) else None


@attrs.frozen
class Limits:
    """The rules by which a venue ends connections. Seconds; None where it has no such rule.

    Attributes:
        empty: without a subscription, and `empty_heard` decides whether a client that
            speaks is spared.
        quiet: with subscriptions, when neither side has said anything.
        age: of any connection.
        requests_a_second: more text frames in one second end it.
        ending: how the venue ends it.
    """

    empty: float = 30.0
    empty_heard: bool = False
    quiet: float = 60.0
    age: float | None = None
    requests_a_second: int | None = None
    ending: Ending = "drop"


class Session(abc.ABC):
    """A connection as its venue sees it.

    Attributes:
        streams: the subscriptions by the venue's own name.
        heard, said: when the client last sent anything and when a push was last sent to it.
    """

    limits: ClassVar[Limits]

    def __init__(self, board: Board, rng: random.Random, now: int) -> None:
        self.board = board
        self.random = rng
        self.streams: dict[str, Stream] = {}
        self.heard = self.said = self._opened = self._emptied = now
        self._requests: list[int] = []
        self._first: list[Frame] = []

    # What happens

    def receive(self, request: str, now: int) -> list[Frame]:
        """Answer a text frame of the client; what is pushed at once follows the answer."""
        self._requests = [time for time in self._requests if time > now - SECOND] + [now]
        answers = self.answer(request, now)
        first, self._first = self._first, []
        return [*answers, *first]

    def ending(self, now: int) -> Ending | None:
        """How the venue ends this connection now, or None while it may live."""
        most = self.limits.requests_a_second
        crowded = most is not None and len(self._requests) > most
        return self.limits.ending if crowded or now >= self.next_due() else None

    def next_due(self) -> int:
        """When `ending` has something to say, if nothing happens before."""
        limits = self.limits
        if self.streams:
            end = max(self.heard, self.said) + int(limits.quiet * SECOND)
        else:
            begin = max(self._emptied, self.heard) if limits.empty_heard else self._emptied
            end = begin + int(limits.empty * SECOND)
        if limits.age is not None:
            end = min(end, self._opened + int(limits.age * SECOND))
        return end

    # For venues

    @abc.abstractmethod
    def answer(self, request: str, now: int) -> list[Frame]:
        """Answer a text frame of the client."""

    def add(self, name: str, begin: Callable[[], Stream], now: int) -> Stream:
        """Begin a subscription, unless it exists already."""
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = self.board.join(name, begin)
            self._first += stream.first(now)
            self.said = now
        return stream

    def remove(self, name: str, now: int) -> bool:
        """End a subscription; False where there was none."""
        if self.streams.pop(name, None) is None:
            return False
        self.board.leave(name)
        if not self.streams:
            self._emptied = now
        return True

    def drop(self, symbol: str, now: int) -> None:
        """Go silent about a symbol, as after a delisting."""
        for name, stream in list(self.streams.items()):
            if stream.symbol == symbol:
                self.remove(name, now)

    def close(self, now: int) -> None:
        """The client is gone."""
        for name in list(self.streams):
            self.remove(name, now)


@attrs.frozen
class FrontEnd:
    """A venue: where it is, how it talks over the WebSocket and what it answers to GETs.

    Attributes:
        exchange: which one.
        path: of the WebSocket.
        rest_base: the path of the REST base address.
        session: makes the session of a new connection.
        rest: answers a GET: (market, refused symbols, path, query, now) -> status and body;
            None for a path that does not exist.
        book_of: the symbol whose book a GET of a path and query asks for, if it asks for one.
        quota: how much an address may ask for by REST.
        upgrade_notice: what the venue says some time before it ends connections, if anything.
    """

    exchange: ExchangeEnum
    path: str
    rest_base: str
    session: Callable[[Board, random.Random, int], Session]
    rest: Callable[[Market, set[str], str, Query, int], Body | None]
    book_of: Callable[[str, Query], str | None]
    quota: QuotaRules
    upgrade_notice: Callable[[int], str] | None = None
