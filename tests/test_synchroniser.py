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


FAR = 10**15


def told(made: Synchroniser) -> Told:
    listener = made._listener
    assert isinstance(listener, Told)
    return listener


def level(*prices: float) -> list[tuple[float, float]]:
    return [(price, 1.0) for price in prices]


@pytest.mark.parametrize("source", [BookSource.REST, BookSource.STREAM])
def test_who_is_told_may_drop_the_book(source: BookSource) -> None:
    made = make(source)
    told(made).on_told = lambda: made.end("nobody is bound to it any more")
    # With the first state that is told, be it in the middle of a new beginning.
    assert not (made.seed(snapshot(10)) if source is BookSource.REST else made.take(snapshot(10)))
    assert [state for state, _ in told(made).states] == [BookState.LIVE]
    assert (made.book.state, made.book.reason) == (
        BookState.STALE, "nobody is bound to it any more"
    )  # fmt: skip
    made.confirmed()
    made.lost("cut")
    made.restarted()
    assert not made.take(delta(11, 11))
    assert not made.take(snapshot(12))
    assert not made.seed(snapshot(12))
    assert (made.need, made.wants_base(), made.renew()) == (None, False, False)
    assert made.book.reason == "nobody is bound to it any more"
    assert len(told(made).states) == 1


def test_who_is_told_of_a_gap_finds_what_is_needed_already() -> None:
    made = live()
    seen: list[Any] = []
    told(made).on_told = lambda: seen.append((made.need, len(made._kept)))
    made.take(delta(13, 13))
    assert seen == [(Need.SNAPSHOT, 1)]


def test_each_state_is_told_as_it_was() -> None:
    made = make(BookSource.STREAM)
    made.take(snapshot(10, level(99.0)))
    assert made.take(snapshot(5, level(98.0)))  # numbered anew, and LIVE at once
    assert made.book.version == 5
    assert told(made).states == [
        (BookState.LIVE, ""),
        (BookState.GAP, "versions went back from 10 to 5"),
        (BookState.LIVE, ""),
    ]


@pytest.mark.parametrize("first", [11, 30])
def test_a_delta_that_ends_before_it_begins_is_not_believed(first: int) -> None:
    made = live()
    assert not made.take(delta(first, 5, level(98.0)))
    assert (made.book.state, made.book.version) == (BookState.GAP, 10)
    assert f"from version {first} to 5" in made.book.reason
    assert not made.take(delta(50, 40))
    assert made.seed(snapshot(10))


@pytest.mark.parametrize("source", [BookSource.REST, BookSource.STREAM])
def test_a_kept_delta_of_a_far_version_is_forgotten(source: BookSource) -> None:
    made = make(source)
    made.take(delta(FAR, FAR))
    made.take(delta(11, 11))
    begin = made.take if source is BookSource.STREAM else made.seed
    begin(snapshot(10, level(99.0)))  # with which only the far one is left
    for version in range(12, 32):
        made.take(delta(version, version))
    if source is BookSource.STREAM:
        made.take(snapshot(31))
    assert (made.book.state, made.book.version) == (BookState.LIVE, 31)


def test_late_deltas_are_no_reason_to_forget_what_is_ahead_of_them() -> None:
    made = make()
    for version in (30, *range(11, 25)):
        made.take(delta(version, version))
    assert not made.seed(snapshot(24))
    assert "25 to 29 are missing" in made.book.reason
    assert made.take(delta(25, 29))
    assert made.book.version == 30


def test_in_a_quiet_market_a_far_version_counts_no_longer_than_a_cached_snapshot() -> None:
    made = make()
    made.take(delta(FAR, FAR))
    tries = 1
    while not made.seed(snapshot(10)):
        tries += 1
        assert tries < 20
    assert tries > 10
    assert (made.book.state, made.book.version) == (BookState.LIVE, 10)


@pytest.mark.parametrize("source", [BookSource.REST, BookSource.STREAM])
@pytest.mark.parametrize("has_base", [True, False])
def test_numbers_that_begin_anew_are_nothing_to_go_on_from(
    source: BookSource, has_base: bool
) -> None:
    made = make(source)
    begin = made.take if source is BookSource.STREAM else made.seed
    if has_base:
        begin(snapshot(999))
    else:
        made.take(delta(1000, 1001))
    made.restarted()
    assert (made.book.state, made.wait) == (BookState.GAP, 0.0)
    made.take(delta(1, 1))
    assert begin(snapshot(1))
    assert made.book.version == 1


