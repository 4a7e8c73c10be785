"""`trioex replay`: the books of a recorded session are those of a computation of its own."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from trioex.cli import main

CAPTURE = Path(__file__).parents[1] / "data" / "captures" / "gateio_spot_20210422"
SESSION, REST = CAPTURE / "ws.txt", CAPTURE / "rest_order_book.txt"


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["replay", str(SESSION), "--exchange", "gateio", "--books", *arguments]) == 0
    out, err = capsys.readouterr()
    books: list[dict[str, Any]] = json.loads(out)
    assert " is SYNCING" not in err
    return books


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[Any], list[str]]:
    """The books, and what stderr says."""
    assert main(["replay", *arguments, "--books"]) == 1
    out, err = capsys.readouterr()
    return json.loads(out), err.splitlines()


def computed() -> dict[str, tuple[int, dict[Decimal, Decimal], dict[Decimal, Decimal]]]:
    """Version, bids and asks by symbol: snapshots and updates put together by hand."""
    books: dict[str, tuple[int, dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}
    for line in REST.read_text().splitlines():
        if found := re.match(r"\S+currency_pair=(\w+)\S* -> [\d.]+: (.+)", line):
            said = json.loads(found[2])
            bids, asks = (
                {Decimal(price): Decimal(quantity) for price, quantity in said[side]}
                for side in ("bids", "asks")
            )
            books.setdefault(found[1], (said["id"], bids, asks))
    updates = defaultdict(list)
    for line in SESSION.read_text().splitlines():
        said = json.loads(line.partition(": ")[2] or "{}")
        if said.get("channel") == "spot.order_book_update" and said["event"] == "update":
            updates[said["result"]["s"]].append(said["result"])
    for pair, results in updates.items():
        version, bids, asks = books[pair]
        for result in results:
            if result["u"] <= version:
                continue
            assert result["U"] <= version + 1
            version = result["u"]
            for side, levels in ((bids, result["b"]), (asks, result["a"])):
                for price, quantity in levels:
                    side[Decimal(price)] = Decimal(quantity)
                    if not Decimal(quantity):
                        del side[Decimal(price)]
        books[pair] = version, bids, asks
    return {pair.replace("_", ""): book for pair, book in books.items()}


def test_the_books_are_those_of_an_independent_computation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    books = replayed(capsys, "--market", "spot", "--rest", str(REST), "--levels", "--decimal")
    expected = computed()
    assert [book["symbol"] for book in books] == sorted(expected)
    assert len(books) == 10
    for book in books:
        version, bids, asks = expected[book["symbol"]]
        assert (book["state"], book["resyncs"], book["version"]) == ("live", 0, version)
        assert book["levels"] == len(bids) + len(asks)
        for name, levels, best_first in (("bids", bids, True), ("asks", asks, False)):
            got = [(Decimal(price), Decimal(quantity)) for price, quantity in book[name]]
            assert got == sorted(levels.items(), reverse=best_first)
            assert book[f"best_{name[:-1]}"] == book[name][0]
        assert Decimal(book["best_bid"][0]) < Decimal(book["best_ask"][0])


def test_floats_are_json_numbers_and_levels_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    book = replayed(capsys)[0]  # the GETs beside the file
    assert (book["exchange"], book["market"], book["symbol"]) == ("gateio", "spot", "BTCUSDC")
    assert book["best_bid"] == [54272.19, 0.0589]
    assert "bids" not in book


def test_without_a_snapshot_a_book_says_what_it_lacks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    empty = tmp_path / "rest.txt"
    empty.write_text("")
    arguments = [str(SESSION), "--exchange", "gateio", "--rest", str(empty)]
    books, said = failing(capsys, *arguments)
    assert {book["state"] for book in books} == {"syncing"}
    for book in books:
        assert book["best_bid"] is None
        assert "GET /api/v4/spot/order_book?currency_pair=" in book["reason"]
        assert book["reason"].endswith("is recorded; give --rest")
        assert "://" not in book["reason"]
        assert f"trioex: {book['symbol']} is SYNCING: {book['reason']}" in said


def test_a_session_of_another_exchange_has_no_books(capsys: pytest.CaptureFixture[str]) -> None:
    books, said = failing(capsys, str(SESSION), "--exchange", "mexc")
    assert books == []
    assert said[-1].endswith("has no order book of mexc spot: is it of another exchange?")


def test_a_line_that_was_cut_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cut = tmp_path / "ws.txt"
    cut.write_text(SESSION.read_text().rstrip("\n")[:-20])
    arguments = [str(cut), "--exchange", "gateio", "--rest", str(REST)]
    books, said = failing(capsys, *arguments)
    assert {book["state"] for book in books} == {"live"}
    lines = len(cut.read_text().split("\n"))
    assert f"ws.txt, line {lines}: it is no whole JSON: " in said[-1]


def test_a_binary_session_is_written_in_hex(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    frame = (
        (CAPTURE.parents[1] / "mexc_spot" / "generated_pb" / "public.aggre.depth.hex")
        .read_text()
        .strip()
    )
    session = tmp_path / "ws.txt"
    session.write_text(f"wss://wbs-api.mexc.com/ws <-> 1.0\n2.0: {frame}\n")
    books, _ = failing(capsys, str(session), "--exchange", "mexc")
    assert books[0]["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([str(SESSION), "--exchange", "gateio"], 2, "give --books"),
        (["nothing.txt", "--exchange", "gateio", "--books"], 2, "nothing.txt cannot be read"),
        (["-", "--exchange", "gateio", "--books"], 2, "not from stdin"),
        ([str(SESSION), "--exchange", "gateio", "--books", "--levels", "3"], 2, "all levels"),
        ([str(SESSION), "--exchange", "gateio", "--market", "moon", "--books"], 2, "market='moon'"),
        ([str(SESSION), "--exchange", "gateio", "--rest", str(SESSION), "--books"], 2, "line 1"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_a_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", *arguments]) == code
    assert words in capsys.readouterr().err
