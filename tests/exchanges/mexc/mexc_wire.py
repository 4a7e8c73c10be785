"""A protobuf writer of a few lines, and what MEXC's documented pushes must decode to.

Neither shares a line with trioex's codec: the field numbers are written out here once more, from
MEXC's published schema, so that a mistake in `push.proto` cannot hide.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from trioex.channels import ExchangeEnum
from trioex.messages import BookDelta, BookSnapshot, BookTicker, Kline, Side, Ticker, Trade

DATA = Path(__file__).resolve().parents[2] / "data" / "mexc_spot"
RECEIVED = 1_800_000_000_123_456_789

# Field numbers; a pair is a message of its own. Keys are lower-case, without the documents'
# "List", because the documents spell them so and the schema otherwise.

LEVEL = {"price": 1, "quantity": 2}
DEPTH = {"asks": (1, LEVEL), "bids": (2, LEVEL), "eventtype": 3, "fromversion": 4, "toversion": 5}
LIMIT = {"asks": (1, LEVEL), "bids": (2, LEVEL), "eventtype": 3, "version": 4}
DEAL = {"price": 1, "quantity": 2, "tradetype": 3, "time": 4, "tradeid": 5}
DEALS = {"deals": (1, DEAL), "eventtype": 2}
BEST = {
    "bidprice": 1,
    "bidquantity": 2,
    "askprice": 3,
    "askquantity": 4,
    "version": 5,
    "lastordercreatetime": 6,
}
BATCH = {"items": (1, BEST), "version": 2}
KLINE = {
    "interval": 1,
    "windowstart": 2,
    "openingprice": 3,
    "closingprice": 4,
    "highestprice": 5,
    "lowestprice": 6,
    "volume": 7,
    "amount": 8,
    "windowend": 9,
}
MINI = {
    "symbol": 1,
    "price": 2,
    "rate": 3,
    "zonedrate": 4,
    "high": 5,
    "low": 6,
    "volume": 7,
    "quantity": 8,
    "lastcloserate": 9,
    "lastclosezonedrate": 10,
    "lastclosehigh": 11,
    "lastcloselow": 12,
}
PUSH = {
    "channel": 1,
    "symbol": 3,
    "symbolid": 4,
    "createtime": 5,
    "sendtime": 6,
    "publiclimitdepths": (303, LIMIT),
    "publicspotkline": (308, KLINE),
    "publicminiticker": (309, MINI),
    "publicminitickers": (310, {"items": (1, MINI)}),
    "publicbooktickerbatch": (311, BATCH),
    "publicincreasedepths": (313, DEPTH),  # so the documents call them
    "publicaggredepths": (313, DEPTH),
    "publicdeals": (314, DEALS),
    "publicaggredeals": (314, DEALS),
    "publicbookticker": (315, BEST),
    "publicaggrebookticker": (315, BEST),
}
NUMERIC = {"createtime", "sendtime", "tradetype", "time", "windowstart", "windowend"}
NUMERIC |= {"lastordercreatetime"}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def write(message: dict[str, Any], schema: dict[str, Any] = PUSH) -> bytes:
    """Serialise a normalised message, its fields in the order given."""
    out = b""
    for name, value in message.items():
        where = schema[name]
        if isinstance(where, tuple):
            number, inner = where
            for each in value if isinstance(value, list) else [value]:
                out += field(number, write(each, inner))
        else:
            out += field(where, int(value) if name in NUMERIC else str(value).encode())
    return out


def normalised(message: Any) -> Any:
    """The documents' and the schema's spelling of a message, made one."""
    if isinstance(message, dict):
        return {k.lower().removesuffix("list"): normalised(v) for k, v in message.items()}
    return [normalised(each) for each in message] if isinstance(message, list) else message


def load(name: str) -> Any:
    return normalised(json.loads((DATA / name).read_text("utf-8")))


# What a push must become


def messages(push: dict[str, Any], number: type[Any]) -> list[Any]:
    """The messages of a normalised push."""
    word = push["channel"].split("@")[1].removesuffix(".v3.api.pb").removeprefix("public.")
    (body,) = (value for name, value in push.items() if name.startswith("public"))
    time = int(push.get("sendtime", 0)) * 10**6
    return _EXPECTED[word](push, body, time, number)


def _head(push: dict[str, Any], time: int) -> tuple[Any, ...]:
    return ExchangeEnum.MEXC, "spot", push["symbol"], time, RECEIVED


def _levels(rows: list[dict[str, str]], number: type[Any]) -> tuple[Any, ...]:
    return tuple((number(row["price"]), number(row["quantity"])) for row in rows)


def _depth(push: Any, body: Any, time: int, number: type[Any]) -> list[Any]:
    bids, asks = (_levels(body.get(side, []), number) for side in ("bids", "asks"))
    versions = int(body["fromversion"]), int(body["toversion"])
    return [BookDelta(*_head(push, time), bids, asks, *versions)]


def _limit(push: Any, body: Any, time: int, number: type[Any]) -> list[Any]:
    bids, asks = (_levels(body[side], number) for side in ("bids", "asks"))
    depth = int(push["channel"].split("@")[3])
    return [BookSnapshot(*_head(push, time), bids, asks, int(body["version"]), depth)]


def _best(push: Any, body: Any, time: int, number: type[Any]) -> list[Any]:
    version = int(body["version"]) if "version" in body else None
    names = ("bidprice", "bidquantity", "askprice", "askquantity")
    return [
        BookTicker(*_head(push, time), *(number(item[name]) for name in names), version)
        for item in body.get("items", [body])
    ]


def _deals(push: Any, body: Any, _: int, number: type[Any]) -> list[Any]:
    return [
        Trade(
            *_head(push, int(deal["time"]) * 10**6),
            number(deal["price"]),
            number(deal["quantity"]),
            {1: Side.BUY, 2: Side.SELL}[deal["tradetype"]],
            deal.get("tradeid"),
        )
        for deal in body["deals"]
    ]


def _kline(push: Any, body: Any, _: int, number: type[Any]) -> list[Any]:
    names = ("openingprice", "highestprice", "lowestprice", "closingprice", "volume", "amount")
    return [
        Kline(
            *_head(push, int(push["createtime"]) * 10**6),
            {"Min1": "1m", "Min15": "15m"}[body["interval"]],
            int(body["windowstart"]) * 10**9,
            int(body["windowend"]) * 10**9,
            *(number(body[name]) for name in names),
            None,
        )
    ]


def _mini(push: Any, body: Any, time: int, number: type[Any]) -> list[Any]:
    names = ("price", "high", "low", "quantity", "volume")
    return [
        Ticker(
            *_head(item, time),
            *(number(item[name]) for name in names),
            number(Decimal(item["zonedrate"]) * 100),
        )
        for item in body.get("items", [body])
    ]


_EXPECTED: dict[str, Callable[..., list[Any]]] = {
    "aggre.depth": _depth,
    "limit.depth": _limit,
    "aggre.bookTicker": _best,
    "bookTicker.batch": _best,
    "aggre.deals": _deals,
    "kline": _kline,
    "miniTicker": _mini,
    "miniTickers": _mini,
}
