"""What tells how trioex is doing."""

from .timer import LoggingTimer

__all__ = ["LoggingTimer"]
