"""The connections of one manager: topics spread over lines by the venue's limit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import trio

from .config import WebSocketConfig
from .connection import Deliver
from .exchanges.base import Topic, Venue
from .line import Line, LineOwner, Starter
from .transport import Dialer

__all__ = ["Lines"]


class Lines:
    """Opens lines as they are needed and closes those that carry nothing any more."""

    def __init__(
        self, venue: Venue, config: WebSocketConfig, owner: LineOwner, deliver: Deliver
    ) -> None:
        self._venue = venue
        self._config = config
        self._owner = owner
        self._deliver = deliver
        # One for all lines: it keeps addresses and TLS sessions for the next connection.
        self._dial = config.dial or Dialer(config.ssl_context, spin=config.spin)
        self._lines: list[Line] = []
        self._line_of: dict[str, Line] = {}
        self._starter: Starter | None = None
        self._stopped = False
        self._numbers = itertools.count()
        self._leg_numbers = itertools.count()

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines)

    def start(self, nursery: trio.Nursery) -> None:
        """Open the lines, one at least, in a nursery that outlives them."""
        self._starter = Starter(nursery)
        for line in self._lines or [self._add()]:
            line.start(self._starter)

    def stop(self) -> None:
        """Close all of them in peace, at once; none is opened any more."""
        self._stopped = True
        for line in self._lines:
            line.stop()

    def line_of(self, topic: Topic) -> Line | None:
        """The line that carries a topic."""
        return self._line_of.get(topic.name)

    def want(self, topic: Topic) -> None:
        """Subscribe on the line that carries least, or on a new one where all are full."""
        if topic.name in self._line_of:
            return
        most = self._venue.rules.max_topics
        line = min(self._lines, key=len, default=None)
        if line is None or (most is not None and len(line) >= most):
            line = self._add()
            if self._starter is not None and not self._stopped:
                line.start(self._starter)
        self._line_of[topic.name] = line
        line.want(topic)

    def unwant(self, topic: Topic) -> None:
        """Unsubscribe; a line that carries nothing any more is closed, but for the first."""
        line = self._line_of.pop(topic.name, None)
        if line is None:
            return
        line.unwant(topic)
        if not len(line) and line is not self._lines[0]:
            self._lines.remove(line)
            line.stop()

    def expire(self) -> None:
        """Ask again, on all lines, for what was not answered in time."""
        for line in list(self._lines):
            line.expire()

    def rotate(self) -> None:
        """Replace every connection, make before break."""
        for line in self._lines:
            line.rotate()

    def _add(self) -> Line:
        line = Line(
            next(self._numbers),
            self._venue,
            self._config,
            self._owner,
            self._deliver,
            self._dial,
            lambda: next(self._leg_numbers),
        )
        self._lines.append(line)
        return line
