"""What can go wrong, and when: by script or by seed. Pure.

The rule: a plan is a value. The same plan over the same market gives the same bytes at the
same times, and what was done is told by `Simulator.applied`.

    Faults.script([Fault("cut", at=5.0), Fault("mute", at=9.0, duration=3.0)])
    Faults.seeded(7, rate=0.1)
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, TypeGuard, get_args

import attrs

from ..channels import suggestion
from ..errors import ConfigError

__all__ = [
    "LASTING",
    "OF_CONNECTIONS",
    "Applied",
    "Ending",
    "Fault",
    "FaultKind",
    "Faults",
    "Lasting",
    "OfFrames",
    "Which",
    "is_ending",
]

Ending: TypeAlias = Literal["drop", "close", "linger", "cut", "silence", "half_open"]
"""A connection ends. `drop`: TCP is closed without a word. `close`: after a WebSocket Close 1001.
`linger`: the Close is sent, but TCP stays open. `cut`: TCP is closed in the middle of a frame.
`silence`: everything stays open and is read, and nothing more is sent, not even a pong.
`half_open`: the same, and nothing is read any more."""

Lasting: TypeAlias = Literal[
    "mute", "delay", "slow_reader",
    "late_snapshot", "stale_snapshot", "failing_snapshot",
    "refuse", "reject_429", "refuse_connect", "never_upgrade",
]  # fmt: skip
"""Something is wrong for `duration` seconds. With connections that are open: `mute` pushes
nothing, but answers pings and requests; `delay` pushes `delay` seconds late; `slow_reader` does
not read until it is over. With the exchange: `late_snapshot` answers GETs of books `delay` seconds
late; `stale_snapshot` answers them with the books as they were when it began; `failing_snapshot`
answers them with 500; `refuse` refuses requests; these four for `symbol`, or for all. `reject_429`
answers every GET and handshake with 429 and Retry-After; `refuse_connect` lets nobody connect;
`never_upgrade` leaves handshakes unanswered."""

OfFrames: TypeAlias = Literal["duplicate", "reorder", "garbage", "garbage_frame", "lost_delta"]
"""Something is wrong with the next `count` pushes of a connection. `duplicate`: sent twice.
`reorder`: sent behind the next one. `garbage`: only its first part is sent, in a well-formed
frame, so that JSON or protobuf is broken. `garbage_frame`: a frame that breaks RFC 6455 is sent
instead. `lost_delta`: a push of a book's changes is not sent."""

FaultKind: TypeAlias = Ending | Lasting | OfFrames
Which: TypeAlias = Literal["one", "all", "newest", "random"]
"""The connections that are meant, of those that are open: `one` is the oldest."""

ENDINGS: tuple[Ending, ...] = get_args(Ending)
LASTING: tuple[Lasting, ...] = get_args(Lasting)
KINDS: tuple[FaultKind, ...] = (*ENDINGS, *LASTING, *get_args(OfFrames))
OF_CONNECTIONS: tuple[FaultKind, ...] = (
    *ENDINGS, "mute", "delay", "slow_reader", *get_args(OfFrames),
)  # fmt: skip
"""Kinds that are about connections; the others are about the exchange."""


def is_ending(kind: str) -> TypeGuard[Ending]:
    """Whether a fault of this kind ends connections."""
    return kind in ENDINGS


def _one_of(allowed: Sequence[str]) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in allowed:
            hint = suggestion(str(value), allowed)
            raise ConfigError(
                f"{attribute.name}={value!r} is not allowed{hint}; allowed are {', '.join(allowed)}"
            )

    return check


def _at_least(least: float) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
        if value is not None and not least <= value < math.inf:
            raise ConfigError(f"{attribute.name}={value!r} must be {least:g} or more")

    return check


