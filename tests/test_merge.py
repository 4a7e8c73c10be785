"""What comes over several legs is delivered once, and as one perfect line would have."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from trioex import BookDelta, BookSnapshot, BookTicker, ExchangeEnum, Side, Trade
from trioex.merge import Merger
from trioex.messages import MarketMessage

X = (ExchangeEnum.GATEIO, "spot", "BTCUSDT")


def delta(first: int, last: int) -> BookDelta:
    return BookDelta(*X, 0, 0, (), (), first, last)


def snapshot(version: int) -> BookSnapshot:
    return BookSnapshot(*X, 0, 0, (), (), version)


def trade(price: float, trade_id: str | None = None) -> Trade:
    return Trade(*X, 0, 0, price, 1.0, Side.BUY, trade_id)


class Harness:
    def __init__(self, is_chain: bool = False) -> None:
        self.gaps: list[tuple[int, int]] = []
        self.merger = Merger(lambda first, last: self.gaps.append((first, last)), is_chain=is_chain)
        self.out: list[MarketMessage] = []

    def take(self, leg: int, *messages: MarketMessage) -> None:
        for message in messages:
            self.out += self.merger.take(leg, [message])


@st.composite
def two_legs(draw: st.DrawFn, length: int) -> list[tuple[int, int]]:
    """An interleaving: (leg, index), each leg in order; each index comes over one at least."""
    carried = draw(
        st.lists(st.sampled_from([(0,), (1,), (0, 1)]), min_size=length, max_size=length)
    )
    waiting = [[i for i, legs in enumerate(carried) if leg in legs] for leg in (0, 1)]
    order = []
    while waiting[0] or waiting[1]:
        ready = [leg for leg in (0, 1) if waiting[leg]]
        leg = draw(st.sampled_from(ready))
        order.append((leg, waiting[leg].pop(0)))
    return order


@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_a_chain_comes_out_whole_and_in_order_whatever_each_leg_loses(
    data: st.DataObject, widths: list[int]
) -> None:
    chain, version = [], 100
    for width in widths:
        chain.append(delta(version, version + width - 1))
        version += width
    harness = Harness(is_chain=True)
    harness.take(2, snapshot(99))
    harness.merger.leave(2)
    harness.out.clear()
    for leg in (0, 1):
        harness.merger.join(leg)
    for leg, index in data.draw(two_legs(len(chain))):
        harness.take(leg, chain[index])
    assert harness.out == chain
    assert harness.gaps == []


@given(st.data(), st.lists(st.integers(0, 3), max_size=30), st.booleans())
def test_equal_messages_without_numbers_are_as_many_as_on_one_line(
    data: st.DataObject, prices: list[int], numbered: bool
) -> None:
    line = [trade(price, f"{price}-{i}" if numbered else None) for i, price in enumerate(prices)]
    harness = Harness()
    brought: list[list[MarketMessage]] = [[], []]
    for leg in (0, 1):  # both are there from the beginning
        harness.merger.join(leg)
    for leg, index in data.draw(two_legs(len(line))):
        brought[leg].append(line[index])
        harness.take(leg, line[index])

    def count(messages: Sequence[MarketMessage]) -> Counter[object]:
        return Counter((m.price, m.trade_id) for m in messages if isinstance(m, Trade))

    # Of equal trades no more can be told than the better leg brought; numbered ones are exact.
    expected = count(brought[0]) | count(brought[1])
    assert count(harness.out) == expected
    if numbered:
        assert count(harness.out) == count(line)


def test_a_leg_that_joins_repetitions_adds_none() -> None:
    best = BookTicker(*X, 0, 0, 1.0, 1.0, 2.0, 1.0, version=7)
    harness = Harness()
    harness.take(0, best, best, best)
    harness.take(1, best)  # the copy of the third
    assert len(harness.out) == 3
    harness.take(0, best)
    harness.take(1, best)
    assert len(harness.out) == 4
    harness.merger.leave(0)
    harness.take(1, best)
    assert len(harness.out) == 5, "the one that stays goes on"


def test_older_versions_are_dropped() -> None:
    harness = Harness()
    harness.take(0, snapshot(5), snapshot(6))
    harness.take(1, snapshot(5), snapshot(6), snapshot(7))
    harness.take(0, snapshot(7), snapshot(8))
    assert [m.version for m in harness.out if isinstance(m, BookSnapshot)] == [5, 6, 7, 8]


def test_a_hole_on_the_only_leg_is_a_gap_and_the_chain_goes_on() -> None:
    harness = Harness(is_chain=True)
    harness.take(0, delta(1, 3), delta(6, 7), delta(8, 8))
    assert harness.gaps == [(4, 5)]
    assert len(harness.out) == 3


def test_a_hole_waits_for_the_other_leg_and_is_a_gap_when_that_leaves() -> None:
    harness = Harness(is_chain=True)
    harness.take(0, delta(1, 3))
    harness.take(1, delta(1, 3))
    harness.take(0, delta(6, 7), delta(8, 8))
    assert len(harness.out) == 1
    assert harness.gaps == []
    assert harness.merger.leave(1) == [delta(6, 7), delta(8, 8)]
    assert harness.gaps == [(4, 5)]


def test_a_hole_on_both_legs_is_a_gap_at_once() -> None:
    harness = Harness(is_chain=True)
    for leg in (0, 1):
        harness.take(leg, delta(1, 3))
    harness.take(0, delta(6, 7))
    assert harness.gaps == []
    harness.take(1, delta(6, 7))
    assert harness.gaps == [(4, 5)]
    assert harness.out[-1] == delta(6, 7)


def test_a_hole_is_not_waited_for_longer_than_a_second() -> None:
    harness = Harness(is_chain=True)
    for leg in (0, 1):
        harness.take(leg, delta(1, 3))
    for version in (5, 6):
        late = BookDelta(*X, 0, (version - 5) * 1_100_000_000, (), (), version, version)
        harness.take(0, late)
    assert harness.gaps == [(4, 4)]
    assert len(harness.out) == 3


def test_a_hole_is_not_waited_for_longer_though_nothing_more_comes() -> None:
    harness = Harness(is_chain=True)
    for leg in (0, 1):
        harness.take(leg, delta(1, 3))
    harness.take(0, BookDelta(*X, 0, 5 * 10**9, (), (), 5, 6))
    assert harness.merger.expire(6 * 10**9) == ()
    assert [m.last_version for m in harness.merger.expire(6 * 10**9 + 1)] == [6]
    assert harness.gaps == [(4, 4)]
    assert harness.merger.expire(60 * 10**9) == ()
    harness.take(1, delta(7, 7))
    assert harness.merger.version == 7


def test_a_wall_clock_that_is_set_back_holds_nothing_back() -> None:
    harness = Harness(is_chain=True)
    for leg in (0, 1):
        harness.take(leg, delta(1, 3))
    harness.take(0, BookDelta(*X, 0, 5 * 10**9, (), (), 5, 6))
    assert len(harness.merger.expire(10**9)) == 1


def test_what_is_held_is_bounded() -> None:
    harness = Harness(is_chain=True)
    harness.take(0, delta(1, 1))
    harness.take(1, delta(1, 1))
    for version in range(3, 1028):
        harness.take(0, delta(version, version))
    assert harness.gaps == [(2, 2)]
    assert len(harness.out) == 1026


def test_a_whole_book_is_a_new_beginning_only_when_nobody_carries_the_chain() -> None:
    harness = Harness(is_chain=True)
    harness.take(0, snapshot(10))
    harness.take(0, delta(11, 12))
    harness.take(1, snapshot(12), delta(13, 14))
    assert harness.out[-1] == delta(13, 14)
    assert not any(m == snapshot(12) for m in harness.out)
    harness.merger.leave(0)
    harness.merger.leave(1)
    harness.take(2, snapshot(20))
    assert harness.out[-1] == snapshot(20)
    assert harness.gaps == [(15, 20)]
    harness.take(2, snapshot(20))
    assert harness.gaps == [(15, 20)], "a book repeated at the same version misses nothing"


def test_copies_cut_elsewhere_do_no_harm() -> None:
    harness = Harness(is_chain=True)
    harness.take(0, delta(1, 5))
    harness.take(1, delta(3, 7))
    harness.take(0, delta(6, 10))
    assert harness.merger.version == 10
    assert harness.gaps == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["bring", "bring", "bring", "leave"]), st.integers(0, 3))
        | st.tuples(st.just("join"), st.integers(0, 3)),
        max_size=60,
    ),
    st.lists(st.integers(0, 2), min_size=60, max_size=60),
)
def test_what_is_counted_is_as_by_the_book_whoever_joins_and_leaves(
    steps: list[tuple[str, int]], prices: list[int]
) -> None:
    """Beside the plainest way to count: everything kept, each leg's number spelled out."""
    harness = Harness()
    born: dict[int, int] = {}
    delivered: Counter[int] = Counter()
    brought: Counter[tuple[int, int]] = Counter()
    joined: dict[int, int] = {}
    for (step, leg), price in zip(steps, prices, strict=False):
        if step == "leave":
            harness.merger.leave(leg)
            joined.pop(leg, None)
            for key in [key for key in brought if key[0] == leg]:
                del brought[key]
            continue
        since = joined.setdefault(leg, sum(delivered.values()))
        if step == "join":
            harness.merger.join(leg)
            continue
        if price not in born:
            born[price] = sum(delivered.values())
        elif (leg, price) not in brought and born[price] < since:
            brought[leg, price] = delivered[price] - 1
        brought[leg, price] += 1
        is_fresh = brought[leg, price] > delivered[price]
        delivered[price] += is_fresh
        assert harness.merger.take(leg, [trade(price)]) == ([trade(price)] if is_fresh else [])


