"""What is remembered or done in fewer steps for speed gives what the long way gives."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from exchanges.gateio import gateio_data as data
from hypothesis import given
from hypothesis import strategies as st

from trioex.exchanges.gateio import spot_keys
from trioex.exchanges.gateio.spot_keys import parsed_key
from trioex.exchanges.gateio.wire import exact_ns

COMPACT = {
    name: data.compact(data.published(f"{name}.push"))
    for name in (
        "spot.trades",
        "spot.tickers",
        "spot.book_ticker",
        "spot.candlesticks",
        "spot.order_book",
        "spot.order_book_update",
    )
} | {"spot.obu": data.published("spot.obu.push_delta.live_20250801").strip()}
UPDATE = COMPACT["spot.order_book_update"].replace(b'"full":true,"l":"100",', b"")
NAMES = ("BTC_USDT", "GT_USDT", "A_B", "NEO_BTC", "1000SATS_USDT", "ALONGTOKENNAME5L_USDT")


def key(frame: bytes) -> bytes | None:
    return data.VENUE.key(frame, True)


def about(frame: bytes, name: str) -> bytes:
    return frame.replace(b"BTC_USDT", name.encode()).replace(b"GT_USDT", name.encode())


def updates(name: str) -> list[bytes]:
    """The forms an update comes in, as its depth and the first push go."""
    frame = about(UPDATE, name)
    levels = (frame.replace(b'"e":', b'"l":"%b","e":' % each) for each in (b"100", b"20", b"50"))
    behind = frame.replace(b"}}", b',"l":"20"}}')
    return [frame, *levels, behind, behind.replace(b'"e":', b'"full":true,"e":')]


FRAMES = [
    *(about(frame, name) for frame in COMPACT.values() for name in NAMES),
    *(frame for name in NAMES for frame in updates(name)),
    *(
        about(COMPACT["spot.order_book"], name).replace(b'"l":"5"', b'"l":"%b"' % depth)
        for name in NAMES
        for depth in (b"5", b"20", b"100")
    ),
]


def test_after_any_push_any_other_has_its_own_key() -> None:
    expected = {frame: parsed_key(frame) for frame in FRAMES}
    assert len({*expected.values()}) > 50
    for before, frame in itertools.product(FRAMES, FRAMES):
        key(before)
        assert key(frame) == expected[frame]


@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.integers(1, 9)), max_size=12))
def test_what_stands_behind_the_symbol_does_not_matter(pushes: list[tuple[bytes, int]]) -> None:
    for frame, number in pushes:
        changed = frame.replace(b'"U":', b'"U":%d' % number).replace(b'"u":', b'"u":%d' % number)
        assert key(changed) == parsed_key(changed)


def test_the_key_of_a_stream_is_made_only_once() -> None:
    whole = COMPACT["spot.order_book_update"]  # with `full`, which is rare
    for frame in (*COMPACT.values(), *updates("BTC_USDT")[:3]):
        if frame is whole:
            continue
        first = key(frame)
        assert first is not None
        # The same object, whose hash Python has computed already.
        assert key(bytes(bytearray(frame))) is first


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spot_keys, "_MOST_KEYS", 5)
    layout = spot_keys._Layout("spot.trades", b"", 80)
    frame = COMPACT["spot.trades"]
    for number in range(100):
        name = f"C{number}_USDT"
        assert layout.find(about(frame, name)) == f"spot.trades {name}".encode()
        assert sum(map(len, layout._keys.values())) <= 5


@given(st.decimals(0, 9_223_372_036_854, places=6), st.sampled_from(["{}", "{:f}", "{:e}"]))
def test_milliseconds_are_whole_nanoseconds(millis: Decimal, form: str) -> None:
    assert exact_ns(form.format(millis)) == int(millis * 10**6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (".5", 500_000),
        ("1.", 1_000_000),
        ("1e3", 1_000_000_000),
        ("0.0000019", 1),
        ("9223372036854.775807", 2**63 - 1),
        ("9223372036854.775808", None),
        ("9223372036855", None),
        ("1" * 5000, None),
        ("1." + "1" * 5000, 1_111_111),
        ("-1", None),
        ("1.-1", None),
        ("", None),
        (".", None),
        ("1_0.0", 10_000_000),
        ("nan", None),
        ("inf", None),
        ("1e999999999", None),
    ],
)
def test_odd_milliseconds(text: str, expected: int | None) -> None:
    assert exact_ns(text) == expected
