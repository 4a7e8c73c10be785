"""Memory streams keep the contract of Trio's streams."""

from __future__ import annotations

import pytest
import trio
from trio.abc import Clock
from trio.testing import check_half_closeable_stream, wait_all_tasks_blocked

from trioex.simulator.memory import CAPACITY, MemoryStream, memory_stream_pair


async def test_the_contract_of_a_stream() -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        return memory_stream_pair()

    async def clogged() -> tuple[MemoryStream, MemoryStream]:
        left, right = memory_stream_pair()
        for stream in (left, right):
            await stream.send_all(bytes(CAPACITY))
        return left, right

    await check_half_closeable_stream(make, clogged)


async def test_the_contract_holds_with_a_delay(autojump_clock: Clock) -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        return memory_stream_pair(lambda: 0.0, lambda: 0.0)

    async def clogged() -> tuple[MemoryStream, MemoryStream]:
        left, right = memory_stream_pair(lambda: 0.0, lambda: 0.0)
        for stream in (left, right):
            await stream.send_all(bytes(stream.capacity))
        return left, right

    await check_half_closeable_stream(make, clogged)


async def test_bytes_and_ends_are_under_way(autojump_clock: Clock) -> None:
    left, right = memory_stream_pair(lambda: 2.0, lambda: 3.0)
    begun = trio.current_time()
    await left.send_all(b"one")
    await trio.sleep(1.0)
    await left.send_all(b"two")
    left.close()
    await right.send_all(b"into the void")
    assert [await right.receive_some(), trio.current_time() - begun] == [b"one", 2.0]
    assert [await right.receive_some(), trio.current_time() - begun] == [b"two", 3.0]
    assert [await right.receive_some(), trio.current_time() - begun] == [b"", 3.0]
    await right.send_all(b"into the void")  # that nobody reads is known after another second
    await trio.sleep(1.0)
    with pytest.raises(trio.BrokenResourceError):
        await right.send_all(b"x")


async def test_jitter_keeps_the_order(autojump_clock: Clock) -> None:
    delays = iter([5.0, 1.0, 1.0])
    left, right = memory_stream_pair(lambda: next(delays))
    for byte in (b"1", b"2", b"3"):
        await left.send_all(byte)
    assert await right.receive_some() == b"123"
    assert trio.current_time() == 5.0


async def test_a_writer_waits_for_the_reader() -> None:
    left, right = memory_stream_pair()
    payload = bytes(range(256)) * (CAPACITY // 64)
    sent = trio.Event()

    async def write() -> None:
        await left.send_all(payload)
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await wait_all_tasks_blocked()
        assert not sent.is_set()
        read = b""
        while len(read) < len(payload):
            part = await right.receive_some(1000)
            assert 0 < len(part) <= 1000
            read += part
    assert read == payload


async def test_a_waiting_writer_hears_that_the_reader_has_gone() -> None:
    left, right = memory_stream_pair()

    async def write() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await left.send_all(bytes(CAPACITY * 2))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await wait_all_tasks_blocked()
        await right.aclose()


async def test_what_was_written_can_be_read_after_the_end() -> None:
    left, right = memory_stream_pair()
    await left.send_all(b"last words")
    left.close()
    assert await right.receive_some() == b"last words"
    assert await right.receive_some() == b""
