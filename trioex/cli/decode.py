"""`trioex decode`: frames in, one JSON object a message out, line by line.

Whatever the size of the input, one line of it is in memory, and what was decoded is written
before the next line is awaited: it works on a pipe that is still being written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import IO

import msgspec

from ..channels import ExchangeEnum
from ..errors import DecodeError
from ..exchanges import open_venue
from .lines import LineDecoder
from .outcomes import FAILED, OK, report

__all__ = ["decode", "numbered_lines"]

_MOST_BYTES = 32 << 20
"""A line may be as long as the longest message the library takes, in hex."""


def decode(file: str, *, exchange: ExchangeEnum, market: str, decimal: bool) -> int:
    """Decode a file, or stdin where it is `-`, to stdout.

    Returns:
        OK, or FAILED when a line could not be decoded; stderr has its number.

    Raises:
        ConfigError: there is no such market.
        OSError: the file cannot be read, or nobody reads the output.
    """
    decoder = LineDecoder(open_venue(exchange, market), Decimal if decimal else float)
    encode = msgspec.json.Encoder().encode
    output = sys.stdout.buffer
    failed = 0
    with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as lines:
        for number, line in numbered_lines(lines, _MOST_BYTES):
            try:
                if line is None:
                    raise DecodeError(f"it is longer than {_MOST_BYTES >> 20} MiB")
                results = decoder.decode(line)
            except DecodeError as error:
                failed += 1
                report(f"line {number}: {error}")
                continue
            for result in results:
                output.write(encode(result) + b"\n")
            output.flush()
    return FAILED if failed else OK


def numbered_lines(stream: IO[bytes], most: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number, from 1; None for one longer than `most` bytes."""
    number = 0
    while line := stream.readline(most + 1):
        number += 1
        if len(line) <= most or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(most)
        yield number, None
