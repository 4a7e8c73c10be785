"""What is done about each failure."""

from __future__ import annotations

import inspect
import socket
import ssl

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from trioex import errors
from trioex.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    DecodeError,
    FrameError,
    HandshakeRejected,
    HttpError,
    PeerSilent,
    SubscriptionRefused,
    TrioexError,
    Verdict,
    classify,
)


def caused(cause: BaseException) -> ConnectFailed:
    failure = ConnectFailed("cannot connect")
    failure.__cause__ = cause
    return failure


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (ConnectionLost("gone"), Verdict.RETRY),
        (ConnectionLost("restart", 1012), Verdict.RETRY),
        (ConnectionLost("busy", 1013), Verdict.RETRY_LATER),
        (PeerSilent("silent"), Verdict.RETRY),
        (FrameError("masked"), Verdict.RETRY),
        (DecodeError("garbage"), Verdict.RETRY),
        (ConnectFailed("timeout"), Verdict.RETRY),
        (caused(ConnectionRefusedError()), Verdict.RETRY),
        (caused(socket.gaierror(-3, "try again")), Verdict.RETRY),
        (caused(ssl.SSLCertVerificationError(1, "untrusted")), Verdict.GIVE_UP),
        (caused(ssl.SSLError(1, "bad record")), Verdict.RETRY),
        (HandshakeRejected("wss://x", 429, 3.0), Verdict.RETRY_LATER),
        (HandshakeRejected("wss://x", 418), Verdict.RETRY_LATER),
        (HandshakeRejected("wss://x", 503), Verdict.RETRY_LATER),
        (HandshakeRejected("wss://x", 403, 120.0), Verdict.RETRY_LATER),
        (HandshakeRejected("wss://x", 403), Verdict.GIVE_UP),
        (HandshakeRejected("wss://x", 451), Verdict.GIVE_UP),
        (HandshakeRejected("wss://x", 404), Verdict.GIVE_UP),
        (HandshakeRejected("wss://x", 401), Verdict.REAUTHENTICATE),
        (HandshakeRejected("wss://x", 502), Verdict.RETRY),
        (HttpError("no answer"), Verdict.RETRY),
        (HttpError("limit", 429), Verdict.RETRY_LATER),
        (AuthenticationFailed("refused key"), Verdict.GIVE_UP),
        (AuthenticationFailed("session over", can_renew=True), Verdict.REAUTHENTICATE),
        (ConfigError("wrong"), Verdict.GIVE_UP),
        (trio.BrokenResourceError(), Verdict.RETRY),
        (trio.TooSlowError(), Verdict.RETRY),
        (ZeroDivisionError(), Verdict.GIVE_UP),
        (KeyboardInterrupt(), Verdict.GIVE_UP),
        (ExceptionGroup("", [ConnectionLost("x"), HttpError("y", 429)]), Verdict.RETRY_LATER),
        (BaseExceptionGroup("", [ConnectionLost("x"), KeyboardInterrupt()]), Verdict.GIVE_UP),
    ],
    ids=repr,
)
def test_verdicts(failure: BaseException, verdict: Verdict) -> None:
    assert classify(failure) is verdict


@given(st.integers(-1, 999), st.none() | st.floats(0, 1e6))
def test_every_status_has_a_verdict(status: int, retry_after: float | None) -> None:
    for failure in (
        HandshakeRejected("wss://x", status, retry_after),
        HttpError("x", status, retry_after),
    ):
        assert classify(failure) in Verdict
        if retry_after is not None:
            assert classify(failure) is Verdict.RETRY_LATER


def test_all_descend_from_one_root_and_are_listed() -> None:
    defined = {
        name
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, Exception) and each.__module__ == errors.__name__
    }
    assert defined <= set(errors.__all__)
    assert all(issubclass(getattr(errors, name), TrioexError) for name in defined)
    tree = errors.__doc__ or ""
    assert all(name in tree for name in defined), "the tree in the docstring is complete"


def test_refusals_say_what_the_exchange_said() -> None:
    refused = SubscriptionRefused("spot.trades.X", "unknown currency pair: X ", 2)
    assert str(refused) == (
        "spot.trades.X: the exchange refused the subscription (code 2): unknown currency pair: X"
    )
    assert "wait 3 s" in str(HandshakeRejected("wss://x", 429, 3.0))
