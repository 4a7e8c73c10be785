"""The commands as they are typed: names, options, help."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from ..channels import ExchangeEnum
from ..config import parse_exchange
from ..errors import ConfigError
from .outcomes import OK, USAGE, guarded, report

__all__ = ["run"]

_HELP = """Live market data of crypto exchanges.

Try:

    trioex demo

    trioex watch gateio spot.trades.BTCUSDT --simulate

    trioex book gateio BTCUSDT --simulate

    trioex decode --exchange gateio --market spot frames.txt
"""

app = App(
    name="trioex",
    help=_HELP,
    help_format="plaintext",
    version=version("trioex"),
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)


def run(argv: Sequence[str]) -> int:
    """Parse the arguments, run the command and return its exit code."""
    # cyclopts takes it for an option; it is what decode reads where no file is named.
    words = [word for word in argv if word != "-"]

    def command() -> int:
        try:
            result = app(words)
        except CycloptsError as error:
            report(f"{error}{_hint(argv)} (see: trioex --help)")
            return USAGE
        return result if isinstance(result, int) else 0

    return guarded(command)


def _hint(argv: Sequence[str]) -> str:
    if next(iter(argv), "") == "replay" and "-" in argv:
        return "; a recording is read from a file, not from stdin"
    if next(iter(argv), "") == "replay" and "--levels" in argv:
        return "; the --levels of replay takes no number, it prints all levels"
    return ""


def _exchange(_type: Any, tokens: Sequence[Any]) -> ExchangeEnum:
    return parse_exchange(tokens[0].value)


Exchange = Annotated[ExchangeEnum, Parameter(converter=_exchange)]
Seconds = Annotated[float, Parameter(validator=Number(gt=0, lte=1e7))]
Count = Annotated[int, Parameter(validator=Number(gte=1))]
Flag = Annotated[bool, Parameter(negative="")]


@app.command
def demo(*, seconds: Seconds = 8.0, seed: int = 0) -> int:
    """Show both exchanges, simulated, on every kind of channel.

    Real sockets on loopback, a forced disconnect in the middle, and a
    summary at the end. It goes on beyond its time until every channel has
    spoken, or fails and names those that did not.

    Try:

        trioex demo --seconds 5 --seed 7

    Args:
        seconds: How long.
        seed: Of the simulated markets.
    """
    from .demo import demo

    return demo(seconds=seconds, seed=seed)


@app.command
def watch(
    exchange: Exchange,
    channels: Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=False)],
    /,
    *,
    simulate: Flag = False,
    recording: Path | None = None,
    seconds: Seconds | None = None,
    count: Count | None = None,
    json: Flag = False,
    depth: int | None = None,
    interval: str | None = None,
    speed: str | None = None,
    timezone: str | None = None,
) -> int:
    """Bind channels and print their messages, one a line.

    A channel is spot.KIND.SYMBOL; the kinds are orderbook (kept, and shown
    by its best prices; in JSON 20 levels a side), orderbook_delta,
    orderbook_snapshot, book_ticker, trades, ticker and kline. Without a
    SYMBOL it is the exchange's all-symbols stream, where there is one. What
    happens to the connection goes to stderr. Ctrl-C ends it.

    Try:

        trioex watch gateio spot.trades.BTCUSDT --simulate --count 20

        trioex watch mexc spot.kline.BTCUSDT --interval 5m --json | jq .close

        trioex watch gateio spot.orderbook --recording ws.txt

    Args:
        exchange: mexc or gateio.
        channels: What to watch.
        simulate: On the built-in simulator, not on the exchange.
        recording: From a recorded session; ends when that is over.
        seconds: End after so long.
        count: End after so many messages.
        json: JSON lines.
        depth: Levels a side of an order book.
        interval: Length of a kline: 1m, 15m, 1h, 1d, ...
        speed: The shortest time between two pushes: 10ms, 100ms, ...
        timezone: Where a ticker's day begins: 24H (rolling), UTC+8, ...
    """
    import trio

    from ..channels import Channel, Parameters
    from .watch import Watch, watch

    if simulate and recording is not None:
        raise ConfigError("--simulate and --recording exclude each other; give one of them")
    what = Watch(
        exchange=exchange,
        channels=tuple(map(Channel.parse, channels)),
        parameters=Parameters(depth=depth, interval=interval, speed=speed, timezone=timezone),
        simulate=simulate,
        recording=recording,
        seconds=seconds,
        count=count,
        as_json=json,
    )
    # Ctrl-C reaches the main task, and never the middle of a callback that would lose it.
    trio.run(watch, what, restrict_keyboard_interrupt_to_checkpoints=True)
    return OK


@app.command
def book(
    exchange: Exchange,
    symbols: Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=False)],
    /,
    *,
    market: str = "spot",
    simulate: Flag = False,
    seconds: Seconds | None = None,
    json: Flag = False,
    decimal: Flag = False,
    levels: Count = 10,
    bars: Literal["cumulative", "level"] = "cumulative",
    source: str | None = None,
    depth: int | None = None,
    speed: str | None = None,
) -> int:
    """Keep order books and show them: one as a ladder, several as a table.

    Shown are prices, quantities, spread, mid, microprice and imbalance; the
    state, and where a book is not LIVE the reason instead of prices; updates
    a second, and the latency from the exchange to here over the last seconds.
    Where stdout is no terminal it is a line a second for each book; beyond 20
    books how many are where, and the worst. What happens to the connection,
    and the summary in the end, go to stderr. Ctrl-C ends it. Ends with 1 when
    a book was never LIVE.

    Try:

        trioex book gateio BTCUSDT --simulate

        trioex book mexc BTCUSDT --levels 20 --bars level --speed 10ms

        trioex book gateio BTCUSDT ETHUSDT SOLUSDT --seconds 60 > books.txt

        trioex book gateio BTCUSDT --json | jq .spread_bp

    Args:
        exchange: mexc or gateio.
        symbols: Whose books: BTCUSDT, ...
        market: Which of its markets.
        simulate: On the built-in simulator, not on the exchange.
        seconds: End after so long.
        json: JSON lines, one a change.
        decimal: Exact numbers, printed as JSON strings.
        levels: Shown of each side, as far as the terminal is high enough.
        bars: How long they are: what a level has, or all up to it.
        source: What the book is kept from: stream, rest or limited.
        depth: Levels a side that are kept.
        speed: The shortest time between two changes: 10ms, 100ms, ...
    """
    import trio

    from .book import Books
    from .ladder import Drawing

    asked = {"source": source, "depth": depth, "speed": speed}
    books = Books(
        exchange=exchange,
        symbols=symbols,
        market=market,
        parameters={name: value for name, value in asked.items() if value is not None},
        drawing=Drawing(levels=levels, bars=bars),
        seconds=seconds,
        simulate=simulate,
        as_json=json,
        decimal=decimal,
    )
    return trio.run(books.run, restrict_keyboard_interrupt_to_checkpoints=True)


@app.command
def replay(
    file: Path,
    /,
    *,
    exchange: Exchange,
    market: str = "spot",
    rest: Path | None = None,
    books: Flag = False,
    levels: Flag = False,
    decimal: Flag = False,
) -> int:
    """Run a recorded session through the library, and print the order books it ends with.

    The frames take the way they take live, on a clock of their own, so that
    an hour takes seconds. The books come as one JSON array, by symbol. Ends
    with 1 when one is not LIVE, there is none, or a frame cannot be read;
    stderr says why.

    Try:

        trioex replay ws.txt --exchange gateio --rest rest_order_book.txt --books

    Args:
        file: The session, in the text form: `TIME: FRAME`, binary frames in hex.
        exchange: Whose it is: mexc or gateio.
        market: Which of its markets.
        rest: Recorded GETs, `URL -> TIME: BODY`; else rest_*.txt beside the file.
        books: Print the books.
        levels: All their levels, too, as [price, quantity].
        decimal: Exact numbers, printed as JSON strings.
    """
    import trio
    from trio.testing import MockClock

    from .replay import replay

    if not books:
        raise ConfigError("nothing is to be printed; give --books")
    return trio.run(
        lambda: replay(
            file, exchange=exchange, market=market, rest=rest, levels=levels, decimal=decimal
        ),
        clock=MockClock(autojump_threshold=0),
        restrict_keyboard_interrupt_to_checkpoints=True,
    )


@app.command
def decode(
    file: str = "-",
    /,
    *,
    exchange: Exchange,
    market: str = "spot",
    decimal: Flag = False,
) -> int:
    """Decode recorded frames: one frame a line in, one JSON object a message out.

    A line is JSON text, or hex for a binary frame, or an event of a recorded
    session: `URL <-> TIME`, `URL <- TIME: FRAME` or `TIME: FRAME`, TIME in
    seconds. Blank lines are skipped. What is no message comes out with the
    type `control` or `skipped`. TIME becomes receive_time in nanoseconds;
    without TIME that is 0. Ends with 1 when a line could not be decoded, whose
    number is on stderr.

    Try:

        trioex decode --exchange gateio ws.txt

        tail -f frames.hex | trioex decode --exchange mexc | jq .price

    Args:
        file: Where the lines are; - for stdin.
        exchange: Whose frames they are: mexc or gateio.
        market: Which of its markets.
        decimal: Exact numbers, printed as JSON strings.
    """
    from .decode import decode

    return decode(file, exchange=exchange, market=market, decimal=decimal)
