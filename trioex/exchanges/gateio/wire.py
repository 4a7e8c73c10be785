"""The forms in which Gate.io writes values, and the one way to parse them.

Numbers come as decimal strings, now and then as JSON numbers; msgspec's lax mode takes both.
What it would also take, `nan` and `inf`, is refused: by the bounds of `Finite` while it
parses, and by `require_finite` for Decimal, which knows no bounds.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import msgspec

from ...errors import DecodeError
from ...messages import Number

__all__ = [
    "MALFORMED",
    "NS_A_MS",
    "NS_A_SECOND",
    "Finite",
    "Millis",
    "Seconds",
    "Version",
    "exact_ns",
    "number_form",
    "parser",
    "require_finite",
]

NS_A_MS = 1_000_000
NS_A_SECOND = 1_000_000_000
_LAST_NS = 2**63 - 1

Finite: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Millis: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_LAST_NS // NS_A_MS)]
Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_LAST_NS // NS_A_SECOND)]
Version: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises for bytes it cannot take."""


_EXACT = decimal.Context(prec=40)
"""Ours, because the caller's context may round."""
_SCALES = tuple(10**places for places in range(6, -1, -1))
"""What makes nanoseconds of milliseconds with so many decimals and without their point."""


def exact_ns(millis: str) -> int | None:
    """Milliseconds with decimals in whole nanoseconds, none lost; None where they are no time."""
    whole, _, fraction = millis.partition(".")
    digits = whole + fraction
    if 0 < len(whole) < 20 and len(fraction) < len(_SCALES) and digits.isdecimal():
        moment = int(digits) * _SCALES[len(fraction)]
        return moment if moment <= _LAST_NS else None
    # Any other way to write a number; a Decimal would be slow for all of them.
    try:
        number = Decimal(millis)
    except decimal.InvalidOperation:
        return None
    if not (number.is_finite() and 0 <= number <= _LAST_NS):
        return None
    moment = int(_EXACT.scaleb(number, 6))
    return moment if moment <= _LAST_NS else None


def number_form(number_type: type[Number]) -> Any:
    """The type msgspec must parse a number into so that it becomes a `number_type`."""
    return Decimal if number_type is Decimal else Finite


def parser(form: Any) -> msgspec.json.Decoder[Any]:
    """A parser that takes numbers written as strings."""
    return msgspec.json.Decoder(form, strict=False)


def require_finite(numbers: Iterable[Number]) -> None:
    """Refuse Decimals that are no numbers.

    Raises:
        DecodeError: one of `numbers` is NaN or infinite.
    """
    for number in numbers:
        if not Decimal.is_finite(number):  # type: ignore[arg-type]
            raise DecodeError(f"{number} is no number")
