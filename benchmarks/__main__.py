"""`python -m benchmarks [--json] [--quick] [NAME ...]`."""

from __future__ import annotations

from .cli import main

main()
