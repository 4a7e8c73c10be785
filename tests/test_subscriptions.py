"""What is wanted, asked, confirmed; and whose answer an answer is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import Channel, Parameters
from trioex.exchanges.base import Answer, Request, Topic
from trioex.exchanges.mexc.spot import MexcSpot
from trioex.subscriptions import Outcome, Subscriptions

VENUE = MexcSpot()
SYMBOLS = ("BTCUSDT", "ETHUSDT", "ETHBTC")


def topic(symbol: str = "BTCUSDT", kind: str = "trades") -> Topic:
    return VENUE.topic(Channel.parse(f"spot.{kind}.{symbol}"), Parameters())


def asked(subscriptions: Subscriptions, now: float = 0.0) -> list[Request]:
    requests = subscriptions.requests(wall=0)
    for request in requests:
        subscriptions.sent(request, now)
    return requests


def test_everything_wanted_is_asked_in_one_frame_and_only_once() -> None:
    subscriptions = Subscriptions(VENUE)
    for symbol in SYMBOLS:
        subscriptions.want(topic(symbol))
    subscriptions.want(topic("BTCUSDT"))
    (request,) = asked(subscriptions)
    assert [each.channel.symbol for each in request.topics] == list(SYMBOLS)
    assert request.subscribe
    assert asked(subscriptions) == []
    assert not subscriptions.settled
    outcomes = subscriptions.answer(Answer(request.id))
    assert [outcome.reason for outcome in outcomes] == [None] * 3
    assert subscriptions.settled
    assert subscriptions.confirmed == 3


def test_a_mixed_answer_refuses_what_it_names_and_nothing_else() -> None:
    subscriptions = Subscriptions(VENUE)
    good, bad = topic("BTCUSDT"), topic("ETHUSDT")
    subscriptions.want(good)
    subscriptions.want(bad)
    (request,) = asked(subscriptions)
    answer = Answer(request.id, accepted=(good.name,), refused=(bad.name,), reason="Blocked!")
    outcomes = {outcome.topic: outcome.reason for outcome in subscriptions.answer(answer)}
    assert outcomes == {good: None, bad: "Blocked!"}
    assert subscriptions.settled
    assert subscriptions.topics == [good]


def test_an_atomic_refusal_lets_the_others_be_asked_again() -> None:
    subscriptions = Subscriptions(VENUE)
    good, bad = topic("BTCUSDT"), topic("ETHUSDT")
    subscriptions.want(good)
    subscriptions.want(bad)
    (request,) = asked(subscriptions)
    subscriptions.answer(Answer(request.id, refused=(bad.name,), reason="unknown pair", code=2))
    (again,) = asked(subscriptions)
    assert again.topics == (good,)
    subscriptions.answer(Answer(again.id))
    assert subscriptions.settled


def test_a_refusal_that_names_nothing_refuses_the_whole_request() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (request,) = asked(subscriptions)
    (outcome,) = subscriptions.answer(Answer(request.id, reason="invalid argument", code=2))
    assert (outcome.reason, outcome.code) == ("invalid argument", 2)
    assert not subscriptions


def test_answers_without_id_are_matched_by_name() -> None:
    subscriptions = Subscriptions(VENUE)
    first, second = topic("BTCUSDT"), topic("ETHUSDT")
    subscriptions.want(first)
    asked(subscriptions)
    subscriptions.want(second)
    asked(subscriptions)
    subscriptions.answer(Answer(0, accepted=(second.name,)))
    assert subscriptions.is_confirmed(second)
    assert not subscriptions.is_confirmed(first)


def test_answers_without_names_are_matched_by_channel_oldest_first() -> None:
    subscriptions = Subscriptions(VENUE)
    first, second = topic("BTCUSDT"), topic("ETHUSDT")
    for each in (first, second):
        subscriptions.want(each)
        asked(subscriptions)
    scope = first.name.split(" ")[0]
    subscriptions.answer(Answer(None, scope=scope, subscribe=True))
    assert subscriptions.is_confirmed(first)
    assert not subscriptions.is_confirmed(second)


def test_an_answer_to_somebody_else_decides_nothing() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    asked(subscriptions)
    assert subscriptions.answer(Answer(999)) == []
    assert subscriptions.answer(Answer(None, accepted=("other",))) == []
    assert subscriptions.unmatched == 2
    assert subscriptions.confirmed == 0


def test_wanted_outlives_the_connection_and_confirmed_does_not() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (request,) = asked(subscriptions)
    subscriptions.answer(Answer(request.id))
    subscriptions.reset()
    assert subscriptions.confirmed == 0
    (again,) = asked(subscriptions)
    assert again.topics == request.topics
    assert again.id != request.id, "an answer of the old connection must not match"


def test_unwanting_unsubscribes_only_what_was_asked_for() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    subscriptions.unwant(topic())
    assert asked(subscriptions) == []
    subscriptions.want(topic())
    asked(subscriptions)
    subscriptions.unwant(topic())
    (request,) = asked(subscriptions)
    assert not request.subscribe
    assert subscriptions.answer(Answer(request.id)) == []


def test_wanting_again_before_the_unsubscribe_was_sent_sends_nothing() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (request,) = asked(subscriptions)
    subscriptions.unwant(topic())
    subscriptions.want(topic())
    assert asked(subscriptions) == []
    (outcome,) = subscriptions.answer(Answer(request.id, reason="Blocked!"))
    assert outcome.reason == "Blocked!", "still pending, so its answer still counts"


def test_wanting_again_after_the_unsubscribe_asks_again() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (first,) = asked(subscriptions)
    subscriptions.answer(Answer(first.id))
    subscriptions.unwant(topic())
    (leaving,) = asked(subscriptions)
    subscriptions.want(topic())
    (again,) = asked(subscriptions)
    assert (leaving.subscribe, again.subscribe) == (False, True)
    # MEXC's answers to both look the same: without ids, the older request is the older answer.
    subscriptions.answer(Answer(0, accepted=(topic().name,)))
    assert not subscriptions.is_confirmed(topic())
    subscriptions.answer(Answer(0, accepted=(topic().name,)))
    assert subscriptions.is_confirmed(topic())


def test_silence_is_asked_again_and_called_a_refusal_in_the_end() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    reasons = []
    for now in range(10):
        asked(subscriptions, float(now))
        assert subscriptions.expire(before=now - 0.5) == []
        reasons += [outcome.reason for outcome in subscriptions.expire(before=now + 0.5)]
    assert reasons == ["no answer to 5 requests"]
    assert not subscriptions


def test_a_refusal_of_the_moment_is_told_and_asked_again_less_and_less_often() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (request,) = asked(subscriptions)
    pauses: list[int] = []
    for _ in range(6):
        busy = Answer(request.id, reason="busy", code=3, is_transient=True)
        (outcome,) = subscriptions.answer(busy)
        assert (outcome.reason, outcome.code, outcome.is_final) == ("busy", 3, False)
        assert not subscriptions.settled
        pauses.append(0)
        requests: list[Request] = []
        while not requests:
            assert subscriptions.expire(before=-1.0) == []
            requests = asked(subscriptions)
            pauses[-1] += 1
        (request,) = requests
    assert pauses == [1, 2, 4, 8, 12, 12]
    subscriptions.answer(Answer(request.id))
    assert subscriptions.settled


def test_final_words_are_final_once_patience_ends() -> None:
    subscriptions = Subscriptions(VENUE, lambda topic: 2)
    subscriptions.want(topic())
    outcomes: list[Outcome] = []
    for _ in range(3):
        while not (requests := asked(subscriptions)):
            subscriptions.expire(before=-1.0)
        outcomes += subscriptions.answer(Answer(requests[0].id, reason="unknown", code=2))
    assert [outcome.is_final for outcome in outcomes] == [False, False, True]
    assert len(subscriptions) == 0


def test_a_topic_that_was_put_off_is_let_go_without_a_word() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (request,) = asked(subscriptions)
    subscriptions.answer(Answer(request.id, reason="busy", is_transient=True))
    subscriptions.unwant(topic())
    assert asked(subscriptions) == []
    assert subscriptions.expire(before=1e9) == []


def test_a_new_connection_asks_at_once_for_what_the_old_one_put_off() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    (request,) = asked(subscriptions)
    subscriptions.answer(Answer(request.id, reason="busy", is_transient=True))
    subscriptions.reset()
    assert [each.topics for each in asked(subscriptions)] == [(topic(),)]


def test_a_late_answer_decides_nothing_about_another_request_of_its_channel() -> None:
    subscriptions = Subscriptions(VENUE)
    first, second = topic("BTCUSDT"), topic("ETHUSDT")
    subscriptions.want(first)
    (late,) = asked(subscriptions, now=0.0)
    subscriptions.want(second)
    (request,) = asked(subscriptions, now=9.0)
    subscriptions.expire(before=5.0)
    scope = second.name.split(" ")[0]
    assert subscriptions.answer(Answer(late.id, reason="unknown", code=2, scope=scope)) == []
    assert subscriptions.unmatched == 1
    (outcome,) = subscriptions.answer(Answer(request.id))
    assert outcome.topic == second


def test_a_request_not_yet_sent_does_not_expire() -> None:
    subscriptions = Subscriptions(VENUE)
    subscriptions.want(topic())
    subscriptions.requests(wall=0)
    subscriptions.expire(before=1e9)
    assert subscriptions.requests(wall=0) == []


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(SYMBOLS)), max_size=40))
def test_what_the_exchange_holds_in_the_end_is_what_is_wanted(
    steps: list[tuple[bool, str]],
) -> None:
    subscriptions = Subscriptions(VENUE)
    exchange: set[Topic] = set()
    wanted: set[Topic] = set()
    for want, symbol in steps:
        (subscriptions.want if want else subscriptions.unwant)(topic(symbol))
        (wanted.add if want else wanted.discard)(topic(symbol))
        if symbol == SYMBOLS[0]:  # the others pile up
            for request in asked(subscriptions):
                (exchange.update if request.subscribe else exchange.difference_update)(
                    request.topics
                )
                subscriptions.answer(Answer(request.id))
    for request in asked(subscriptions):
        (exchange.update if request.subscribe else exchange.difference_update)(request.topics)
        subscriptions.answer(Answer(request.id))
    assert exchange == wanted == set(subscriptions.topics)
    assert subscriptions.settled
