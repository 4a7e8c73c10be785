"""URLs, and heads of HTTP responses."""

from __future__ import annotations

import pytest

from trioex.errors import ConfigError, ConnectFailed
from trioex.transport.handshake import Address, read_head, retry_after

URL = "wss://exchange.test/ws"


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "resource", "header"),
    [
        ("ws://a.test", False, "a.test", 80, "/", "a.test"),
        ("wss://a.test/ws/v4/", True, "a.test", 443, "/ws/v4/", "a.test"),
        ("ws://a.test:8080/ws?a=b&c=d#e", False, "a.test", 8080, "/ws?a=b&c=d", "a.test:8080"),
        ("wss://a.test:80/", True, "a.test", 80, "/", "a.test:80"),
        ("ws://[::1]:9001/x", False, "::1", 9001, "/x", "[::1]:9001"),
    ],
)
def test_address(url: str, secure: bool, host: str, port: int, resource: str, header: str) -> None:
    address = Address.parse(url)
    assert address == Address(url, secure, host, port, resource)
    assert address.host_header == header


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://a.test/", "must begin with ws:// or wss://"),
        ("a.test", "must begin with ws:// or wss://"),
        ("ws:///path", "names no host"),
        ("ws://a.test:eighty/", "cannot be parsed"),
        ("ws://a.test:99999/", "cannot be parsed"),
        ("ws://a.test/a b", "percent-encoded"),
        ("ws://a.test/ü", "percent-encoded"),
        ("ws://[a.test/", "cannot be parsed"),
    ],
)
def test_what_is_no_address(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Address.parse(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("url", ["ws://u:SECRET@/", "ws://u:SECRET/x@a/", "ws://a/ ?SECRET"])
def test_what_is_no_address_may_hold_a_secret(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Address.parse(url)
    assert "SECRET" not in str(caught.value)


def test_an_address_does_not_show_its_secrets() -> None:
    address = Address.parse("wss://u:SECRET@a.test/ws?listenKey=SECRET")
    assert address.resource == "/ws?listenKey=SECRET"
    assert "SECRET" not in repr(address)


def test_a_head_is_found_when_it_is_whole() -> None:
    wire = b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\nX-Y:  z \r\n\r\n\x81\x01a"
    for end in range(len(wire) - 3):
        assert read_head(wire[:end], URL) is None
    head = read_head(wire, URL)
    assert head is not None
    assert (head.status, head.headers) == (101, {"a": "b", "x-y": "z"})
    assert wire[head.end :] == b"\x81\x01a"


def test_interim_responses_are_skipped() -> None:
    wire = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 429\r\nRetry-After: 7\r\n\r\n"
    head = read_head(wire, URL)
    assert head is not None
    assert head.status == 429
    assert wire[head.begin : head.end].startswith(b"HTTP/1.1 429")


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not answer in HTTP/1.1 but with b'SSH-2.0-OpenSSH"),
        (b"HTTP/2 200\r\n\r\n", "does not answer in HTTP/1.1"),
        (b"HTTP/1.1 abc\r\n\r\n", "does not answer in HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, "head does not end"),
    ],
)
def test_what_is_no_response(wire: bytes, says: str) -> None:
    with pytest.raises(ConnectFailed, match=says) as caught:
        read_head(wire, URL)
    assert str(caught.value).startswith(URL)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        # 2023-11-14 22:13:20 GMT is 1_700_000_000.
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("", None),
        ("99999999999999999999", None),
        ("Tue, 14 Nov 99999 22:14:20 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    head = read_head(f"HTTP/1.1 429 No\r\nRetry-After: {value}\r\n\r\n".encode(), URL)
    assert head is not None
    assert retry_after(head, 1_700_000_000 * 10**9) == seconds
