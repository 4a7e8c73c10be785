"""What one connection should be subscribed to, what was asked, and what was confirmed.

Wanted topics outlive the connection, confirmed ones do not (`reset`). The class decides what
to send next and what an answer means; it sends nothing itself.

    WANTED ──ask──▶ PENDING ──accepted──▶ CONFIRMED
       ▲               │
       ├── no answer ──┤
       └──▶ PUT OFF ◀──┴──refused──▶ (forgotten, told)

A refusal that is about the moment puts a topic off: it is told, and asked for again, less and
less often. Final words are taken for such, too, as long as the owner has patience with a topic.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable

import attrs

from .exchanges.base import Answer, Request, Topic, Venue

__all__ = ["Outcome", "Subscriptions"]

_MOST_ATTEMPTS = 5
"""Asks for one topic on one connection until we call the silence a refusal."""
_MOST_ROUNDS = 12
"""Calls of `expire` between two asks for a topic that is refused for the moment."""


class _State(enum.Enum):
    WANTED = enum.auto()
    PENDING = enum.auto()
    CONFIRMED = enum.auto()
    PUT_OFF = enum.auto()


@attrs.define
class _Entry:
    topic: Topic
    state: _State = _State.WANTED
    attempts: int = 0
    refusals: int = 0
    rounds: int = 0


@attrs.define
class _Sent:
    request: Request
    time: float


@attrs.frozen
class Outcome:
    """What became of one subscription.

    Attributes:
        reason: the venue's words when it was refused, None when it was accepted.
        is_final: False when it was refused for the moment and is asked for again.
    """

    topic: Topic
    reason: str | None = None
    code: int | None = None
    is_final: bool = True


def _none(_topic: Topic) -> float:
    return 0


class Subscriptions:
    """The subscriptions of one connection.

    Args:
        patience: how many refusals in final words to put up with for a topic.
    """

    def __init__(self, venue: Venue, patience: Callable[[Topic], float] = _none) -> None:
        self._venue = venue
        self._patience = patience
        self._entries: dict[str, _Entry] = {}
        # The names among them that are not confirmed: every batch that is read asks for it.
        self._unsettled: set[str] = set()
        self._leaving: dict[str, _Entry] = {}
        self._sent: dict[int, _Sent] = {}
        self._next_id = 1
        self.unmatched = 0
        """Answers that belong to no request of ours."""

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Subscriptions {self.confirmed} of {len(self)} CONFIRMED>"

    @property
    def topics(self) -> list[Topic]:
        """What is wanted, in the order it was."""
        return [entry.topic for entry in self._entries.values()]

    @property
    def confirmed(self) -> int:
        """How many the exchange confirmed on this connection."""
        return len(self._entries) - len(self._unsettled)

    @property
    def settled(self) -> bool:
        """Whether everything wanted is confirmed."""
        return not self._unsettled

    def is_confirmed(self, topic: Topic) -> bool:
        """Whether the exchange confirmed this topic on this connection."""
        entry = self._entries.get(topic.name)
        return entry is not None and entry.state is _State.CONFIRMED

    # What is wanted

    def want(self, topic: Topic) -> None:
        """Subscribe to a topic with the next requests; once is enough."""
        if topic.name not in self._entries:
            # An unsubscribe that was never sent leaves the subscription as it was.
            kept = self._leaving.pop(topic.name) if topic.name in self._leaving else None
            entry = self._entries[topic.name] = kept or _Entry(topic)
            if entry.state is not _State.CONFIRMED:
                self._unsettled.add(topic.name)

    def unwant(self, topic: Topic) -> None:
        """Unsubscribe from a topic with the next requests."""
        entry = self._entries.pop(topic.name, None)
        self._unsettled.discard(topic.name)
        if entry is not None and entry.state in (_State.PENDING, _State.CONFIRMED):
            self._leaving[topic.name] = entry

    def renew(self, topic: Topic) -> None:
        """Unsubscribe and subscribe again: the exchange seems to have forgotten."""
        entry = self._entries.get(topic.name)
        if entry is not None and entry.state is _State.CONFIRMED:
            self._leaving[topic.name] = entry
            self._entries[topic.name] = _Entry(topic)
            self._unsettled.add(topic.name)

    def reset(self) -> None:
        """The connection is gone: nothing is confirmed and nothing was asked."""
        self._sent.clear()
        self._leaving.clear()
        self._unsettled.update(self._entries)
        for entry in self._entries.values():
            entry.state = _State.WANTED
            entry.attempts = 0

    # What to send

    @property
    def has_requests(self) -> bool:
        """Whether `requests` would return any."""
        entries = self._entries
        return bool(self._leaving) or any(
            entries[name].state is _State.WANTED for name in self._unsettled
        )

    def requests(self, wall: int) -> list[Request]:
        """Return what to send; tell `sent` when each has been.

        Args:
            wall: wall time, ns since the epoch.
        """
        leaving = [entry.topic for entry in self._leaving.values()]
        self._leaving.clear()
        wanted = [e for e in self._entries.values() if e.state is _State.WANTED]
        for entry in wanted:
            entry.state = _State.PENDING
            entry.attempts += 1
        return [
            *self._make(leaving, False, wall),
            *self._make([entry.topic for entry in wanted], True, wall),
        ]

    def _make(self, topics: list[Topic], subscribe: bool, wall: int) -> list[Request]:
        if not topics:
            return []
        made = self._venue.requests(topics, subscribe=subscribe, first_id=self._next_id, now=wall)
        self._next_id = (self._next_id + len(made)) % (1 << 31) or 1
        for request in made:
            self._sent[request.id] = _Sent(request, math.inf)
        return made

    def sent(self, request: Request, now: float) -> None:
        """A request went out at `now`, in seconds of the clock `expire` is given."""
        if request.id in self._sent:
            self._sent[request.id].time = now

    # What is answered

    def answer(self, answer: Answer) -> list[Outcome]:
        """Return what an answer of the venue decides. Answers of others decide nothing."""
        request = self._match(answer)
        if request is None:
            self.unmatched += 1
            return []
        del self._sent[request.id]
        if not request.subscribe:
            return []
        refused = set(answer.refused)
        if answer.reason is not None and not refused and answer.accepted is None:
            refused = {topic.name for topic in request.topics}
        accepted: Iterable[str] = answer.accepted or ()
        if answer.accepted is None and not refused:
            accepted = [topic.name for topic in request.topics]
        return self._settle(request, set(accepted), refused, answer)

    def _settle(
        self, request: Request, accepted: set[str], refused: set[str], answer: Answer
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for topic in request.topics:
            entry = self._entries.get(topic.name)
            if entry is None or entry.state is not _State.PENDING:
                continue
            if topic.name in refused:
                may_pass = answer.is_transient or entry.refusals < self._patience(topic)
                reason = answer.reason or "refused"
                decide = self._put_off if may_pass else self._refuse
                outcomes.append(decide(entry, reason, answer.code))
            elif topic.name in accepted:
                entry.state = _State.CONFIRMED
                self._settled(topic.name)
                entry.attempts = entry.refusals = 0
                outcomes.append(Outcome(topic))
            else:
                # Refused only beside another, it was not heard yet; each such round removes one.
                entry.attempts -= bool(refused)
                outcomes += self._ask_again(entry)
        return outcomes

    def _refuse(self, entry: _Entry, reason: str, code: int | None = None) -> Outcome:
        del self._entries[entry.topic.name]
        self._settled(entry.topic.name)
        return Outcome(entry.topic, reason, code)

    def _settled(self, name: str) -> None:
        self._unsettled.discard(name)
        if not self._unsettled:
            self._unsettled = set()  # one that is empty keeps the room it took when it was full

    def _put_off(self, entry: _Entry, reason: str, code: int | None = None) -> Outcome:
        entry.state = _State.PUT_OFF
        entry.rounds = min(1 << entry.refusals, _MOST_ROUNDS)
        entry.refusals += 1
        entry.attempts = 0
        return Outcome(entry.topic, reason, code, is_final=False)

    def _ask_again(self, entry: _Entry) -> list[Outcome]:
        if entry.attempts >= _MOST_ATTEMPTS:
            return [self._refuse(entry, f"no answer to {entry.attempts} requests")]
        entry.state = _State.WANTED
        return []

    def expire(self, before: float) -> list[Outcome]:
        """Ask again for what was asked before `before` and never answered.

        Each call is a round of waiting for what was put off.
        """
        for unsettled in map(self._entries.__getitem__, self._unsettled):
            if unsettled.state is _State.PUT_OFF:
                unsettled.rounds -= 1
                if unsettled.rounds <= 0:
                    unsettled.state = _State.WANTED
        late = [sent for sent in self._sent.values() if sent.time < before]
        outcomes: list[Outcome] = []
        for sent in late:
            del self._sent[sent.request.id]
            for topic in sent.request.topics if sent.request.subscribe else ():
                entry = self._entries.get(topic.name)
                if entry is not None and entry.state is _State.PENDING:
                    outcomes += self._ask_again(entry)
        return outcomes

    def _match(self, answer: Answer) -> Request | None:
        """The request an answer belongs to: by id, else by name, else by channel, oldest first.

        An id that is not one of ours is that of a request which was given up, or of a former
        connection: a channel is too little then to make it the answer to another.
        """
        if answer.id in self._sent:
            return self._sent[answer.id].request
        names = {*(answer.accepted or ()), *answer.refused}
        if names:
            return self._oldest(answer, lambda topic: topic.name in names)
        if answer.scope is not None and not answer.id:
            return self._oldest(answer, lambda topic: topic.name.split(" ")[0] == answer.scope)
        return None

    def _oldest(self, answer: Answer, fits: Callable[[Topic], bool]) -> Request | None:
        for sent in self._sent.values():
            request = sent.request
            if answer.subscribe in (None, request.subscribe) and any(map(fits, request.topics)):
                return request
        return None
