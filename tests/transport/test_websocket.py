"""`open_websocket` against servers that do as they should, and against all the others."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from transport.peer import (
    BINARY,
    CLOSE,
    ENVIRONMENT,
    MOST,
    PING,
    PONG,
    TEXT,
    URL,
    Inbox,
    Peer,
    close,
    frame,
)

from trioex.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    FrameError,
    HandshakeRejected,
    Verdict,
    classify,
)
from trioex.frames import Batch
from trioex.transport import Deliver, Dialer, WebSocket, open_websocket

CLOSE_TIMEOUT = 3.0

# No test waits in real time. What would hang for ever fails when the clock has jumped so far.
Clock = trio.testing.MockClock
FOR_EVER = 3600


class Network:
    """A `Dial` in memory: each connect is a new stream pair whose far end goes to `peer`."""

    def __init__(self, make: Callable[[], tuple[Any, Any]] = trio.testing.memory_stream_pair):
        self.stream, far = make()
        self.peer = Peer(far)

    async def dial(self, url: str) -> trio.abc.Stream:
        assert url == URL
        await trio.lowlevel.checkpoint()
        return self.stream

    @asynccontextmanager
    async def open(self, deliver: Deliver, **keywords: Any) -> AsyncGenerator[WebSocket, None]:
        settings = {"max_message_bytes": MOST, "close_timeout": CLOSE_TIMEOUT} | keywords
        with trio.fail_after(FOR_EVER):
            async with open_websocket(
                URL, deliver, dial=self.dial, environment=ENVIRONMENT, **settings
            ) as websocket:
                yield websocket


@asynccontextmanager
async def connected(
    deliver: Deliver, behind: bytes = b"", *, mute: bool = False, **keywords: Any
) -> AsyncGenerator[tuple[WebSocket, Peer], None]:
    """An open WebSocket and the server's end of it, which answers a goodbye unless `mute`."""
    network = Network()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.peer.accept, behind)
        async with network.open(deliver, **keywords) as websocket:
            yield websocket, network.peer
            if not mute:
                nursery.start_soon(network.peer.say_goodbye)


def only(group: BaseException) -> BaseException:
    """The one exception in nested groups."""
    while isinstance(group, BaseExceptionGroup):
        (group,) = group.exceptions
    return group


# Messages


async def test_messages_come_in_batches_with_the_time_of_the_read(autojump_clock: Clock) -> None:
    inbox = Inbox()
    async with connected(inbox) as (websocket, peer):
        await trio.sleep(5)
        await peer.send(frame(TEXT, b"a"), frame(TEXT, b"b"), frame(BINARY, b"c"))
        await inbox.wait_for(3)
        now = ENVIRONMENT.time_ns()
        assert inbox.batches == [
            Batch(True, [b"a", b"b"], now, 2),
            Batch(False, [b"c"], now, 1),
        ]
        assert websocket.last_read == trio.current_time()
        await trio.sleep(5)
        assert websocket.last_read == trio.current_time() - 5


async def test_the_request(autojump_clock: Clock) -> None:
    async with connected(Inbox(), extra_headers=[("X-Gate-Channel-Id", "trioex")]) as (_, peer):
        lines = peer.request.split(b"\r\n")
        assert lines[0] == b"GET /ws HTTP/1.1"
        headers = {line.lower() for line in lines}
        assert {b"host: exchange.test", b"x-gate-channel-id: trioex"} <= headers


async def test_frames_behind_the_101_are_not_lost(autojump_clock: Clock) -> None:
    inbox = Inbox()
    behind = frame(TEXT, b"first") + frame(PING, b"?") + frame(TEXT, b"half")[:3]
    async with connected(inbox, behind) as (_, peer):
        await peer.send(frame(TEXT, b"half")[3:])
        await inbox.wait_for(2)
        assert inbox.messages == [b"first", b"half"]
        assert await peer.receive() == (PONG, b"?")


async def test_what_is_sent_arrives(autojump_clock: Clock) -> None:
    async with connected(Inbox()) as (websocket, peer):
        await websocket.send("grüße")
        await websocket.send(b"\x00\x01")
        assert await peer.receive() == (TEXT, "grüße".encode())
        assert await peer.receive() == (BINARY, b"\x00\x01")


