"""The book updates that are sent keep a book."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers import require_all
from benchmarks.samples import BOOK_VERSION, GATE_BYTES, gate_book, gate_snapshot, gate_trades


def test_book_updates_follow_the_snapshot_and_never_cross() -> None:
    snapshot = json.loads(gate_snapshot())
    sides = {name[0]: dict(snapshot[name]) for name in ("bids", "asks")}
    before = {side: dict(levels) for side, levels in sides.items()}
    updates = gate_book(300)
    for number, frame in enumerate(updates):
        result = json.loads(frame)["result"]
        assert len(frame) == GATE_BYTES
        assert result["U"] == result["u"] == BOOK_VERSION + number
        for side, levels in sides.items():
            for price, quantity in result[side]:
                if float(quantity):
                    levels[price] = quantity
                else:
                    del levels[price]  # deletes only what is there
        if number == 0:
            assert sides == before
        assert max(map(float, sides["b"])) < min(map(float, sides["a"]))

    assert snapshot["id"] == BOOK_VERSION
    assert max(sides["b"], key=float) == result["b"][0][0]
    assert min(sides["a"], key=float) == result["a"][0][0]


def test_trades_have_ids_that_run_on() -> None:
    assert [json.loads(each)["result"]["id"] for each in gate_trades(3)] == [1, 2, 3]


def test_a_contender_that_missed_something_is_refused() -> None:
    whole = {"received": 10, "last": [10, 1.5]}
    require_all({"trioex, direct": [whole], "absent": [{"missing": "ccxt"}], "good": [whole]})

    with pytest.raises(RuntimeError, match="bad has 9 messages"):
        require_all({"trioex, direct": [whole], "bad": [whole, whole | {"received": 9}]})
    with pytest.raises(RuntimeError, match="bad has 10 messages"):
        require_all({"trioex, direct": [whole], "bad": [whole | {"last": [10, 1.6]}]})
