"""Bytes between us and an exchange: TCP, TLS, and a WebSocket whose data never queues.

    dialing    a URL becomes a byte stream: `Dialer`, or your own `Dial`
    tcp, tls   the two streams it is made of
    handshake  the HTTP part, pure
    tap        what lies between the byte stream and trio-websocket
    websocket  `open_websocket`, which owns all of it

Frames themselves are split in `trioex.frames`.
"""

from __future__ import annotations

from .dialing import Dialer
from .tcp import TCPStream, open_tcp_stream
from .tls import TLSStream, default_ssl_context
from .websocket import Deliver, WebSocket, open_websocket

__all__ = [
    "Deliver",
    "Dialer",
    "TCPStream",
    "TLSStream",
    "WebSocket",
    "default_ssl_context",
    "open_tcp_stream",
    "open_websocket",
]
