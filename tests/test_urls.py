"""What is secret in a URL is shown nowhere: not by `shown`, not by what uses it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from support import Collector
from trio.testing import MockClock as Clock

from trioex import ConnectFailed, WebSocketConfig, WebSocketManager
from trioex.errors import HandshakeRejected, HttpError
from trioex.http import Http
from trioex.urls import shown

URL = "wss://user:SECRET@exchange.test:81/ws?listenKey=SECRET#SECRET"
SHOWN = "wss://***@exchange.test:81/ws?***"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (URL, SHOWN),
        ("wss://api.gateio.ws/ws/v4/", "wss://api.gateio.ws/ws/v4/"),
        ("https://SECRET@a.test", "https://***@a.test"),
        ("ws://u:SEC@RET@[::1]:80/", "ws://***@[::1]:80/"),
        ("ws://u:SEC/RET@a.test/", "ws://***@a.test/"),
        ("ws://u:SEC?RET@a.test/", "ws://***"),
        ("ws://u:SEC#RET@a.test/", "ws://***"),
        ("ws://a.test/#SECRET", "ws://a.test/#***"),
        ("ws://a.test/?", "ws://a.test/?"),
        ("/ws?listenKey=SECRET", "/ws?***"),
        ("u:SECRET@a.test\n", "***@a.test\n"),
        ("", ""),
    ],
)
def test_what_is_shown(url: str, words: str) -> None:
    assert shown(url) == words
    assert shown(words) == words


SAFE = st.text("abc0.:[]/ ", max_size=8)
ANY = st.text("abc0.:[]/ ?#@", max_size=8)


@given(st.sampled_from(["ws://", "https://", ""]), ANY, SAFE, st.sampled_from("?#"), ANY)
def test_no_form_shows_a_secret(scheme: str, some: str, place: str, mark: str, more: str) -> None:
    for url in (f"{scheme}{some}SECRET{more}@{place}", f"{scheme}{place}{mark}{some}SECRET{more}"):
        assert "SECRET" not in shown(url)
        assert shown(shown(url)) == shown(url)


def test_a_refused_handshake() -> None:
    error = HandshakeRejected(URL, 403)
    assert "SECRET" not in repr(error)
    assert str(error).startswith(f"{SHOWN} answered")


async def refuse(url: str) -> trio.abc.Stream:
    raise OSError("refused")


async def hang(url: str) -> trio.abc.Stream:
    await trio.sleep_forever()
    raise AssertionError


def answering(answer: bytes) -> Callable[[str], Awaitable[trio.abc.Stream]]:
    """A dial to a server that says this, whatever it is asked, and no more."""

    async def dial(url: str) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(answer)
        await theirs.send_eof()
        return ours

    return dial


@pytest.mark.parametrize(
    "dial",
    [
        refuse,
        hang,
        answering(b""),
        answering(b"SSH-2.0\r\n\r\n"),
        answering(b"HTTP/1.1 503 Busy\r\n\r\n"),
        answering(b"HTTP/1.1 101 Switching Protocols\r\nbro ken\r\n\r\n"),
    ],
)
async def test_no_error_no_event_and_no_log_of_a_manager_shows_it(
    dial: Callable[[str], Awaitable[trio.abc.Stream]],
    autojump_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "trioex")
    events = Collector()
    config = WebSocketConfig(exchange="mexc", url=URL, dial=dial, connect_timeout=1)
    with pytest.raises(ConnectFailed) as caught:
        async with WebSocketManager(config, connection_handlers=events):
            raise AssertionError("entered")
    chain: list[BaseException] = [caught.value]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    words = f"{chain!r} {[str(each) for each in chain]} {events!r} {caplog.text}"
    assert SHOWN in words
    assert "SECRET" not in words


async def test_no_error_of_rest_shows_it() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    url = f"http://u:SECRET@127.0.0.1:{port}/list?key=SECRET"
    for each in (url, "http://u:SECRET/x@a.test/"):
        async with Http() as http:
            with pytest.raises(HttpError) as caught:
                await http.fetch(each)
        failure = caught.value
        assert str(failure).startswith("GET http://***@")
        assert "SECRET" not in f"{failure} {failure!r}"
