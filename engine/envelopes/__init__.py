"""Envelopes: where one record ends and the next begins in a stream of bytes that keeps no boundaries itself."""

from engine.envelopes.datum import DatumEnvelope
from engine.envelopes.delimited import DelimitedEnvelope

__all__ = ["DatumEnvelope", "DelimitedEnvelope"]
