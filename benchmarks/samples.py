"""The payloads that are sent: the venues' own layouts, with values that change.

The Gate.io update is the documented `spot.order_book_update` push in the compact form the venue
sends, 342 bytes long; the MEXC push is `public.aggre.depth` with five levels a side; the trade
is the documented `spot.trades` push, whose id is a number that runs on, or the time it was sent.
The updates of `gate_updates` name prices that no book could hold; those of `gate_book` follow the
book of `gate_snapshot`.
"""

from __future__ import annotations

import json
import random

from trioex import Channel, ExchangeEnum
from trioex.channels import Parameters
from trioex.exchanges import open_venue
from trioex.exchanges.mexc import push_pb2 as pb

__all__ = [
    "BOOK_VERSION",
    "GATE_BYTES",
    "GATE_SYMBOLS",
    "gate_book",
    "gate_snapshot",
    "gate_trade",
    "gate_trades",
    "gate_updates",
    "mexc_depths",
    "subscribe_text",
]

GATE_BYTES = 342
BOOK_VERSION = 48_776_300
"""Of the book by REST, and of the first update of `gate_book`; each other has one more."""

_LEVELS = 100
_BEST = {"b": 1_913_774, "a": 1_913_775}
"""The best prices there can be, in hundredths."""
_NEAR = 15
"""Levels from the best one, on average, that change."""
_DELETED = 0.2
_TIME_MS = 1_790_134_390_859

GATE_SYMBOLS = (
    *("BTCUSDT", "ETHUSDT", "XRPUSDT", "LTCUSDT", "EOSUSDT", "ETCUSDT", "BCHUSDT", "DOGEUSDT"),
    *("ADAUSDT", "DOTUSDT", "LINKUSDT", "TRXUSDT", "XLMUSDT", "UNIUSDT", "FILUSDT", "NEOUSDT"),
    *("ATOMUSDT", "XTZUSDT", "XMRUSDT", "DASHUSDT", "ZECUSDT", "QTUMUSDT", "ONTUSDT", "IOSTUSDT"),
    *("OMGUSDT", "ZRXUSDT", "BATUSDT", "SNXUSDT", "COMPUSDT", "YFIUSDT"),
)
"""Thirty, as many as one MEXC connection may carry."""


def gate_updates(count: int, native: str = "BTC_USDT") -> list[bytes]:
    """`count` order book updates that follow each other, each of `GATE_BYTES`."""
    return [_gate_update(number, native) for number in range(count)]


def _gate_update(number: int, native: str) -> bytes:
    price = 19_137.74 + number % 100
    bids = ",".join(f'["{price - level:.2f}","0.{number % 9973 + 1:04}"]' for level in range(3))
    asks = f'["{price + 1:.2f}","0.6135"],["{price + 2:.2f}","0.0900"],["{price + 3:.2f}","%s"]'
    text = (
        f'{{"time":{_TIME_MS // 1000},"time_ms":{_TIME_MS + number},'
        '"channel":"spot.order_book_update","event":"update","result":'
        f'{{"t":{_TIME_MS + number - 5},"e":"depthUpdate","E":{_TIME_MS // 1000},"s":"{native}",'
        f'"U":{48_776_301 + number},"u":{48_776_301 + number},"b":[{bids}],"a":[{asks}]}}}}'
    )
    room = GATE_BYTES - len(text) + len("%s")
    return (text % f"{1 + number % 9}.".ljust(room, "5")).encode()


def gate_snapshot() -> bytes:
    """The body of the book by REST behind the first update of `gate_book`."""
    sides = {
        name: [[_price(side, at), _held(at)] for at in range(_LEVELS)]
        for name, side in (("bids", "b"), ("asks", "a"))
    }
    body = {"id": BOOK_VERSION, "current": _TIME_MS, "update": _TIME_MS - 5, **sides}
    return json.dumps(body, separators=(",", ":")).encode()


