"""`FrameSplitter` against an encoder written here, from RFC 6455 alone."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trioex.errors import FrameError
from trioex.frames import Batch, Close, Event, FrameSplitter

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NOW = 1_700_000_000_000_000_000


def encode(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = None
) -> bytes:
    """One frame, RFC 6455 section 5.2."""
    first = (fin << 7) | (rsv << 4) | opcode
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        header = struct.pack("!BB", first, masked | len(payload))
    elif len(payload) < 65536:
        header = struct.pack("!BBH", first, masked | 126, len(payload))
    else:
        header = struct.pack("!BBQ", first, masked | 127, len(payload))
    if mask:
        payload = bytes(b ^ m for b, m in zip(payload, itertools.cycle(mask), strict=False))
        header += mask
    return header + payload


def flat(events: list[Event]) -> list[object]:
    """Batches taken apart, so that how reads were cut does not show."""
    result: list[object] = []
    for event in events:
        if isinstance(event, Batch):
            assert event.size == sum(map(len, event.frames))
            assert event.received == NOW
            assert all(type(frame) is bytes for frame in event.frames)
            result += [(event.text, frame) for frame in event.frames]
        elif isinstance(event, FrameError):
            result.append(("violation", event.close_code))
        else:
            result.append(event)
    return result


def split(data: bytes, *cuts: int, most: int = 1 << 20) -> list[object]:
    """Everything `data` holds, read in pieces that end at `cuts`."""
    splitter = FrameSplitter(most)
    events: list[Event] = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(data)]):
        events += splitter.feed(data[start:stop], NOW)
    return flat(events)


# Any stream, cut anyhow

texts = st.text(max_size=200).map(str.encode)
payloads = st.one_of(
    texts.map(lambda each: (TEXT, each)),
    st.binary(max_size=300).map(lambda each: (BINARY, each)),
    st.sampled_from([125, 126, 127, 65535, 65536]).map(lambda n: (BINARY, b"\x81" * n)),
    st.sampled_from([125, 126, 65535, 65536]).map(lambda n: (TEXT, b"x" * n)),
)
controls = st.builds(encode, st.sampled_from([PING, PONG]), st.binary(max_size=125))


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[object]]:
    """Bytes of a correct server, and what is in them."""
    wire, expected = b"", list[object]()
    for opcode, payload in draw(st.lists(payloads, max_size=6)):
        between = draw(st.lists(controls, max_size=2))
        wire += b"".join(between)
        expected += between
        inner = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        pieces = [payload[a:b] for a, b in itertools.pairwise([0, *inner, len(payload)])]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            wire += encode(opcode if number == 0 else CONT, piece, fin=last)
            if not last and draw(st.booleans()):
                control = draw(controls)
                wire += control
                expected.append(control)
        expected.append((opcode == TEXT, payload))
    return wire, expected


@given(stream=streams(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_stream_cut_anywhere_yields_the_same(
    stream: tuple[bytes, list[object]], data: st.DataObject
) -> None:
    wire, expected = stream
    assert split(wire) == expected
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12))
    assert split(wire, *cuts) == expected


def test_byte_by_byte_yields_the_same() -> None:
    wire = (
        encode(TEXT, "grüße".encode())
        + encode(BINARY, b"a" * 130)
        + encode(TEXT, b"\xe2\x82", fin=False)
        + encode(PING, b"now")
        + encode(CONT, b"\xac")
        + encode(CLOSE, struct.pack("!H", 1001) + b"bye")
    )
    expected = [
        (True, "grüße".encode()),
        (False, b"a" * 130),
        encode(PING, b"now"),
        (True, "€".encode()),
        Close(1001, "bye", wire[-7:]),
    ]
    assert split(wire, *range(len(wire))) == expected


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
@example(b"\x81\x7e\x00", [])
def test_garbage_ends_in_a_violation_or_not_but_never_otherwise(
    data: bytes, cuts: list[int]
) -> None:
    whole = split(data, most=300)
    assert split(data, *(cut for cut in cuts if cut <= len(data)), most=300) == whole
    endings = [
        e for e in whole if isinstance(e, Close) or (isinstance(e, tuple) and e[0] == "violation")
    ]
    assert endings in ([], whole[-1:])


# Batches


def test_one_read_is_one_batch_a_run_of_the_same_kind() -> None:
    wire = b"".join(
        encode(kind, payload)
        for kind, payload in [
            (TEXT, b"a"), (TEXT, b"b" * 300), (BINARY, b"c"), (BINARY, b"d"), (TEXT, b"e"),
        ]
    )  # fmt: skip
    assert FrameSplitter(1000).feed(wire, NOW) == [
        Batch(True, [b"a", b"b" * 300], NOW, 301),
        Batch(False, [b"c", b"d"], NOW, 2),
        Batch(True, [b"e"], NOW, 1),
    ]


def test_a_message_has_the_time_of_the_read_that_completed_it() -> None:
    splitter = FrameSplitter(1000)
    wire = encode(TEXT, b"whole")
    assert splitter.feed(wire[:4], 1) == []
    assert splitter.feed(wire[4:], 2) == [Batch(True, [b"whole"], 2, 5)]


def test_nothing_behind_a_close_is_looked_at() -> None:
    close = encode(CLOSE)
    splitter = FrameSplitter(1000)
    events = splitter.feed(encode(TEXT, b"a") + close + encode(TEXT, b"b") + b"\xff\xff", NOW)
    assert flat(events) == [(True, b"a"), Close(None, "", close)]
    assert splitter.feed(encode(TEXT, b"c"), NOW) == []


def test_a_close_may_stand_inside_a_fragmented_message() -> None:
    close = encode(CLOSE, struct.pack("!H", 1000))
    assert split(encode(TEXT, b"a", fin=False) + close) == [Close(1000, "", close)]


# Violations

GOOD = encode(TEXT, b"good")
VIOLATIONS = {
    "reserved bit 1": (encode(TEXT, b"x", rsv=4), 1002),
    "reserved bit 3 of a ping": (encode(PING, rsv=1), 1002),
    "opcode 3": (encode(3), 1002),
    "opcode 11": (encode(11), 1002),
    "masked text": (encode(TEXT, b"x", mask=b"1234"), 1002),
    "masked ping": (encode(PING, b"x", mask=b"1234"), 1002),
    "masked long frame": (b"\x82\xfe\x01\x00", 1002),
    "fragmented ping": (encode(PING, b"x", fin=False), 1002),
    "long ping": (b"\x89\x7e\x00\x7e", 1002),
    "continuation of nothing": (encode(CONT, b"x"), 1002),
    "text inside a text": (encode(TEXT, b"a", fin=False) + encode(TEXT, b"b"), 1002),
    "binary fragment inside a text": (
        encode(TEXT, b"a", fin=False) + encode(BINARY, b"b", fin=False), 1002,
    ),
    "16-bit length below 126": (b"\x81\x7e\x00\x7d" + b"x" * 125, 1002),
    "64-bit length below 65536": (b"\x82\x7f" + struct.pack("!Q", 65535), 1002),
    "64-bit length with the top bit": (b"\x82\x7f\x80" + bytes(7), 1002),
    "half a close code": (encode(CLOSE, b"\x03"), 1002),
    "close reason not UTF-8": (encode(CLOSE, b"\x03\xe8\xff"), 1007),
    "text not UTF-8": (encode(TEXT, b"\xc3\x28"), 1007),
    "long text not UTF-8": (encode(TEXT, b"x" * 70_000 + b"\xff"), 1007),
    "surrogate in text": (encode(TEXT, b"\xed\xa0\x80"), 1007),
    "text ends within a character": (encode(TEXT, b"\xe2\x82"), 1007),
    "fragment not UTF-8": (encode(TEXT, b"\xff", fin=False), 1007),
    "last fragment ends within a character": (
        encode(TEXT, b"a", fin=False) + encode(CONT, b"\xe2"), 1007,
    ),
    "too long": (encode(BINARY, bytes(100_001)), 1009),
    "too long by what it declares": (b"\x82\x7f" + struct.pack("!Q", 100_001), 1009),
    "too long in fragments": (
        encode(TEXT, b"x" * 60_000, fin=False) + encode(CONT, b"x" * 40_001), 1009,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_has_its_close_code_and_comes_behind_what_was_good(name: str) -> None:
    wire, code = VIOLATIONS[name]
    expected = [(True, b"good"), ("violation", code)]
    assert split(GOOD + wire + GOOD, most=100_000) == expected
    assert split(GOOD + wire + GOOD, *range(40), most=100_000) == expected


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_close_codes_that_must_not_be_sent(code: int) -> None:
    assert split(encode(CLOSE, struct.pack("!H", code))) == [("violation", 1002)]


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1013, 1014, 3000, 4999])
def test_close_codes_that_may(code: int) -> None:
    frame = encode(CLOSE, struct.pack("!H", code))
    assert split(frame) == [Close(code, "", frame)]


def test_short_messages_are_measured_too() -> None:
    assert split(encode(TEXT, b"x" * 200), most=199) == [("violation", 1009)]
    assert split(encode(TEXT, b"x" * 200), most=200) == [(True, b"x" * 200)]
    assert split(encode(TEXT, b"x" * 20), most=19) == [("violation", 1009)]


def test_a_violation_is_known_before_the_payload_arrives() -> None:
    header = encode(BINARY, bytes(200))[:4]
    assert split(header, most=199) == [("violation", 1009)]


# Memory and time


def test_a_big_message_in_small_pieces_is_not_copied_again_and_again() -> None:
    """Quadratic copying would move 60 GB here; linear moves 4 MB a few times."""
    payload = bytes(4 << 20)
    wire = encode(BINARY, payload)
    splitter = FrameSplitter(len(payload))
    events: list[Event] = []
    for start in range(0, len(wire), 128):
        events += splitter.feed(wire[start : start + 128], NOW)
    assert flat(events) == [(False, payload)]


def test_empty_fragments_take_no_memory() -> None:
    splitter = FrameSplitter(1000)
    assert splitter.feed(encode(TEXT, b"a", fin=False), NOW) == []
    empty = encode(CONT, fin=False) * 50_000
    before = repr(splitter)
    assert splitter.feed(empty, NOW) == []
    assert repr(splitter) == before == "<FrameSplitter FRAGMENT held=1>"
    assert flat(splitter.feed(encode(CONT, b"b"), NOW)) == [(True, b"ab")]
