"""`python -m benchmarks [--json FILE] [--quick] [NAME ...]`."""

from __future__ import annotations

from .cli import main

main()
