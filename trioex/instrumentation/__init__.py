"""What tells how trioex is doing."""

from .histogram import Histogram, Percentiles
from .logger import FastLogger, open_logger
from .timer import LoggingTimer

__all__ = ["FastLogger", "Histogram", "LoggingTimer", "Percentiles", "open_logger"]
