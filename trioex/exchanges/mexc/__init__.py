"""MEXC. `spot` is its spot market; protobuf is imported when that module is."""
