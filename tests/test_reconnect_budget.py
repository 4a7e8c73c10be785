"""From the loss of a connection to the next message: round trips of the network, nothing else."""

from __future__ import annotations

import pytest

from benchmarks.reconnect_virtual import FAULTS, MODES, ROUND_TRIPS, measure_one


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", FAULTS)
def test_is_back_within_its_round_trips(fault: str, mode: str, round_trip: float) -> None:
    row = measure_one(fault, mode, round_trip)
    assert row.next_ms <= row.limit_ms
    assert row.duplicates == 0
    if mode == "hot" or not FAULTS[fault].may_lose:
        assert row.lost == 0
