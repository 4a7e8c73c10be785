"""`open_simulator`: checks what is wanted, puts the parts together, and ends them again."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import trio

from ..channels import ExchangeEnum
from ..config import Environment, parse_exchange
from ..errors import ConfigError
from .clock import Clock
from .exchange import Exchange
from .faults import Faults
from .gateio_spot import GATEIO_SPOT
from .link import Link
from .market import Market
from .mexc_spot import MEXC_SPOT
from .recorded import Recording
from .server import Simulator, Transport, open_listeners

__all__ = ["open_simulator"]

_FRONT_ENDS = {ExchangeEnum.MEXC: MEXC_SPOT, ExchangeEnum.GATEIO: GATEIO_SPOT}


@asynccontextmanager
async def open_simulator(
    exchange: ExchangeEnum | str,
    *,
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
    transport: Transport = "memory",
    port: int = 0,
    seed: int = 0,
    pace: float | None = 1.0,
    latency: float = 0.0,
    jitter: float = 0.0,
    ssl_context: ssl.SSLContext | None = None,
    client_ssl_context: ssl.SSLContext | None = None,
    faults: Faults | None = None,
    environment: Environment | None = None,
    recording: str | Path | Recording | None = None,
    hold: bool = False,
    remember_books: bool = False,
) -> AsyncGenerator[Simulator]:
    """Run an exchange for as long as the block lasts.

    Leaving or cancelling the block ends it at once: every stream is closed, without a word.
    An exception of the block leaves it as it is, not in a group.

    Args:
        exchange: `mexc` or `gateio`.
        symbols: the pairs it lists, as `BTCUSDT`.
        transport: `memory` needs no socket, and its clients use `config()` or `dial` and
            `fetch`; `tcp` and `tls` listen on 127.0.0.1, WebSocket and REST on one port.
        port: where `tcp` and `tls` listen; 0 for a free one.
        seed: of the market and of everything else that is random.
        pace: how many times faster than usual the market moves, or than recorded a recording
            is sent; None sends a recording as fast as the client reads.
        latency: one round trip of the network in memory, seconds; see `Link` for what takes how
            many. From nothing to the first answer a client needs four: TCP, TLS, the WebSocket's
            handshake, and the request.
        jitter: the most that is added to each half of it, seconds, at random from the seed.
        faults: what goes wrong and when; see `Faults` and `Simulator.apply`.
        ssl_context: the server's, for `tls`.
        client_ssl_context: what `config()` gives to clients, for `tls`.
        environment: the wall time at which to begin, also given to clients by `config()`.
        recording: a recorded session to serve instead of the market, from its beginning, to
            each client that connects before one has received it whole; a file, see
            `Recording.load`, or what was loaded.
        remember_books: keep what `Simulator.true_book` needs.
        hold: keep the connection open behind the last frame of the recording.

    Raises:
        ConfigError: an argument that cannot work; the message names it.
        RecordingError: the recording cannot be read; the message names the file and line.
        OSError: the port cannot be used.
    """
    front_end = _FRONT_ENDS[parse_exchange(exchange)]
    if transport not in get_args(Transport):
        allowed = ", ".join(get_args(Transport))
        raise ConfigError(f"transport={transport!r} is not allowed; allowed are {allowed}")
    if (transport == "tls") != (ssl_context is not None):
        raise ConfigError("ssl_context= belongs to transport='tls': give both or neither")
    if pace is None and recording is None:
        raise ConfigError("pace=None is for a recording; a market needs a number")
    if transport != "memory" and (latency or jitter):
        raise ConfigError("latency= and jitter= are of the network in transport='memory'")
    link = Link(latency, jitter, seed)
    environment = Environment() if environment is None else environment
    if isinstance(recording, str | Path):
        recording = Recording.load(recording)
    clock = Clock.start(environment)
    market = Market(symbols, seed=seed, now=clock.wall, pace=pace or 1.0, remembers=remember_books)
    core = Exchange(
        front_end,
        market,
        clock,
        seed=seed,
        recording=recording,
        pace=pace,
        faults=faults,
        holds=hold,
    )
    settings = {
        "exchange": front_end.exchange,
        "ssl_context": client_ssl_context,
        "environment": environment,
    }
    listeners = [] if transport == "memory" else await open_listeners(port, ssl_context)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        simulator = Simulator(core, nursery, link)
        nursery.start_soon(core.run)
        await simulator.listen(listeners, transport, settings)
        try:
            yield simulator
        except Exception as error:  # noqa: BLE001 - raised again below, as it is
            failure = error
        finally:
            simulator.end()
    if failure is not None:
        # Outside the nursery, which would wrap what the block raised into a group.
        raise failure
