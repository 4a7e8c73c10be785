"""The simulator's time: the wall's at the start, from then on Trio's.

Everything the simulator says about time follows Trio's clock, so under `MockClock` a run is a
function of its seed.
"""

from __future__ import annotations

import random

import attrs
import trio

from ..config import Environment

__all__ = ["EPOCH_NS", "Clock", "virtual_environment"]

EPOCH_NS = 1_790_000_000_000_000_000
"""Where virtual time begins by default: 2026-09-21, after both venues' latest changes."""


@attrs.define
class Clock:
    """Converts between Trio's clock (seconds) and wall time (ns since the epoch).

    Attributes:
        wall, trio: when it was started.
        lost: ns for which it stood still.
    """

    wall: int
    trio: float
    lost: int = 0

    @classmethod
    def start(cls, environment: Environment) -> Clock:
        """A clock that agrees with the environment now. Needs a running Trio."""
        return cls(environment.time_ns(), trio.current_time())

    def now(self) -> int:
        """Wall time, ns since the epoch."""
        return self.wall - self.lost + round((trio.current_time() - self.trio) * 1e9)

    def deadline(self, wall: int) -> float:
        """The moment of Trio's clock at which it is `wall`."""
        return self.trio + (wall - self.wall + self.lost) / 1e9


def virtual_environment(seed: int = 0, *, epoch_ns: int = EPOCH_NS) -> Environment:
    """Wall time and fine time that follow Trio's clock, and seeded randomness.

    Use it for the simulator and for the manager under `trio.testing.MockClock`: no time of
    the machine then enters the run. Its times may be asked for from within Trio only.

    Args:
        seed: of the randomness.
        epoch_ns: wall time where Trio's clock is at zero, ns since the epoch.
    """
    return Environment(
        time_ns=lambda: epoch_ns + round(trio.current_time() * 1e9),
        random=random.Random(seed),
        perf_ns=lambda: round(trio.current_time() * 1e9),
    )