async def test_pings_of_the_server_are_answered_whatever_a_handler_does(
    autojump_clock: Clock,
) -> None:
    send, receive = trio.open_memory_channel[Batch](100)
    async with connected(send.send) as (_, peer):
        await peer.send(frame(TEXT, b"work"), frame(PING, b"still there?"), frame(TEXT, b"more"))
        assert await peer.receive() == (PONG, b"still there?")
        assert [receive.receive_nowait().frames for _ in range(2)] == [[b"work"], [b"more"]]


async def test_ping_waits_for_its_pong(autojump_clock: Clock) -> None:
    async with connected(Inbox()) as (websocket, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.ping)
            received = await peer.receive()
            assert received is not None
            assert received[0] == PING
            await trio.sleep(1)
            assert len(nursery.child_tasks) == 1
            await peer.send(frame(PONG, received[1]))


# The peer ends it


async def test_a_close_of_the_server_is_answered_and_told(autojump_clock: Clock) -> None:
    inbox = Inbox()
    async with connected(inbox) as (websocket, peer):
        await peer.send(frame(TEXT, b"last"), close(1001, b"maintenance"), frame(TEXT, b"no"))
        with pytest.raises(ConnectionLost, match="closed the connection with 1001 'maintenance'"):
            await websocket.wait_closed()
        assert (websocket.close_code, websocket.close_reason) == (1001, "maintenance")
        assert inbox.messages == [b"last"]
        assert await peer.receive() == (CLOSE, b"\x03\xe9maintenance")
        with pytest.raises(ConnectionLost, match="1001"):
            await websocket.send("too late")
        with pytest.raises(ConnectionLost, match="1001"):
            await websocket.ping()
        start = trio.current_time()
    # The server keeps its TCP open: that is its own affair.
    assert trio.current_time() == start


async def test_an_end_without_a_close(autojump_clock: Clock) -> None:
    async with connected(Inbox(), mute=True) as (websocket, peer):
        await peer.stream.aclose()
        with pytest.raises(ConnectionLost, match="ended the connection without a word"):
            await websocket.wait_closed()
        assert websocket.close_code is None


async def test_a_loss_is_told_first_and_cleared_away_once_there_is_time(
    autojump_clock: Clock,
) -> None:
    told: list[tuple[float, str]] = []

    def on_loss(loss: ConnectionLost) -> float:
        told.append((trio.current_time(), str(loss)))
        return 60.0

    async with connected(Inbox(), mute=True) as (websocket, peer):
        websocket.tell_loss(on_loss)
        await peer.stream.aclose()
        with pytest.raises(ConnectionLost, match="without a word"):
            await websocket.wait_closed()
        ((when, words),) = told
        assert "without a word" in words
        assert 0 < trio.current_time() - when < 0.01, "as long as it may, and never longer"


async def test_an_end_within_a_frame(autojump_clock: Clock) -> None:
    inbox = Inbox()
    async with connected(inbox, mute=True) as (websocket, peer):
        await peer.send(frame(TEXT, b"whole"), frame(TEXT, b"cut")[:3])
        await peer.stream.aclose()
        with pytest.raises(ConnectionLost, match="without a word"):
            await websocket.wait_closed()
        assert inbox.messages == [b"whole"]


async def test_a_ping_ends_with_the_connection(autojump_clock: Clock) -> None:
    async with connected(Inbox(), mute=True) as (websocket, peer):

        async def hang_up() -> None:
            await peer.receive()
            await peer.stream.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang_up)
            with pytest.raises(ConnectionLost, match="without a word"):
                await websocket.ping()


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\xc1\x01x", 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(BINARY, bytes(2000)), 1009),
        (close(1005), 1002),
    ],
)
async def test_a_violation_is_told_to_the_peer(
    wire: bytes, code: int, autojump_clock: Clock
) -> None:
    inbox = Inbox()
    async with connected(inbox, max_message_bytes=1999) as (websocket, peer):
        await peer.send(frame(TEXT, b"good"), wire)
        with pytest.raises(FrameError, match=f"{URL} broke the protocol") as caught:
            await websocket.wait_closed()
        assert caught.value.close_code == code
        assert inbox.messages == [b"good"]
        received = await peer.receive()
        assert received is not None
        assert (received[0], received[1][:2]) == (CLOSE, code.to_bytes(2, "big"))


