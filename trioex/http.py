"""REST, as far as market data needs it: a GET that returns a body or raises `HttpError`."""

from __future__ import annotations

from .errors import HttpError

__all__ = ["fetch"]

_TIMEOUT = 10.0
_LARGEST = 64 << 20
"""Bytes; the largest body we expect is MEXC's instrument list, 1.6 MB."""


async def fetch(url: str) -> bytes:
    """GET a URL and return the body.

    Cancelling it closes the connection.

    Raises:
        HttpError: no answer, or an answer that is not 2xx; `status` and `retry_after` tell
            what the server said.
    """
    import httpx2

    try:
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", url) as response,
        ):
            if not response.is_success:
                raise HttpError(
                    f"GET {url} was answered with HTTP {response.status_code}",
                    response.status_code,
                    _seconds(response.headers.get("retry-after")),
                )
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise HttpError(f"GET {url}: the body is larger than {_LARGEST} bytes")
            return bytes(body)
    except httpx2.HTTPError as error:
        raise HttpError(f"GET {url} failed: {error or type(error).__name__}") from error


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
