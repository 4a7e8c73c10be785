"""Order books on the simulator: every LIVE one is the exchange's, whatever goes wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise, product
from typing import Any

import pytest
import trio
from scenario import VENUES, ignore, managed, of
from support import Collector

from trioex import (
    BindingError,
    BookDelta,
    BookNotLive,
    BookSnapshot,
    BookState,
    BookStateChanged,
    Environment,
    OrderBook,
    WebSocketConfig,
    WebSocketManager,
)
from trioex.simulator import Fault, Simulator, open_simulator

BOOK = "spot.orderbook.BTCUSDT"
SOURCES = [
    ("gateio", {}),
    ("gateio", {"depth": 50}),
    ("gateio", {"source": "rest"}),
    ("gateio", {"source": "rest", "speed": "20ms"}),
    ("gateio", {"source": "limited"}),
    ("mexc", {}),
    ("mexc", {"speed": "10ms"}),
    ("mexc", {"source": "limited"}),
]


class Checker:
    """A sync handler that compares a book with the market's, whenever they are at one version."""

    def __init__(self, simulator: Simulator) -> None:
        self._market = simulator.market["BTCUSDT"]
        self.calls = self.compared = 0

    def __call__(self, book: OrderBook) -> None:
        assert book.is_live
        self.calls += 1
        if book.version != self._market.version:
            return
        self.compared += 1
        number, listing, engine = book.number_type, self._market.listing, self._market.engine
        for ours, ladder in ((book.bids(), engine.bids), (book.asks(), engine.asks)):
            assert ours == [
                (number(listing.price(price)), number(listing.quantity(lots)))
                for price, lots in ladder.levels(book.depth)
            ]


@pytest.mark.parametrize("number", [float, Decimal])
@pytest.mark.parametrize(("exchange", "how"), SOURCES)
async def test_every_source_gives_the_exchanges_book(
    exchange: str, how: dict[str, Any], number: type, virtual: Environment, autojump_clock: object
) -> None:
    async with managed(exchange, virtual, number_type=number) as (simulator, ws):
        check = Checker(simulator)
        await ws.bind(BOOK, check, **how)
        await trio.sleep(10)
        assert check.compared > 50
        assert ws.book("BTCUSDT").is_live
        simulator.disconnect("drop")
        await trio.sleep(5)
        assert ws.book("BTCUSDT").is_live
        assert check.compared > 75


FAULTS = [
    "drop", "cut", "silence", "lost_delta", "duplicate", "reorder", "garbage", "mute", "delay",
    "late_snapshot", "stale_snapshot", "reject_429", "refuse_connect",
]  # fmt: skip


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
@pytest.mark.parametrize(("exchange", "how"), [SOURCES[0], SOURCES[2], SOURCES[5]])
async def test_every_book_is_true_and_comes_back(
    exchange: str,
    how: dict[str, Any],
    redundancy: str,
    virtual: Environment,
    autojump_clock: object,
) -> None:
    events = Collector()
    async with managed(
        exchange, virtual, redundancy=redundancy, latency=0.02, connection_handlers=events
    ) as (simulator, ws):
        check = Checker(simulator)
        await ws.bind(BOOK, check, **how)
        for kind in FAULTS:
            simulator.apply(Fault(kind, duration=3.0, count=2))  # type: ignore[arg-type]
            await trio.sleep(2)
            simulator.apply(Fault("lost_delta", connection="one"))
            await trio.sleep(60)
            assert ws.book("BTCUSDT").is_live, (kind, ws.book("BTCUSDT"))
        assert check.calls > 1000
        assert check.compared > 300
    left = [event for event in of(BookStateChanged, events) if event.state is BookState.GAP]
    if redundancy != "hot":
        assert any("are missing" in event.reason for event in left)


@pytest.mark.parametrize(("exchange", "how"), [SOURCES[0], SOURCES[2], SOURCES[5]])
async def test_a_lost_delta_is_told_and_mended(
    exchange: str, how: dict[str, Any], virtual: Environment, autojump_clock: object
) -> None:
    events = Collector()
    async with managed(exchange, virtual, connection_handlers=events) as (simulator, ws):
        check = Checker(simulator)
        await ws.bind(BOOK, check, **how)
        await trio.sleep(2)  # a snapshot may be ahead of the stream, and cover what is lost
        simulator.apply(Fault("lost_delta"))
        await events.wait(lambda got: len(of(BookStateChanged, got)) >= 3)
        states = [(event.before, event.state) for event in of(BookStateChanged, events)]
        assert states[1:3] == [(BookState.LIVE, BookState.GAP), (BookState.GAP, BookState.LIVE)]
        assert ws.book("BTCUSDT").resyncs == 1


