"""The HTTP part of a WebSocket, read without I/O: where to connect, and what the server said.

trio-websocket writes the request and checks the 101 response. What it cannot do is end when
the server answers something else, or nothing; so the response's head is read here first.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import attrs

from ..errors import ConfigError, ConnectFailed
from ..urls import shown

__all__ = ["Address", "Head", "read_head", "retry_after"]

_PORTS = {"ws": 80, "wss": 443}
_WRONG_PLACE = "behind :// it takes a host, or [an IPv6 address], and :port from 0 to 65535"
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.\d (\d{3})(?: [^\r\n]*)?\r?\n")
_SECONDS = re.compile(r"\d{1,9}")

# No server sends more, and one that does is not to fill our memory.
_MOST_HEAD_BYTES = 64 << 10


@attrs.frozen
class Address:
    """Where a WebSocket URL leads.

    Attributes:
        url: as it was given.
        secure: whether it is `wss`.
        host, port: what to connect to.
        resource: path and query of the request.
    """

    url: str = attrs.field(repr=shown)
    secure: bool
    host: str
    port: int
    resource: str = attrs.field(repr=shown)

    @property
    def host_header(self) -> str:
        """The host as HTTP writes it: with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == _PORTS["wss" if self.secure else "ws"] else f"{host}:{self.port}"
        )

    @classmethod
    def parse(cls, url: str) -> Address:
        """Parse `ws://host[:port][/path][?query]`, or the same with `wss`.

        Raises:
            ConfigError: it is not such a URL; the message says which part is wrong.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # whose words may hold a part of a password
            raise ConfigError(f"url={shown(url)!r} cannot be parsed: {_WRONG_PLACE}") from None
        if parts.scheme not in _PORTS:
            raise ConfigError(f"url={shown(url)!r} must begin with ws:// or wss://")
        if not parts.hostname:
            raise ConfigError(f"url={shown(url)!r} names no host")
        resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not resource.isascii() or not resource.isprintable() or " " in resource:
            raise ConfigError(f"url={shown(url)!r} must be percent-encoded behind the host")
        secure = parts.scheme == "wss"
        port = _PORTS[parts.scheme] if port is None else port
        return cls(url, secure, parts.hostname, port, resource)


@attrs.frozen
class Head:
    """Status line and headers of a final HTTP response.

    Attributes:
        status: the status code.
        headers: lower-case name to value; of a repeated header the last value.
        end: where in the buffer the body, or the first frame, begins.
        begin: where in the buffer the response begins, interim responses skipped.
    """

    status: int
    headers: dict[str, str]
    begin: int
    end: int


def read_head(buffer: bytes | bytearray, url: str) -> Head | None:
    """Find the final response in what a server has sent so far.

    Returns:
        The head, or None while it is not whole.

    Raises:
        ConnectFailed: this is no HTTP response, or its head is endless.
    """
    begin = 0
    while True:
        found = _END_OF_HEAD.search(buffer, begin)
        if found is None:
            if len(buffer) - begin > _MOST_HEAD_BYTES:
                raise ConnectFailed(f"{shown(url)}: the HTTP response's head does not end")
            return None
        status_line = _STATUS_LINE.match(buffer, begin)
        if status_line is None:
            start = bytes(buffer[begin : begin + 40])
            raise ConnectFailed(f"{shown(url)} does not answer in HTTP/1.1 but with {start!r}")
        status = int(status_line[1])
        # RFC 9110 section 15.2: interim responses may precede the final one.
        if status >= 200 or status == 101:
            fields = bytes(buffer[status_line.end() : found.start()])
            return Head(status, _headers(fields), begin, found.end())
        begin = found.end()


def _headers(fields: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in fields.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def retry_after(head: Head, now: int) -> float | None:
    """Read how long the server asks us to wait (RFC 9110 section 10.2.3).

    Args:
        now: wall time, ns since the epoch; a date is measured from it.

    Returns:
        Seconds, never negative, or None where the server says nothing we understand.
    """
    value = head.headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now / 1e9)
    except (ValueError, OverflowError):
        return None
