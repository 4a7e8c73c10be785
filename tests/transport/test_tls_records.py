"""Records that come in pieces, many at once, changed or cut: what was sent arrives, or a break."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TypeAlias, TypeVar

import attrs
import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transport.peer import Certificates
from transport.tls_servers import StdlibServer, Version

from trioex.transport import TLSStream

VERSIONS = st.sampled_from([Version.TLSv1_2, Version.TLSv1_3])
T = TypeVar("T")

ANY_TIME = settings(deadline=None)
LARGEST = 16 << 10
RECORDS = st.lists(
    st.one_of(st.integers(1, 40), st.just(350), st.just(LARGEST)), min_size=1, max_size=12
)
# Near a record's ends, where its header and its tag are, and anywhere.
PLACES = st.one_of(
    st.tuples(st.integers(0, 12), st.integers(-20, 20)),
    st.tuples(st.integers(0, 12), st.integers(-LARGEST, LARGEST)),
)
CUTS = st.lists(PLACES, max_size=12)

Place: TypeAlias = "tuple[int, int]"  # the number of a record, bytes from its begin


class InPieces(trio.abc.Stream):
    """A stream that is read in pieces of at most `size` bytes, or given ones instead."""

    def __init__(self, stream: trio.abc.Stream, size: int = 1 << 20) -> None:
        self._stream = stream
        self._size = size
        self.pieces: Iterator[bytes] | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.pieces is None:
            return await self._stream.receive_some(self._size)
        piece = next(self.pieces, b"")
        await trio.lowlevel.checkpoint()
        return piece

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


@attrs.frozen
class Outcome:
    """What a client received, and what ended it: None for a goodbye."""

    received: bytes
    failure: trio.BrokenResourceError | None


@attrs.frozen
class Talk:
    """A server's records, each of other bytes, and its goodbye as the last of `records`."""

    plain: list[bytes]
    records: list[bytes]

    @property
    def wire(self) -> bytes:
        return b"".join(self.records)

    def offset(self, place: Place) -> int:
        """Where in the wire, which has this byte, this is."""
        number, offset = place
        begin = sum(map(len, self.records[:number]))
        return min(max(begin + offset, 0), len(self.wire) - 1)

    def pieces(self, cuts: Iterable[Place], wire: bytes | None = None) -> list[bytes]:
        """The wire, or what became of it, cut at these places."""
        wire = self.wire if wire is None else wire
        offsets = sorted({0, len(wire), *map(self.offset, cuts)})
        return [piece for a, b in pairwise(offsets) if (piece := wire[a:b])]

    def before(self, offset: int) -> bytes:
        """The data of the records that are whole before this byte of the wire."""
        ends = accumulate(map(len, self.records))
        return b"".join(data for data, end in zip(self.plain, ends, strict=False) if end <= offset)


async def start_talk(
    certificates: Certificates, version: Version, sizes: Sequence[int], piece: int = 1 << 20
) -> tuple[TLSStream, InPieces, Talk]:
    """A client that is done with the handshake, its transport, and what a server says then."""
    near, far = trio.testing.memory_stream_pair()
    server = StdlibServer.share(certificates.leaf, version)(far)
    transport = InPieces(near, piece)
    client = TLSStream(transport, certificates.client, server_hostname="localhost")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handshake)
        await client.do_handshake()
    await server.send(b"tickets are before this")
    while not (await client.receive_some()).endswith(b"this"):
        pass
    plain = [bytes([number % 255 + 1]) * size for number, size in enumerate(sizes)]
    records = [await server.written(server.send(each)) for each in plain]
    records.append(await server.written(server.goodbye()))
    return client, transport, Talk(plain, records)


