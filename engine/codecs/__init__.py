"""Encodings: what turns the bytes of one record into a Python value and back."""

from engine.codecs.compiled import CompiledCodec
from engine.codecs.opening import KNOWN, NOT_BUILT, open_codec
from engine.codecs.registry_codec import SchemaSource, join_headers

__all__ = ["KNOWN", "NOT_BUILT", "CompiledCodec", "SchemaSource", "join_headers", "open_codec"]
