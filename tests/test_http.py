"""`fetch` on the loopback, against servers that would keep it for ever."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock as Clock

from trioex.errors import HttpError
from trioex.http import Http


@asynccontextmanager
async def serving(answer: Callable[[trio.abc.Stream], Awaitable[object]]) -> AsyncGenerator[str]:
    """Serve what `answer` sends to any request; yields the URL."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.receive_some()
            with suppress(trio.BrokenResourceError):  # a client that has heard enough leaves
                await answer(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{port}/"
        nursery.cancel_scope.cancel()


async def test_a_body_that_trickles_in_has_a_deadline(autojump_clock: Clock) -> None:
    # The loopback answers in real time, which an autojump clock does not wait for.
    autojump_clock.autojump_threshold = 0.01

    async def trickle(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await stream.send_all(b"x")
            await trio.sleep(5)

    async with serving(trickle) as url, Http() as http:
        start = trio.current_time()
        with pytest.raises(HttpError, match="was not over within 30 s") as caught:
            await http.fetch(url)
        assert trio.current_time() - start == pytest.approx(30)
        assert caught.value.status is None


async def test_a_body_without_an_end_is_not_kept() -> None:
    async def flood(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send_all(bytes(1 << 20))

    async with serving(flood) as url, Http() as http:
        with pytest.raises(HttpError, match="the body is larger than"):
            await http.fetch(url)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("Retry-After: 3600", 3600.0),
        ("Retry-After: 0.5", 0.5),
        (
            "Date: Fri, 04 Sep 2026 10:00:00 GMT\r\nRetry-After: Fri, 04 Sep 2026 11:00:00 GMT",
            3600.0,
        ),
        ("Retry-After: Fri, 04 Sep 2026 11:00:00 GMT", None),
        ("Retry-After: inf", None),
        ("Retry-After: soon", None),
        ("X-None: 1", None),
    ],
)
async def test_how_long_the_server_asks_to_wait(said: str, wait: float | None) -> None:
    async def refuse(stream: trio.abc.Stream) -> None:
        head = f"HTTP/1.1 429 No\r\n{said}\r\nContent-Length: 0\r\n\r\n"
        await stream.send_all(head.encode())

    async with serving(refuse) as url, Http() as http:
        with pytest.raises(HttpError, match="HTTP 429") as caught:
            await http.fetch(url)
    assert caught.value.status == 429
    assert caught.value.retry_after == wait
    assert ("it asks to wait" in str(caught.value)) is (wait is not None)


async def test_an_address_that_is_none_is_an_http_error() -> None:
    async with Http() as http:
        with pytest.raises(HttpError, match="failed: it is no URL"):
            await http.fetch("http://127.0.0.1:http/")


async def test_a_connection_is_used_again_and_closed_in_the_end() -> None:
    ended: list[int] = []
    over = trio.Event()

    async def several(stream: trio.abc.Stream) -> None:
        asked = 1
        while True:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            if not await stream.receive_some():
                break
            asked += 1
        ended.append(asked)
        over.set()

    async with serving(several) as url:
        async with Http() as http:
            for _ in range(3):
                assert await http.fetch(url) == b"{}"
            assert not ended
        with trio.fail_after(5):
            await over.wait()
    assert ended == [3]