def test_numbers_that_begin_anew_without_a_connection_wait_for_it() -> None:
    made = live()
    made.lost("cut")
    made.restarted()
    assert (made.book.state, made.need) == (BookState.STALE, None)
    made.confirmed()
    assert made.seed(snapshot(2))
    assert made.book.version == 2


def test_old_numbers_go_on_while_a_book_is_awaited() -> None:
    made = live(1000)
    made.lost("cut")
    made.confirmed()
    for version in range(1, 18):
        made.take(delta(version, version))
    assert made.book.reason == "versions went back from 1000 to 17"
    assert made.seed(snapshot(16))
    assert made.book.version == 17


def test_an_older_snapshot_is_believed_in_the_end_and_not_sooner_the_next_time() -> None:
    made = live(1000)
    made.lost("cut")
    made.confirmed()
    tries = 1
    while not made.seed(snapshot(5)):
        tries += 1
        assert tries < 20
    assert tries > 10
    made.lost("cut")
    made.confirmed()
    assert not made.seed(snapshot(4))
    assert made.attempts == 1


def test_attempts_count_from_when_it_was_live() -> None:
    made = make()
    made.take(delta(5, 5))
    for _ in range(4):
        made.seed(snapshot(1))
    assert made.attempts == 4
    assert made.seed(snapshot(5))
    assert made.attempts == 0


def test_attempts_in_vain_are_told_and_rarer_and_rarer() -> None:
    made = make()
    for number in range(1, 26):
        made.failed(f"HTTP 500, {number}")
    assert [reason for _, reason in told(made).states] == [
        f"no snapshot: HTTP 500, {number}" for number in (3, 6, 12, 24)
    ]
    assert told(made).given_up == []


def test_a_snapshot_that_is_refused_for_good_is_given_up_where_there_never_was_a_book() -> None:
    made = make()
    for _ in range(3):
        made.failed("HTTP 404", is_final=True)
    made.failed("HTTP 500")
    for _ in range(3):
        made.failed("HTTP 404", is_final=True)
    assert (made.need, told(made).given_up) == (Need.SNAPSHOT, [])
    made.failed("HTTP 404", is_final=True)
    assert (made.need, told(made).given_up) == (None, ["there is no book to be had: HTTP 404"])
    made.confirmed()
    assert made.seed(snapshot(1))  # who came back may have learned it meanwhile
    made.take(delta(3, 3))
    for _ in range(20):
        made.failed("HTTP 404", is_final=True)
    assert len(told(made).given_up) == 1


def test_a_stream_that_never_brought_anything_is_given_up() -> None:
    made = make(BookSource.STREAM)
    assert [made.renew() for _ in range(8)] == [True] * 6 + [False] * 2
    assert (made.need, made.attempts) == (None, 6)
    assert told(made).given_up == [
        "the exchange confirmed it and never sent a book; does it list it?"
    ]
    made = make(BookSource.STREAM)
    made.take(delta(1, 1))
    assert all(made.renew() for _ in range(50))


def test_what_is_lost_takes_everything_with_it() -> None:
    made = make()
    made.take(delta(50, 50))
    made.lost("cut")
    assert made.need is None
    assert not made.seed(snapshot(50))
    made.confirmed()
    assert made.seed(snapshot(7))  # nothing of before is between them
    assert made.book.version == 7


def test_a_book_built_from_the_deltas_kept_is_looked_at_too() -> None:
    made = make()
    made.take(delta(11, 11, level(105.0)))
    assert not made.seed(snapshot(10, level(99.0), level(101.0)))
    assert (made.book.state, made.book.reason) == (
        BookState.GAP, "it is crossed: bid 105.0, ask 101.0"
    )  # fmt: skip


def test_a_new_book_has_the_time_of_its_last_change() -> None:
    made = make()
    made.take(delta(11, 11, level(98.0), time=77))
    assert made.seed(snapshot(10, level(99.0), time=5))
    assert (made.book.exchange_time, made.book.receive_time) == (77, 77)


def test_levels_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioex.synchroniser._MOST_LEVELS", 10)
    made = make()
    for version in range(100, 110):
        made.take(delta(version, version, level(1.0, 2.0), level(5.0, 6.0)))
    assert "2 deltas kept" in repr(made)


# How far a book is known


