"""One stream out of copies of it: what comes over several legs is delivered once.

The rule: what leaves equals what one perfect line would have delivered. What the venue
numbers is judged by its numbers, everything else by its content:

* Deltas of a book form a chain of versions. A copy adds nothing to the chain and is dropped;
  one that begins beyond its end waits a while for another leg to bring what is missing.
* A snapshot or a best bid and ask with a version older than the last delivered is dropped.
* A trade with an id is delivered once, even if one leg brings it twice.
* Everything else is counted. What a leg brought for the n-th time is delivered if it was
  delivered less than n times: two equal trades are two, whichever leg brings them.

A merger also watches over a single leg: a hole in the chain is told as a gap.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Hashable, Sequence

import attrs

from .messages import BookDelta, BookSnapshot, BookTicker, Kline, MarketMessage, Ticker, Trade

__all__ = ["Merger"]

_GENERATION = 2048
"""Messages a topic remembers at least, and twice as many at most; a leg that lags further
behind may bring one again."""
_GENERATION_ALONE = 128
"""The same while one leg alone brings the topic: what it may repeat, and what a second one brings
that was delivered between its subscription and our hearing of it."""
_RECENT = 256
"""Trades with an id that are remembered until a second leg joins."""
_SLOTS = 32
"""A bit for each leg that joined; legs at a time are four at most, so that a bit is used again,
and forgotten before, only after many."""
_ALL_BITS = (1 << _SLOTS) - 1
_ALL_BUT_FIRST = _ALL_BITS >> 1
_EMPTY: dict[int, int | _Seen] = {}
_NONE_RECENT = array("q")
"""What nothing was seen of; never written to."""
_MOST_BEHIND = 16
"""Old versions in a row on every leg; more than a venue repeats by mistake."""
_MOST_HELD = 1024
_LONGEST_HELD_NS = 1_000_000_000
"""Deltas that wait for a missing one, and how long; beyond, the hole is a gap."""


def _identity(message: MarketMessage) -> Hashable:
    """What is the same in two copies: never the times of sending and reading."""
    match message:
        case Trade():  # without an id, or it would not be asked
            return message.exchange_time, message.price, message.quantity, message.side
        case BookTicker(version=int() as version):
            return message.symbol, version
        case BookTicker():
            return (
                message.symbol,
                message.bid_price,
                message.bid_quantity,
                message.ask_price,
                message.ask_quantity,
            )
        case BookSnapshot():
            return message.version
        case Ticker():
            return (
                message.symbol,
                message.last,
                message.high,
                message.low,
                message.base_volume,
                message.quote_volume,
                message.change_percent,
                message.bid_price,
                message.ask_price,
            )
        case Kline():
            return (
                message.open_time,
                message.open,
                message.high,
                message.low,
                message.close,
                message.quote_volume,
                message.closed,
            )
        case _:
            return message


@attrs.frozen(eq=False)
class _Leg:
    """A leg that joined.

    Attributes:
        joined: how many messages had been delivered when it did.
        bit: which one of `_SLOTS` stands for it.
    """

    number: int
    joined: int
    bit: int


@functools.lru_cache(maxsize=64)
def _first(number: int) -> tuple[_Leg, ...]:
    """A leg that joined before anything was delivered; of nearly all topics, so one for all."""
    return (_Leg(number, 0, 1 << _SLOTS - 1),)


@attrs.define
class _Seen:
    """How often one message was delivered, and brought under each bit, when it was repeated."""

    born: int
    delivered: int = 0
    brought: dict[int, int] = attrs.field(factory=dict[int, int])


class Merger:
    """The state of one topic.

    Args:
        on_gap: called with the first and the last version that are missing; with a last one
            below the first where the exchange numbers its books anew.
        is_chain: whether the topic carries deltas of a book.

    Attributes:
        duplicates: copies dropped so far.
        version: the last book version delivered, or None before the first.
    """

    # Most topics come over one leg and never miss anything, and there are thousands of them: what
    # only a second leg or a hole needs is an empty tuple until then.
    __slots__ = (
        "_begun",
        "_behind",
        "_delivered",
        "_free",
        "_held",
        "_held_by",
        "_is_chain",
        "_legs",
        "_may_restart",
        "_newest",
        "_older",
        "_oldest",
        "_on_gap",
        "_recent",
        "_seen",
        "duplicates",
        "version",
        "wants_base",
    )

    def __init__(self, on_gap: Callable[[int, int], None], *, is_chain: bool) -> None:
        self._on_gap = on_gap
        self._is_chain = is_chain
        # By the hash of what a message is: the content itself would be most of the memory, and
        # two that collide are rarer than a bit that flips in it. What was delivered once, as
        # nearly everything is, is one number: when it was born, above a bit for each leg that
        # brought it. The older generation is forgotten whole.
        self._seen: dict[int, int | _Seen] = _EMPTY
        self._older: dict[int, int | _Seen] = _EMPTY
        # Of a topic that never had two legs the ids of trades, in eight bytes each instead of
        # eighty: the numbers of nearly all venues grow, so that hardly one is looked for.
        self._recent: array[int] | None = _NONE_RECENT
        self._oldest = 0
        self._newest = 0
        self._free = _ALL_BITS
        self._legs: tuple[_Leg, ...] = ()
        self._delivered = 0
        self._held: list[BookDelta] | tuple[()] = ()
        self._held_by: tuple[int, ...] = ()
        self._begun: tuple[int, ...] = ()
        self._may_restart = False
        self._behind: tuple[int, ...] = ()
        self.wants_base: Callable[[], bool] | None = None
        """Says whether somebody waits for a whole book, whoever else carries the chain on."""
        self.duplicates = 0
        self.version: int | None = None

    def join(self, leg: int) -> None:
        """A leg will bring messages from now on; it joins with its first one, too."""
        if self._free == _ALL_BITS and not self._delivered:
            self._legs, self._free = _first(leg), _ALL_BUT_FIRST
        elif self._find(leg) is None:
            if self._legs and self._recent is not None:
                self._seen = {**self._seen, **dict.fromkeys(self._recent, 0)}
                self._recent = None
            self._legs = (*self._legs, _Leg(leg, self._delivered, self._take_bit()))

    def _find(self, leg: int) -> _Leg | None:
        for each in self._legs:
            if each.number == leg:
                return each
        return None

    def _take_bit(self) -> int:
        if not self._free:
            self._free_bits()
        bit = 1 << self._free.bit_length() - 1
        self._free ^= bit
        return bit

    def _free_bits(self) -> None:
        """Forget what legs brought that are gone. It takes long, so no loss waits for it."""
        used = {leg.bit for leg in self._legs}
        self._free = _ALL_BITS ^ sum(used)
        kept = ~self._free
        for generation in (self._older, self._seen):
            for identity, seen in generation.items():
                if isinstance(seen, _Seen):
                    seen.brought = {bit: n for bit, n in seen.brought.items() if bit in used}
                else:
                    generation[identity] = seen & kept

    def take(self, leg: int, messages: Sequence[MarketMessage]) -> Sequence[MarketMessage]:
        """Return what is to be delivered now of what a leg brought."""
        # Nearly always it is the next delta and nothing waits, or a trade with an id: no more is
        # to be asked then.
        if len(messages) == 1 and leg in self._begun:
            message = messages[0]
            if type(message) is BookDelta:
                if message.first_version - 1 == self.version and not self._held:
                    self.version = message.last_version
                    self._behind = ()
                    return messages
            elif type(message) is Trade and message.trade_id is not None:
                if self._is_new(message.trade_id):
                    self._delivered += 1
                    return messages
                self.duplicates += 1
                return ()
        begins = leg not in self._begun
        self._may_restart = not self._begun
        if begins:
            self.join(leg)
            self._begun = (*self._begun, leg)
        if len(messages) == 1 and isinstance(delta := messages[0], BookDelta):
            return self._take_delta(leg, delta, messages)
        fresh = [message for message in messages if self._is_fresh(leg, message, begins)]
        self._delivered += len(fresh)
        self.duplicates += len(messages) - len(fresh)
        return fresh

    def leave(self, leg: int) -> Sequence[MarketMessage]:
        """A leg is gone. Return what waited for it in vain, when nobody else is left."""
        self._legs = tuple(each for each in self._legs if each.number != leg)
        self._begun = tuple(each for each in self._begun if each != leg)
        return self._give_up_waiting() if self._is_hopeless() else ()

    def expire(self, now: int) -> Sequence[MarketMessage]:
        """Return what waited in vain for too long, while nothing came that would have told.

        Args:
            now: wall time, ns since the epoch, as the receive times of messages.
        """
        # A wall clock that was set back says nothing; to go on is the safe side.
        if self._held and not 0 <= now - self._held[0].receive_time <= _LONGEST_HELD_NS:
            return self._give_up_waiting()
        return ()

    # Chains of deltas

    def _take_delta(
        self, leg: int, delta: BookDelta, messages: Sequence[MarketMessage]
    ) -> Sequence[MarketMessage]:
        version = self.version
        if version is None or delta.first_version == version + 1:
            self.version = delta.last_version
            self._behind = ()
            return self._flush(messages) if self._held else messages
        if delta.last_version <= version and not self._restarts(leg):
            self.duplicates += 1
            return ()
        if delta.last_version <= version:
            self._on_gap(version + 1, delta.first_version - 1)
            self.version = delta.last_version
            return messages
        if delta.first_version <= version:
            # Cut elsewhere than the copy before it. Quantities are absolute: it does no harm.
            self.version = delta.last_version
            return self._flush(messages)
        self._hold(delta)
        if leg not in self._held_by:
            self._held_by = (*self._held_by, leg)
        return self._give_up_waiting() if self._is_hopeless() else ()

    def _restarts(self, leg: int) -> bool:
        """Whether older versions are no copies, but the exchange numbering its books anew.

        They cannot be copies when nobody brings anything newer: on the first message of all the
        legs there are, or when every one of them goes on and on with older ones.
        """
        behind = self._behind
        if behind.count(leg) <= _MOST_BEHIND:
            self._behind = behind = (*behind, leg)
        if not self._may_restart and (
            len(behind) <= _MOST_BEHIND * len(self._legs)
            or any(behind.count(each.number) <= _MOST_BEHIND for each in self._legs)
        ):
            return False
        self._behind = ()
        self._seen = self._older = _EMPTY
        self._held = ()
        return True

    def _hold(self, delta: BookDelta) -> None:
        """Let a delta wait for one before it."""
        if self._held:
            self._held.append(delta)
        else:
            self._held = [delta]

    def _is_hopeless(self) -> bool:
        """Whether something waits for what nobody will bring."""
        if not self._held:
            return False
        waited = self._held[-1].receive_time - self._held[0].receive_time
        return (
            all(leg.number in self._held_by for leg in self._legs)
            or len(self._held) > _MOST_HELD
            or waited > _LONGEST_HELD_NS
        )

    def _flush(self, messages: Sequence[MarketMessage]) -> Sequence[MarketMessage]:
        """Return the messages and those held deltas that now continue them."""
        # Who waited is forgotten with a hole that was filled: for the next one all are asked.
        self._held_by = ()
        ready = list(messages)
        held = sorted(self._held, key=lambda delta: delta.first_version)
        self._held = ()
        for delta in held:
            assert self.version is not None
            if delta.last_version <= self.version:
                self.duplicates += 1
            elif delta.first_version <= self.version + 1:
                self.version = delta.last_version
                ready.append(delta)
            else:
                self._hold(delta)
        return ready

    def _give_up_waiting(self) -> Sequence[MarketMessage]:
        """Nobody will bring what is missing: tell the gap and go on behind it."""
        ready: list[MarketMessage] = []
        while self._held:
            first = min(self._held, key=lambda delta: delta.first_version)
            assert self.version is not None
            if first.first_version > self.version + 1:
                self._on_gap(self.version + 1, first.first_version - 1)
                self.version = first.first_version - 1
            ready = list(self._flush(ready))
        return ready

    # Everything else

    def _is_fresh(self, leg: int, message: MarketMessage, begins: bool) -> bool:
        if type(message) is Trade and message.trade_id is not None:
            return self._is_new(message.trade_id)
        if isinstance(message, BookSnapshot) and self._is_chain:
            return self._is_fresh_base(leg, message, begins)
        version = getattr(message, "version", None)
        if isinstance(message, BookSnapshot | BookTicker) and version is not None:
            if self.version is not None and version < self.version and not self._restarts(leg):
                return False
            self.version = version
            self._behind = ()
        return self._count(leg, hash(_identity(message)))

    def _is_fresh_base(self, leg: int, snapshot: BookSnapshot, begins: bool) -> bool:
        """A whole book in a chain of deltas.

        A leg begins with one; as long as another leg carries the chain on, it says nothing
        new. Any other is the venue's new beginning, once.
        """
        version = self.version
        if version is not None:
            alone = len(self._legs) == 1
            if snapshot.version < version and self._restarts(leg):
                self._on_gap(version + 1, snapshot.version)
            elif self.wants_base is not None and self.wants_base():
                self.version = max(version, snapshot.version)
                return True
            elif not alone and (begins or snapshot.version <= version):
                return False
            elif snapshot.version > version:
                self._on_gap(version + 1, snapshot.version)
        self.version = snapshot.version
        self._held = ()
        return True

    def _is_new(self, trade_id: str) -> bool:
        identity = hash(trade_id)
        recent = self._recent
        if recent is None:
            if identity in self._seen or identity in self._older:
                return False
            self._remember(identity, 0)
            return True
        number = int(trade_id) if trade_id.isdecimal() and len(trade_id) < 20 else 0
        if number > self._newest:
            self._newest = number
        elif identity in recent:
            return False
        if len(recent) == _RECENT:
            recent[self._oldest] = identity
            self._oldest = (self._oldest + 1) % _RECENT
        elif recent:
            recent.append(identity)
        else:
            self._recent = array("q", (identity,))
        return True

    def _count(self, leg: int, identity: int) -> bool:
        generation = self._seen
        seen = generation.get(identity)
        if seen is None:
            seen = self._older.get(identity)
            generation = self._seen if seen is None else self._older
        by = self._find(leg)
        assert by is not None
        bit = by.bit
        if seen is None:
            self._remember(identity, self._delivered << _SLOTS | bit)
            return True
        if isinstance(seen, _Seen):
            return self._repeat(by, seen)
        if not seen & bit:
            generation[identity] = seen | bit
            return False
        brought = {1 << slot: 1 for slot in range(_SLOTS) if seen & (1 << slot)}
        generation[identity] = repeated = _Seen(seen >> _SLOTS, 1, brought)
        return self._repeat(by, repeated)

    def _remember(self, identity: int, seen: int) -> None:
        generation = self._seen
        count = len(generation)
        if not count or count >= _GENERATION_ALONE:
            # How many make a generation is asked for only where it may be full.
            if not count or len(self._legs) <= 1 or count >= _GENERATION:
                self._older, self._seen = generation, {}
            generation = self._seen
        generation[identity] = seen

    def _repeat(self, leg: _Leg, seen: _Seen) -> bool:
        bit = leg.bit
        if seen.brought.get(bit) is None and seen.born < leg.joined:
            # A leg that joined in the middle of repetitions begins with the latest of them.
            seen.brought[bit] = seen.delivered - 1
        brought = seen.brought[bit] = seen.brought.get(bit, 0) + 1
        if brought <= seen.delivered:
            return False
        seen.delivered = brought
        return True
