"""The frame channel: its bound, its order, and what overtakes."""

from __future__ import annotations

import time
import tracemalloc

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trioex.frames import Batch
from trioex.handoff import FrameChannel, cost


def batch(size: int, content: bytes = b"x") -> Batch:
    """A batch that costs so many hundred bytes, all told."""
    return Batch(True, [content], 0, 100 * size - cost(Batch(True, [content], 0, 0)))


def make(
    bound: int = 1000, told: list[int] | None = None, sieved: list[str] | None = None
) -> FrameChannel[str]:
    return FrameChannel(
        100 * bound,
        (lambda waiting: None) if told is None else told.append,
        (lambda batch, source: None)
        if sieved is None
        else (lambda batch, source: sieved.append(source)),
    )


async def test_batches_come_out_in_the_order_they_went_in() -> None:
    channel = make()
    for number in range(5):
        await channel.send(str(number), batch(10))
    assert not channel.is_empty
    for number in range(5):
        source, _ = await channel.receive()
        assert source == str(number)
        channel.routed()
    assert channel.is_empty
    assert (channel.waiting, channel.peak) == (0, 5000)


async def test_a_reader_waits_at_the_bound_until_there_is_room(autojump_clock: object) -> None:
    channel = make(100)
    done: list[str] = []

    async def read(name: str, size: int) -> None:
        await channel.send(name, batch(size))
        done.append(name)

    async with trio.open_nursery() as nursery:
        await channel.send("first", batch(60))
        nursery.start_soon(read, "second", 60)
        await trio.testing.wait_all_tasks_blocked()
        assert not done
        assert channel.waiting == 6000
        await channel.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert not done, "what is being routed takes room still"
        channel.routed()
        await trio.testing.wait_all_tasks_blocked()
        assert done == ["second"]


async def test_a_batch_larger_than_the_bound_goes_through_alone(autojump_clock: object) -> None:
    channel = make(100)
    await channel.send("small", batch(10))
    with trio.move_on_after(1) as scope:
        await channel.send("huge", batch(1000))
    assert scope.cancelled_caught
    assert channel.waiting == 1000, "cancelled while waiting, it sends nothing"
    await channel.receive()
    channel.routed()
    await channel.send("huge", batch(1000))
    assert channel.peak == 100_000


async def test_half_of_the_bound_is_told_each_time_it_is_passed() -> None:
    told: list[int] = []
    channel = make(100, told)
    for _ in range(9):
        await channel.send("a", batch(10))
    assert told == [5000], "once, not with each batch"
    while not channel.is_empty:
        await channel.receive()
        channel.routed()
    await channel.send("a", batch(10))
    await channel.send("a", batch(70))
    assert told == [5000, 8000], "and again the next time"


async def test_after_closing_what_waits_is_still_to_be_had() -> None:
    channel = make()
    await channel.send("a", batch(10))
    channel.close()
    assert (await channel.receive())[0] == "a"
    with pytest.raises(trio.EndOfChannel):
        await channel.receive()


async def test_closing_wakes_who_waits() -> None:
    channel = make()

    async def wait() -> None:
        with pytest.raises(trio.EndOfChannel):
            await channel.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        channel.close()


@given(steps=st.lists(st.sampled_from(["send", "wait", "receive", "go on"]), max_size=60))
def test_each_batch_is_looked_through_once_at_most_and_none_that_waits_is_missed(
    steps: list[str],
) -> None:
    """Behind a slow handler the router begins to wait with each message: never all over again."""

    async def main() -> None:
        sieved: list[str] = []
        channel = make(sieved=sieved)
        waits: list[str] = []
        sent = 0
        for step in steps:
            if step == "send":
                await channel.send(str(sent), batch(4))
                waits.append(str(sent))
                sent += 1
            elif step == "wait":
                channel.sieve_all()
            elif step == "go on":
                channel.is_sieving = False
            elif waits:
                source, _ = await channel.receive()
                channel.routed()
                assert source == waits.pop(0)
            if channel.is_sieving:
                assert set(waits) <= set(sieved)
            assert len(set(sieved)) == len(sieved)

    trio.run(main)


async def test_the_bound_is_one_of_memory() -> None:
    """However small its frames are: a million of one byte are not a megabyte."""

    def small() -> Batch:
        return Batch(True, [bytes([number]) * 3 for number in range(3)], time.time_ns(), 9)

    bound = 1 << 20
    channel = FrameChannel[None](bound, lambda waiting: None, lambda batch, source: None)
    tracemalloc.start()
    try:
        while channel.waiting + cost(small()) <= bound:
            await channel.send(None, small())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bound * 0.7 < peak < bound * 1.2


async def test_what_a_sieve_took_out_is_room_again_with_the_rest() -> None:
    def take(batch: Batch, source: str) -> None:
        batch.frames.clear()

    channel = FrameChannel[str](10_000, lambda waiting: None, take)
    await channel.send("a", batch(10))
    await channel.send("b", batch(10))
    channel.sieve_all()
    for _ in range(2):
        await channel.receive()
        channel.routed()
    assert channel.waiting == 0
    assert channel.is_empty
