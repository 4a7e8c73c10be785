"""How `TCPStream` reads: it waits first and takes then, and nothing is lost on the way."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from trioex.transport import TCPStream


@pytest.fixture(params=[False, True], ids=["waits", "spins"])
def spin(request: pytest.FixtureRequest) -> bool:
    chosen: bool = request.param
    return chosen


def pair(spin: bool) -> tuple[TCPStream, socket.socket]:
    ours, theirs = socket.socketpair()
    return TCPStream(trio.socket.from_stdlib_socket(ours), spin=spin), theirs


async def test_a_cancelled_read_takes_nothing(spin: bool) -> None:
    stream, peer = pair(spin)
    async with stream:
        with peer:
            peer.sendall(b"all of it")
            with trio.CancelScope() as scope:
                scope.cancel()
                await stream.receive_some()
            assert scope.cancelled_caught
            assert await stream.receive_some() == b"all of it"


async def test_a_read_lets_others_run(spin: bool) -> None:
    stream, peer = pair(spin)
    async with stream:
        with peer:
            peer.sendall(b"x")
            with trio.testing.assert_checkpoints():
                await stream.receive_some()


async def test_what_another_reader_took_is_waited_for_again() -> None:
    """Readiness is a hint: the bytes may be gone when they are asked for."""
    stream, peer = pair(spin=False)
    thief = socket.socket(fileno=socket.dup(stream.socket.fileno()))
    thief.setblocking(False)
    async with stream:
        with peer, thief:
            received: list[bytes] = []

            async def read() -> None:
                received.append(await stream.receive_some())

            class Thief(trio.abc.Instrument):
                """Steals what has come when the reader is about to run."""

                stolen = b""

                def before_task_step(self, task: trio.lowlevel.Task) -> None:
                    if task.name.endswith("read") and peer_sent and not self.stolen:
                        self.stolen = thief.recv(10)

            instrument, peer_sent = Thief(), False
            trio.lowlevel.add_instrument(instrument)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                peer.sendall(b"stolen")
                peer_sent = True
                while not instrument.stolen:
                    await trio.lowlevel.checkpoint()
                await trio.testing.wait_all_tasks_blocked()
                assert received == []
                peer.sendall(b"kept")
            trio.lowlevel.remove_instrument(instrument)
            assert (instrument.stolen, received) == (b"stolen", [b"kept"])


async def test_closing_wakes_a_reader(spin: bool) -> None:
    stream, peer = pair(spin)
    with peer:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await stream.receive_some()

            nursery.start_soon(read)
            for _ in range(3):  # a spinning reader is never blocked
                await trio.lowlevel.checkpoint()
            await stream.aclose()


async def test_what_comes_later_is_had(spin: bool) -> None:
    stream, peer = pair(spin)
    received: list[bytes] = []

    async def read() -> None:
        received.append(await stream.receive_some())
        received.append(await stream.receive_some())

    async with stream:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            assert received == []
            peer.sendall(b"at last")
            while not received:
                await trio.lowlevel.checkpoint()
            peer.close()
    assert received == [b"at last", b""]


async def test_the_socket_given_is_used_up() -> None:
    ours, theirs = socket.socketpair()
    given = trio.socket.from_stdlib_socket(ours)
    stream = TCPStream(given)
    assert given.fileno() == -1
    with theirs:
        await stream.aclose()
        assert theirs.recv(1) == b""
