"""The venues. Adding one is a folder here and a line in `_REGISTRY`."""

from __future__ import annotations

import importlib

from ..channels import ExchangeEnum
from ..errors import ConfigError
from .base import Venue

__all__ = ["Venue", "markets", "open_venue"]

_REGISTRY: dict[tuple[ExchangeEnum, str], tuple[str, str]] = {
    (ExchangeEnum.MEXC, "spot"): ("mexc.spot", "MexcSpot"),
    (ExchangeEnum.GATEIO, "spot"): ("gateio.spot", "GateioSpot"),
}


def markets(exchange: ExchangeEnum) -> list[str]:
    """The markets of an exchange that this version talks to."""
    return [market for each, market in _REGISTRY if each is exchange]


def open_venue(exchange: ExchangeEnum, market: str) -> Venue:
    """Make the venue of one market. Its module is imported now, not with trioex.

    Raises:
        ConfigError: there is no such market in this version.
    """
    try:
        module, name = _REGISTRY[exchange, market]
    except KeyError:
        known = ", ".join(f"{e} {m}" for e, m in _REGISTRY)
        raise ConfigError(
            f"market={market!r} of {exchange} is not in this version; known are {known}"
        ) from None
    venue = getattr(importlib.import_module(f".{module}", __name__), name)
    made = venue()
    assert isinstance(made, Venue)
    return made
