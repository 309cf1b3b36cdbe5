"""The encodings ``utf-8`` (a text is its bytes) and ``null`` (bytes are themselves)."""

from __future__ import annotations

from typing import Any

from engine.codecs.compiled import CompiledCodec, SchemaPair
from engine.errors import DecodeError, DescriptorError, EncodeError
from engine.schema import parse_schema, validator

# FastScore's marks of control records: U+262E before a text; before bytes its documentation's '\xfastscore.', which
# Python reads as the byte 0xFA followed by 'stscore.'
TEXT_MARK = "\u262efastscore."
BYTES_MARK = b"\xfastscore."


def open_utf8(schemas: SchemaPair | None) -> CompiledCodec:
    """Return the codec of texts; its stream's schema is ``string``."""
    schemas = _only("utf-8", "string", schemas)
    check_input, check_output = validator(schemas.stream), schemas.resolve_output(validator(schemas.model))
    logical = schemas.stream.root.logical

    def read(raw: bytes) -> Any:
        try:
            text = str(raw, "utf-8")
        except UnicodeDecodeError as exc:
            raise DecodeError("utf-8", f"it is not UTF-8 at byte {exc.start}") from exc
        if text.startswith(TEXT_MARK):
            raise DecodeError("utf-8", f"control records, such as {text[1:20]!r}, are not supported yet")
        return check_input(text)

    def write(value: Any) -> bytes:
        checked = check_output(value)
        text: str = checked if logical is None else logical.to_base(checked)
        if text.startswith(TEXT_MARK):
            raise EncodeError("utf-8", f"a text that begins with {TEXT_MARK!r} would be a control record")
        try:
            return text.encode()
        except UnicodeEncodeError as exc:
            raise EncodeError("utf-8", f"half of a surrogate pair at character {exc.start}") from exc

    return CompiledCodec("utf-8", schemas.resolve_input(read), write)


def open_null(schemas: SchemaPair | None) -> CompiledCodec:
    """Return the codec of bytes; its stream's schema is ``bytes``."""
    schemas = _only("null", "bytes", schemas)
    check_input, check_output = validator(schemas.stream), schemas.resolve_output(validator(schemas.model))
    logical = schemas.stream.root.logical

    def read(raw: bytes) -> Any:
        if raw.startswith(BYTES_MARK):
            raise DecodeError("null", "control records are not supported yet")
        return check_input(raw)

    def write(value: Any) -> bytes:
        checked = check_output(value)
        data: bytes = checked if logical is None else logical.to_base(checked)
        if data.startswith(BYTES_MARK):
            raise EncodeError("null", f"bytes that begin with {BYTES_MARK!r} would be a control record")
        return data

    return CompiledCodec("null", schemas.resolve_input(read), write)


def _only(encoding: str, kind: str, schemas: SchemaPair | None) -> SchemaPair:
    if schemas is None:
        any_value = parse_schema(kind)
        return SchemaPair.fit(any_value, any_value)
    if schemas.stream.root.kind != kind:
        raise DescriptorError("Encoding", f"{encoding} carries {kind}, and the schema is {schemas.stream}")
    return schemas
