"""REST, as far as market data needs it: a GET that returns a body or raises `HttpError`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

import trio

from .config import Fetch
from .errors import HttpError
from .urls import shown

if TYPE_CHECKING:
    from httpx2 import AsyncClient  # loaded by the first GET: it takes a tenth of a second

__all__ = ["Http", "bounded"]

_SILENCE = 10.0
"""Seconds that one step, be it to connect or to read a part, may take."""
_DEADLINE = 30.0
"""Seconds for all of it: a body that trickles in is never silent, and never ends."""
_CLOSE_S = 1.0
"""Seconds that closing may take; after a cancellation, too."""
_SECONDS = re.compile(r"\d{1,9}(?:\.\d+)?", re.ASCII)
_LARGEST = 16 << 20
"""Bytes; the largest body we expect is MEXC's instrument list, 1.6 MB."""


def bounded(fetch: Fetch) -> Fetch:
    """A `fetch` of somebody else's with a deadline: nothing may wait for an answer for ever."""

    async def get(url: str) -> bytes:
        with trio.move_on_after(_DEADLINE):
            return await fetch(url)
        raise HttpError(f"GET {shown(url)} was not answered within {_DEADLINE:g} s")

    return get


class Http:
    """The HTTP client of one manager: it keeps its connections and uses them again.

    `async with` closes them; until the first GET there is nothing to close.
    """

    def __init__(self) -> None:
        self._client: AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            with trio.move_on_after(_CLOSE_S, shield=True):
                await client.aclose()

    async def fetch(self, url: str) -> bytes:
        """GET a URL and return the body.

        Cancelling it closes the connection.

        Raises:
            HttpError: no answer, one that is not whole within half a minute, one that is too
                large, or one that is not 2xx; `status` and `retry_after` tell what the server
                said.
        """
        body = bytearray()
        with trio.move_on_after(_DEADLINE) as scope:
            await self._read(url, body, scope)
        if len(body) > _LARGEST:
            raise HttpError(f"GET {shown(url)}: the body is larger than {_LARGEST} bytes")
        if scope.cancelled_caught:
            raise HttpError(f"GET {shown(url)} was not over within {_DEADLINE:g} s")
        return bytes(body)

    async def _read(self, url: str, body: bytearray, scope: trio.CancelScope) -> None:
        """Read the answer into `body`, and cancel `scope` when that is too much."""
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=_SILENCE, follow_redirects=True)
        try:
            async with self._client.stream("GET", url) as response:
                if not response.is_success:
                    wait = _retry_after(response.headers)
                    asks = "" if wait is None else f"; it asks to wait {wait:g} s"
                    raise HttpError(
                        f"GET {shown(url)} was answered with HTTP {response.status_code}{asks}",
                        response.status_code,
                        wait,
                    )
                async for part in response.aiter_bytes():
                    body += part
                    # Not by leaving the loop: httpx2 reads through generators in generators,
                    # which only an exception from within all of them closes.
                    if len(body) > _LARGEST:
                        scope.cancel()
        except httpx2.InvalidURL:  # whose words may hold a part of a password
            raise HttpError(f"GET {shown(url)} failed: it is no URL") from None
        except httpx2.HTTPError as error:
            raise HttpError(f"GET {shown(url)} failed: {error or type(error).__name__}") from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or the date less the server's own: our clock may go otherwise."""
    value = headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        until, now = (parsedate_to_datetime(each) for each in (value, headers.get("date", "")))
        return max(0.0, until.timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None
