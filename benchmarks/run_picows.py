"""picows on uvloop, and what one would write on top of it by hand for one channel.

Nothing is routed here and no other channel could arrive: the least that can be written.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from functools import partial

import msgspec
import picows
import uvloop

from trioex.exchanges.mexc import push_pb2 as pb

from .by_hand import Take, trade_decoder, update_decoder
from .client import Meter, Spec, Stopwatch
from .run_peers import client_context

__all__ = ["connect", "stream"]


# By hand: from frame to message


class _Delta(msgspec.Struct, gc=False):
    symbol: str
    time: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    first: int
    last: int


def _bytes(handler: Take) -> Take:
    return lambda frame: handler(frame.get_payload_as_bytes())


def _view(handler: Take) -> Take:
    return lambda frame: handler(frame.get_payload_as_memoryview())


def _gate(handler: Take) -> Take:
    decode = update_decoder()
    return lambda frame: handler(decode(frame.get_payload_as_memoryview()).result)


def _trade(handler: Take) -> Take:
    decode = trade_decoder()
    return lambda frame: handler(decode(frame.get_payload_as_memoryview()).result.id)


def _mexc(handler: Take) -> Take:
    parse = pb.PushDataV3ApiWrapper.FromString

    def take(frame: picows.WSFrame) -> None:
        push = parse(frame.get_payload_as_bytes())
        body = push.publicAggreDepths
        handler(
            _Delta(
                push.symbol,
                push.sendTime,
                tuple([(float(row.price), float(row.quantity)) for row in body.bids]),
                tuple([(float(row.price), float(row.quantity)) for row in body.asks]),
                int(body.fromVersion),
                int(body.toVersion),
            )
        )

    return take


_WORK = {"bytes": _bytes, "view": _view, "gate": _gate, "trade": _trade, "mexc": _mexc}


# The client


class _Listener(picows.WSListener):
    def __init__(self, subscribe: str, take: Take) -> None:
        super().__init__()
        self._subscribe = subscribe.encode()
        self._take = take

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        transport.send(picows.WSMsgType.TEXT, self._subscribe)

    def on_ws_frame(self, _: picows.WSTransport, frame: picows.WSFrame) -> None:
        self._take(frame)


def stream(spec: Spec) -> dict[str, float]:
    """Read until the handler has had enough."""

    async def main() -> dict[str, float]:
        handler = Stopwatch(spec) if spec.work == "trade" else Meter(spec)
        done = asyncio.get_running_loop().create_future()
        # What is read behind the last message comes to the handler too.
        handler.on_done = partial(_resolve, done)
        take = _WORK[spec.work](handler)
        transport = await _connect(spec.url, client_context(spec), spec.subscribe, take)
        await done
        transport.disconnect(graceful=False)
        await transport.wait_disconnected()
        return dict(handler.result)

    return uvloop.run(main())


def connect(spec: Spec) -> dict[str, list[float]]:
    """Connect, subscribe and wait for the confirmation, `count` times."""

    async def once(context: ssl.SSLContext | None) -> float:
        confirmed = asyncio.get_running_loop().create_future()
        begin = time.perf_counter()
        transport = await _connect(spec.url, context, spec.subscribe, partial(_resolve, confirmed))
        await confirmed
        taken = time.perf_counter() - begin
        transport.disconnect(graceful=False)
        await transport.wait_disconnected()
        return taken * 1e3

    async def main() -> dict[str, list[float]]:
        context = client_context(spec)
        return {"ms": [await once(context) for _ in range(spec.count)]}

    return uvloop.run(main())


def _resolve(future: asyncio.Future[None], _message: object = None) -> None:
    if not future.done():
        future.set_result(None)


async def _connect(
    url: str, context: ssl.SSLContext | None, subscribe: str, take: Take
) -> picows.WSTransport:
    transport, _ = await picows.ws_connect(
        lambda: _Listener(subscribe, take), url, ssl_context=context
    )
    return transport