def outcome(
    certificates: Certificates,
    version: Version,
    sizes: Sequence[int],
    deliver: Callable[[Talk], list[bytes]],
    max_bytes: int | None = None,
) -> tuple[Talk, Outcome]:
    """Let a client receive what `deliver` makes of records of these sizes, and then the end."""

    async def main() -> tuple[Talk, Outcome]:
        client, transport, talk = await start_talk(certificates, version, sizes)
        transport.pieces = iter(deliver(talk))
        return talk, await received(client, max_bytes)

    return run(main)


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run it on a clock that jumps, so that what hangs fails at once."""

    async def watched() -> T:
        with trio.fail_after(60):
            return await main()

    return trio.run(watched, clock=trio.testing.MockClock(autojump_threshold=0))


async def received(client: TLSStream, max_bytes: int | None) -> Outcome:
    data = b""
    while True:
        try:
            more = await client.receive_some(max_bytes)
        except trio.BrokenResourceError as failure:
            return Outcome(data, failure)
        if not more:
            return Outcome(data, None)
        assert max_bytes is None or len(more) <= max_bytes
        data += more


@ANY_TIME
@given(VERSIONS, RECORDS, CUTS, st.sampled_from([None, 1000, LARGEST + 1]))
@example(Version.TLSv1_3, [1] * 300, [], None)
@example(Version.TLSv1_3, [350] * 380, [], None)
@example(Version.TLSv1_2, [LARGEST] * 20, [], None)
@example(Version.TLSv1_2, [350, LARGEST, 1, LARGEST - 1, 479, 480], [(2, 1)], None)
@example(Version.TLSv1_3, [3, 40], [], 1)
def test_pieces_of_any_size_give_the_same_data(
    certificates: Certificates,
    version: Version,
    sizes: list[int],
    cuts: list[Place],
    max_bytes: int | None,
) -> None:
    talk, ended = outcome(certificates, version, sizes, lambda talk: talk.pieces(cuts), max_bytes)
    assert ended == Outcome(b"".join(talk.plain), None)


@pytest.mark.parametrize("piece", [1, 2, 7, 100])
@pytest.mark.parametrize("version", [Version.TLSv1_2, Version.TLSv1_3])
async def test_everything_in_small_pieces_from_the_first_byte_of_the_handshake(
    certificates: Certificates,
    version: Version,
    piece: int,
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, transport, talk = await start_talk(certificates, version, [1, 350, 40], piece)
    wire = talk.wire
    transport.pieces = (wire[at : at + piece] for at in range(0, len(wire), piece))
    assert await received(client, None) == Outcome(b"".join(talk.plain), None)


@ANY_TIME
@given(VERSIONS, RECORDS, CUTS, PLACES)
@example(Version.TLSv1_3, [350], [], (1, 0))
@example(Version.TLSv1_2, [350], [], (1, 0))
def test_a_connection_that_is_cut_anywhere_is_a_break_behind_what_was_whole(
    certificates: Certificates,
    version: Version,
    sizes: list[int],
    cuts: list[Place],
    end: Place,
) -> None:
    def deliver(talk: Talk) -> list[bytes]:
        return talk.pieces(cuts, talk.wire[: talk.offset(end)])

    talk, ended = outcome(certificates, version, sizes, deliver)
    assert ended.failure is not None
    assert ended.received == talk.before(talk.offset(end))


@ANY_TIME
@given(VERSIONS, RECORDS, CUTS, PLACES, st.integers(1, 255))
def test_a_byte_that_was_changed_is_a_break_behind_what_was_whole(
    certificates: Certificates,
    version: Version,
    sizes: list[int],
    cuts: list[Place],
    place: Place,
    change: int,
) -> None:
    def deliver(talk: Talk) -> list[bytes]:
        wire = bytearray(talk.wire)
        wire[talk.offset(place)] ^= change
        return talk.pieces(cuts, bytes(wire))

    talk, ended = outcome(certificates, version, sizes, deliver)
    assert ended.failure is not None
    assert ended.received == talk.before(talk.offset(place))


@ANY_TIME
@given(VERSIONS, RECORDS, CUTS, st.integers(0, 12), st.binary(min_size=1, max_size=100))
def test_garbage_between_records_is_a_break_behind_what_was_whole(
    certificates: Certificates,
    version: Version,
    sizes: list[int],
    cuts: list[Place],
    place: int,
    garbage: bytes,
) -> None:
    def deliver(talk: Talk) -> list[bytes]:
        kept = talk.records[: min(place, len(sizes))]
        return talk.pieces(cuts, b"".join(kept) + garbage)

    talk, ended = outcome(certificates, version, sizes, deliver)
    assert ended.failure is not None
    assert ended.received == b"".join(talk.plain[:place])


@ANY_TIME
@given(VERSIONS, RECORDS, CUTS)
def test_a_receive_that_is_cancelled_within_a_record_loses_nothing(
    certificates: Certificates, version: Version, sizes: list[int], cuts: list[Place]
) -> None:
    """One is cancelled behind each piece, while it waits for the next."""

    async def main() -> None:
        client, transport, talk = await start_talk(certificates, version, sizes)
        data = b""
        for piece in talk.pieces(cuts):
            with trio.CancelScope() as scope:
                transport.pieces = then_cancel(piece, scope)
                while more := await client.receive_some():
                    data += more
        assert data == b"".join(talk.plain)
        assert not scope.cancelled_caught, "the goodbye is not lost either"

    def then_cancel(piece: bytes, scope: trio.CancelScope) -> Iterator[bytes]:
        yield piece
        scope.cancel()
        yield b""

    run(main)


async def test_a_handshake_that_is_cancelled_leaves_a_stream_that_can_be_closed(
    certificates: Certificates, autojump_clock: trio.testing.MockClock
) -> None:
    near, far = trio.testing.memory_stream_pair()
    kept: list[ssl.SSLSession] = []
    client = TLSStream(
        near, certificates.client, server_hostname="localhost", keep_session=kept.append
    )
    with trio.move_on_after(1) as scope:
        await client.do_handshake()
    assert scope.cancelled_caught
    await client.aclose()
    assert kept == []
    assert (await far.receive_some()).startswith(b"\x16\x03\x01"), "a ClientHello"
    assert await far.receive_some() == b""


@pytest.mark.parametrize("version", [Version.TLSv1_2, Version.TLSv1_3])
async def test_one_read_of_the_transport_is_enough_for_all_records(
    certificates: Certificates, version: Version
) -> None:
    near, far = trio.testing.memory_stream_pair()
    server = StdlibServer.share(certificates.leaf, version)(far)
    client = TLSStream(near, certificates.client, server_hostname="localhost")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handshake)
        await client.do_handshake()
    await server.send(b"first")
    assert await client.receive_some() == b"first"
    sizes = [350] * 100 + [LARGEST, 1, 479, 480, 481, LARGEST, 350]
    for number, size in enumerate(sizes):
        await server.send(bytes([number]) * size)
    expected = b"".join(bytes([number]) * size for number, size in enumerate(sizes))
    assert await client.receive_some() == expected
