"""GETs within a venue's limits, on the virtual clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from trioex.errors import HttpError, classify
from trioex.exchanges.base import RestRules
from trioex.rest import Rest

RULES = RestRules(window=10.0, weight=20, weights={"/list": 10})


class Server:
    """Answers after a while, and notes when it was asked for what."""

    def __init__(self, takes: float = 0.0) -> None:
        self.asked: list[tuple[float, str]] = []
        self.takes = takes
        self.slow = 0.0
        """How much longer what has `slow` in its query takes."""
        self.errors: list[HttpError] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append((trio.current_time(), url.removeprefix("http://a.test")))
        await trio.sleep(self.takes + self.slow * ("slow" in url))
        if self.errors:
            raise self.errors.pop(0)
        return b"{}"

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.asked]


def rest(fetch: Callable[[str], Awaitable[bytes]]) -> Rest:
    return Rest("http://a.test", RULES, fetch, classify)


async def ask(rest: Rest, *paths: str) -> None:
    async with trio.open_nursery() as nursery:
        for path in paths:
            nursery.start_soon(rest.get, path)


async def test_no_window_holds_more_than_is_allowed(autojump_clock: object) -> None:
    server = Server(takes=0.5)
    begin = trio.current_time()
    await ask(rest(server), *(f"/book?symbol={number}" for number in range(50)))
    times = [time - begin for time in server.times]
    assert times == pytest.approx([0.0] * 20 + [10.5] * 20 + [21.0] * 10)


async def test_a_path_weighs_what_the_venue_says_and_waits_for_no_other(
    autojump_clock: object,
) -> None:
    server = Server()
    begin = trio.current_time()
    await ask(rest(server), "/list", "/list", "/list", *["/book"] * 20)
    late = [path for time, path in server.asked if time > begin + 1]
    assert late == ["/list"]
    assert server.times[-1] == pytest.approx(begin + 10)


async def test_a_slow_request_holds_up_no_other_beyond_its_weight(autojump_clock: object) -> None:
    server = Server()
    server.slow = 1000.0
    venue = rest(server)
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.get, "/book?slow")
        await trio.testing.wait_all_tasks_blocked()
        await ask(venue, *["/book"] * 39)
        nursery.cancel_scope.cancel()
    times = [time - begin for time in server.times]
    assert times == pytest.approx([0.0] * 20 + [10.0] * 19 + [20.0])


async def test_it_waits_for_an_answer_where_all_that_counts_is_under_way(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    free_at = Rest._free_at

    def looking(self: Rest, path: Any) -> float:
        nonlocal looked
        looked += 1
        return free_at(self, path)

    monkeypatch.setattr(Rest, "_free_at", looking)
    server = Server()
    server.slow = 1000.0
    begin = trio.current_time()
    venue = rest(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, venue, *["/book?slow"] * 20)
        await trio.testing.wait_all_tasks_blocked()
        await venue.get("/book")
    assert server.times[-1] - begin == pytest.approx(1010)
    assert looked < 100


@pytest.mark.parametrize("status", [429, 418, 403])
async def test_everybody_waits_where_the_venue_was_asked_too_much(
    status: int, autojump_clock: object
) -> None:
    server = Server()
    venue = rest(server)
    server.errors = [HttpError("no", status, 30.0)]
    with pytest.raises(HttpError):
        await venue.get("/book")
    begin = trio.current_time()
    await ask(venue, "/book", "/list")
    assert server.times[-2:] == pytest.approx([begin + 30, begin + 30])


async def test_pauses_grow_where_the_venue_names_none(autojump_clock: object) -> None:
    server = Server()
    venue = rest(server)
    server.errors = [HttpError("no", 429), HttpError("no", 429), HttpError("no", 404)]
    for _ in range(3):
        with pytest.raises(HttpError):
            await venue.get("/book")
    await venue.get("/book")
    first, *others = server.times
    assert [time - first for time in others] == pytest.approx([10, 30, 30])


async def refused(venue: Rest, *paths: str) -> None:
    async def get(path: str) -> None:
        with pytest.raises(HttpError):
            await venue.get(path)

    async with trio.open_nursery() as nursery:
        for path in paths:
            nursery.start_soon(get, path)


async def test_refusals_of_one_burst_are_one(autojump_clock: object) -> None:
    server = Server(takes=0.5)
    venue = rest(server)
    begin = trio.current_time()
    server.errors = [HttpError("no", 429) for _ in range(21)]
    await refused(venue, *["/book"] * 20)
    await refused(venue, "/book")
    await venue.get("/book")
    times = [time - begin for time in server.times[20:]]
    assert times == pytest.approx([10.5, 31])


async def test_a_burst_waits_for_the_longest_that_is_asked_for(autojump_clock: object) -> None:
    server = Server(takes=0.5)
    venue = rest(server)
    begin = trio.current_time()
    server.errors = [HttpError("no", 429, wait) for wait in (None, 3600.0, 5.0)]
    await refused(venue, *["/book"] * 3)
    await venue.get("/book")
    assert server.times[-1] - begin == pytest.approx(3600.5)


async def test_what_the_server_asks_for_is_not_shortened(autojump_clock: object) -> None:
    server = Server()
    venue = rest(server)
    server.errors = [HttpError("no", 418, 3 * 86400.0)]
    await refused(venue, "/book")
    begin = trio.current_time()
    await venue.get("/book")
    assert server.times[-1] - begin == pytest.approx(3 * 86400)


async def test_our_own_guess_is_never_longer_than_five_minutes(autojump_clock: object) -> None:
    server = Server()
    venue = rest(server)
    for _ in range(9):
        server.errors = [HttpError("no", 429)]
        await refused(venue, "/book")
    begin = trio.current_time()
    await venue.get("/book")
    assert server.times[-1] - begin == pytest.approx(300)


async def test_after_a_pause_one_tries_and_the_others_follow_its_answer(
    autojump_clock: object,
) -> None:
    server = Server(takes=2.0)
    venue = rest(server)
    server.errors = [HttpError("no", 429, 30.0), HttpError("no", 429, 40.0)]
    await refused(venue, "/book")
    begin = trio.current_time()
    with pytest.raises(ExceptionGroup):  # the nursery's, which ends the others too
        await ask(venue, "/book", "/list")
    assert len(server.asked) == 2
    await ask(venue, "/book", "/book", "/list")
    times = [time - begin for time in server.times[1:]]
    assert times == pytest.approx([30, 72, 74, 74])


async def test_where_the_one_that_tries_gets_no_answer_the_next_one_does(
    autojump_clock: object,
) -> None:
    server = Server()
    server.slow = 1000.0
    venue = rest(server)
    server.errors = [HttpError("no", 429, 30.0)]
    await refused(venue, "/book")
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.get, "/book?slow")
        await trio.testing.wait_all_tasks_blocked()
        server.errors = [HttpError("there is no network")]
        nursery.start_soon(refused, venue, "/book")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(venue.get, "/book")
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    times = [time - begin for time in server.times[1:]]
    assert times == pytest.approx([30, 40, 40, 40, 40])


async def test_cancelling_gives_up_the_turn(autojump_clock: object) -> None:
    server = Server()
    venue = rest(server)
    await ask(venue, *["/book"] * 20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.get, "/book?given-up")
        await trio.testing.wait_all_tasks_blocked()
        begin = trio.current_time()
        nursery.cancel_scope.cancel()
    await venue.get("/book?wanted")
    assert server.asked[-1] == (pytest.approx(begin + 10), "/book?wanted")
    assert len(server.asked) == 21