async def test_a_violation_of_a_peer_that_does_not_read(autojump_clock: Clock) -> None:
    """The Close cannot be sent; that must not take longer than the close timeout."""
    network = Network(trio.testing.lockstep_stream_pair)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.peer.accept)
        async with network.open(Inbox()) as websocket:
            await trio.testing.wait_all_tasks_blocked()  # until `accept` has sent all
            start = trio.current_time()
            await network.peer.send(b"\xff\xff")
            with pytest.raises(FrameError):
                await websocket.wait_closed()
            assert trio.current_time() - start == pytest.approx(CLOSE_TIMEOUT)
    assert trio.current_time() - start == pytest.approx(2 * CLOSE_TIMEOUT)


# We end it


async def test_leaving_says_goodbye(autojump_clock: Clock) -> None:
    async with trio.open_nursery() as nursery:
        network = Network()
        nursery.start_soon(network.peer.accept)
        start = trio.current_time()
        async with network.open(Inbox()):
            nursery.start_soon(network.peer.say_goodbye)
    assert trio.current_time() == start
    with pytest.raises(trio.ClosedResourceError):
        await network.stream.send_all(b"x")


async def test_leaving_a_peer_that_says_nothing_is_bounded(autojump_clock: Clock) -> None:
    inbox = Inbox()
    async with connected(inbox, mute=True) as (_, peer):
        start = trio.current_time()
    assert trio.current_time() - start == pytest.approx(CLOSE_TIMEOUT)
    assert await peer.receive() == (CLOSE, b"\x03\xe8")
    assert await peer.receive() is None


async def test_what_arrives_before_the_peers_goodbye_is_delivered(autojump_clock: Clock) -> None:
    inbox = Inbox()
    async with connected(inbox) as (websocket, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.aclose)
            assert await peer.receive() == (CLOSE, b"\x03\xe8")
            await peer.send(frame(TEXT, b"on its way"), close(1000))
        await websocket.wait_closed()
        assert inbox.messages == [b"on its way"]
        with pytest.raises(trio.ClosedResourceError):
            await websocket.send("x")
        await websocket.aclose()


async def test_a_violation_while_we_close_is_not_our_loss(autojump_clock: Clock) -> None:
    async with connected(Inbox()) as (websocket, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.aclose, 4000)
            assert await peer.receive() == (CLOSE, b"\x0f\xa0")
            start = trio.current_time()
            await peer.send(b"\xff\xff")
        assert trio.current_time() == start
        await websocket.wait_closed()


async def test_cancelled_from_outside_it_does_not_wait(autojump_clock: Clock) -> None:
    network = Network()
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.peer.accept)
        with trio.CancelScope() as scope:
            async with network.open(Inbox()) as websocket:
                scope.cancel()
                await websocket.wait_closed()
        assert scope.cancelled_caught
        assert trio.current_time() == start
        assert await network.peer.receive() is None


async def test_an_exception_in_the_block_does_not_wait_and_keeps_what_it_is(
    autojump_clock: Clock,
) -> None:
    error = KeyError("mine")
    start = trio.current_time()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with connected(Inbox()):
            raise error
    assert only(caught.value) is error
    assert trio.current_time() == start


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("handler"),
        trio.BrokenResourceError("a channel"),
        trio.ClosedResourceError("a channel"),
        OSError(errno.ENOSPC, "disk"),
    ],
)
@pytest.mark.parametrize("behind", [b"", frame(TEXT, b"x")])
async def test_what_deliver_raises_leaves_unchanged(
    error: Exception, behind: bytes, autojump_clock: Clock
) -> None:
    async def deliver(batch: Batch) -> None:
        raise error

    with pytest.raises(BaseExceptionGroup) as caught:  # noqa: PT012
        async with connected(deliver, behind) as (websocket, peer):
            await peer.send(frame(TEXT, b"x"))
            await websocket.wait_closed()
    assert only(caught.value) is error


