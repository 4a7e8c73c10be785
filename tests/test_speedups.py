"""What is compiled gives what its twin in Python gives, and may be missing.

The rest of the tests run with whatever was built; `make tests` runs those of the router, the
frames and the keys without it as well.
"""

from __future__ import annotations

import importlib
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex.errors import DecodeError
from trioex.exchanges.keys import PythonKeyMemo
from trioex.frames import python_take_run
from trioex.router import Router
from trioex.transport.tls import python_drain

try:
    compiled: Any = importlib.import_module("trioex._speedups")
except ImportError:
    compiled = None

needs_compiled = pytest.mark.skipif(compiled is None, reason="there was no compiler")


@pytest.mark.parametrize("pure", ["", "1"])
def test_they_can_be_left_alone(pure: str) -> None:
    program = "from trioex.speedups import IS_COMPILED; print(IS_COMPILED)"
    environment = os.environ | {"TRIOEX_PURE": pure}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(compiled is not None and not pure)


# Frames

HEADERS = st.sampled_from(
    [
        b"\x81",
        b"\x82",
        b"\x81\x7e",
        b"\x81\x7f",
        b"\x81\x80",
        b"\x89\x00",
        b"\x01\x02",
        b"\x81\x7e\x00",
    ]
)
WHOLE = st.binary(max_size=300).map(
    lambda payload: b"\x81" + _length(len(payload)) + payload
) | st.text(max_size=90).map(lambda text: b"\x81" + _length(len(text.encode())) + text.encode())


def _length(size: int) -> bytes:
    return bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")


@needs_compiled
@given(
    st.lists(WHOLE | HEADERS | st.binary(max_size=4), min_size=1, max_size=8),
    st.integers(0, 3),
    st.sampled_from([5, 125, 126, 1000]),
)
def test_runs_of_frames(pieces: list[bytes], at: int, most: int) -> None:
    data = b"".join(pieces)
    if at >= len(data):
        return
    theirs: list[bytes] = []
    ours: list[bytes] = []
    assert compiled.take_run(data, at, most, theirs) == python_take_run(data, at, most, ours)
    assert theirs == ours


@needs_compiled
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (b"", 0, 1, []),
        (b"ab", 2, 1, []),
        (b"ab", -1, 1, []),
        (b"ab", "0", 1, []),
        ("ab", 0, 1, []),
        (b"ab", 0, 1, ()),
    ],
)
def test_nonsense_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, IndexError)):
        compiled.take_run(*arguments)


# TLS


@needs_compiled
@pytest.mark.parametrize("drain", [python_drain, compiled and compiled.drain])
def test_a_drain_reads_to_the_end_and_keeps_what_it_read(drain: Any) -> None:
    answers: list[Any] = [b"one", b"two", b""]
    pieces: list[bytes] = []
    drain(lambda most: answers.pop(0), 9, pieces)
    assert (pieces, answers) == ([b"one", b"two"], [])

    def read(most: int) -> bytes:
        if len(pieces) == 3:
            raise ssl.SSLWantReadError
        return b"%d" % most

    with pytest.raises(ssl.SSLWantReadError):
        drain(read, 9, pieces)
    assert pieces == [b"one", b"two", b"9"]


# Keys


class _Finder:
    """A venue of which pushes begin with a letter, and name their stream behind it."""

    def __init__(self, make: Any) -> None:
        self.asked: list[bytes] = []
        self.memo = make((slice(0, 1), slice(1, 3)), self.find)
        self.keys: dict[bytes, bytes] = {}

    def find(self, frame: bytes) -> bytes | None:
        self.asked.append(frame)
        if frame[:1] not in (b"a", b"b") or len(frame) < 4:
            return None
        # Where the name stands depends on what is at its end, so that there are several places.
        start, stop = (1 + frame[-1] % 7, 4 + frame[-1] % 7) if frame[:1] == b"a" else (2, 60)
        if not frame[start:stop]:
            return None
        key = self.keys.setdefault(frame[start:stop], b"key " + frame[start:stop])
        checks = ((-1, frame[-1:]),) if frame[:1] == b"b" else ()
        self.memo.learn(frame[:1], start, stop, self.keys, checks)
        return key


@needs_compiled
@given(st.lists(st.text("abcdefgh", max_size=9).map(str.encode), max_size=40))
def test_keys_are_found_in_the_same_places(frames: list[bytes]) -> None:
    theirs, ours = _Finder(compiled.KeyMemo), _Finder(PythonKeyMemo)
    for frame in frames:
        assert theirs.memo(frame, True) == ours.memo(frame, True)
        assert theirs.asked == ours.asked
    assert theirs.memo(b"abcd", False) is ours.memo(b"abcd", False) is None
    for make in (compiled.KeyMemo, PythonKeyMemo):
        of_binary = make((slice(0, 1),), bytes.upper, False)
        assert (of_binary(b"ab", False), of_binary(b"ab", True)) == (b"AB", None)


@needs_compiled
def test_a_memo_refuses_nonsense() -> None:
    for arguments in [
        ((), 1, 2, 3),
        ([slice(0, 1)], print),
        ((1,), print),
        ((slice(1, 1),), print),
    ]:
        with pytest.raises((TypeError, ValueError)):
            compiled.KeyMemo(*arguments)
    memo = compiled.KeyMemo((slice(0, 1),), lambda frame: None)
    for arguments in [(), (b"a",), ("a", True), (bytearray(b"a"), True)]:
        with pytest.raises(TypeError):
            memo(*arguments)
    with pytest.raises(TypeError):
        memo(b"a", text=True)
    for checks in [[], ((1,),), (("a", b"b"),), ((1, "b"),)]:
        with pytest.raises(TypeError):
            memo.learn(b"a", 0, 1, {}, checks)
    with pytest.raises(ValueError, match="before the frame"):
        memo.learn(b"a", -1, 1, {}, ())