def test_what_is_remembered_is_bounded_and_small() -> None:
    harness = Harness()
    harness.take(0, trade(0.5))
    tracemalloc.start()
    try:
        for number in range(3 * 4096):
            for leg in (0, 1):
                harness.merger.take(leg, [trade(number + 0.25)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096 * 150, "most of it is the dictionary's own"
    for number in range(3 * 4096 - 2048, 3 * 4096):
        assert harness.merger.take(1, [trade(number + 0.25)]), "the second of this leg"
        assert not harness.merger.take(0, [trade(number + 0.25)]), "and its copy"


def test_a_trade_with_an_id_comes_once_though_one_leg_repeats_it() -> None:
    harness = Harness()
    harness.take(0, trade(1.0, "a"), trade(1.0, "b"), trade(1.0, "a"))
    harness.take(1, trade(1.0, "b"))
    assert [each.trade_id for each in harness.out if isinstance(each, Trade)] == ["a", "b"]
    assert harness.merger.duplicates == 2


def test_one_old_delta_on_the_only_leg_is_no_new_beginning() -> None:
    harness = Harness(is_chain=True)
    harness.take(
        0, snapshot(99), delta(100, 101), delta(104, 105), delta(102, 103), delta(106, 107)
    )
    assert harness.out == [snapshot(99), delta(100, 101), delta(104, 105), delta(106, 107)]
    assert harness.gaps == [(102, 103)]


def test_the_exchange_begins_anew_when_every_leg_brings_only_older_versions() -> None:
    harness = Harness(is_chain=True)
    for leg in (0, 1):
        harness.merger.join(leg)
    harness.take(0, delta(1000, 1000))
    harness.take(1, delta(1000, 1000))
    for version in range(1, 31):
        harness.take(0, delta(version, version))
    assert harness.gaps == [], "the other one may yet carry it on"
    for version in range(1, 31):
        harness.take(1, delta(version, version))
    assert harness.gaps == [(1001, 15)]
    assert [m.last_version for m in harness.out if isinstance(m, BookDelta)] == [
        1000, *range(16, 31)
    ]  # fmt: skip


def test_copies_of_a_leg_far_behind_are_no_new_beginning() -> None:
    harness = Harness(is_chain=True)
    for version in range(1, 100):
        harness.take(0, delta(version, version))
    for version in range(1, 99):
        harness.take(1, delta(version, version))
    assert harness.gaps == []
    assert len(harness.out) == 99


def test_hot_legs_that_both_are_new_may_begin_with_older_versions() -> None:
    harness = Harness(is_chain=True)
    harness.take(0, snapshot(1000), delta(1001, 1001))
    harness.merger.leave(0)
    for leg in (1, 2):
        harness.merger.join(leg)
    harness.take(1, snapshot(10), delta(11, 11))
    harness.take(2, snapshot(10), delta(11, 11), delta(12, 12))
    assert harness.out[2:] == [snapshot(10), delta(11, 11), delta(12, 12)]
    assert harness.gaps == [(1002, 10)]


def test_a_book_that_is_awaited_makes_older_versions_no_copies_for_ever() -> None:
    harness = Harness(is_chain=True)
    harness.merger.wants_base = lambda: True
    for leg in (0, 1):
        harness.take(leg, snapshot(1000))
    for leg in (0, 1):
        harness.take(leg, *(snapshot(version) for version in range(1, 18)))
    assert harness.gaps == [(1001, 17)]
    harness.take(0, delta(18, 18))
    assert harness.out[-1] == delta(18, 18)


def test_a_far_version_on_one_of_two_legs_does_not_end_the_stream() -> None:
    harness = Harness(is_chain=True)
    for leg in (0, 1):
        harness.take(leg, delta(1, 1))
    far = 10**15
    harness.take(0, BookDelta(*X, 0, 0, (), (), far, far))
    second = 1_000_000_000
    assert harness.merger.expire(2 * second)[0].receive_time == 0
    for version in range(2, 40):
        for leg in (0, 1):
            harness.take(leg, delta(version, version))
    assert harness.out[-1] == delta(39, 39)
    assert harness.gaps[0] == (2, far - 1)
    assert len(harness.gaps) == 2


def test_legs_that_come_and_go_for_ever_bring_no_copy() -> None:
    harness = Harness()
    for number in range(100):
        harness.merger.join(2 * number)
        harness.take(2 * number, trade(float(number)))
        harness.merger.join(2 * number + 1)
        harness.take(2 * number + 1, trade(float(number)))
        harness.merger.leave(2 * number)
        harness.merger.leave(2 * number + 1)
    assert len(harness.out) == 100


@given(
    st.lists(st.integers(0, 40), max_size=60),
    st.sampled_from(["{}", "x{}", "{:030}"]),
    st.integers(0, 60),
)
def test_a_trade_with_an_id_comes_once_before_and_after_a_second_leg_joined(
    numbers: list[int], form: str, joins_at: int
) -> None:
    """Whatever the order of the ids, and whether they are numbers."""
    harness = Harness()
    ids = [form.format(number) for number in numbers]
    for index, trade_id in enumerate(ids):
        if index == joins_at:
            harness.merger.join(1)
        harness.take(index % 2 if index > joins_at else 0, trade(1.0, trade_id))
    assert [each.trade_id for each in harness.out if isinstance(each, Trade)] == list(
        dict.fromkeys(ids)
    )


def test_a_lone_leg_remembers_a_topic_in_a_few_kilobytes() -> None:
    tracemalloc.start()
    try:
        harness = Harness()
        for number in range(10_000):
            harness.merger.take(0, [trade(1.0, str(number))])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 8192
    assert not harness.merger.take(0, [trade(1.0, "9900")])
