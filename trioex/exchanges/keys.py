"""KeyMemo: the key of a push from a look at two or three places of its bytes.

Exchanges send compact JSON in which most fields have a constant width, so what a frame is about
stands at one of a few places in nearly all of them. A venue finds a key in whatever way takes any
frame, and then tells the memo where it stood; the next frames that look the same are found there.

The rule: what is remembered depends on nothing but the bytes that are looked at, so it is never
wrong, whatever was learnt before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..speedups import accelerated

__all__ = ["KeyMemo"]


_Place: TypeAlias = "tuple[slice, dict[bytes, bytes], tuple[tuple[int, bytes], ...]]"

_MOST_PLACES = 4
"""A trade says `buy` or `sell` ahead of its symbol, behind an id that grows."""


class PythonKeyMemo:
    """Finds the keys of frames; called with a frame and whether it is text.

    Args:
        fronts: where the bytes may stand that tell one kind of push from another.
        slow: finds the key of any frame, or None; calls `learn`.
        of_text: whether pushes are text; a frame of the other kind is none.
    """

    __slots__ = ("_fronts", "_of_text", "_places", "_slow")

    def __init__(
        self,
        fronts: tuple[slice, ...],
        slow: Callable[[bytes], bytes | None],
        of_text: bool = True,
        /,
    ) -> None:
        self._of_text = of_text
        self._fronts = fronts
        self._slow = slow
        self._places: dict[bytes, tuple[_Place, ...]] = {}

    def learn(
        self,
        front: bytes,
        start: int,
        stop: int,
        keys: dict[bytes, bytes],
        checks: tuple[tuple[int, bytes], ...],
        /,
    ) -> None:
        """Look at a place in the next frames that have a front, and at the three before it.

        Args:
            start, stop: where the bytes stand that say which key it is.
            keys: which; the venue's to fill and to bound.
            checks: what must stand where besides, negative from the end.
        """
        others = [
            place
            for place in self._places.get(front, ())
            if place[0].start != start or place[1] is not keys
        ]
        newest = slice(start, stop), keys, checks
        self._places[front] = (newest, *others[: _MOST_PLACES - 1])

    def __call__(self, frame: bytes, text: bool, /) -> bytes | None:
        """The key of a push, or None when it is none."""
        if text is not self._of_text:
            return None
        for front in self._fronts:
            places = self._places.get(frame[front])
            if places is None:
                continue
            for window, keys, checks in places:
                key = keys.get(frame[window])
                if key is None:
                    continue
                for at, wanted in checks:
                    if not frame.startswith(wanted, at):
                        break
                else:
                    return key
            break
        return self._slow(frame)


KeyMemo = accelerated("KeyMemo", PythonKeyMemo)