async def test_a_gap_in_one_symbol_delays_no_other(
    virtual: Environment, autojump_clock: object
) -> None:
    """While one book waits for its snapshot, the other's changes come as they happen."""
    lags: dict[bool, list[float]] = {True: [], False: []}
    versions: list[tuple[int, int]] = []

    async with managed("mexc", virtual) as (simulator, ws):

        def note(book: OrderBook) -> None:
            lag = (virtual.time_ns() - book.exchange_time) / 1e9
            lags[ws.book("BTCUSDT").is_live].append(lag)
            if isinstance(book.change, BookDelta):
                versions.append((book.change.first_version, book.change.last_version))

        await ws.bind(BOOK, ignore)
        await ws.bind("spot.orderbook.ETHUSDT", note)
        await trio.sleep(3)
        simulator.apply(Fault("late_snapshot", delay=3.0, duration=10.0))
        lost: list[object] = []

        def lose(_: object, frame: Any) -> list[Any]:
            if isinstance(frame, bytes) and b"BTCUSDT" in frame and not lost:
                lost.append(frame)
                return []
            return [frame]

        simulator.tamper = lose
        await trio.sleep(6)
        assert ws.book("BTCUSDT").is_live
        assert ws.book("BTCUSDT").resyncs == 1
    assert len(lags[False]) > 20
    assert max(lags[False]) <= max(lags[True]) + 0.001
    assert all(first == last + 1 for (_, last), (first, _) in pairwise(versions))


AUDITED = [each for each in SOURCES if each[1].get("source") != "limited"]


@pytest.mark.parametrize(("exchange", "how"), AUDITED)
async def test_audits_find_nothing_where_nothing_is_wrong(
    exchange: str, how: dict[str, Any], virtual: Environment, autojump_clock: object
) -> None:
    async with managed(exchange, virtual, book_audit=2.0) as (_, ws):
        await ws.bind(BOOK, ignore, **how)
        await trio.sleep(40)
        (book,) = ws.statistics().books
        assert book.audits > 5
        assert (book.differing, book.state) == (0, BookState.LIVE)


def invent(_: object, frame: Any) -> list[Any]:
    """Put a bid that nobody made into every update of Gate.io's `spot.obu`."""
    message = json.loads(frame)
    result = message.get("result")
    if message.get("event") == "update" and "U" in result:
        result["b"] = [*result.get("b", []), ["1.5", "7"]]
    return [json.dumps(message)]


async def test_an_audit_finds_a_wrong_book(virtual: Environment, autojump_clock: object) -> None:
    events = Collector()
    async with managed("gateio", virtual, book_audit=5.0, connection_handlers=events) as (
        simulator,
        ws,
    ):
        await ws.bind(BOOK, ignore)
        await trio.sleep(1)
        simulator.tamper = invent
        await trio.sleep(1)
        simulator.tamper = None
        await events.wait(
            lambda got: any(each.state is BookState.GAP for each in of(BookStateChanged, got))
        )
        await trio.sleep(5)
        assert ws.book("BTCUSDT").is_live
        assert ws.statistics().books[0].differing == 1
    (gap,) = [each for each in of(BookStateChanged, events) if each.state is BookState.GAP]
    assert "an audit found: bid 1.5 is 7" in gap.reason


async def test_who_hears_of_an_audit_may_raise(
    virtual: Environment, autojump_clock: object
) -> None:
    def refuse(event: object) -> None:
        if isinstance(event, BookStateChanged) and "audit" in event.reason:
            raise LookupError(event.reason)

    async def run() -> None:
        async with managed("gateio", virtual, book_audit=5.0, connection_handlers=refuse) as (
            simulator,
            ws,
        ):
            await ws.bind(BOOK, ignore)
            await trio.sleep(1)
            simulator.tamper = invent
            await trio.sleep(60)

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.value.subgroup(LookupError) is not None


@pytest.mark.parametrize("exchange", VENUES)
async def test_async_handlers_and_iterators_get_the_book_as_it_is(
    exchange: str, virtual: Environment, autojump_clock: object
) -> None:
    seen: list[int] = []

    async def slow(book: OrderBook) -> None:
        assert book.is_live
        seen.append(book.version)
        await trio.sleep(1)

    async with managed(exchange, virtual) as (simulator, ws):
        every: list[int] = []
        await ws.bind(BOOK, lambda book: every.append(book.version))
        await ws.bind(BOOK, slow)
        async with ws.bind(BOOK) as books:
            async for book in books:
                assert book.version == every[-1]
                if len(every) > 30:
                    break
        await trio.sleep(5)
        simulator.apply(Fault("lost_delta"))
        await trio.sleep(5)
        assert 8 <= len(seen) <= 14  # once a second, however many changes there were
        assert seen == sorted(seen)
        (slowest,) = [
            each for name, each in ws.statistics().bindings if each.peak_queued and "BTC" in name
        ][:1]
        assert slowest.peak_queued == 1


