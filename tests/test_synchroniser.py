"""The synchroniser: whatever happens to the stream, a LIVE book is the exchange's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioex import BookDelta, BookSnapshot, BookSource, BookState, ExchangeEnum
from trioex.synchroniser import BookRules, Need, StateChange, Synchroniser

MEXC = ExchangeEnum.MEXC
SECOND = 1_000_000_000


class Told:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.states: list[tuple[BookState, str]] = []
        self.needs: list[Need | None] = []
        self.given_up: list[str] = []
        self.on_told: Callable[[], object] = lambda: None

    def on_need(self, synchroniser: Synchroniser) -> None:
        self.needs.append(synchroniser.need)

    def on_state(self, synchroniser: Synchroniser, change: StateChange) -> None:
        self.states.append((change.state, change.reason))
        self.on_told()

    def on_given_up(self, synchroniser: Synchroniser, reason: str) -> None:
        self.given_up.append(reason)


def delta(first: int, last: int, bids: Any = (), asks: Any = (), time: int = 0) -> BookDelta:
    return BookDelta(MEXC, "spot", "BTCUSDT", time, time, tuple(bids), tuple(asks), first, last)


def snapshot(version: int, bids: Any = (), asks: Any = (), time: int = 0) -> BookSnapshot:
    return BookSnapshot(MEXC, "spot", "BTCUSDT", time, time, tuple(bids), tuple(asks), version)


def make(source: BookSource = BookSource.REST, number: type = float, **rules: Any) -> Synchroniser:
    listener = Told()
    made = Synchroniser(
        MEXC, "spot", "BTCUSDT", BookRules(source, **rules), listener, number_type=number
    )
    made.confirmed()
    return made


def live(version: int = 10, **rules: Any) -> Synchroniser:
    made = make(**rules)
    assert made.seed(snapshot(version, [(99.0, 1.0)], [(101.0, 1.0)]))
    return made


def test_a_snapshot_alone_is_a_beginning() -> None:
    made = make()
    assert (made.need, made.wait) == (Need.SNAPSHOT, 0.0)
    assert made.seed(snapshot(10, [(99.0, 1.0)]))
    assert (made.book.state, made.book.version, made.need) == (BookState.LIVE, 10, None)
    assert isinstance(made.book.change, BookSnapshot)
    assert made.take(delta(11, 12, [(98.0, 1.0)]))
    assert made.book.bids() == [(99.0, 1.0), (98.0, 1.0)]


def test_what_came_before_the_snapshot_is_joined_to_it() -> None:
    made = make(names_touched=True)
    for change in (
        delta(5, 7, [(1.0, 1.0)]),
        delta(8, 10, [(2.0, 1.0)]),
        delta(11, 11, [(3.0, 1.0)]),
    ):
        assert not made.take(change)
    assert made.seed(snapshot(9, [(4.0, 1.0)]))
    assert (made.book.version, made.book.bids()) == (11, [(4.0, 1.0), (3.0, 1.0), (2.0, 1.0)])


def test_a_snapshot_within_a_delta_of_net_changes_is_not_joined() -> None:
    made = make()
    made.take(delta(8, 10))  # a level that came with 9 and went with 10 is not in it
    assert not made.seed(snapshot(9, [(4.0, 1.0)]))
    assert (made.need, made.wait) == (Need.SNAPSHOT, 0.5)
    assert made.book.reason == "version 9 lies within a delta that begins with 8"
    assert made.seed(snapshot(10))
    assert (made.book.version, made.book.bids()) == (10, [])
    made.begin_audit()
    made.take(delta(11, 13))
    assert made.can_audit(snapshot(12)) is False
    assert made.can_audit(snapshot(10))
    assert not made.take(delta(13, 15))  # cut elsewhere
    assert (made.book.state, made.need) == (BookState.GAP, Need.SNAPSHOT)
    assert made.seed(snapshot(15))


def test_a_stale_snapshot_is_asked_for_again_less_and_less_often() -> None:
    made = make()
    made.take(delta(50, 51))
    waits = []
    for _ in range(11):
        assert not made.seed(snapshot(40))
        waits.append(made.wait)
        assert made.need is Need.SNAPSHOT
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.5, 10.0)
    assert made.seed(snapshot(49))  # just what is missing
    assert made.book.version == 51


def test_a_stream_that_never_brings_a_book_says_so() -> None:
    made = make(BookSource.STREAM, depth=400)
    for _ in range(5):
        assert made.need is Need.RENEW
        made.renew()
    told = made._listener
    assert isinstance(told, Told)
    assert [state for state, _ in told.states] == [BookState.SYNCING]
    assert "asked for 3 times: does the exchange list it?" in told.states[0][1]
    assert made.take(snapshot(7, [(99.0, 1.0)]))
    assert made.book.is_live


def test_a_gap_is_told_and_mended_by_what_was_missing() -> None:
    made = live()
    assert not made.take(delta(13, 14, [(98.0, 1.0)]))
    assert made.book.state is BookState.GAP
    assert "versions 11 to 12 are missing" in made.book.reason
    assert made.need is Need.SNAPSHOT
    assert made.take(delta(11, 12, [(97.0, 1.0)]))  # it was only late
    assert (made.book.version, made.need, made.book.resyncs) == (14, None, 1)
    assert len(made.book.bids()) == 3


def test_copies_change_nothing_until_nothing_else_comes() -> None:
    made = live(1000)
    for _ in range(16):
        assert not made.take(delta(5, 6, [(98.0, 1.0)]))
    assert made.book.is_live
    assert not made.take(delta(7, 8))
    assert made.book.state is BookState.GAP
    assert "went back from 1000 to 8" in made.book.reason
    assert made.seed(snapshot(8))  # the book is not taken for a beginning any more
    assert made.book.version == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (delta(11, 11, [(102.0, 1.0)]), "crossed"),
        (delta(11, 11, [(98.0, -1.0)]), "quantity -1.0"),
        (delta(11, 11, [(float(price), 1.0) for price in range(1, 90)]), "89 levels"),
    ],
)
def test_what_cannot_be_is_not_believed(change: BookDelta, words: str) -> None:
    made = live(depth=20)
    assert not made.take(change)
    assert (made.book.state, made.need, made.book.resyncs) == (BookState.GAP, Need.SNAPSHOT, 1)
    assert words in made.book.reason
    assert not made.take(delta(12, 12))  # the wrong book is no beginning
    assert made.seed(snapshot(11, [(99.0, 1.0)]))
    assert made.book.version == 12


def test_a_flawed_snapshot_is_no_beginning() -> None:
    made = make()
    assert not made.seed(snapshot(10, [(101.0, 1.0)], [(100.0, 1.0)]))
    assert (made.book.state, made.need) == (BookState.GAP, Need.SNAPSHOT)
    assert made.seed(snapshot(10, [(99.0, 1.0)], [(100.0, 1.0)]))


def test_without_a_connection_it_is_stale_and_goes_on_where_it_was() -> None:
    made = live()
    made.lost("no connection carries it")
    assert (made.book.state, made.need) == (BookState.STALE, None)
    made.confirmed()
    assert (made.book.state, made.need) == (BookState.SYNCING, Need.SNAPSHOT)
    assert not made.seed(snapshot(9))  # cached: older than what was known
    assert made.take(delta(11, 11))  # nothing had happened meanwhile
    assert (made.book.state, made.need) == (BookState.LIVE, None)


def test_a_stream_that_brings_its_snapshot_is_renewed_after_a_gap() -> None:
    made = make(BookSource.STREAM)
    assert (made.need, made.wait) == (Need.RENEW, 5.0)
    assert made.wants_base()
    assert made.take(snapshot(10, [(99.0, 1.0)]))
    assert made.need is None
    assert not made.wants_base()
    assert not made.take(delta(12, 12))
    assert (made.need, made.wait) == (Need.RENEW, 0.0)
    made.renew()
    assert (made.need, made.wait) == (Need.RENEW, 5.0)
    assert not made.take(snapshot(10))  # the other leg's: there is a hole behind it
    assert made.take(snapshot(11, [(98.0, 1.0)]))
    assert made.book.version == 12


def test_the_whole_top_replaces_and_older_ones_do_not_count() -> None:
    made = make(BookSource.LIMITED, depth=5)
    assert made.need is None
    assert made.take(snapshot(10, [(99.0, 1.0)]))
    assert not made.take(snapshot(9, [(98.0, 1.0)]))
    assert made.take(snapshot(11, [(97.0, 1.0)]))
    assert made.book.bids() == [(97.0, 1.0)]


def test_gaps_over_and_over_are_mended_less_and_less_often() -> None:
    made = live(version=0)
    waits = []
    for number in range(6):
        version = made.book.version
        assert not made.take(delta(version + 5, version + 5, time=(number + 40) * SECOND))
        waits.append(made.wait)
        assert made.seed(snapshot(version + 5, time=(number + 40) * SECOND))
    assert waits[0] == 0.0
    assert waits[1:] == sorted(waits[1:])
    assert waits[-1] > waits[1] > 0.0
    version = made.book.version
    made.take(delta(version + 5, version + 5, time=100 * SECOND))
    assert made.wait == 0.0  # it had been LIVE for long


def test_deltas_are_not_kept_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioex.synchroniser._MOST_DELTAS", 10)
    made = make()
    for version in range(100, 200):
        made.take(delta(version, version))
    assert "10 deltas kept" in repr(made)
    assert not made.seed(snapshot(150))
    assert made.seed(snapshot(190))
    assert made.book.version == 199


def test_an_audit_compares_at_one_version() -> None:
    made = live(names_touched=True)
    made.begin_audit()
    made.take(delta(11, 12, [(98.0, 1.0)]))
    ahead = snapshot(13, [(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0)])
    assert made.can_audit(ahead) is None
    made.take(delta(13, 14, [(98.0, 2.0)]))
    assert made.can_audit(ahead)
    assert made.audit(ahead)
    assert made.book.is_live
    made.begin_audit()
    assert made.can_audit(snapshot(12)) is False  # older than the audit
    wrong = snapshot(14, [(99.0, 5.0), (98.0, 2.0)], [(101.0, 1.0)])
    assert not made.audit(wrong)
    assert (made.book.state, made.need) == (BookState.GAP, Need.SNAPSHOT)
    assert "bid 99.0 is 1.0, not 5.0" in made.book.reason
    assert (made.audits, made.differing) == (2, 1)


def test_a_book_that_is_lost_is_not_audited_any_more() -> None:
    made = live()
    made.begin_audit()
    made.lost("nobody is bound to it any more")
    assert not made.is_audited
    assert made.can_audit(snapshot(10)) is False


def test_a_book_that_nears_the_end_of_what_is_known_is_extended_while_live() -> None:
    made = make(limit=4)
    bids = [(float(price), 1.0) for price in (99, 98, 97, 96)]
    assert made.seed(snapshot(10, bids, [(101.0, 1.0)]))
    assert made.take(delta(11, 13, [(99.0, 0.0), (98.0, 0.0), (97.0, 0.0), (50.0, 1.0)]))
    assert made.book.bids() == [(96.0, 1.0)]  # 50 may not be the next one
    assert (made.need, made.book.is_live) == (Need.LEVELS, True)
    made.begin_audit()
    made.take(delta(14, 14, [(95.5, 1.0)]))
    assert made.seed(snapshot(13, [(96.0, 1.0), (95.0, 1.0), (50.0, 1.0)], [(101.0, 1.0)]))
    assert [price for price, _ in made.book.bids()] == [96.0, 95.5, 95.0, 50.0]
    assert made.need is None
    assert made.book.version == 14


ACTIONS = (
    "move", "move", "move", "push", "push", "lose", "twice", "swap", "snapshot", "late", "old",
    "full", "cut", "confirm", "garble", "fail",
)  # fmt: skip


class Market:
    """A true book and every version of it."""

    def __init__(self, number: type, *, names_touched: bool) -> None:
        self.number = number
        self.names_touched = names_touched
        self.version = 1
        self.sides: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
        self.history = {1: copy.deepcopy(self.sides)}
        self.pending: list[tuple[int, Any, Any]] = []
        self.pushed = 1

    def move(self, choice: int) -> None:
        self.version += 1
        side, place, quantity = choice % 2, choice // 2 % 7, choice // 14 % 3
        price = self.number(50 - place if side == 0 else 60 + place)
        level = price, self.number(quantity)
        self.sides[side][price] = level[1]
        if not quantity:
            del self.sides[side][price]
        self.pending.append((side, *level))
        self.history[self.version] = copy.deepcopy(self.sides)

    def push(self) -> BookDelta:
        levels: tuple[list[Any], list[Any]] = ([], [])
        final = {(side, price): quantity for side, price, quantity in self.pending}
        for (side, price), quantity in final.items():
            before = self.history[self.pushed][side].get(price, self.number(0))
            if self.names_touched or quantity != before:
                levels[side].append((price, quantity))
        made = delta(self.pushed + 1, self.version, *levels, time=self.version * SECOND)
        self.pending, self.pushed = [], self.version
        return made

    def snapshot(self, version: int) -> BookSnapshot:
        bids, asks = self.history[version]
        return snapshot(version, sorted(bids.items(), reverse=True), sorted(asks.items()))


@pytest.mark.parametrize("number", [float, Decimal])
@pytest.mark.parametrize("source", [BookSource.REST, BookSource.STREAM])
@pytest.mark.parametrize("names_touched", [True, False])
@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 10_000)), min_size=10, max_size=80
    )
)
def test_a_live_book_is_the_exchanges_whatever_happens(
    source: BookSource, number: type, names_touched: bool, steps: list[tuple[str, int]]
) -> None:
    market = Market(number, names_touched=names_touched)
    made = make(source, number, names_touched=names_touched)
    is_connected = True
    late: list[BookSnapshot] = []
    held: list[BookDelta] = []

    def check() -> None:
        book = made.book
        if book.is_live:
            bids, asks = market.history[book.version]
            assert dict(book.bids()) == bids
            assert dict(book.asks()) == asks

    def bring(*messages: BookDelta | BookSnapshot) -> None:
        for message in messages:
            if is_connected:
                made.take(message)
                check()

    for action, choice in steps:
        match action:
            case "move":
                market.move(choice)
            case "push" if market.pending:
                bring(market.push(), *held)
                held.clear()
            case "lose" if market.pending:
                market.push()
            case "twice" if market.pending:
                bring(*[market.push()] * 2)
            case "swap" if market.pending:
                held.append(market.push())
            case "snapshot":
                made.seed(market.snapshot(market.version))
            case "late":
                late.append(market.snapshot(market.version))
            case "old" if late:
                made.seed(late.pop(0))
            case "full" if source is BookSource.STREAM and not market.pending:
                bring(market.snapshot(market.pushed))
            case "cut":
                is_connected = False
                made.lost("cut")
            case "confirm" if not is_connected:
                is_connected = True
                market.push()  # what a connection did not hear is lost
                held.clear()
                made.confirmed()
            case "garble" if made.book.is_live and made.book.version == market.pushed:
                crossed = [(number(99), number(1))], [(number(98), number(1))]
                bring(delta(market.pushed + 1, market.pushed + 1, *crossed))
            case _:
                made.failed("nobody answered")
        check()
    # The faults are over: one push, and what it asks for.
    if not is_connected:
        is_connected = True
        made.confirmed()
    market.push()
    market.move(1)
    bring(market.push())
    if not made.book.is_live:
        assert made.need is (Need.RENEW if source is BookSource.STREAM else Need.SNAPSHOT)
        if source is BookSource.STREAM:
            made.renew()
            bring(market.snapshot(market.version))
        else:
            made.seed(market.snapshot(market.version))
    assert made.book.is_live
    check()
    assert made.book.version == market.version
