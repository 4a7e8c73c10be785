"""The frame channel: its bound, its order, and what overtakes."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trioex.frames import Batch
from trioex.handoff import FrameChannel


def batch(size: int, content: bytes = b"x") -> Batch:
    return Batch(True, [content], 0, size)


def make(
    bound: int = 1000, told: list[int] | None = None, sieved: list[str] | None = None
) -> FrameChannel[str]:
    return FrameChannel(
        bound,
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
        source, each = await channel.receive()
        assert source == str(number)
        channel.routed(each)
    assert channel.is_empty
    assert (channel.waiting, channel.peak) == (0, 50)


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
        assert channel.waiting == 60
        _, each = await channel.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert not done, "what is being routed takes room still"
        channel.routed(each)
        await trio.testing.wait_all_tasks_blocked()
        assert done == ["second"]


async def test_a_batch_larger_than_the_bound_goes_through_alone(autojump_clock: object) -> None:
    channel = make(100)
    await channel.send("small", batch(10))
    with trio.move_on_after(1) as scope:
        await channel.send("huge", batch(1000))
    assert scope.cancelled_caught
    assert channel.waiting == 10, "cancelled while waiting, it sends nothing"
    _, each = await channel.receive()
    channel.routed(each)
    await channel.send("huge", batch(1000))
    assert channel.peak == 1000


async def test_half_of_the_bound_is_told_each_time_it_is_passed() -> None:
    told: list[int] = []
    channel = make(100, told)
    for _ in range(9):
        await channel.send("a", batch(10))
    assert told == [50], "once, not with each batch"
    while not channel.is_empty:
        channel.routed((await channel.receive())[1])
    await channel.send("a", batch(10))
    await channel.send("a", batch(70))
    assert told == [50, 80], "and again the next time"


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
                await channel.send(str(sent), batch(1))
                waits.append(str(sent))
                sent += 1
            elif step == "wait":
                channel.sieve_all()
            elif step == "go on":
                channel.is_sieving = False
            elif waits:
                source, each = await channel.receive()
                channel.routed(each)
                assert source == waits.pop(0)
            if channel.is_sieving:
                assert set(waits) <= set(sieved)
            assert len(set(sieved)) == len(sieved)

    trio.run(main)
