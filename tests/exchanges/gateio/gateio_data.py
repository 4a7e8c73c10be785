"""Published messages and the recorded session, for the tests of Gate.io spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trioex.channels import Channel, Parameters
from trioex.exchanges.base import Topic
from trioex.exchanges.gateio.spot import GateioSpot

DATA = Path(__file__).parents[2] / "data"
RECEIVED = 1_790_134_391_000_000_007

VENUE = GateioSpot()


def published(name: str) -> bytes:
    """One published message, as its source shows it."""
    return (DATA / "gate_spot" / f"{name}.json").read_bytes()


def names(part: str) -> list[str]:
    """Names of the published messages that contain `part`."""
    files = sorted((DATA / "gate_spot").glob("*.json"))
    return [file.name.removesuffix(".json") for file in files if part in file.name]


def short(value: object) -> str:
    """A name for a parametrised test, where the value itself would be too long for one."""
    return repr(value)[:40]


def compact(frame: bytes) -> bytes:
    """The message in the form the venue sends it."""
    return json.dumps(json.loads(frame), separators=(",", ":")).encode()


def recorded() -> list[tuple[int, bytes]]:
    """Time in ns and text of each frame the venue sent in the recorded session."""
    text = (DATA / "captures" / "gateio_spot_20210422" / "ws.txt").read_text()
    frames: list[tuple[int, bytes]] = []
    for line in text.splitlines():
        time, colon, frame = line.partition(": ")
        if colon and " <- " not in time:
            frames.append((int(float(time) * 1e9), frame.encode()))
    return frames


def recorded_pushes() -> list[tuple[int, bytes]]:
    return [each for each in recorded() if b'"event":"update"' in each[1]]


def topic(channel: str, **parameters: Any) -> Topic:
    return VENUE.topic(Channel.parse(channel), Parameters(**parameters))
