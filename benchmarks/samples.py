"""The payloads that are sent: the venues' own layouts, with values that change.

The Gate.io update is the documented `spot.order_book_update` push in the compact form the venue
sends, 342 bytes long; the MEXC push is `public.aggre.depth` with five levels a side; the trade
is the documented `spot.trades` push, whose id here is the time it was sent.
"""

from __future__ import annotations

from trioex import Channel, ExchangeEnum
from trioex.channels import Parameters
from trioex.exchanges import open_venue
from trioex.exchanges.mexc import push_pb2 as pb

__all__ = [
    "GATE_BYTES",
    "GATE_SYMBOLS",
    "gate_trade",
    "gate_updates",
    "mexc_depths",
    "subscribe_text",
]

GATE_BYTES = 342
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


def gate_trade(sent: int) -> bytes:
    """A trade whose id is `sent`."""
    return (
        f'{{"time":{_TIME_MS // 1000},"time_ms":{_TIME_MS},"channel":"spot.trades",'
        f'"event":"update","result":{{"id":{sent},"create_time":{_TIME_MS // 1000},'
        f'"create_time_ms":"{_TIME_MS}.4578","side":"sell","currency_pair":"BTC_USDT",'
        '"amount":"16.4700000000","price":"0.4705000000","range":"2390902-2390902",'
        '"id_market":917144}}'
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
