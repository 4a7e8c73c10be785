"""Helpers for testing programs that use trioex, and trioex itself.

echo    a client that sends every message back, for WebSocket test suites
"""
