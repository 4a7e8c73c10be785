"""The protobuf writer, against the examples of the protobuf encoding guide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator.plain_client import walk

from trioex.simulator.protobuf import integer, message, text, varint


@pytest.mark.parametrize(("value", "wire"), [(0, "00"), (1, "01"), (150, "9601"), (300, "ac02")])
def test_varints(value: int, wire: str) -> None:
    assert varint(value).hex() == wire


def test_fields() -> None:
    assert integer(1, 150).hex() == "089601"
    assert text(2, "testing").hex() == "120774657374696e67"
    assert message(3, integer(1, 150)).hex() == "1a03089601"


def test_what_proto3_leaves_out() -> None:
    assert integer(1, 0) == b""
    assert text(1, "") == b""
    assert message(313, b"").hex() == "ca1300"


@given(st.integers(1, 500), st.integers(1, 2**63 - 1), st.text(min_size=1))
def test_what_is_written_is_read(number: int, value: int, string: str) -> None:
    written = integer(number, value) + text(number, string)
    assert list(walk(written)) == [(number, value), (number, string.encode())]
