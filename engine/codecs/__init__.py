"""Encodings: what turns the bytes of one record into a Python value and back."""

from engine.codecs.compiled import CompiledCodec
from engine.codecs.opening import KNOWN, NOT_BUILT, open_codec
from engine.codecs.registry_codec import SchemaSource, join_header

__all__ = ["KNOWN", "NOT_BUILT", "CompiledCodec", "SchemaSource", "join_header", "open_codec"]
