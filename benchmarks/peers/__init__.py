"""Servers that a user might take in place of the engine: each runs in its own environment, with the same graph."""