def gate_book(count: int) -> list[bytes]:
    """`count` updates of `GATE_BYTES` that keep a book, three levels a side in each.

    The first one says what `gate_snapshot` says. Prices stay within its hundred and never cross,
    and only what is there is deleted. The last one names the best price of both sides.
    """
    numbers = random.Random(7)
    held = {side: set(range(_LEVELS)) for side in _BEST}
    changes = [{side: [(at, _held(at)) for at in range(3)] for side in _BEST}]
    changes += [
        {side: _change(levels, numbers, calm=number == count - 1) for side, levels in held.items()}
        for number in range(1, count)
    ]
    return [_gate_book(number, each) for number, each in enumerate(changes)]


def _held(at: int) -> str:
    return f"0.{1 + at % 7}{at:03}"


def _change(levels: set[int], numbers: random.Random, *, calm: bool) -> list[tuple[int, str]]:
    """Three places of a side; where it is calm, the best one among them, and nothing deleted."""
    places = {0: ""} if calm else dict[int, str]()
    while len(places) < 3:
        places[min(int(numbers.expovariate(1 / _NEAR)), _LEVELS - 1)] = ""
    for at in places:
        if not calm and at in levels and numbers.random() < _DELETED:
            levels.remove(at)
            places[at] = "0.0000"
        else:
            levels.add(at)
            places[at] = f"0.{numbers.randrange(1, 10_000):04}"
    return list(places.items())


def _gate_book(number: int, changes: dict[str, list[tuple[int, str]]]) -> bytes:
    time_ms, version = _TIME_MS + number, BOOK_VERSION + number
    sides = {
        side: [[_price(side, at), quantity] for at, quantity in some]
        for side, some in changes.items()
    }
    body = {
        "t": time_ms - 5,
        "e": "depthUpdate",
        "E": _TIME_MS // 1000,
        "s": "BTC_USDT",
        "U": version,
        "u": version,
        **sides,
    }
    push = {
        "time": _TIME_MS // 1000,
        "time_ms": time_ms,
        "channel": "spot.order_book_update",
        "event": "update",
        "result": body,
    }
    return json.dumps(push, separators=(",", ":")).encode()


def _price(side: str, at: int) -> str:
    tick = _BEST[side] + (at if side == "a" else -at)
    return f"{tick // 100}.{tick % 100:02}"


def gate_trades(count: int) -> list[bytes]:
    """`count` trades with ids that run on from 1."""
    return [gate_trade(number) for number in range(1, count + 1)]


def gate_trade(number: int) -> bytes:
    """A trade whose id is `number`, and whose price and side follow from it."""
    return (
        f'{{"time":{_TIME_MS // 1000},"time_ms":{_TIME_MS},"channel":"spot.trades",'
        f'"event":"update","result":{{"id":{number},"create_time":{_TIME_MS // 1000},'
        f'"create_time_ms":"{_TIME_MS}.4578","side":"{"sell" if number % 2 else "buy"}",'
        f'"currency_pair":"BTC_USDT","amount":"16.{number % 9973:04}000000",'
        f'"price":"0.4{number % 997:03}000000","range":"2390902-2390902","id_market":917144}}}}'
    ).encode()


def mexc_depths(count: int) -> list[bytes]:
    """`count` aggregated depth pushes that follow each other."""
    return [_mexc_depth(number) for number in range(count)]


def _mexc_depth(number: int) -> bytes:
    push = pb.PushDataV3ApiWrapper(
        channel="spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT",
        symbol="BTCUSDT",
        sendTime=_TIME_MS + number,
    )
    body = push.publicAggreDepths
    body.eventType = "spot@public.aggre.depth.v3.api.pb@100ms"
    body.fromVersion = body.toVersion = str(10_589_632_359 + number)
    for level in range(5):
        body.bids.add(price=f"{92_877.58 - level:.2f}", quantity=f"0.{number % 97 + 1:08}")
        body.asks.add(price=f"{92_878.58 + level:.2f}", quantity=f"0.{number % 89 + 1:08}")
    return push.SerializeToString()


def subscribe_text(exchange: str, channel: str) -> str:
    """The request that a client of `exchange` sends for `channel`, first and with the id 1."""
    venue = open_venue(ExchangeEnum(exchange), "spot")
    topic = venue.topic(Channel.parse(channel), Parameters())
    (request,) = venue.requests([topic], subscribe=True, first_id=1, now=_TIME_MS * 1_000_000)
    return request.text