@attrs.frozen
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: what; see `Ending`, `Lasting` and `OfFrames`.
        at: seconds since the simulator was opened.
        after: instead of `at`: when so many frames were given to all connections together. With
            neither it happens at once.
        connection: which connections, for kinds that are about them.
        duration: of what lasts, seconds.
        count: how many frames, for kinds that are about frames.
        delay: of `delay` and `late_snapshot`, seconds.
        symbol: of `refuse` and of what is wrong with snapshots; None for all.
        retry_after: of `reject_429`, seconds; None for what is left of the duration.
    """

    kind: FaultKind = attrs.field(validator=_one_of(KINDS))
    at: float | None = attrs.field(default=None, kw_only=True, validator=_at_least(0))
    after: int | None = attrs.field(default=None, kw_only=True, validator=_at_least(1))
    connection: Which = attrs.field(default="all", kw_only=True, validator=_one_of(get_args(Which)))
    duration: float = attrs.field(default=5.0, kw_only=True, validator=_at_least(0))
    count: int = attrs.field(default=1, kw_only=True, validator=_at_least(1))
    delay: float = attrs.field(default=0.5, kw_only=True, validator=_at_least(0))
    symbol: str | None = attrs.field(default=None, kw_only=True)
    retry_after: float | None = attrs.field(default=None, kw_only=True, validator=_at_least(0))

    def __attrs_post_init__(self) -> None:
        if self.at is not None and self.after is not None:
            raise ConfigError(f"at={self.at!r} and after={self.after!r}: give one of them")


@attrs.frozen
class Applied:
    """A fault that was done.

    Attributes:
        time: when, ns since the epoch, by the simulator's clock.
        fault: what.
        connections: numbers of the connections it was done to; empty where none was open, or
            where it is not about connections.
    """

    time: int
    fault: Fault
    connections: tuple[int, ...] = ()


class Faults:
    """A plan; made by `script` or `seeded`, and good for any number of simulators."""

    def __init__(self, script: Sequence[Fault] = (), seeded: _Seeded | None = None) -> None:
        self._script = tuple(script)
        self._seeded = seeded

    def __repr__(self) -> str:
        what = f"{len(self._script)} by script" if self._seeded is None else repr(self._seeded)
        return f"<Faults {what}>"

    @classmethod
    def script(cls, faults: Iterable[Fault]) -> Faults:
        """Just these, in the order of time.

        Raises:
            ConfigError: one of them has neither `at` nor `after`.
        """
        script = tuple(faults)
        for fault in script:
            if fault.at is None and fault.after is None:
                raise ConfigError(f"{fault} has neither at= nor after=")
        return cls(script)

    @classmethod
    def seeded(
        cls,
        seed: int,
        *,
        rate: float = 0.1,
        kinds: Iterable[FaultKind] = (),
        start: float = 0.0,
        until: float = math.inf,
        duration: float = 2.0,
    ) -> Faults:
        """Faults at random: what, when, for how long and to whom is a function of the seed.

        Args:
            rate: faults a second, on average.
            kinds: what may happen, one as likely as the other; all kinds by default.
            start, until: when they begin and end, seconds since the simulator was opened.
            duration: how long one lasts on average, where it lasts, and at most three times.

        Raises:
            ConfigError: a kind or a number that cannot be.
        """
        chosen: tuple[FaultKind, ...] = tuple(kinds)
        for kind in chosen:
            Fault(kind)
        if not 0 < rate < math.inf or duration < 0:
            raise ConfigError(f"rate={rate!r} must be more than 0, duration={duration!r} not less")
        return cls(seeded=_Seeded(seed, rate, chosen or KINDS, start, until, duration))

    def timed(self) -> Iterator[Fault]:
        """Those that happen at a time, in order; endless where it says so."""
        if self._seeded is not None:
            return self._seeded.draw()
        return iter(sorted((each for each in self._script if each.at is not None), key=_time))

    def counted(self) -> list[Fault]:
        """Those that happen after so many frames, in order."""
        return sorted((each for each in self._script if each.after is not None), key=_frames)


@attrs.frozen
class _Seeded:
    seed: int
    rate: float
    kinds: tuple[FaultKind, ...]
    start: float
    until: float
    duration: float

    def draw(self) -> Iterator[Fault]:
        rng = random.Random(f"{self.seed}/faults")
        at = self.start
        while (at := at + rng.expovariate(self.rate)) < self.until:
            yield Fault(
                rng.choice(self.kinds),
                at=at,
                connection=rng.choice(("one", "newest", "random", "all")),
                duration=min(rng.expovariate(1.0), 3.0) * self.duration,
                count=rng.randint(1, 3),
                delay=rng.uniform(0.05, 1.0),
            )


def _time(fault: Fault) -> float:
    assert fault.at is not None
    return fault.at


def _frames(fault: Fault) -> int:
    assert fault.after is not None
    return fault.after
