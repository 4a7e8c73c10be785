"""Where MEXC spot v3 is and what it allows a connection.

The facts are those of MEXC's API documents of 2025-08 and 2026-04. There is no test network.
"""

from __future__ import annotations

from ..base import RestRules, VenueRules

__all__ = ["DEPTH_PATH", "INSTRUMENTS_PATH", "REST_RULES", "REST_URL", "RULES", "WS_URL"]

WS_URL = "wss://wbs-api.mexc.com/ws"
"""The older host wbs.mexc.com still connects, and refuses every subscription."""

REST_URL = "https://api.mexc.com"
INSTRUMENTS_PATH = "/api/v3/exchangeInfo"
DEPTH_PATH = "/api/v3/depth"

RULES = VenueRules(
    # The documents say 30; of 32 in one request, 30 were seen to push and nothing was said.
    max_topics=30,
    max_topics_a_request=30,
    # "100 times/s", beyond which the connection is dropped and the address may be banned.
    requests_a_second=10.0,
    # Half an idle limit may pass in silence: two pings fit in the rest.
    ping_interval=20.0,
    idle_limit=60.0,
    empty_limit=30.0,
    max_age=24 * 3600.0,
    # The documents say of pings only that they keep a quiet subscription alive.
    pings_keep_empty=False,
)

REST_RULES = RestRules(
    # For each path and address; beyond it 429, and then a ban of two minutes to three days.
    window=10.0,
    weight=500,
    weights={INSTRUMENTS_PATH: 10},
)
