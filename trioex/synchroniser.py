"""Synchroniser: keeps one order book true, or says that it is not. Pure.

A book begins with a snapshot and follows the deltas, each of which must begin where the one
before it ended. Whatever is not so makes the book unreadable and is mended by the same few steps,
whether the book is new, has a hole, was without a connection, or is audited:

    1. keep the deltas that come
    2. begin with what is known: the book as it was, or a snapshot, asked for or in the stream
    3. leave out the deltas that are in it already; the first of the rest must continue it
    4. apply them; with none left over the book is LIVE

A snapshot that is older than the first delta kept cannot be continued; it is asked for again,
less and less often (Gate.io's are cached for up to 22 s, PROTOCOLS 3.7). Nor can one that lies
within a delta, where deltas name only what is different at their end: a level that came before
the snapshot and goes after it is in the snapshot, and in no delta. Sources: PROTOCOLS 1.7, 3.7,
5.1 and 5.2.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from typing import Protocol

import attrs

from .channels import BookSource, ExchangeEnum
from .messages import BookDelta, BookSnapshot, BookState, MarketMessage, Number
from .orderbook import MutableBook, OrderBook

__all__ = ["BookRules", "Listener", "Need", "StateChange", "Synchroniser"]

_MOST_DELTAS = 20_000
_MOST_LEVELS = 400_000
"""What is kept while a snapshot is awaited; beyond, the oldest goes, and the snapshot has to be
newer. It is minutes of the busiest market, and some 40 MB."""
_MOST_CHANGES = 20_000
"""Levels in one delta, where the exchange maintains all there are."""
_MOST_BEHIND = 16
"""Deltas in a row that are older than the book, before it is the book that is wrong."""
_SNAPSHOT_S = 5.0
"""How long to wait for a stream's own snapshot; it was measured to come within 140 ms."""
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 10.0
_OLDER_S = 60.0
"""After so long a snapshot older than what came is no cached one: the exchange began anew, or what
came was not so."""
_CALM_NS = 30_000_000_000
"""A book that was LIVE for so long is rebuilt at once when it has to be, and not less often."""
_SUSPICIOUS = 3
"""Attempts in vain, after which somebody should look; and again after twice as many."""
_MOST_RENEWALS = 6
"""Subscriptions that were confirmed and brought nothing at all, before it is given up."""
_MOST_REFUSALS = 4
"""Times in a row that a snapshot is refused for good, where there never was a book."""
_DIFFERENCES = 3
"""Levels that an audit names."""


@attrs.frozen
class BookRules:
    """How an exchange's stream of a book is to be taken.

    Attributes:
        source: where the snapshot comes from.
        depth: levels a side the stream maintains, or None for all there are.
        limit: levels a side that a snapshot by REST has at most.
        names_touched: whether a delta names every level that changed in its time, those too that
            are as before at its end. Only then can it be applied to a book of its middle.
    """

    source: BookSource
    depth: int | None = None
    limit: int = 5000
    names_touched: bool = False


class Need(enum.Enum):
    """What a synchroniser wants done by whoever can wait and send."""

    SNAPSHOT = enum.auto()
    """A snapshot by REST: call `seed` with it, or `failed`."""
    RENEW = enum.auto()
    """The subscription anew, so that the stream begins with a snapshot: ask `renew`."""
    LEVELS = enum.auto()
    """A snapshot by REST for a book that is LIVE and nears the end of what is known of it."""


@attrs.frozen
class StateChange:
    """What happened to the state of a book, as it was when it happened.

    Attributes:
        before, state: may be the same, where another attempt failed.
        reason: why it is not LIVE; empty where it is.
        version: of the book.
    """

    before: BookState
    state: BookState
    reason: str
    version: int


