"""What MEXC says on text frames."""

from __future__ import annotations

import json
from typing import Any

import pytest
from exchanges.mexc import mexc_wire as wire
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import Channel, Parameters
from trioex.exchanges.base import Answer, Control, Notice, Pong, Skipped
from trioex.exchanges.mexc.spot import MexcSpot
from trioex.subscriptions import Subscriptions

VENUE = MexcSpot()
DEALS = "spot@public.aggre.deals.v3.api.pb@10ms@BTCUSDT"
BEST = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"
OLD = "spot@public.increase.depth.v3.api.pb@BTCUSDT"


def say(msg: Any, **more: Any) -> Control:
    text = json.dumps({"id": 0, "code": 0, "msg": msg} | more, ensure_ascii=False)
    return VENUE.control(text.encode(), text=True)


def published(name: str) -> Control:
    return VENUE.control((wire.DATA / name).read_bytes(), text=True)


def test_acknowledgements_name_what_they_accept() -> None:
    slow = DEALS.replace("10ms", "100ms")
    assert published("public.aggre.deals.ack.json") == Answer(0, (slow,))
    assert published("public.aggre.deals.unsubscribe_ack.json") == Answer(0, (slow,))
    assert published("public.aggre.deals.ack.two_params_reconstructed.json") == Answer(
        0, (BEST, DEALS)
    )
    assert published("ack.id_echo.reconstructed.json") == Answer(1753625926, (slow,))


def test_the_published_refusal() -> None:
    assert published("error.blocked.live.json") == Answer(0, (), (OLD,), "Blocked!", subscribe=True)


def test_a_refusal_beside_a_consent_is_for_the_named_only() -> None:
    assert published("error.blocked.mixed_reconstructed.json") == Answer(
        0, (DEALS,), (OLD,), "Blocked!", subscribe=True
    )


@pytest.mark.parametrize("colon", ["：", ":", " : ", "： "])
@pytest.mark.parametrize("space", ["", " ", "  "])
@pytest.mark.parametrize("end", ["", " ", "!"])
def test_spacing_and_colon_are_of_no_matter(colon: str, space: str, end: str) -> None:
    msg = f"Not  Subscribed successfully!{space}[{OLD},{space}{DEALS}].{space}Reason{colon}No{end}"
    assert say(msg, id=4) == Answer(4, (), (OLD, DEALS), f"No{end}".strip(), subscribe=True)


def test_a_refusal_without_reason_is_its_own_reason() -> None:
    msg = f"Not Subscribed successfully! [{OLD}]."
    assert say(msg) == Answer(0, (), (OLD,), msg, subscribe=True)


def test_a_refusal_without_names_is_of_the_whole_request() -> None:
    answer = say("Not Subscribed successfully! [].  Reason： Blocked! ", id=3)
    assert answer == Answer(3, None, (), "Blocked!", subscribe=True)


def test_a_refusal_without_names_reaches_whoever_asked_with_its_words() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(VENUE.topic(Channel.parse("spot.trades.BTCUSDT"), Parameters()))
    (request,) = subscriptions.requests(wall=0)
    answer = say("Not Subscribed successfully! [].  Reason： Too many! ", id=request.id)
    assert isinstance(answer, Answer)
    (outcome,) = subscriptions.answer(answer)
    assert (outcome.reason, outcome.is_final) == ("Too many!", True)


def test_consent_in_words() -> None:
    assert say(f"Subscribed successful! [{DEALS},{BEST}].") == Answer(
        0, (DEALS, BEST), subscribe=True
    )
    assert say(f"Unsubscribed successful! [{DEALS}]") == Answer(0, (DEALS,), subscribe=False)


def test_an_unsubscribe_of_nothing() -> None:
    answer = say("no subscription", id=9)
    assert answer == Answer(9, reason="no subscription", subscribe=False)


def test_a_code_that_is_not_zero_is_no_consent() -> None:
    answer = say(DEALS, id=5, code=700)
    assert answer == Answer(5, (), (DEALS,), "code 700", 700)
    answer = say(DEALS, id=5, code=429)
    assert answer == Answer(5, (), (DEALS,), "code 429", 429, is_transient=True)


@pytest.mark.parametrize("msg", ["PONG", "pong", " PONG "])
def test_pong(msg: str) -> None:
    assert say(msg) == Pong()


def test_the_published_pong() -> None:
    assert published("ping.pong.json") == Pong()


def test_a_bad_listen_key_is_plain_text() -> None:
    assert VENUE.control(b"Invalid listen key\n", text=True) == Notice(
        "invalid listen key", "Invalid listen key"
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        b"[]",
        b"{}",
        b"null",
        b'{"msg":1}',
        b'{"msg":null}',
        b'{"msg":""}',
        b'{"id":0,"code":0,"msg":"something new"}',
        b'{"msg":"spot@a,surely not"}',
        b'{"id":"x","msg":"PONG"}',
        b'{"msg":"\xff"}',
        b"[" * 60_000,
        b'{"msg":' + b"[" * 50_000,
        b" " * 100_000,
        b'{"msg":"' + b"subscribed success![" * 3000 + b'"}',
    ],
)
def test_anything_else_is_skipped_and_said(frame: bytes) -> None:
    answer = VENUE.control(frame, text=True)
    assert isinstance(answer, Skipped)
    assert answer.reason
    assert len(answer.reason) < 1000


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise(frame: bytes, text: bool) -> None:
    VENUE.control(frame, text)


WORDS = ["Not ", "Subscribed ", "un", "successfully! ", "[", "]", ",", ".", "Reason： ", DEALS]


@given(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=20).map("".join),
    st.none() | st.integers() | st.text(max_size=3),
)
def test_no_words_raise(msg: str, code: Any) -> None:
    say(msg, code=code)
