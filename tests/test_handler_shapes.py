"""Which handlers fit: what is seen at a glance agrees with what `inspect` says."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioex.channels import validate_handler
from trioex.errors import BindingError

PLACES = ["a", "b, /", "a=1", "b=2", "*rest", "*, key", "*, key=1", "**others"]


class Holder:
    """Where methods are bound to."""


def shape(parameters: str) -> Callable[..., Any] | None:
    """A function with these parameters, or None where Python does not allow them."""
    namespace: dict[str, Any] = {}
    try:
        exec(f"def handler({parameters}): pass", namespace)
    except SyntaxError:
        return None
    made: Callable[..., Any] = namespace["handler"]
    return made


def fits(handler: Callable[..., Any]) -> bool:
    try:
        inspect.signature(handler).bind(object())
    except TypeError:
        return False
    return True


def is_accepted(handler: Callable[..., Any]) -> bool:
    try:
        validate_handler(handler)
    except BindingError:
        return False
    return True


@given(st.lists(st.sampled_from(PLACES), max_size=4, unique=True))
def test_functions_and_methods(places: list[str]) -> None:
    function = shape(", ".join(places))
    if function is None:
        return
    assert is_accepted(function) == fits(function)
    if places and not places[0].startswith(("*, ", "**")):
        method = function.__get__(Holder())
        assert is_accepted(method) == fits(method)


def test_a_decorator_may_say_something_else() -> None:
    def takes_two(_a: object, _b: object) -> None: ...

    @functools.wraps(takes_two)
    def wrapper(_message: object) -> None: ...

    # `inspect` follows `__wrapped__`: whoever decorates says what is to be called how.
    assert not is_accepted(wrapper)
    assert is_accepted(functools.partial(takes_two, 1))


def test_generators_are_refused_however_they_fit() -> None:
    def generator(_message: object) -> Any:
        yield

    async def async_generator(_message: object) -> Any:
        yield

    for handler in (generator, async_generator):
        with pytest.raises(BindingError, match="generator"):
            validate_handler(handler)
