"""How a pair is listed: its coins, its steps, and its numbers as the decimal strings of a venue."""

from __future__ import annotations

import functools
import re

import attrs

from ..errors import ConfigError

__all__ = ["Listing", "decimal"]

_QUOTES = ("USDT", "USDC", "USD1", "USD", "EUR", "BTC", "ETH")
_KNOWN = {
    "BTC": (62_383.56, 2, 6),
    "ETH": (2_765.20, 2, 4),
    "SOL": (148.31, 2, 3),
    "XRP": (1.4143, 4, 2),
}
"""Price in dollars, decimals of the price, decimals of the quantity."""


@attrs.frozen
class Listing:
    """A pair as its exchange lists it.

    Attributes:
        symbol: `BTCUSDT`.
        base, quote: the coins.
        price_decimals, quantity_decimals: digits behind the point of a tick and of a lot.
        first_price: where the market opens, in ticks.
    """

    symbol: str
    base: str
    quote: str
    price_decimals: int
    quantity_decimals: int
    first_price: int

    @classmethod
    def parse(cls, symbol: str) -> Listing:
        """List `BTCUSDT`.

        Raises:
            ConfigError: it is no upper-case pair of a known quote coin.
        """
        quote = next((each for each in _QUOTES if symbol.endswith(each)), "")
        base = symbol.removesuffix(quote)
        if not quote or not re.fullmatch("[A-Z0-9]+", base):
            raise ConfigError(
                f"the simulator cannot list {symbol!r}: a symbol is a base coin and one of "
                f"{', '.join(_QUOTES)}, in capitals, like 'BTCUSDT'"
            )
        price, price_decimals, quantity_decimals = _KNOWN.get(base, (2.5174, 4, 2))
        if quote in {"BTC", "ETH"}:
            price, price_decimals = 0.030612, 8
        return cls(
            symbol, base, quote, price_decimals, quantity_decimals,
            round(price * 10**price_decimals),
        )  # fmt: skip

    def price(self, ticks: int) -> str:
        """Ticks as a decimal string without needless zeros."""
        return decimal(ticks, self.price_decimals)

    def quantity(self, lots: int) -> str:
        """Lots as a decimal string without needless zeros."""
        return decimal(lots, self.quantity_decimals)

    def turnover(self, quote: int) -> str:
        """Ticks times lots as a decimal string without needless zeros."""
        return decimal(quote, self.price_decimals + self.quantity_decimals)


@functools.lru_cache(maxsize=1 << 16)  # the prices of a book are always nearly the same
def decimal(value: int, decimals: int) -> str:
    """Write `value` / 10**`decimals` exactly, without zeros that say nothing."""
    if not decimals:
        return str(value)
    digits = f"{abs(value):0{decimals + 1}d}"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")
