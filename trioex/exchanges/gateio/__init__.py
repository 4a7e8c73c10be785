"""Gate.io, its spot market over WebSocket v4."""