@needs_compiled
def test_what_finds_a_key_may_raise() -> None:
    def find(frame: bytes) -> bytes | None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        compiled.KeyMemo((slice(0, 1),), find)(b"abc", True)


# Routing


class _Route:
    """A route, and everything else `feed` meets, that writes down what happens to it."""

    def __init__(
        self, story: list[Any], messages: Any, outlets: Any, merger: Any, book: Any
    ) -> None:
        self.heard = 0
        self.messages = messages
        self.outlets = tuple(_Outlet(story, each) for each in outlets)
        self.merger = _Merger() if merger else None
        self.synchroniser = "book" if book else None

    def decode(self, frame: bytes, received: int) -> Any:
        if self.messages is None:
            raise DecodeError("broken")
        if self.messages == "bug":
            raise ZeroDivisionError
        return self.messages


class _Merger:
    def take(self, leg: int, messages: Any) -> Any:
        return [message for message in messages if message != "copy"]


class _Outlet:
    def __init__(self, story: list[Any], does: str) -> None:
        self._story = story
        self._does = does

    def put(self, message: Any) -> Any:
        self._story.append(("put", self._does, message))
        if self._does in ("raises", "isolates"):
            raise KeyError(message)
        return None if self._does == "takes" else self._does

    def failed(self, error: Exception) -> None:
        self._story.append(("failed", repr(error), error.__traceback__ is not None))
        if self._does == "raises":
            raise error


class _Router:
    heard = 0

    def __init__(self, story: list[Any]) -> None:
        self._story = story
        self.late: dict[bytes, _Route] = {}

    def _miss(self, key: Any, frame: bytes, text: bool, source: Any) -> _Route | None:
        self._story.append(("miss", key, frame, text, source is self))
        return self.late.get(frame)

    def _undecodable(self, route: Any, error: Exception) -> None:
        self._story.append(("undecodable", repr(error)))

    def _skip_empty(self) -> None:
        self._story.append("empty")

    def _unusual(self, outlet: _Outlet, result: Any) -> bool:
        self._story.append(("unusual", result))
        return bool(result == "is full")

    def _follow(self, route: Any, message: Any, leg: Any) -> bool:
        self._story.append(("follow", message, leg))
        return bool(message == "last of a full book")


ROUTES = st.tuples(
    st.none()
    | st.just("bug")
    | st.lists(st.sampled_from(["news", "copy", "last of a full book"]), max_size=3).map(tuple)
    | st.lists(st.sampled_from(["news", "copy"]), max_size=3),
    st.lists(st.sampled_from(["takes", "raises", "isolates", "is full", "returns"]), max_size=3),
    st.booleans(),
    st.booleans(),
)


def _told(feed: Any, routes: list[Any], frames: list[int], leg: int | None, memo: Any) -> list[Any]:
    story: list[Any] = []
    router = _Router(story)
    made = {b"%d" % number: _Route(story, *route) for number, route in enumerate(routes)}
    if made:
        router.late = {b"9": made[b"0"]}
    find = memo((slice(0, 1),), lambda frame: None if frame == b"8" else frame)
    rest: Iterator[bytes] = iter([b"%d" % number for number in frames])
    while True:
        try:
            paused = feed(router, rest, True, 7, router, made, find, leg)
        except (KeyError, ZeroDivisionError) as error:
            story.append(repr(error))
        else:
            story.append(paused)
            if not paused:
                break
    story += [router.heard, *(route.heard for route in made.values())]
    return story


@needs_compiled
@given(
    st.lists(ROUTES, max_size=3),
    st.lists(st.integers(0, 9), max_size=8),
    st.sampled_from([None, 0]),
)
def test_routing_does_the_same_things(
    routes: list[Any], frames: list[int], leg: int | None
) -> None:
    ours = _told(Router.feed_in_python, routes, frames, leg, PythonKeyMemo)
    assert _told(compiled.feed, routes, frames, leg, compiled.KeyMemo) == ours
    assert _told(compiled.feed, routes, frames, leg, PythonKeyMemo) == ours


@needs_compiled
def test_feeding_refuses_nonsense() -> None:
    for arguments in [(), (1,) * 8, (None, iter([]), True, 0, None, [], print, None)]:
        with pytest.raises(TypeError):
            compiled.feed(*arguments)


@needs_compiled
def test_nothing_is_kept_and_nothing_lost() -> None:
    """References are counted by hand there: what is handed out must be as free as it was."""
    import gc
    import tracemalloc

    routes: list[Any] = [
        (("news", "copy"), ["takes", "isolates", "returns"], True, True),
        (None, ["takes"], False, False),
        ((), [], False, False),
    ]
    frames = [0, 1, 2, 5, 8, 9] * 4

    def once() -> None:
        _told(compiled.feed, routes, frames, 0, compiled.KeyMemo)
        finder = _Finder(compiled.KeyMemo)
        for frame in (b"abcd", b"bbcd", b"abcd", b"d", b""):
            finder.memo(frame, True)
        compiled.take_run(b"\x81\x02ab\x81\x03\xc3\xa4b\x81\x01\xff\x00", 0, 9, [])

    for _ in range(50):
        once()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(20):
            once()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            once()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000, "an object a call would be more"
