"""One synchronous chain from a frame to the handlers."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from trioex.channels import Channel, Parameters
from trioex.config import ErrorPolicy, OverflowPolicy
from trioex.errors import DecodeError, QueueOverflow
from trioex.exchanges.base import Answer, Control, Skipped, Topic
from trioex.exchanges.gateio.spot import GateioSpot
from trioex.exchanges.mexc.spot import MexcSpot
from trioex.messages import MarketMessage
from trioex.router import MessageQueue, Outlet, Router

VENUE = MexcSpot()


def topic(name: str = "spot.trades.BTCUSDT", **parameters: object) -> Topic:
    return VENUE.topic(Channel.parse(name), Parameters(**parameters))  # type: ignore[arg-type]


def push(name: str = "spot.trades.BTCUSDT", **parameters: object) -> bytes:
    return VENUE.sample(topic(name, **parameters), 10**18)[0]


class Harness:
    """A router, outlets numbered as they are made, and what control frames said."""

    leg: int | None = None  # the same message again and again is no copy here
    heard = 0

    def __init__(self) -> None:
        self.router = Router(VENUE, float, lambda *gap: self.gaps.append(gap))
        self.gaps: list[tuple[Channel, int, int]] = []
        self.controls: list[Control] = []
        self.failed: list[Exception] = []
        self._made = 0

    def outlet(
        self,
        target: Callable[[MarketMessage], object] | MessageQueue,
        on_error: ErrorPolicy = ErrorPolicy.RAISE,
    ) -> Outlet:
        self._made += 1
        return Outlet(
            self._made,
            target,
            label=f"outlet {self._made}",
            on_error=on_error,
            owner=self,
        )

    def fail(self, error: Exception) -> None:
        self.failed.append(error)

    def adopt(self, coroutine: Any) -> None:
        """It has no async handlers."""

    def bind(
        self,
        target: Callable[[MarketMessage], object] | MessageQueue,
        name: str = "spot.trades.BTCUSDT",
        on_error: ErrorPolicy = ErrorPolicy.RAISE,
    ) -> Outlet:
        outlet = self.outlet(target, on_error)
        channel = Channel.parse(name)
        if channel.symbol is None:
            self.router.bind_general(channel, Parameters(), outlet)
        else:
            self.router.bind(topic(name), outlet)
        return outlet

    def on_control(self, control: Control) -> None:
        self.controls.append(control)

    def feed(self, *frames: bytes, text: bool = False) -> bool:
        return self.router.feed(self.router.begin([*frames]), text, 7, self)


def test_a_push_reaches_every_binding_of_its_channel_in_the_order_of_binding() -> None:
    harness = Harness()
    calls: list[tuple[str, MarketMessage]] = []
    harness.bind(lambda m: calls.append(("general", m)), "spot.trades")
    harness.bind(lambda m: calls.append(("first", m)))
    harness.bind(lambda m: calls.append(("second", m)))
    harness.bind(lambda m: calls.append(("late general", m)), "spot.trades")
    harness.bind(lambda m: calls.append(("other", m)), "spot.trades.ETHUSDT")
    harness.feed(push())
    assert [who for who, _ in calls] == ["general", "first", "second", "late general"]
    assert len({id(message) for _, message in calls}) == 1, "decoded once"
    assert calls[0][1].receive_time == 7


def test_what_nobody_bound_is_not_decoded() -> None:
    harness = Harness()
    broken = push()[:-3]  # its key is readable, its body is not
    harness.feed(broken)
    assert (harness.router.unrouted, harness.router.undecodable) == (1, 0)
    harness.bind(lambda m: None)
    harness.feed(broken)
    assert harness.router.undecodable == 1


def test_an_undecodable_frame_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    harness = Harness()
    got: list[MarketMessage] = []
    harness.bind(got.append)
    harness.feed(push()[:-3], push(), push()[:-3])
    assert len(got) == 1
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1, "said once"


def test_a_symbolless_binding_gets_every_symbol_and_respects_its_parameters() -> None:
    harness = Harness()
    every: list[MarketMessage] = []
    quarter: list[MarketMessage] = []
    harness.bind(every.append, "spot.kline")
    harness.router.bind_general(
        Channel.parse("spot.kline"), Parameters(interval="15m"), harness.outlet(quarter.append)
    )
    harness.bind(lambda m: None, "spot.kline.BTCUSDT")
    harness.feed(
        push("spot.kline.BTCUSDT"),
        push("spot.kline.ETHUSDT", interval="15m"),
        push("spot.trades.BTCUSDT"),
    )
    assert [m.symbol for m in every] == ["BTCUSDT", "ETHUSDT"]
    assert [m.symbol for m in quarter] == ["ETHUSDT"]


def test_control_frames_are_reported_and_unknown_ones_counted() -> None:
    harness = Harness()
    name = topic().name
    ack = b'{"id":4,"code":0,"msg":"%s"}' % name.encode()
    harness.feed(ack, b"what?", b"what?", text=True)
    assert harness.controls[0] == Answer(4, accepted=(name,))
    assert isinstance(harness.controls[1], Skipped)
    assert sum(harness.router.skipped.values()) == 2
    assert harness.router.frames == 3


def test_a_push_without_content_is_counted() -> None:
    harness = Harness()
    got: list[MarketMessage] = []
    harness.bind(got.append)
    key = topic().key
    harness.feed(b"\x0a" + bytes([len(key)]) + key)
    assert (got, harness.router.empty) == ([], 1)


# Ending


def test_after_unbinding_nothing_more_is_delivered_and_nothing_is_kept() -> None:
    class Handler:
        def __call__(self, message: MarketMessage) -> None:
            raise AssertionError("unbound")

    harness = Harness()
    handler = Handler()
    alive = weakref.ref(handler)
    outlet = harness.bind(handler)
    harness.router.unbind(outlet)
    del handler
    gc.collect()
    assert alive() is None
    harness.feed(push())
    assert harness.router.unrouted == 1


def test_a_handler_may_unbind_one_that_is_about_to_be_called() -> None:
    harness = Harness()
    calls: list[str] = []

    def first(message: MarketMessage) -> None:
        calls.append("first")
        harness.router.unbind(second)
        harness.router.unbind(own)

    own = harness.bind(first)
    second = harness.bind(lambda m: calls.append("second"))
    harness.bind(lambda m: calls.append("third"))
    harness.feed(push(), push())
    assert calls == ["first", "third", "third"]


def test_a_handler_may_bind_others() -> None:
    harness = Harness()
    calls: list[str] = []

    def first(message: MarketMessage) -> None:
        calls.append("first")
        if len(calls) == 1:
            harness.bind(lambda m: calls.append("new"))

    harness.bind(first)
    harness.feed(push(), push())
    assert calls == ["first", "first", "new"]


# Errors


def test_an_exception_leaves_or_is_isolated_by_policy(caplog: pytest.LogCaptureFixture) -> None:
    def broken(message: MarketMessage) -> None:
        raise LookupError("handler bug")

    harness = Harness()
    got: list[MarketMessage] = []
    harness.bind(broken, on_error=ErrorPolicy.LOG)
    harness.bind(broken, on_error=ErrorPolicy.UNBIND)
    harness.bind(got.append)
    harness.feed(push())
    assert len(got) == 1
    assert [str(error) for error in harness.failed] == ["handler bug"]
    assert "outlet 1" in caplog.text
    harness.bind(broken)
    with pytest.raises(LookupError, match="handler bug"):
        harness.feed(push())


def test_the_traceback_of_a_kind_of_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    kinds: list[type[Exception]] = [LookupError] * 50 + [OSError] + [LookupError] * 1950

    def broken(message: MarketMessage) -> None:
        raise kinds.pop(0)("handler bug")

    harness = Harness()
    harness.bind(broken, on_error=ErrorPolicy.LOG)
    harness.feed(*[push()] * 2001)
    in_full = [each.exc_info[0] for each in caplog.records if each.exc_info]
    assert in_full == [LookupError, OSError]
    assert [each.getMessage() for each in caplog.records if not each.exc_info] == [
        f"the handler of outlet 1 raised LookupError {count} times: handler bug"
        for count in (10, 100, 1000, 2000)
    ]


# Queues


def test_block_takes_the_message_and_pauses_behind_the_frame() -> None:
    harness = Harness()
    queue = MessageQueue(2, OverflowPolicy.BLOCK)
    outlet = harness.bind(queue)
    frames = harness.router.begin([push()] * 5)
    assert harness.router.feed(frames, False, 7, harness)
    assert harness.router.full == [outlet]
    assert len(queue.items) == 2
    roomy: list[bool] = []
    queue.on_room = lambda: roomy.append(True)
    queue.pop()
    assert roomy == [True]
    assert harness.router.feed(frames, False, 7, harness)
    assert len(list(frames)) == 2, "it went on where it had paused"


def test_the_other_policies_never_pause_and_count_what_they_drop() -> None:
    harness = Harness()
    latest = MessageQueue(3, OverflowPolicy.LATEST)
    oldest = MessageQueue(3, OverflowPolicy.DROP_OLDEST)
    harness.bind(latest)
    harness.bind(oldest)
    assert not harness.feed(*[push()] * 5)
    assert (len(latest.items), latest.dropped) == (1, 4)
    assert (len(oldest.items), oldest.dropped) == (3, 2)


def test_raise_is_an_exception_as_if_of_the_handler() -> None:
    harness = Harness()
    harness.bind(MessageQueue(1, OverflowPolicy.RAISE))
    with pytest.raises(QueueOverflow, match="queue_size=1"):
        harness.feed(push(), push())
    isolated = Harness()
    isolated.bind(MessageQueue(1, OverflowPolicy.RAISE), on_error=ErrorPolicy.UNBIND)
    assert not isolated.feed(push(), push())
    assert isinstance(isolated.failed[0], QueueOverflow)


def test_a_closed_queue_lets_go_of_whoever_waits_for_room() -> None:
    queue = MessageQueue(1, OverflowPolicy.BLOCK)
    assert queue.put("message") is queue
    let_go: list[bool] = []
    queue.on_room = lambda: let_go.append(True)
    queue.close()
    assert let_go == [True]
    assert not queue.is_full
    queue.put("too late")
    assert not queue.items


def test_decode_errors_name_the_topic() -> None:
    decode = VENUE.decoder(topic(), float)
    with pytest.raises(DecodeError, match="BTCUSDT"):
        decode(push()[:-3], 0)


def test_a_general_outlet_hears_what_is_bound_of_the_topics_that_share_a_key() -> None:
    """Pushes of Gate.io do not tell one speed of a book from the other."""
    venue = GateioSpot()

    def speed(value: str) -> Parameters:
        return Parameters(speed=value)

    channel = Channel.parse("spot.orderbook_snapshot.BTCUSDT")
    fast, slow = (venue.topic(channel, speed(value)) for value in ("100ms", "1000ms"))
    assert fast.key == slow.key
    harness = Harness()
    harness.router = router = Router(venue, float, lambda *gap: None)
    heard: list[str] = []
    kind = Channel.parse("spot.orderbook_snapshot")
    router.bind_general(kind, speed("1000ms"), harness.outlet(lambda _: heard.append("slow")))
    router.bind_general(kind, speed("100ms"), harness.outlet(lambda _: heard.append("fast")))

    def route() -> list[str]:
        heard.clear()
        frames = router.begin([venue.sample(fast, 10**18)[0]])
        assert not router.feed(frames, True, 1, harness)
        return heard

    outlets = [harness.outlet(lambda _: None) for _ in range(3)]
    router.bind(fast, outlets[0])
    assert route() == ["fast"]
    router.bind(slow, outlets[1])
    assert route() == ["slow", "fast"]
    router.unbind(outlets[0])
    assert route() == ["slow"], "the other is not subscribed any more"
    router.bind_general(kind, Parameters(), harness.outlet(lambda _: heard.append("any")))
    assert route() == ["slow", "any"]
    router.unbind(outlets[1])
    assert route() == ["slow", "any"], "what was on its way"
    router.bind(fast, outlets[2])
    assert route() == ["fast", "any"]
