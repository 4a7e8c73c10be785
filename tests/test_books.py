"""Order books on the simulator: every LIVE one is the exchange's, whatever goes wrong."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import pairwise, product
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from scenario import QUIET, VENUES, ignore, managed, of
from support import Collector

from trioex import (
    BindingError,
    BindingState,
    BookDelta,
    BookNotLive,
    BookSnapshot,
    BookState,
    BookStateChanged,
    Environment,
    Gap,
    OrderBook,
    Side,
    SubscriptionRefused,
    WebSocketConfig,
    WebSocketManager,
)
from trioex.errors import HttpError
from trioex.events import SubscriptionRefused as Refused
from trioex.exchanges.mexc.books import BOOKS
from trioex.exchanges.mexc.spot import MexcSpot
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


# Whoever is told may do what it likes


@pytest.mark.parametrize(
    ("exchange", "how", "state", "fault"),
    [
        ("gateio", {}, BookState.GAP, "lost_delta"),
        ("gateio", {"source": "rest"}, BookState.GAP, "lost_delta"),
        ("mexc", {}, BookState.GAP, "lost_delta"),
        ("mexc", {}, BookState.SYNCING, "drop"),
        ("mexc", {}, BookState.LIVE, "drop"),
    ],
)
async def test_a_book_may_be_unbound_by_who_hears_of_its_state(
    exchange: str,
    how: dict[str, Any],
    state: BookState,
    fault: Any,
    virtual: Environment,
    autojump_clock: object,
) -> None:
    armed: list[bool] = []

    def unbind(event: object) -> None:
        if armed and isinstance(event, BookStateChanged) and event.state is state:
            ws.unbind(BOOK)

    async with managed(exchange, virtual, connection_handlers=unbind) as (simulator, ws):
        other = Collector()
        await ws.bind(BOOK, ignore, **how)
        ws.bind("spot.trades.ETHUSDT", other)
        await trio.sleep(2)
        book = ws.book("BTCUSDT")
        armed.append(True)
        simulator.apply(Fault(fault))
        await trio.sleep(30)
        assert ws.books == ()
        assert (book.state, book.reason) == (BookState.STALE, "nobody is bound to it any more")
        version = book.version
        heard = len(other)
        await trio.sleep(30)
        assert book.version == version
        assert len(other) > heard


@pytest.mark.parametrize("how", ["peace", "cancelled", "raised"])
async def test_books_of_a_manager_that_ended_are_stale(
    how: str, virtual: Environment, autojump_clock: object
) -> None:
    seen: list[bool] = []
    async with open_simulator("mexc", symbols=["BTCUSDT"], environment=virtual) as simulator:
        ws = WebSocketManager(simulator.config())

        async def run() -> None:
            with trio.CancelScope() as scope:
                async with ws:
                    await ws.bind(BOOK, lambda book: seen.append(book.is_live)).live()
                    await trio.sleep(2)
                    if how == "cancelled":
                        scope.cancel()
                    if how == "raised":
                        raise LookupError
                    await trio.lowlevel.checkpoint()

        if how == "raised":
            with pytest.raises(LookupError):
                await run()
        else:
            await run()
        book = ws.book("BTCUSDT")
        assert all(seen)
        assert (book.state, book.reason) == (BookState.STALE, "the manager has ended")
        assert ws.books == (book,)
        assert ws.statistics().books[0].state is BookState.STALE
        with pytest.raises(BookNotLive, match="the manager has ended"):
            book.bids()


# Waiting for it, and finding it


async def test_a_binding_tells_when_its_book_is_live(
    virtual: Environment, autojump_clock: object
) -> None:
    async with managed("mexc", virtual, latency=0.05) as (simulator, ws):
        simulator.apply(Fault("late_snapshot", delay=3.0, duration=10.0))
        binding = await ws.bind(BOOK, ignore)
        assert not ws.book("BTCUSDT").is_live  # confirmed is not LIVE
        book = await binding.live()
        assert book is ws.book("BTCUSDT")
        assert book.is_live
        assert await binding.live() is book
        with pytest.raises(BindingError, match="not the order book of one symbol"):
            await ws.bind("spot.trades.BTCUSDT", ignore).live()
        with pytest.raises(BindingError, match="not the order book of one symbol"):
            await ws.bind("spot.orderbook", ignore).live()
        waiting = ws.bind("spot.orderbook.ETHUSDT", ignore)
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(BindingError, match="unbound before its book was LIVE"):
                    await waiting.live()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            waiting.unbind()


async def test_a_book_is_found_by_its_channel_and_by_what_it_was_bound_with(
    virtual: Environment, autojump_clock: object
) -> None:
    async with managed("gateio", virtual) as (_, ws):
        deep = await ws.bind(BOOK, ignore).live()
        flat = await ws.bind(BOOK, ignore, depth=50).live()
        top = await ws.bind(BOOK, ignore, source="limited", depth=5).live()
        assert ws.book("BTCUSDT") is ws.book(BOOK) is ws.book("BTCUSDT", depth=400) is deep
        assert ws.book(BOOK, depth=50) is flat
        assert ws.book("BTCUSDT", source="limited") is top
        with pytest.raises(BindingError, match=r"bind 'spot\.orderbook\.BTCUSDT', depth=20"):
            ws.book("BTCUSDT", depth=20)
        with pytest.raises(BindingError, match=r"bind 'spot\.orderbook\.ETHUSDT'"):
            ws.book("spot.orderbook.ETHUSDT")
        for name in ("spot.trades.BTCUSDT", "spot.orderbook"):
            with pytest.raises(BindingError, match="not the channel of one symbol's book"):
                ws.book(name)


@pytest.mark.parametrize(
    ("exchange", "how", "book"),
    [
        ("mexc", {}, {}),
        ("gateio", {"speed": "100ms"}, {"source": "rest"}),
        ("gateio", {"depth": 400}, {}),
    ],
)
async def test_books_without_a_symbol_begin_behind_what_was_confirmed_before(
    exchange: str,
    how: dict[str, Any],
    book: dict[str, Any],
    virtual: Environment,
    autojump_clock: object,
) -> None:
    got: list[int] = []
    async with managed(exchange, virtual) as (_, ws):
        await ws.bind("spot.orderbook_delta.BTCUSDT", ignore, **how)
        await trio.sleep(1)
        ws.bind("spot.orderbook", lambda book: got.append(book.version), **book)
        await trio.sleep(15)
        assert ws.books[0].is_live
        assert len(got) > 10


@pytest.mark.parametrize(
    ("delta", "book", "channels"),
    [
        (False, True, {"spot.orderbook.BTCUSDT"}),
        (True, False, {"spot.orderbook_delta.BTCUSDT"}),
        (True, True, {"spot.orderbook.BTCUSDT", "spot.orderbook_delta.BTCUSDT"}),
    ],
)
async def test_a_gap_is_told_of_what_is_bound(
    delta: bool,
    book: bool,
    channels: set[str],
    virtual: Environment,
    autojump_clock: object,
) -> None:
    events = Collector()
    async with managed("mexc", virtual, connection_handlers=events) as (simulator, ws):
        if delta:
            await ws.bind("spot.orderbook_delta.BTCUSDT", ignore)
        if book:
            await ws.bind(BOOK, ignore)
        await trio.sleep(2)
        simulator.apply(Fault("lost_delta"))
        await trio.sleep(2)
    assert {event.channel for event in of(Gap, events)} == channels


# Nothing is asked for for ever, and nothing waited for


def silence(_: object, frame: Any) -> list[Any]:
    """Leave out all updates of books, as if the exchange had forgotten the subscription."""
    raw = frame if isinstance(frame, bytes) else frame.encode()
    is_push = b"aggre.depth" in raw and not raw.startswith(b"{")
    return [] if is_push or b'"event":"update"' in raw else [frame]


async def test_a_stream_that_is_confirmed_and_silent_is_refused_in_the_end(
    virtual: Environment, autojump_clock: object
) -> None:
    events = Collector()
    async with managed("gateio", virtual, connection_handlers=events) as (simulator, ws):
        simulator.tamper = silence
        binding = await ws.bind(BOOK, ignore)
        with (
            trio.fail_after(60),
            pytest.raises(SubscriptionRefused, match="never sent a book; does it list it"),
        ):
            await binding.live()
        assert binding.state is BindingState.REFUSED
        with pytest.raises(SubscriptionRefused):
            await binding
        assert ws.books == ()
        (refused,) = of(Refused, events)
        assert (refused.channel, refused.is_final) == (BOOK, True)
        reasons = [event.reason for event in of(BookStateChanged, events)]
        assert "asked for 3 times" in reasons[0]
        simulator.tamper = None
        await ws.bind(BOOK, ignore).live()  # binding again is allowed


@pytest.mark.parametrize("exchange", ["mexc", "gateio"])
async def test_a_book_that_rest_does_not_have_is_refused(
    exchange: str, virtual: Environment, autojump_clock: object
) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        raise HttpError("404: there is no such symbol", 404)

    async with managed(exchange, virtual, fetch=fetch) as (_, ws):
        deltas = await ws.bind("spot.orderbook_delta.BTCUSDT", ignore, speed="100ms")
        binding = ws.bind(BOOK, ignore, source="rest")
        with trio.fail_after(60), pytest.raises(SubscriptionRefused, match="no such symbol"):
            await binding.live()
        assert len(asked) == 4
        assert deltas.state is BindingState.CONFIRMED


async def test_an_answer_that_never_comes_is_not_waited_for(
    virtual: Environment, autojump_clock: object
) -> None:
    async with open_simulator("mexc", symbols=["BTCUSDT"], environment=virtual) as simulator:
        asked: list[str] = []

        async def fetch(url: str) -> bytes:
            asked.append(url)
            if len(asked) == 1:
                await trio.sleep_forever()
            return await simulator.fetch(url)

        async with WebSocketManager(simulator.config(fetch=fetch)) as ws:
            with trio.fail_after(40):
                await ws.bind(BOOK, ignore).live()
            assert len(asked) == 2


@pytest.mark.parametrize(("exchange", "how"), [SOURCES[0], SOURCES[2], SOURCES[5]])
async def test_an_audit_finds_a_book_whose_stream_fell_silent(
    exchange: str, how: dict[str, Any], virtual: Environment, autojump_clock: object
) -> None:
    """The exchange forgets the subscription; only one that is asked for anew brings any more."""
    events = Collector()
    async with managed(exchange, virtual, book_audit=5.0, connection_handlers=events) as (
        simulator,
        ws,
    ):
        await ws.bind(BOOK, ignore, **how)
        await trio.sleep(20)
        sent: list[object] = []

        def forget(connection: Any, frame: Any) -> list[Any]:
            raw = frame if isinstance(frame, bytes) else frame.encode()
            if sent and (b'"event":"subscribe"' in raw or b'"msg":"spot' in raw):
                simulator.tamper = None
            kept = silence(connection, frame)
            sent.extend([] if kept else [frame])
            return kept

        simulator.tamper = forget
        await events.wait(
            lambda got: any(
                "nothing came since" in each.reason for each in of(BookStateChanged, got)
            )
        )
        await trio.sleep(20)
        (book,) = ws.statistics().books
        assert (book.state, book.differing) == (BookState.LIVE, 1)
        assert simulator.tamper is None
        assert book.version > simulator.market["BTCUSDT"].version - 100


async def test_audits_say_nothing_of_a_market_in_which_nothing_happens(
    virtual: Environment, autojump_clock: object
) -> None:
    async with managed("mexc", virtual, book_audit=5.0, pace=QUIET) as (_, ws):
        await ws.bind(BOOK, ignore).live()
        await trio.sleep(100)
        (book,) = ws.statistics().books
        assert book.audits > 10
        assert (book.differing, book.state) == (0, BookState.LIVE)


async def test_an_audit_that_cannot_be_done_is_given_up(
    virtual: Environment, autojump_clock: object
) -> None:
    async with managed("mexc", virtual, book_audit=5.0) as (simulator, ws):
        await ws.bind(BOOK, ignore).live()
        simulator.apply(Fault("failing_snapshot", duration=50.0))
        await trio.sleep(50)
        assert ws.statistics().books[0].audits == 0
        await trio.sleep(40)
        assert ws.statistics().books[0].audits > 0


async def test_leaving_does_not_wait_for_audits(
    virtual: Environment, autojump_clock: object
) -> None:
    async with managed("mexc", virtual, book_audit=5.0, close_timeout=100.0) as (_, ws):
        await ws.bind(BOOK, ignore).live()
        left = trio.current_time()
    assert trio.current_time() - left < 1.0


# Versions that cannot be trusted


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
@pytest.mark.parametrize(("exchange", "how"), [SOURCES[0], SOURCES[2], SOURCES[4]])
async def test_a_book_follows_an_exchange_that_numbers_anew(
    exchange: str,
    how: dict[str, Any],
    redundancy: str,
    virtual: Environment,
    autojump_clock: object,
) -> None:
    """It restarts: all connections end, and every version is a small one from then on."""
    below: list[int] = []

    def lower(text: str) -> str:
        def less(found: re.Match[str]) -> str:
            return found[1] + str(int(found[2]) - sum(below))

        return re.sub(r'("(?:u|U|id|lastUpdateId)":)(\d{7,})', less, text)

    async with open_simulator(
        exchange, symbols=["BTCUSDT"], environment=virtual, latency=0.02
    ) as simulator:

        async def fetch(url: str) -> bytes:
            return lower((await simulator.fetch(url)).decode()).encode()

        simulator.tamper = lambda _, frame: [lower(frame) if isinstance(frame, str) else frame]
        async with WebSocketManager(simulator.config(fetch=fetch, redundancy=redundancy)) as ws:
            book = await ws.bind(BOOK, ignore, **how).live()
            await trio.sleep(10)
            market = simulator.market["BTCUSDT"]
            below.append(market.version - 1000)
            simulator.disconnect("drop")
            await trio.sleep(20)
            assert book.is_live
            assert 1000 < book.version < 10_000
            assert book.version > market.version - below[0] - 100


@pytest.mark.parametrize("redundancy", ["none", "standby", "hot"])
async def test_one_far_version_does_not_end_a_book(
    redundancy: str, virtual: Environment, autojump_clock: object
) -> None:
    async with managed("gateio", virtual, redundancy=redundancy, latency=0.02) as (simulator, ws):
        book = await ws.bind(BOOK, ignore).live()
        await trio.sleep(5)
        done: list[object] = []

        def garble(_: object, frame: Any) -> list[Any]:
            if done or '"U"' not in frame:
                return [frame]
            message = json.loads(frame)
            message["result"] |= {"U": 10**15, "u": 10**15}
            done.append(frame)
            return [json.dumps(message, separators=(",", ":"))]

        simulator.tamper = garble
        await trio.sleep(30)
        assert done
        assert book.is_live
        assert book.version > simulator.market["BTCUSDT"].version - 100


# A market deeper than a snapshot


class Depths:
    """A handler that compares a book with the market's as far as it is known, and counts."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.horizons: list[Any] = []
        self.judged = 0

    def __call__(self, book: OrderBook) -> None:
        true = self._simulator.true_book(book.symbol, book.version)
        (lowest, highest), number = book.horizon, book.number_type
        assert lowest is not None or highest is not None
        bids = [(number(price), number(each)) for price, each in true.bids.items()]
        asks = [(number(price), number(each)) for price, each in true.asks.items()]
        assert book.bids() == [each for each in bids if lowest is None or each[0] >= lowest]
        assert book.asks() == [each for each in asks if highest is None or each[0] <= highest]
        whole = book.sweep(Side.SELL, number(10**9))
        assert whole.is_cut == (lowest is not None)
        self.judged += 1
        if self.horizons[-1:] != [book.horizon]:
            self.horizons.append(book.horizon)


@pytest.mark.parametrize("latency", [0.0, 0.03])
async def test_a_book_of_a_deep_market_is_extended_and_audited_as_far_as_it_is_known(
    latency: float,
    virtual: Environment,
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shallow = [attrs.evolve(each, rules=attrs.evolve(each.rules, limit=24)) for each in BOOKS]
    monkeypatch.setattr(MexcSpot, "books", shallow)
    async with open_simulator(
        "mexc",
        symbols=["BTCUSDT"],
        environment=virtual,
        latency=latency,
        pace=3.0,
        remember_books=True,
    ) as simulator:
        depths = Depths(simulator)
        async with WebSocketManager(simulator.config(book_audit=30.0)) as ws:
            await ws.bind(BOOK, depths).live()
            await trio.sleep(300)
            (book,) = ws.statistics().books
        assert depths.judged > 500
        extended = len(depths.horizons) - 1
        assert extended > 5
        assert (book.resyncs, book.differing) == (0, 0)
        assert book.audits > 5
        # One for the beginning, one for each time and each audit, and none in vain.
        assert simulator.statistics().gets <= 1 + extended + 2 * (book.audits + 1)
