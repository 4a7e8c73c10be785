"""A recorded session, served again: the venue's frames in order, byte for byte.

The text form is one line an event: `URL <-> TIME` (connected), `URL <- TIME: FRAME` (the
recorder's request), `TIME: FRAME` (a frame of the venue), TIME in seconds since the epoch. A
binary frame is written in hexadecimal digits.
Files named `rest_*.txt` beside it hold GETs as `URL -> TIME: BODY`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

import attrs
import trio

from ..errors import RecordingError
from .session import Body, split_url

__all__ = ["Asked", "Player", "RecordedFrame", "Recording"]

Asked: TypeAlias = tuple[str, frozenset[tuple[str, str]]]
"""What a GET asks for: the path, and the query in any order."""

_FRAME = re.compile(r"(\d+(?:\.\d+)?): (.+)")
_REQUEST = re.compile(r"(\S+) <- (\d+(?:\.\d+)?): (.+)")
_CONNECTED = re.compile(r"(\S+) <-> (\d+(?:\.\d+)?)")
_GET = re.compile(r"(\S+) -> (\d+(?:\.\d+)?): (.+)")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_ACKNOWLEDGES = re.compile(r'"event":\s*"(?:un)?subscribe"')


@attrs.frozen
class RecordedFrame:
    """A frame of the venue, text or binary.

    Attributes:
        time: when it was read, seconds since the epoch.
        line: where it is in the file, from 1.
    """

    time: float
    data: str | bytes
    line: int = 0


@attrs.frozen
class Recording:
    """A session and the GETs made beside it.

    Attributes:
        frames: everything the venue sent, in order.
        pushes, acknowledgements: how many of them are what.
        requests: how many requests the recorder sent.
        answers: bodies of GETs by path and query, in the order in which they were recorded.
    """

    frames: Sequence[RecordedFrame]
    requests: int
    answers: Mapping[Asked, Sequence[bytes]]

    @property
    def acknowledgements(self) -> int:
        """How many frames answer a request."""
        texts = (frame.data for frame in self.frames if isinstance(frame.data, str))
        return sum(bool(_ACKNOWLEDGES.search(text)) for text in texts)

    @property
    def start(self) -> int:
        """When its first frame was read, ns since the epoch."""
        return round(self.frames[0].time * 1e9)

    @property
    def pushes(self) -> int:
        """How many frames are updates."""
        return len(self.frames) - self.acknowledgements

    @classmethod
    def load(cls, path: str | Path, rest: str | Path | None = None) -> Recording:
        """Read a session and the GETs in the file `rest`, or in `rest_*.txt` beside it.

        Raises:
            RecordingError: the file cannot be read, has no frame, or has a line of another
                form; the message names the file and the line.
        """
        path = Path(path)
        frames: list[RecordedFrame] = []
        requests = 0
        for number, line in _lines(path):
            if match := _FRAME.fullmatch(line):
                binary = _HEX.fullmatch(match[2])
                frame = bytes.fromhex(match[2]) if binary else match[2]
                frames.append(RecordedFrame(float(match[1]), frame, number))
            elif _REQUEST.fullmatch(line):
                requests += 1
            elif not _CONNECTED.fullmatch(line):
                raise _bad(
                    path, number, line, "'TIME: FRAME', 'URL <- TIME: FRAME' or 'URL <-> TIME'"
                )
        if not frames:
            raise RecordingError(f"{path} holds no frame of the venue")
        beside = sorted(path.parent.glob("rest_*.txt")) if rest is None else [Path(rest)]
        gets = sorted(chain(*map(_read_gets, beside)), key=itemgetter(0))
        answers: defaultdict[Asked, list[bytes]] = defaultdict(list)
        for _, asked, body in gets:
            answers[asked].append(body)
        return cls(frames, requests, dict(answers))

    def answer(self, target: str, before: int = 0) -> Body | None:
        """The recorded body of a GET, whatever the order of its query; None where there is none.

        Args:
            before: how often it was answered before: each time the next one, in the end the last.
        """
        path, query = split_url(target)
        bodies = self.answers.get((path, frozenset(query.items())))
        return None if bodies is None else (200, bodies[min(before, len(bodies) - 1)])


def _read_gets(path: Path) -> Iterator[tuple[float, Asked, bytes]]:
    for number, line in _lines(path):
        match = _GET.fullmatch(line)
        if match is None:
            raise _bad(path, number, line, "'URL -> TIME: BODY'")
        target, query = split_url(match[1])
        yield float(match[2]), (target, frozenset(query.items())), match[3].encode()


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
    # Not splitlines(): a frame may hold characters that Python also takes for line ends.
    lines = enumerate(text.split("\n"), start=1)
    return [(number, line.rstrip("\r")) for number, line in lines if line.strip()]


def _bad(path: Path, number: int, line: str, forms: str) -> RecordingError:
    return RecordingError(f"{path}, line {number}: expected {forms}, found {line[:60]!r}")


class Player:
    """A recording being served to one client.

    Args:
        pace: 1.0 waits between frames as long as the venue did, 2.0 half as long; None sends
            as fast as the client reads.
        holds: whether the connection stays open behind the last frame.
        played: set once the last frame was sent.
    """

    def __init__(
        self, recording: Recording, pace: float | None, *, holds: bool, played: trio.Event
    ) -> None:
        self._recording = recording
        self._pace = pace
        self._holds = holds
        self._played = played

    async def play(self, send: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Send every frame in order; returns after the last one, or never where it holds."""
        started = trio.current_time()
        first = self._recording.frames[0].time
        for frame in self._recording.frames:
            if self._pace is not None:
                await trio.sleep_until(started + (frame.time - first) / self._pace)
            await send(frame.data)
        self._played.set()
        if self._holds:
            await trio.sleep_forever()