async def test_a_send_that_is_cut_short_is_the_end(autojump_clock: Clock) -> None:
    """Nothing may follow half a frame."""
    network = Network(trio.testing.lockstep_stream_pair)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.peer.accept)
        with pytest.raises(BaseExceptionGroup) as caught:  # noqa: PT012
            async with network.open(Inbox()) as websocket:
                with trio.move_on_after(1) as scope:
                    await websocket.send("half")
                assert scope.cancelled_caught
                with pytest.raises(ConnectionLost, match="cancelled before all of it"):
                    await websocket.send("more")
                await websocket.wait_closed()
        assert isinstance(only(caught.value), ConnectionLost)


async def test_a_send_cancelled_before_it_began_harms_nothing(autojump_clock: Clock) -> None:
    async with connected(Inbox()) as (websocket, peer):
        with trio.CancelScope() as scope:
            scope.cancel()
            await websocket.send("never")
        await websocket.send("next")
        assert await peer.receive() == (TEXT, b"next")


# It does not open

HEAD_101 = b"HTTP/1.1 101 Switching Protocols\r\n"


@pytest.mark.parametrize(
    ("response", "status", "wait", "verdict"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello", 403, None, Verdict.GIVE_UP),
        (b"HTTP/1.1 429 No\r\nRetry-After: 17\r\n\r\n", 429, 17.0, Verdict.RETRY_LATER),
        (
            b"HTTP/1.1 503 No\r\nRetry-After: Tue, 14 Nov 2023 22:14:20 GMT\r\n\r\n",
            503, 60.0, Verdict.RETRY_LATER,
        ),
        # A body that never ends is not waited for.
        (b"HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\n\r\n", 502, None, Verdict.RETRY),
    ],
)  # fmt: skip
async def test_http_instead_of_a_websocket(
    response: bytes, status: int, wait: float | None, verdict: Verdict, autojump_clock: Clock
) -> None:
    network = Network()

    async def refuse() -> None:
        await network.peer.read_request()
        await network.peer.send(response)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse)
        with pytest.raises(HandshakeRejected) as caught:
            async with network.open(Inbox()):
                pytest.fail("it opened")
        assert (caught.value.status, caught.value.retry_after) == (status, wait)
        assert classify(caught.value) is verdict
        assert URL in str(caught.value)
        assert await network.peer.receive() is None


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        HEAD_101 + b"\r\n",
        HEAD_101 + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        HEAD_101 + b"bro ken\r\n\r\n",
        b"HTTP/1.1 101",
        b"",
    ],
)
async def test_a_response_that_is_none(response: bytes, autojump_clock: Clock) -> None:
    network = Network()

    async def answer() -> None:
        await network.peer.read_request()
        await network.peer.send(response)
        await network.peer.stream.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        with pytest.raises(ConnectFailed) as caught:
            async with network.open(Inbox()):
                pytest.fail("it opened")
        assert URL in str(caught.value)


async def test_a_server_that_never_answers_is_bounded_by_the_caller(autojump_clock: Clock) -> None:
    network = Network()
    start = trio.current_time()
    with pytest.raises(trio.TooSlowError), trio.fail_after(10):
        async with network.open(Inbox()):
            pytest.fail("it opened")
    assert trio.current_time() - start == pytest.approx(10)
    await network.peer.read_request()
    assert await network.peer.receive() is None


@pytest.mark.parametrize(
    "error", [OSError("no route"), socket.gaierror(-2, "unknown"), trio.BrokenResourceError("x")]
)
async def test_a_dial_that_fails(error: Exception, autojump_clock: Clock) -> None:
    async def dial(url: str) -> trio.abc.Stream:
        raise error

    with pytest.raises(ConnectFailed, match=URL) as caught:
        async with open_websocket(
            URL,
            Inbox(),
            dial=dial,
            environment=ENVIRONMENT,
            max_message_bytes=MOST,
            close_timeout=CLOSE_TIMEOUT,
        ):
            pytest.fail("it opened")
    assert caught.value.__cause__ is error


async def test_an_url_that_is_none_is_never_dialled(autojump_clock: Clock) -> None:
    with pytest.raises(ConfigError, match="http://a"):
        async with open_websocket(
            "http://a",
            Inbox(),
            dial=Dialer(),
            environment=ENVIRONMENT,
            max_message_bytes=MOST,
            close_timeout=CLOSE_TIMEOUT,
        ):
            pytest.fail("it opened")
