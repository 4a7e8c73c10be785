"""The manager on real sockets and real TLS, and what is left when it has ended."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from support import Collector, client_tasks, wait_left

from trioex import WebSocketManager, create_exchange_component
from trioex.errors import HttpError
from trioex.events import Reconnected
from trioex.http import Http
from trioex.simulator import open_simulator


@pytest.fixture(scope="module")
def tls() -> dict[str, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return {"ssl_context": server, "client_ssl_context": client}


def open_files() -> set[str]:
    """What this process has open: sockets and files, by descriptor and target."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


@pytest.mark.parametrize("handoff", ["channel", "direct"])
@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("exchange", ["mexc", "gateio"])
async def test_delivers_reconnects_and_leaves_nothing(
    exchange: str, transport: Any, handoff: Any, tls: dict[str, ssl.SSLContext]
) -> None:
    contexts = tls if transport == "tls" else {}
    async with open_simulator(exchange, transport=transport, pace=3.0, **contexts) as simulator:
        files = open_files()
        trades, books, events = Collector(), Collector(), Collector()

        async def on_book(message: object) -> None:
            await trio.lowlevel.checkpoint()
            books(message)

        async with create_exchange_component(
            exchange,
            simulator.config(handoff=handoff),
            bind_channels={"spot.trades.BTCUSDT": trades, "spot.orderbook_delta.BTCUSDT": on_book},
            connection_handlers=events,
        ):
            await trades.wait(2)
            await books.wait(2)
            assert client_tasks()
            for connection in simulator.connections:
                simulator.disconnect("drop", connection)
            await events.wait(lambda got: isinstance(got[-1], Reconnected))
            trades.clear()
            await trades.wait(2)
        assert not client_tasks()
        await wait_left(simulator)
        assert open_files() == files


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_cancelled_it_leaves_nothing_either(
    transport: Any, tls: dict[str, ssl.SSLContext]
) -> None:
    contexts = tls if transport == "tls" else {}
    async with open_simulator("gateio", transport=transport, **contexts) as simulator:
        files = open_files()
        with trio.CancelScope() as scope:
            async with WebSocketManager(simulator.config()) as ws:
                await ws.bind("spot.trades.BTCUSDT", lambda message: None)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert not client_tasks()
        await wait_left(simulator)
        assert open_files() == files


async def test_an_untrusted_certificate_is_a_typed_error(tls: dict[str, ssl.SSLContext]) -> None:
    from trioex import ConnectFailed

    async with open_simulator("gateio", transport="tls", **tls) as simulator:
        config = simulator.config(ssl_context=ssl.create_default_context(), connect_timeout=0.5)
        with pytest.raises(ConnectFailed, match="certificate"):
            async with WebSocketManager(config):
                raise AssertionError("entered")


async def test_fetch_speaks_http_and_maps_its_errors() -> None:
    async with open_simulator("gateio", transport="tcp") as simulator, Http() as http:
        body = await http.fetch(f"{simulator.rest_url}/spot/currency_pairs")
        assert b"BTC_USDT" in body
        with pytest.raises(HttpError, match="404") as caught:
            await http.fetch(f"{simulator.rest_url}/nothing/here")
        assert caught.value.status == 404
        simulator.reject(429, retry_after=7.0)
        with pytest.raises(HttpError) as caught:
            await http.fetch(f"{simulator.rest_url}/spot/currency_pairs")
        assert (caught.value.status, caught.value.retry_after) == (429, 7.0)
        closed_url = simulator.rest_url
    async with Http() as http:
        with pytest.raises(HttpError, match="failed") as caught:
            await http.fetch(f"{closed_url}/spot/currency_pairs")
    assert caught.value.status is None
