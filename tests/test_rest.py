"""GETs within a venue's limits, on the virtual clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

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
        self.errors: list[HttpError] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append((trio.current_time(), url.removeprefix("http://a.test")))
        await trio.sleep(self.takes)
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