async def test_without_a_symbol_every_book(virtual: Environment, autojump_clock: object) -> None:
    got: set[str] = set()
    async with managed("gateio", virtual) as (_, ws):
        ws.bind("spot.orderbook", lambda book: got.add(book.symbol))
        await ws.bind(BOOK, lambda _: None)
        await ws.bind("spot.orderbook.ETHUSDT", lambda _: None)
        await trio.sleep(2)
        assert got == {"BTCUSDT", "ETHUSDT"}
        assert len(ws.books) == 2


async def test_unbound_books_are_kept_no_more(virtual: Environment, autojump_clock: object) -> None:
    async with managed("mexc", virtual) as (_, ws):
        binding = await ws.bind(BOOK, lambda _: None)
        await trio.sleep(1)
        book = ws.book("BTCUSDT")
        binding.unbind()
        assert ws.books == ()
        with pytest.raises(BookNotLive, match="nobody is bound"):
            book.bids()
        with pytest.raises(BindingError, match=r"bind 'spot\.orderbook\.BTCUSDT'"):
            ws.book("BTCUSDT")


async def test_deltas_and_the_book_share_one_subscription(
    virtual: Environment, autojump_clock: object
) -> None:
    deltas = Collector()
    books: list[int] = []
    async with managed("mexc", virtual) as (simulator, ws):
        await ws.bind("spot.orderbook_delta.BTCUSDT", deltas)
        await trio.sleep(2)
        await ws.bind(BOOK, lambda book: books.append(book.version))
        await trio.sleep(2)
        assert len(simulator.connections[0].topics) == 1
        assert books
        assert {each.last_version for each in deltas} >= set(books[1:])


@pytest.mark.parametrize("exchange", VENUES)
async def test_a_sample_reaches_the_handler(exchange: str) -> None:
    got: list[OrderBook] = []
    ws = WebSocketManager(WebSocketConfig(exchange=exchange))
    ws.bind(BOOK, got.append)
    assert await ws.process_test_message() == 1
    assert got[0].is_live
    assert isinstance(got[0].snapshot(), BookSnapshot)


def test_what_no_book_has_is_refused_with_what_there_is() -> None:
    ws = WebSocketManager(WebSocketConfig(exchange="mexc"))
    with pytest.raises(BindingError, match="source='rset' is not allowed"):
        ws.bind(BOOK, print, source="rset")
    for policy in ({"overflow": "latest"}, {"queue_size": 5}):
        with pytest.raises(BindingError, match="takes neither queue_size= nor overflow="):
            ws.bind(BOOK, print, **policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exchange", "how", "words"),
    [
        ("mexc", {"depth": 7}, "cannot have depth=7; it has depth= 20, 10, 5"),
        ("gateio", {"speed": "5ms"}, "cannot have speed=5ms; it has speed= 100ms, 20ms, 1000ms"),
        ("mexc", {"source": "stream"}, "cannot have source=stream; it has source= rest, limited"),
        ("mexc", {"interval": "1m"}, "takes no interval=; a book takes speed, source, depth"),
        (
            "gateio",
            {"depth": 400, "speed": "20ms"},
            "cannot have depth=400 with speed=20ms; it has depth= 50, 20",
        ),
        (
            "gateio",
            {"depth": 400, "speed": "1000ms", "source": "rest"},
            (
                "cannot have depth=400 speed=1000ms source=rest together; "
                "it has depth=400 speed=100ms source=stream"
            ),
        ),
    ],
)
def test_the_keyword_that_no_book_takes_is_named_with_its_values(
    exchange: str, how: dict[str, Any], words: str
) -> None:
    ws = WebSocketManager(WebSocketConfig(exchange=exchange))
    with pytest.raises(BindingError) as caught:
        ws.bind(BOOK, print, **how)
    assert str(caught.value) == f"{BOOK} on {exchange} {words}"


@pytest.mark.parametrize(
    ("exchange", "how", "turns"),
    [("gateio", {}, 0), ("gateio", {"source": "rest"}, 4), ("mexc", {}, 1)],
)
async def test_a_thousand_books_come_up_as_fast_as_the_limits_allow(
    exchange: str,
    how: dict[str, Any],
    turns: int,
    virtual: Environment,
    autojump_clock: object,
) -> None:
    """Gate.io gives 200 snapshots in 10 s, MEXC 500: so often the limit has to pass."""
    symbols = ["".join(each) + "USDT" for each in product("ABCDEFGHIJ", repeat=3)]
    async with open_simulator(exchange, symbols=symbols, pace=0.02, environment=virtual) as sim:
        ws = WebSocketManager(sim.config())
        for symbol in symbols:
            ws.bind(f"spot.orderbook.{symbol}", ignore, **how)
        live: list[int] = []
        async with ws:
            begin = trio.current_time()
            with trio.fail_at(begin + 10 * turns + 2):
                while live[-1:] != [1000]:
                    await trio.sleep(0.5)
                    live.append(sum(each.state is BookState.LIVE for each in ws.statistics().books))
        assert len(set(live)) > turns  # whoever looks sees how far it is
        counts = sim.statistics()
        assert (counts.bans, counts.gets_rejected) == (0, 0)
