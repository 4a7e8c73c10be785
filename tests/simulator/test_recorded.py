"""A recorded session is served byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import trio
from simulator.plain_client import DATA, Client, connected
from trio.abc import Clock
from trio_websocket import ConnectionClosed, open_websocket_url

from trioex.config import Environment
from trioex.errors import HttpError, RecordingError
from trioex.simulator import Recording, open_simulator

SESSION = DATA / "captures" / "gateio_spot_20210422" / "ws.txt"
FRAMES = [
    line.partition(": ")[2]
    for line in SESSION.read_text("utf-8").split("\n")
    if re.match(r"[\d.]+: ", line)
]


async def whole(client: Client) -> tuple[list[str | bytes], int]:
    """Every frame to the end, and the code of the end."""
    found: list[str | bytes] = []
    while True:
        try:
            found.append(await client.raw())
        except ConnectionClosed as closed:
            return found, closed.reason.code if closed.reason else 0


def test_what_a_recording_holds() -> None:
    recording = Recording.load(SESSION)
    assert (recording.pushes, recording.acknowledgements, recording.requests) == (217, 22, 22)
    assert [frame.data for frame in recording.frames] == FRAMES


@pytest.mark.parametrize("pace", [None, 1.0, 4.0])
async def test_every_frame_in_order_then_a_close(
    virtual: Environment, pace: float | None, autojump_clock: Clock
) -> None:
    async with (
        open_simulator("gateio", recording=SESSION, pace=pace, environment=virtual) as sim,
        connected(sim) as client,
    ):
        await client.send({"channel": "spot.trades", "event": "subscribe", "payload": ["A_B"]})
        frames, code = await whole(client)
        assert frames == FRAMES
        assert code == 1000
        recorded = Recording.load(SESSION).frames
        length = recorded[-1].time - recorded[0].time
        assert trio.current_time() == pytest.approx(0 if pace is None else length / pace)
        await sim.wait_finished()
        assert sim.statistics().frames_sent == len(FRAMES)


async def test_each_gets_it_whole_until_one_has_it(
    virtual: Environment, autojump_clock: Clock
) -> None:
    async with open_simulator("gateio", recording=SESSION, pace=1, environment=virtual) as sim:
        async with connected(sim) as cut_off:
            assert await cut_off.raw() == FRAMES[0]
        async with connected(sim) as client:
            assert (await whole(client))[0] == FRAMES
        await sim.wait_finished()
        async with connected(sim) as late:
            assert await late.collect(100.0) == []
            await late.websocket.ping()


async def test_over_tcp() -> None:
    async with open_simulator("gateio", recording=SESSION, pace=None, transport="tcp") as sim:
        with trio.fail_after(60):
            async with open_websocket_url(sim.url) as websocket:
                for frame in FRAMES:
                    assert await websocket.get_message() == frame
            await sim.wait_finished()


async def test_gets_beside_it_are_answered(
    virtual: Environment, tmp_path: Path, autojump_clock: Clock
) -> None:
    path = tmp_path / "ws.txt"
    path.write_text('wss://x/ <-> 1.5\nwss://x/ <- 1.6: {"a":1}\n1.7: {"b":2}\n')
    (tmp_path / "rest_book.txt").write_text('https://x/api/v4/book?b=2&a=1 -> 1.8: {"id":3}\n')
    async with open_simulator("gateio", recording=path, environment=virtual) as sim:
        assert json.loads(await sim.fetch(f"{sim.rest_url}/book?a=1&b=2")) == {"id": 3}
        with pytest.raises(HttpError, match="404"):
            await sim.fetch(f"{sim.rest_url}/book?a=1")


async def test_a_get_that_was_repeated_is_answered_in_the_order_of_time(
    virtual: Environment, tmp_path: Path, autojump_clock: Clock
) -> None:
    (tmp_path / "ws.txt").write_text("1.5: {}\n")
    line = 'https://x/api/v4/book?a=1 -> {0}: {{"id":{0}}}\n'.format
    (tmp_path / "rest_1.txt").write_text(line(3.0) + line(1.0))
    (tmp_path / "rest_2.txt").write_text(line(2.0))
    recording = tmp_path / "ws.txt"
    async with open_simulator("gateio", recording=recording, environment=virtual) as sim:
        ids = [json.loads(await sim.fetch(f"{sim.rest_url}/book?a=1"))["id"] for _ in range(4)]
    assert ids == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1.5: {}\nnonsense\n", r"ws\.txt, line 2: expected .*'nonsense'"),
        ("1.5: {}\n\nx: {}\n", r"ws\.txt, line 3"),
        ("wss://x/ <-> 1.5\n", r"ws\.txt holds no frame"),
        ("", r"ws\.txt holds no frame"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "ws.txt"
    path.write_text(text)
    with pytest.raises(RecordingError, match=named):
        Recording.load(path)


def test_a_bad_get_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ws.txt"
    path.write_text("1.5: {}\n")
    (tmp_path / "rest_x.txt").write_text("https://x/ -> 1: {}\nnonsense\n")
    with pytest.raises(RecordingError, match=r"rest_x\.txt, line 2"):
        Recording.load(path)


async def test_a_recording_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="absent"):
        async with open_simulator("gateio", recording=tmp_path / "absent.txt"):
            raise AssertionError("opened")
    (tmp_path / "binary.txt").write_bytes(b"1.5: \xff\n")
    with pytest.raises(RecordingError, match=r"binary\.txt"):
        Recording.load(tmp_path / "binary.txt")
