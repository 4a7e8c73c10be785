"""Latency: where the time goes between the read of a socket and the return of a handler. Pure.

One read in so many is measured, and of that read its last message, which has waited longest:

* `read`: from the read to the hand-over, in which the bytes are split into messages. The moment of
  the read is `Batch.received`, taken when the kernel's bytes are in the program; how long they lay
  in the kernel nobody here can know. With `handoff="direct"` what was delivered before of the same
  read counts here, too.
* `queue`: from the hand-over until the router took it out of the frame channel; 0 where it was
  routed in the task that read it.
* `decode`: from the look at its first bytes to the typed message, copies and gaps looked for.
* `handler`: all sync handlers of the message, the books it changes, and the putting into the
  queues of async handlers and iterators. What these take is theirs: it delays nobody else.
* `wire_to_handler`: from the read to the call of the first handler, the messages before it in the
  same read and any wait for a full queue included. For an async handler: to its queue.
* `exchange_to_local`: from the exchange's time of the message to the read; see `ClockBounds`.
* `round_trip`: from an application ping to its pong, as it was routed.

A read is known by wall time, everything behind the hand-over is measured on a clock that is never
set: a step of the wall clock spoils only `read` and `wire_to_handler` of what is read at that very
moment, and counts as `Histogram.negative` where it goes backwards.

The price: reads are measured as long as they are 10 ms apart. In a rush it is one in so many, up
to 4096, so that some hundred a second are measured, whatever the rate; which one does not depend
on when it comes, so that the later ones of a burst are among them. A measured message
is counted as often as there are messages it stands for: those of its read, times the reads of
which it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from ..frames import Batch
from ..messages import MarketMessage
from .histogram import Histogram, Percentiles

__all__ = ["ClockBounds", "Latency", "LatencyStatistics", "Probe", "Stamped"]

_GAP_NS = 10_000_000
"""Reads that follow each other faster are not all measured. To measure one takes 10 to 40 µs, as
what it needs has left the processor's caches each time: at 1000 reads a second of 80 µs each,
measuring more than one in ten of them would cost more than 5 %."""
_MOST = 4096
"""Reads of which one is measured, at most: 10 ms of the fastest there are."""
_QUIET_NS = 20_000_000
"""The first read after so long is measured, however many of a rush before it were to be left out:
it stands for itself alone."""
_HALF_NS = 60_000_000_000
"""Least values are kept for one to two of these, so that they follow clocks that drift."""
_NOTES = 32
"""So many are counted in one go, which takes some 50 µs."""
_NEVER = -(1 << 62)

_Note: TypeAlias = "tuple[Probe, int, int, int | None, str, int, int]"
"""See `Latency.routed`."""

_NAMES = (
    *("read", "queue", "decode", "handler", "wire_to_handler"),
    *("exchange_to_local", "round_trip"),
)
_HEADS: tuple[str, ...] = ("", "p50", "p90", "p99", "p99.9", "highest", "count")


class Probe:
    """What is known of one measured read so far.

    Attributes:
        latency: where it is counted.
        perf_ns: the clock it is measured on.
        read: ns from the read to the hand-over.
        handed, taken: when it was handed over, and when the router took it.
        weight: messages it stands for.
    """

    __slots__ = ("handed", "latency", "perf_ns", "read", "taken", "weight")

    def __init__(
        self, latency: Latency, perf_ns: Callable[[], int], read: int, handed: int, weight: int
    ) -> None:
        self.latency = latency
        self.perf_ns = perf_ns
        self.read = read
        self.handed = self.taken = handed
        self.weight = weight

    def __repr__(self) -> str:
        return f"<Probe of {self.weight} messages>"


@attrs.frozen
class Stamped(Batch):
    """A batch whose last message is measured on its way."""

    probe: Probe


class Latency:
    """Histograms of what is measured, in ns; one for a manager, or for several.

    To be used in Trio's thread. What is measured is noted, and counted some time later.

    Attributes:
        countdown: reads until one is measured; whoever reads counts it down.
        due: wall time, ns; a read that is later is measured in any case.
    """

    def __init__(self) -> None:
        self.countdown = 0
        self.due = 0
        self._measured = 0
        self._stride = 1
        self._stamped = _NEVER
        self._notes: list[_Note] = []
        self._histograms = {name: Histogram() for name in _NAMES}
        self._clocks: dict[str, _Clock] = {}

    def __repr__(self) -> str:
        self._count()
        return f"<Latency, wire to handler {self._histograms['wire_to_handler']!r}>"

    def stamp(self, batch: Batch, wall: int, perf_ns: Callable[[], int]) -> Stamped:
        """Mark a batch that is handed over at this moment; `wall` is its wall time, ns.

        Called for each read that takes `countdown` below zero or is later than `due`.
        """
        now = perf_ns()
        stride = self._stride
        weight = len(batch.frames) if self.countdown >= 0 else stride * len(batch.frames)
        is_rush = now - self._stamped < _GAP_NS
        self._stride = min(2 * stride, _MOST) if is_rush else max(stride // 2, 1)
        self.countdown = self._stride - 1
        self.due = batch.received + _QUIET_NS
        self._stamped = now
        probe = Probe(self, perf_ns, wall - batch.received, now, weight)
        return Stamped(batch.text, batch.frames, batch.received, batch.size, probe)

    def missed(self) -> None:
        """There was nothing to measure in a batch: the next one takes its turn."""
        self.countdown = 0

    def routed(
        self,
        batch: Stamped,
        begin: int,
        decoded: int,
        handled: int | None,
        newest: MarketMessage | None,
    ) -> None:
        """Note the way of a message.

        Args:
            begin, decoded, handled: when the router began to look at it, when it was decoded, and
                when its last handler had returned; None where there was nothing to handle.
            newest: the message, or None where there was none in it.
        """
        exchange, sent = ("", 0) if newest is None else (newest.exchange, newest.exchange_time)
        self._notes.append((batch.probe, begin, decoded, handled, exchange, sent, batch.received))
        if len(self._notes) >= _NOTES:
            self._count()

    def _count(self) -> None:
        """Count what was noted. Many at once take a third of what each takes alone."""
        read, queue, decode, handler, wire, local, _ = (
            histogram.record for histogram in self._histograms.values()
        )
        for probe, begin, decoded, handled, exchange, sent, received in self._notes:
            weight, handed = probe.weight, probe.handed
            read(probe.read, weight)
            queue(probe.taken - handed, weight)
            decode(decoded - begin, weight)
            if handled is not None:
                handler(handled - decoded, weight)
                wire(probe.read + decoded - handed, weight)
            if exchange:
                local(received - sent, weight)
                self._clock(exchange).difference.note(received - sent, received)
        self._measured += len(self._notes)
        self._notes.clear()

    def answered(self, exchange: str, round_trip: int, received: int) -> None:
        """Count a pong that came `round_trip` ns after its ping."""
        self._histograms["round_trip"].record(round_trip)
        self._clock(exchange).round_trip.note(round_trip, received)

    def _clock(self, exchange: str) -> _Clock:
        try:
            return self._clocks[exchange]
        except KeyError:
            clock = self._clocks[exchange] = _Clock()
            return clock

    def statistics(self) -> LatencyStatistics:
        """Return an immutable snapshot."""
        self._count()
        return LatencyStatistics(
            self._measured,
            MappingProxyType({name: each.bounds() for name, each in self._clocks.items()}),
            {name: each.copy() for name, each in self._histograms.items()},
        )


class _Least:
    """The least of the values of the last one to two minutes."""

    __slots__ = ("_before", "_began", "_now")

    def __init__(self) -> None:
        self._began = _NEVER
        self._now = 0
        self._before: int | None = None

    def note(self, value: int, at: int) -> None:
        age = at - self._began
        if 0 <= age < _HALF_NS:
            self._now = min(self._now, value)
            return
        # A wall clock that went back tells nothing of values before.
        self._before = self._now if 0 <= age < 2 * _HALF_NS else None
        self._now, self._began = value, at

    @property
    def least(self) -> int | None:
        """None where there was none."""
        if self._began == _NEVER:
            return None
        return self._now if self._before is None else min(self._now, self._before)


class _Clock:
    """What tells about the clock of one exchange."""

    __slots__ = ("difference", "round_trip")

    def __init__(self) -> None:
        self.difference = _Least()
        self.round_trip = _Least()

    def bounds(self) -> ClockBounds:
        least, fastest = self.difference.least, self.round_trip.least
        at_least = None if least is None or fastest is None else least - fastest
        return ClockBounds(at_least, least)


@attrs.frozen
class ClockBounds:
    """By how many ns our clock is ahead of an exchange's; negative where it is behind.

    From one direction a difference of the clocks and the time on the way cannot be told apart: the
    least difference seen is the sum of both. As no message is faster than nothing, our clock is
    ahead by that at most. And if the fastest message was sent the moment it was dated and took
    no longer than the fastest ping took there and back, by no less than the one without the other.
    The way of a message lies between nothing and that round trip, as does the error of any single
    figure that is made of these bounds. Exchanges date in whole ms and some time before they
    send; that counts as time on the way.

    Attributes:
        at_least: None where no ping was answered.
        at_most: the least difference of the last one to two minutes; None where nothing came.
    """

    at_least: int | None
    at_most: int | None

    def merged(self, other: ClockBounds) -> ClockBounds:
        """What both know of the same two clocks."""
        lows = [each for each in (self.at_least, other.at_least) if each is not None]
        highs = [each for each in (self.at_most, other.at_most) if each is not None]
        return ClockBounds(max(lows, default=None), min(highs, default=None))

    def __str__(self) -> str:
        if self.at_most is None:
            return "unknown"
        if self.at_least is None:
            return f"ahead by {_signed(self.at_most)} at most"
        return f"ahead by {_signed(self.at_least)} to {_signed(self.at_most)}"


@attrs.frozen(eq=False)
class LatencyStatistics:
    """A snapshot of a `Latency`. Each percentile is at most 3.2 % too high and never too low.

    Attributes:
        measured: messages that were measured; the counts are of those they stand for.
        clocks: by exchange.
    """

    measured: int
    clocks: Mapping[str, ClockBounds]
    _histograms: Mapping[str, Histogram] = attrs.field(repr=False)

    @property
    def read(self) -> Percentiles:
        """From the read of the socket to the hand-over, ns."""
        return self._histograms["read"].percentiles()

    @property
    def queue(self) -> Percentiles:
        """In the frame channel, ns."""
        return self._histograms["queue"].percentiles()

    @property
    def decode(self) -> Percentiles:
        """To route and to decode it, ns."""
        return self._histograms["decode"].percentiles()

    @property
    def handler(self) -> Percentiles:
        """In its sync handlers, ns."""
        return self._histograms["handler"].percentiles()

    @property
    def wire_to_handler(self) -> Percentiles:
        """From the read of the socket to the call of the first handler, ns."""
        return self._histograms["wire_to_handler"].percentiles()

    @property
    def exchange_to_local(self) -> Percentiles:
        """From the exchange's time to the read, ns, as the two clocks say; see `clocks`."""
        return self._histograms["exchange_to_local"].percentiles()

    @property
    def round_trip(self) -> Percentiles:
        """From a ping to its pong, ns."""
        return self._histograms["round_trip"].percentiles()

    @classmethod
    def merged(cls, snapshots: Iterable[LatencyStatistics]) -> LatencyStatistics:
        """Of several managers together."""
        measured = 0
        clocks: dict[str, ClockBounds] = {}
        histograms = {name: Histogram() for name in _NAMES}
        for each in snapshots:
            measured += each.measured
            for name, histogram in each._histograms.items():
                histograms[name].add(histogram)
            for name, bounds in each.clocks.items():
                clocks[name] = bounds.merged(clocks[name]) if name in clocks else bounds
        return cls(measured, MappingProxyType(clocks), histograms)

    def as_dict(self) -> dict[str, Any]:
        """Everything, of numbers and texts alone."""
        figures = {name: attrs.asdict(each.percentiles()) for name, each in self._each()}
        clocks = {str(name): attrs.asdict(bounds) for name, bounds in self.clocks.items()}
        return {"measured": self.measured, "clocks": clocks, **figures}

    def table(self) -> str:
        """A table for people, and a line for each exchange's clock."""
        rows = [_HEADS]
        for name, histogram in self._each():
            facts = histogram.percentiles()
            figures = (facts.p50, facts.p90, facts.p99, facts.p999, facts.highest)
            cells = (_duration(each) if facts.count else "-" for each in figures)
            rows.append((name.replace("_", " "), *cells, str(facts.count)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines += [f"our clock and {name}'s: {each}" for name, each in self.clocks.items()]
        return "\n".join(lines)

    def __str__(self) -> str:
        """The line that is looked at most."""
        facts = self.wire_to_handler
        if not facts.count:
            return "wire to handler: nothing was measured"
        return (
            f"wire to handler: p50 {_duration(facts.p50)}, p99 {_duration(facts.p99)} "
            f"({self.measured} measured)"
        )

    def _each(self) -> Iterable[tuple[str, Histogram]]:
        return self._histograms.items()


def _duration(nanoseconds: int) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= size:
            value = nanoseconds / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{nanoseconds} ns"


def _signed(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f} ms"