def test_the_last_level_of_a_snapshot_is_known_and_the_next_one_is_not() -> None:
    made = make(limit=2)
    assert made.seed(snapshot(1, level(99.0, 98.0), level(101.0, 102.0)))
    assert made.book.horizon == (98.0, 102.0)
    made.take(delta(2, 2, [(98.0, 7.0), (97.0, 1.0)], [(102.0, 8.0), (103.0, 1.0)]))
    assert made.book.bids() == [(99.0, 1.0), (98.0, 7.0)]
    assert made.book.asks() == [(101.0, 1.0), (102.0, 8.0)]


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_side_of_which_nothing_known_is_left_is_not_read_as_empty(side: str) -> None:
    made = make(limit=4)
    bids, asks = level(99.0, 98.0, 97.0, 96.0), level(101.0, 102.0, 103.0, 104.0)
    assert made.seed(snapshot(10, bids, asks))
    gone = [(price, 0.0) for price, _ in (bids if side == "bids" else asks)]
    assert not made.take(delta(11, 12, **{side: gone}))
    assert (made.book.state, made.need) == (BookState.GAP, Need.SNAPSHOT)
    assert f"none is left of the {side} that are known" in made.book.reason
    assert not made.take(delta(13, 13, level(95.5)))
    assert made.seed(snapshot(13, level(95.5, 94.0, 93.0), level(105.0)))


def test_a_side_that_is_empty_as_far_as_it_is_known_to_its_end_is_live() -> None:
    made = make(limit=4)
    assert made.seed(snapshot(10, level(99.0), level(101.0)))
    assert made.take(delta(11, 11, [(99.0, 0.0)]))
    assert made.book.best_bid is None


def test_a_bounded_book_is_known_as_deep_as_the_exchange_maintains_it() -> None:
    made = make(depth=2, limit=2)
    assert made.seed(snapshot(1, level(99.0, 98.0), level(101.0)))
    assert made.book.horizon == (98.0, None)
    made.take(delta(2, 2, [(99.0, 0.0), (97.0, 1.0)]))  # no floor: 97 has moved up
    assert made.book.bids() == level(98.0, 97.0)
    assert made.need is None


def test_more_levels_are_asked_for_again_when_they_could_not_be_had() -> None:
    made = make(limit=4)
    made.seed(snapshot(1, level(99.0, 98.0, 97.0, 96.0)))
    made.take(delta(2, 2, [(99.0, 0.0), (98.0, 0.0), (97.0, 0.0)]))
    assert (made.need, made.wait) == (Need.LEVELS, 0.0)
    made.failed("HTTP 500")
    assert (made.need, made.wait, made.book.is_live) == (Need.LEVELS, 10.0, True)
    assert told(made).needs[-2:] == [Need.LEVELS, Need.LEVELS]


# Audits


def test_an_audit_looks_no_further_than_the_snapshot_goes() -> None:
    made = make(limit=2)
    made.seed(snapshot(1, level(99.0)))
    made.take(delta(2, 2, level(98.0, 97.0)))
    made.begin_audit()
    assert made.audit(snapshot(2, level(99.0, 98.0)))


@pytest.mark.parametrize("change", [delta(13, 13), snapshot(12)])
def test_a_book_that_begins_anew_is_not_audited_with_what_was_before(change: Any) -> None:
    made = make(BookSource.STREAM)
    made.take(snapshot(10))
    made.begin_audit()
    made.take(change)
    assert not made.is_audited


def test_silence_while_the_exchange_goes_on_is_a_difference() -> None:
    made = live()
    made.begin_audit()
    assert made.can_audit(snapshot(20)) is None
    made.audit_silence(snapshot(20))
    assert (made.audits, made.differing, made.book.state) == (1, 1, BookState.GAP)
    assert made.book.reason == "an audit found: version 20 there, and nothing came since 10"
    assert (made.need, made.is_audited) == (Need.SNAPSHOT, False)


ACTIONS = (
    "move", "move", "move", "push", "push", "lose", "twice", "swap", "snapshot", "late", "old",
    "full", "cut", "confirm", "garble", "far", "fail",
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
            case "far":
                bring(delta(FAR, FAR))
            case _:
                made.failed("nobody answered")
        check()
    # The faults are over: pushes enough to see through far versions, and what they ask for.
    if not is_connected:
        is_connected = True
        made.confirmed()
    market.push()
    for _ in range(20):
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