class Listener(Protocol):
    """Who is told.

    `on_need` must not call back. The others may do whatever they like, end the synchroniser
    even: they are called when it has finished what it was doing.
    """

    def on_need(self, synchroniser: Synchroniser) -> None:
        """`need` has changed, `wait` with it."""

    def on_state(self, synchroniser: Synchroniser, change: StateChange) -> None:
        """The state of the book has changed, or what it was before was found to be wrong."""

    def on_given_up(self, synchroniser: Synchroniser, reason: str) -> None:
        """There never was a book, and asking on is in vain."""


class Synchroniser:
    """Keeps `book`.

    Attributes:
        need: what it wants done, after `wait` seconds; None while it wants nothing.
        attempts: for how many snapshots it has asked since the book was LIVE.
        audits, differing: audits that were done, and those that found a difference.
    """

    def __init__(
        self,
        exchange: ExchangeEnum,
        market: str,
        symbol: str,
        rules: BookRules,
        listener: Listener,
        *,
        number_type: type[Number] = float,
    ) -> None:
        self._data = MutableBook(number_type, rules.depth)
        self.book = OrderBook(exchange, market, symbol, self._data)
        self.rules = rules
        self.need: Need | None = None
        self.wait = 0.0
        self.attempts = 0
        self.audits = 0
        self.differing = 0
        self._listener = listener
        self._most = _MOST_CHANGES if rules.depth is None else 4 * rules.depth
        self._is_live = False
        self._has_ended = False
        self._next = 0
        """The version that continues the book, while it is LIVE."""
        self._has_base = False
        """Whether the book is the exchange's at its version, LIVE or not."""
        self._is_partial = False
        """Whether there are levels beyond those that are known."""
        self._kept = _Deltas()
        self._has_heard = False
        """Whether the stream ever brought anything."""
        self._behind = 0
        self._waited = 0.0
        self._refusals = 0
        self._trouble = 0
        """How often it was built anew without having been LIVE for long in between."""
        self._live_since = 0
        self._copy: _Deltas | None = None
        """The deltas since an audit began."""
        self._untold: list[StateChange] = []
        self._given_up: str | None = None

    def __repr__(self) -> str:
        need = "" if self.need is None else f", needs {self.need.name} in {self.wait:g} s"
        return f"<Synchroniser {self.book!r}, {len(self._kept)} deltas kept{need}>"

    # What the stream brings

    def take(self, message: MarketMessage) -> bool:
        """Take in what the stream brought; whether the book changed and may be read."""
        if (
            self._is_live
            and type(message) is BookDelta
            and message.first_version == self._next
            and message.last_version >= self._next
        ):
            changed = self._apply(message)
        else:
            changed = self._take_odd(message)
        return self._told(changed) if self._untold else changed

    def _apply(self, delta: BookDelta) -> bool:
        """A delta that continues a LIVE book."""
        data = self._data
        self._behind = 0
        if len(delta.bids) + len(delta.asks) > self._most:
            count = len(delta.bids) + len(delta.asks)
            return self._distrust(f"a delta has {count} levels, more than {self._most}")
        if self._copy is not None:
            self._copy.add(delta)
        data.apply(delta)
        self._next = delta.last_version + 1
        flaw = data.flaw()
        if flaw is not None:
            return self._distrust(flaw)
        if self._is_partial and self.need is None and data.nears_the_end(self.rules.limit // 2):
            self._want(Need.LEVELS)
        return True

    def _take_odd(self, message: MarketMessage) -> bool:
        """Anything but the next delta of a LIVE book."""
        if self._has_ended:
            return False
        self._has_heard = True
        if isinstance(message, BookSnapshot):
            return self._take_snapshot(message)
        if not isinstance(message, BookDelta):
            return False
        first, last = message.first_version, message.last_version
        if last < first:
            return self._is_live and self._distrust(f"a delta goes from version {first} to {last}")
        if not self._is_live:
            return self._keep(message)
        version = self._data.version
        if last <= version:
            return self._look_back(last)
        if self._joins(version, first):
            return self._apply(message)  # cut elsewhere than what came before
        return self._rebuild(_parted(version, first), message)

    def _keep(self, delta: BookDelta) -> bool:
        """A delta while the book is not LIVE."""
        kept, version, last = self._kept, self._data.version, delta.last_version
        is_older = last <= kept.last or (self._has_base and last <= version)
        self._behind = self._behind + 1 if is_older else 0
        if self._behind > _MOST_BEHIND:
            # What is newer than all of these was a far version, or is numbered as before.
            self._behind = 0
            kept.clear()
            if self._has_base and last <= version:
                return self._distrust(_back(version, last), delta)
        kept.add(delta)
        return self._has_base and self._continue()

    def _joins(self, version: int, first: float) -> bool:
        """Whether a delta that begins at `first` and ends later continues a book of a version."""
        return first == version + 1 or (first <= version and self.rules.names_touched)

    def _look_back(self, version: int) -> bool:
        """Something older than the book came: a copy, unless nothing else comes any more."""
        self._behind += 1
        if self._behind <= _MOST_BEHIND:
            return False
        return self._distrust(_back(self._data.version, version))

    def _take_snapshot(self, snapshot: BookSnapshot) -> bool:
        version = self._data.version
        if self.rules.source is BookSource.LIMITED:
            if self._is_live and snapshot.version <= version:
                return snapshot.version < version and self._look_back(snapshot.version)
        elif self._is_live and snapshot.version < version:
            self._distrust(_back(version, snapshot.version))
        elif not self._reaches(snapshot):
            return False  # with a hole behind it: the next one may do
        if self._is_live:
            self._copy = None
        return self._begin(snapshot)

    def _reaches(self, snapshot: BookSnapshot) -> bool:
        """Whether there is no hole between a snapshot and the deltas kept."""
        if self._kept.first > snapshot.version + 1:
            if self._waited < _OLDER_S:
                return False
            self._kept.clear()
        return True

    # What else happens

    def wants_base(self) -> bool:
        """Whether it waits for a snapshot in the stream."""
        is_waiting = not self._is_live and not self._has_ended
        return is_waiting and self.rules.source is not BookSource.LIMITED

    def confirmed(self) -> None:
        """The exchange confirmed the subscription, for the first time or again."""
        if self._has_ended or self._is_live or self.need is not None:
            return
        if self._data.state is BookState.STALE:
            self._mark(BookState.SYNCING, "what was missed without a connection is not known yet")
        self._want_new(_SNAPSHOT_S if self.rules.source is BookSource.STREAM else 0.0)
        self._told()

    def lost(self, reason: str) -> None:
        """Nothing brings changes any more. What the book was at its version, it still was."""
        self._copy = None
        self._kept.clear()
        self._want(None)
        if self._data.state is not BookState.STALE:
            self._mark(BookState.STALE, reason)
        self._told()

    def end(self, reason: str) -> None:
        """Nobody keeps the book any more: it is STALE for good, and nobody is told."""
        if self._has_ended:
            return
        self._has_ended = True
        self._is_live = self._has_base = False
        self._copy = self._given_up = None
        self._kept.clear()
        self._untold.clear()
        self._want(None)
        self._data.mark(BookState.STALE, reason)

    def restarted(self) -> None:
        """The exchange numbers its books anew."""
        if self._data.state is BookState.STALE:
            self._has_base = False
            self._kept.clear()
        elif self._has_base or self._kept:
            self._distrust("the exchange numbers its books anew")
        self._told()

    def seed(self, snapshot: BookSnapshot) -> bool:
        """Take in a snapshot that was asked for; whether the book changed and may be read."""
        if self.need is Need.LEVELS:
            return self._told(self._is_live and self._extend(snapshot))
        if self.need is not Need.SNAPSHOT:
            return False
        version = self._data.version
        if not self._reaches(snapshot):
            self._again(f"a snapshot of version {snapshot.version} is older than what came")
        elif self._has_base and snapshot.version < version and self._waited < _OLDER_S:
            self._again(f"a snapshot of version {snapshot.version} is older than {version}")
        else:
            return self._told(self._begin(snapshot))
        return self._told()

    def failed(self, reason: str, *, is_final: bool = False) -> None:
        """The snapshot that was needed could not be had.

        Args:
            is_final: what was asked for will not be had later either, the exchange says.
        """
        self._refusals = self._refusals + 1 if is_final else 0
        if self.need is Need.LEVELS:
            self._want(Need.LEVELS, _LONGEST_DELAY_S)
        elif self.need is Need.SNAPSHOT:
            if self._refusals >= _MOST_REFUSALS and self._data.version < 0:
                self._give_up(f"there is no book to be had: {reason}")
            else:
                self._again(f"no snapshot: {reason}")
        self._told()

    def renew(self) -> bool:
        """Whether to ask for the subscription anew: not for ever where nothing ever came.

        An exchange may confirm what it does not list.
        """
        if self.need is not Need.RENEW:
            return False
        if self.attempts >= _MOST_RENEWALS and not self._has_heard:
            self._give_up("the exchange confirmed it and never sent a book; does it list it?")
        else:
            self._count_attempt(
                f"confirmed, and no book came, asked for {self.attempts + 1} times: "
                "does the exchange list it?"
                if self._data.version < 0
                else self._data.reason
            )
            self._want(Need.RENEW, self._delay(_SNAPSHOT_S))
        self._told()
        return self.need is Need.RENEW

    # Building

    def _begin(self, snapshot: BookSnapshot) -> bool:
        """Begin with a snapshot, and go on with the deltas kept."""
        data = self._data
        data.replace(snapshot, limit=self.rules.limit if self.rules.depth is None else None)
        flaw = data.flaw()
        if flaw is not None:
            return self._distrust(f"the snapshot of version {snapshot.version}: {flaw}")
        self._has_base = True
        self._is_partial = data.is_partial()
        if self._continue(is_new=True):
            return True
        if self._has_base:
            self._again(_parted(data.version, self._kept.first))
        return False

    def _continue(self, *, is_new: bool = False) -> bool:
        """Go on from the book with the deltas kept; whether it may be read now.

        Args:
            is_new: the book is known to be up to date even where no delta continues it.
        """
        data, kept = self._data, self._kept
        kept.drop_before(data.version + 1)
        if not kept and not is_new:
            return False
        while kept and self._joins(data.version, kept.first):
            data.apply(kept.pop())
            kept.drop_before(data.version + 1)
        flaw = data.flaw()
        if flaw is not None:
            return self._distrust(flaw)
        if kept:
            return False
        data.renewed()
        self._want(None)
        self.attempts = self._behind = 0
        self._waited = 0.0
        self._next = data.version + 1
        if not self._is_live:
            self._live_since = self.book.receive_time
            self._mark(BookState.LIVE)
        return True

    def _rebuild(self, reason: str, behind: BookDelta | None = None) -> bool:
        """The book misses something: it is read no more until that has come, or a new book.

        Args:
            behind: the delta behind what is missing.
        """
        self._copy = None
        self._kept.clear()
        self._behind = 0
        if behind is not None:
            self._kept.add(behind)
        self._data.resyncs += 1
        now = (behind or self.book).receive_time
        self._trouble = 1 if now - self._live_since > _CALM_NS else self._trouble + 1
        self._mark(BookState.GAP, reason)
        # The first time at once; where it happens over and over, less and less often.
        self._want_new(self._delay() if self._trouble > 1 else 0.0)
        return False

    def _distrust(self, reason: str, behind: BookDelta | None = None) -> bool:
        """The book is wrong, whatever its version is."""
        self._has_base = False
        return self._rebuild(reason, behind)

    def _again(self, reason: str) -> None:
        """A snapshot did not do: another one is needed, later."""
        self._count_attempt(reason)
        self._want_new(self._delay())

    def _count_attempt(self, reason: str) -> None:
        """Another attempt was in vain; told when there are many, and rarer and rarer then."""
        self.attempts += 1
        times, rest = divmod(self.attempts, _SUSPICIOUS)
        if rest or times & (times - 1):
            self._data.mark(self._data.state, reason)
        else:
            self._mark(self._data.state, reason)

    def _give_up(self, reason: str) -> None:
        self._want(None)
        self._mark(self._data.state, reason)
        self._given_up = reason

    def _delay(self, least: float = _FIRST_DELAY_S) -> float:
        tries = min(max(self.attempts, self._trouble), 20)
        return min(max(least, _FIRST_DELAY_S * 1.5 ** (tries - 1)), _LONGEST_DELAY_S)

    def _want_new(self, wait: float) -> None:
        match self.rules.source:
            case BookSource.REST:
                self._want(Need.SNAPSHOT, wait)
            case BookSource.STREAM:
                self._want(Need.RENEW, wait)
            case BookSource.LIMITED:
                pass  # the next push is one

    def _want(self, need: Need | None, wait: float = 0.0) -> None:
        if need is None and self.need is None:
            return
        self._waited += wait
        self.need, self.wait = need, wait
        self._listener.on_need(self)

    def _mark(self, state: BookState, reason: str = "") -> None:
        data = self._data
        self._untold.append(StateChange(data.state, state, reason, data.version))
        self._is_live = state is BookState.LIVE
        data.mark(state, reason)

    def _told(self, changed: bool = False) -> bool:
        """Tell what happened; whether the book changed and may be read even then.

        It comes last in whatever is asked of this: who is told may drop the book.
        """
        while self._untold:
            self._listener.on_state(self, self._untold.pop(0))
        reason, self._given_up = self._given_up, None
        if reason is not None:
            self._listener.on_given_up(self, reason)
        return changed and self._is_live

    # Looking for mistakes, and looking further

    @property
    def is_audited(self) -> bool:
        """Whether what comes is kept for an audit; no longer once the book is not LIVE."""
        return self._copy is not None

    def begin_audit(self) -> None:
        """Keep what comes from now on, to compare the book with a snapshot by REST."""
        self._copy = _Deltas()

    def end_audit(self) -> None:
        """Give an audit up."""
        if self.need is not Need.LEVELS:
            self._copy = None

    def can_audit(self, snapshot: BookSnapshot) -> bool | None:
        """Whether a snapshot can be compared with now; None where only with the next changes.

        False where it cannot be any more: it is older than the audit, or the book not LIVE.
        """
        version = self._data.version
        if self._copy is None or not self._is_live:
            return False
        if snapshot.version >= version:
            return None if snapshot.version > version else True
        behind = self._copy.after(snapshot.version)
        return bool(behind) and self._joins(snapshot.version, behind[0].first_version)

    def audit(self, snapshot: BookSnapshot) -> bool:
        """Compare the book with a snapshot, brought to the version of the book by the same deltas.

        Where they differ the book is built anew, and the differences are its `reason`.

        Returns:
            Whether they are the same.
        """
        assert self._copy is not None
        differences = _differences(self._data, self._brought_here(snapshot))
        self.audits += 1
        self._copy = None
        if not differences:
            return True
        named = "; ".join(differences[:_DIFFERENCES])
        more = len(differences) - _DIFFERENCES
        self._differs(f"{named}{f'; and {more} more' if more > 0 else ''}")
        return False

    def audit_silence(self, snapshot: BookSnapshot) -> None:
        """The stream brought nothing for long, and a snapshot is ahead of it all the while."""
        self.audits += 1
        self._differs(f"version {snapshot.version} there, and nothing came since {self._next - 1}")

    def _differs(self, what: str) -> None:
        self.differing += 1
        self._distrust(f"an audit found: {what}")
        self._told()

    def _brought_here(self, snapshot: BookSnapshot) -> MutableBook:
        other = MutableBook(self._data.number_type, self._data.depth)
        other.replace(snapshot, limit=self.rules.limit)
        assert self._copy is not None
        for delta in self._copy.after(other.version):
            other.apply(delta)
        return other

    def _extend(self, snapshot: BookSnapshot) -> bool:
        """Take a deeper book for one that nears the end of what is known of it."""
        if self._copy is None or not self.can_audit(snapshot):
            self._want(Need.LEVELS, _FIRST_DELAY_S)
            return False
        self._kept, self._copy = self._copy, None
        return self._begin(snapshot)

    # For tests of a user's handlers

    def sample(self, message: MarketMessage) -> OrderBook:
        """A LIVE book made of one message alone."""
        book, made = self.book, MutableBook(self._data.number_type, self._data.depth)
        if isinstance(message, BookSnapshot):
            made.replace(message)
        elif isinstance(message, BookDelta):
            made.apply(message)
        made.mark(BookState.LIVE)
        return OrderBook(book.exchange, book.market, book.symbol, made)


class _Deltas:
    """Deltas in the order of their versions, the oldest first, and not too many."""

    def __init__(self) -> None:
        self._deltas: deque[BookDelta] = deque()
        self._levels = 0

    def __len__(self) -> int:
        return len(self._deltas)

    @property
    def first(self) -> float:
        """The version they begin with; below all where there are none."""
        return self._deltas[0].first_version if self._deltas else -math.inf

    @property
    def last(self) -> float:
        """The version they end with; below all where there are none."""
        return self._deltas[-1].last_version if self._deltas else -math.inf

    def add(self, delta: BookDelta) -> None:
        deltas = self._deltas
        deltas.append(delta)
        if len(deltas) > 1 and delta.first_version < deltas[-2].first_version:
            self._deltas = deltas = deque(sorted(deltas, key=lambda each: each.first_version))
        self._levels += len(delta.bids) + len(delta.asks)
        while len(deltas) > _MOST_DELTAS or (self._levels > _MOST_LEVELS and len(deltas) > 1):
            self.pop()

    def pop(self) -> BookDelta:
        """Take the oldest."""
        delta = self._deltas.popleft()
        self._levels -= len(delta.bids) + len(delta.asks)
        return delta

    def drop_before(self, version: int) -> None:
        """Forget those that end before a version."""
        while self._deltas and self._deltas[0].last_version < version:
            self.pop()

    def after(self, version: int) -> list[BookDelta]:
        """Those that end behind a version."""
        return [delta for delta in self._deltas if delta.last_version > version]

    def clear(self) -> None:
        self._deltas.clear()
        self._levels = 0


def _parted(version: int, first: float) -> str:
    """Why a delta that begins at `first` does not continue a book of a version."""
    if first > version:
        return f"versions {version + 1} to {first - 1:.0f} are missing"
    return f"version {version} lies within a delta that begins with {first:.0f}"


def _back(version: int, to: int) -> str:
    return f"versions went back from {version} to {to}"


def _differences(book: MutableBook, other: MutableBook) -> list[str]:
    """What two books say differently, as far as both know."""
    if book.version != other.version:
        return [f"version {book.version} here and {other.version} there"]
    found: list[str] = []
    for name, ours, theirs in (("bid", book.bids, other.bids), ("ask", book.asks, other.asks)):
        sign = 1 if name == "bid" else -1
        ends = (book.end_of(ours), other.end_of(theirs))
        known = [sign * price for price in ends if price is not None]
        prices = sorted({*ours.quantities, *theirs.quantities}, key=lambda price: -sign * price)
        found += [
            f"{name} {price} is {ours.quantities.get(price, 0)}, "
            f"not {theirs.quantities.get(price, 0)}"
            for price in prices
            if ours.quantities.get(price) != theirs.quantities.get(price)
            and all(sign * price >= end for end in known)
        ]
    return found
