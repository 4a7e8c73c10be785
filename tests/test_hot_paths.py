"""What is counted or decided in one step for speed agrees with the long way round."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trioex import BookDelta, ExchangeEnum
from trioex.channels import Channel, Parameters
from trioex.exchanges.base import Answer, Request, Topic
from trioex.exchanges.mexc.spot import MexcSpot
from trioex.merge import Merger
from trioex.subscriptions import Subscriptions

VENUE = MexcSpot()
TOPICS = [
    VENUE.topic(Channel.parse(f"spot.trades.{symbol}"), Parameters())
    for symbol in ("BTCUSDT", "ETHUSDT", "ETHBTC")
]
VERDICTS = ["accepted", "refused", "half", "late"]


def decide(subscriptions: Subscriptions, request: Request, verdict: str) -> None:
    names = [topic.name for topic in request.topics]
    match verdict:
        case "accepted":
            subscriptions.answer(Answer(request.id))
        case "refused":
            subscriptions.answer(Answer(request.id, reason="no"))
        case "half":
            answer = Answer(request.id, (), tuple(names[:1]), "no")
            subscriptions.answer(answer)
        case "late":
            subscriptions.sent(request, 1.0)
            subscriptions.expire(2.0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["want", "unwant", "renew"]), st.sampled_from(TOPICS))
        | st.tuples(st.just("ask"), st.sampled_from(VERDICTS))
        | st.tuples(st.just("reset"), st.none()),
        max_size=40,
    )
)
@example([("want", TOPICS[0]), ("ask", "accepted"), ("unwant", TOPICS[0]), ("want", TOPICS[0])])
def test_the_counts_of_subscriptions_are_right_at_any_time(
    steps: list[tuple[str, Topic | str | None]],
) -> None:
    subscriptions = Subscriptions(VENUE)
    for step, what in steps:
        if isinstance(what, Topic):
            getattr(subscriptions, step)(what)
        elif isinstance(what, str):
            has_requests = subscriptions.has_requests
            requests = subscriptions.requests(wall=0)
            assert has_requests == bool(requests)
            for request in requests:
                decide(subscriptions, request, what)
        else:
            subscriptions.reset()
        confirmed = sum(map(subscriptions.is_confirmed, TOPICS))
        assert subscriptions.confirmed == confirmed
        assert subscriptions.settled == (confirmed == len(subscriptions))


def test_a_leg_that_begins_with_the_next_delta_has_joined() -> None:
    gaps: list[tuple[int, int]] = []
    merger = Merger(lambda first, last: gaps.append((first, last)), is_chain=True)

    def take(leg: int, version: int) -> list[int]:
        delta = BookDelta(ExchangeEnum.MEXC, "spot", "BTCUSDT", 0, 0, (), (), version, version)
        return [getattr(each, "last_version") for each in merger.take(leg, [delta])]  # noqa: B009

    assert take(0, 1) == [1]
    assert take(1, 2) == [2]
    assert take(0, 4) == []  # the other may bring what is missing
    assert gaps == []
    assert take(1, 3) == [3, 4]
