"""Delays between attempts."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trioex.backoff import Backoff


def test_the_first_retry_is_at_once_and_the_next_ones_double() -> None:
    backoff = Backoff(0.1, 1.0, Random(0))
    delays = [backoff.next() for _ in range(8)]
    assert delays[0] == 0.0
    whole = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert all(most / 2 <= delay <= most for delay, most in zip(delays[1:], whole, strict=True))
    assert backoff.attempts == 8


def test_reset_makes_the_next_loss_a_first_one() -> None:
    backoff = Backoff(0.1, 1.0, Random(0))
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.0


def test_what_the_server_asked_for_is_waited() -> None:
    backoff = Backoff(0.1, 1.0, Random(0))
    assert backoff.next(at_least=5.0) == 5.0
    assert backoff.next(at_least=5.0) == 5.0


def test_two_clients_do_not_come_back_in_step() -> None:
    one, other = Backoff(1, 60, Random(1)), Backoff(1, 60, Random(2))
    assert [one.next() for _ in range(4)][1:] != [other.next() for _ in range(4)][1:]


@given(
    first=st.floats(0, 3600),
    most=st.floats(0.001, 86_400),
    seed=st.integers(),
    attempts=st.integers(1, 2000),
)
def test_no_delay_exceeds_the_most(first: float, most: float, seed: int, attempts: int) -> None:
    backoff = Backoff(first, most, Random(seed))
    backoff.attempts = attempts
    assert 0 <= backoff.next() <= most
