"""Decimal strings to numbers, checked: MEXC writes every price, quantity and version as text.

Nothing that is not finite comes through, for one NaN in a book breaks every comparison after it.
The check is one sum over a message, not one call a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain
from typing import Any, Protocol, TypeAlias

from ...messages import Level, Number

__all__ = ["BROKEN", "level_pairs", "level_rows", "numbers", "percent", "reason"]

BROKEN = (ValueError, ArithmeticError)
"""What a text that is no number raises: float a ValueError, Decimal an ArithmeticError."""

Levels: TypeAlias = tuple[Level, ...]


class _Row(Protocol):
    @property
    def price(self) -> str: ...
    @property
    def quantity(self) -> str: ...


def reason(error: BaseException) -> str:
    """Say what was wrong, in words; Decimal's own are not meant for people."""
    if isinstance(error, ArithmeticError):
        return "a number is not a decimal number"
    return str(error)


def numbers(number_type: type[Number]) -> Callable[..., tuple[Any, ...]]:
    """A function of texts that returns their numbers.

    It raises one of `BROKEN` where one is not a finite number.
    """
    finite = _finite(number_type)

    def parse(*texts: str) -> tuple[Any, ...]:
        values = tuple([number_type(text) for text in texts])
        if not finite(values):
            raise ValueError(f"not finite: {', '.join(texts)}")
        return values

    return parse


def level_rows(number_type: type[Number]) -> Callable[[Iterable[_Row]], Levels]:
    """A function of things with a `price` and a `quantity` that returns levels.

    It raises one of `BROKEN` where one is not a finite number.
    """
    return _exact_rows if number_type is Decimal else _float_rows


def _float_rows(rows: Iterable[_Row]) -> Levels:
    # Summing on the way takes a sixth off what a second loop over the levels would.
    levels: list[Level] = []
    total = 0.0
    for row in rows:
        price, quantity = float(row.price), float(row.quantity)
        total += price + quantity
        levels.append((price, quantity))
    if not math.isfinite(total):  # NaN and infinity survive a sum
        raise ValueError("a level is not finite")
    return tuple(levels)


def _exact_rows(rows: Iterable[_Row]) -> Levels:
    levels = tuple([(Decimal(row.price), Decimal(row.quantity)) for row in rows])
    if not _finite_decimals(chain.from_iterable(levels)):
        raise ValueError("a level is not finite")
    return levels


def level_pairs(number_type: type[Number]) -> Callable[[Iterable[tuple[str, str]]], Levels]:
    """The same as `level_rows`, for pairs of texts."""
    finite = _finite(number_type)

    def parse(rows: Iterable[tuple[str, str]]) -> Levels:
        levels = tuple([(number_type(price), number_type(size)) for price, size in rows])
        if not finite(chain.from_iterable(levels)):
            raise ValueError("a level is not finite")
        return levels

    return parse


def percent(ratio: str) -> str:
    """The decimal text `ratio` times 100, exactly: its point is moved, nothing is multiplied."""
    whole, _, fraction = ratio.partition(".")
    if (fraction or whole.lstrip("+-")).isdigit():
        fraction = fraction.ljust(2, "0")
        return f"{whole}{fraction[:2]}.{fraction[2:]}"
    return str(Decimal(ratio).scaleb(2))  # with an exponent; anything else is refused here


def _finite(number_type: type[Number]) -> Callable[[Iterable[Any]], bool]:
    return _finite_decimals if number_type is Decimal else _finite_floats


def _finite_floats(values: Iterable[float]) -> bool:
    return math.isfinite(sum(values))  # NaN and infinity survive a sum


def _finite_decimals(values: Iterable[Decimal]) -> bool:
    return all(map(Decimal.is_finite, values))
