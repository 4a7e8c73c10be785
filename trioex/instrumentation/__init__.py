"""What tells how trioex is doing."""

from .histogram import Histogram, Percentiles
from .latency import ClockBounds, Latency, LatencyStatistics
from .logger import FastLogger, open_logger
from .timer import LoggingTimer

__all__ = [
    "ClockBounds",
    "FastLogger",
    "Histogram",
    "Latency",
    "LatencyStatistics",
    "LoggingTimer",
    "Percentiles",
    "open_logger",
]
