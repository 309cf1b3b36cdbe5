"""Avro schema resolution: can data of one schema be read by another, and how (Avro 1.12, "Schema Resolution").

What is decided when a stream is attached is what Java's ``SchemaCompatibility`` decides: *every* value of the writer
can be read. Two rules go beyond the specification: of a reader's union the branch of the writer's own type is
preferred to an earlier one that needs a promotion, and two different logical types do not fit (milliseconds are not
microseconds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import SchemaMismatch
from engine.schema.json_form import each_item, each_value
from engine.schema.mismatch import show, within
from engine.schema.scalars import Check
from engine.schema.schema import Schema
from engine.schema.types import Field, Type
from engine.schema.validation import CheckCompiler, default_of

_KEEP = None
"""A conversion that changes nothing."""


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as exc:
        raise SchemaMismatch("", "bytes that are UTF-8", show(value)) from exc


_PROMOTIONS: dict[tuple[str, str], Check | None] = {
    ("int", "long"): _KEEP,
    ("int", "float"): float,
    ("int", "double"): float,
    ("long", "float"): float,
    ("long", "double"): float,
    ("float", "double"): _KEEP,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): _decode,
}


def check_resolution(writer: Schema, reader: Schema) -> None:
    """Check that whatever is written with one schema can be read with another.

    Raises
    ------
    SchemaMismatch
        With the path to where they do not fit: ``legs[].symbol`` in the items of an array, ``prices{}`` in a map.
    """
    Resolver(writer, reader)


class Resolver:
    """Turns native values of the writer's schema into those of the reader's.

    Numbers are promoted, fields renamed by aliases, dropped or filled with defaults.

    >>> from engine.schema import parse_schema
    >>> Resolver(parse_schema("int"), parse_schema("double"))(3)
    3.0

    Raises
    ------
    SchemaMismatch
        When made: the schemas do not fit. When called: bytes or an int that the reader's type cannot hold.
    """

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self._known: dict[tuple[int, int], Check | None] = {}
        self._convert = _KEEP if writer == reader else self._resolve(writer.root, reader.root)

    @property
    def is_identity(self) -> bool:
        """Whether values stay as they are."""
        return self._convert is None

    def __call__(self, value: Any) -> Any:
        """Return the value as the reader sees it."""
        return value if self._convert is None else self._convert(value)

    def _resolve(self, writer: Type, reader: Type) -> Check | None:
        if writer.kind == "union":
            return self._from_union(writer, reader)
        if reader.kind == "union":
            return self._to_union(writer, reader)
        if writer.kind != reader.kind:
            if (writer.kind, reader.kind) not in _PROMOTIONS:
                raise _misfit(writer, reader)
            return _through_bases(writer, reader, _PROMOTIONS[writer.kind, reader.kind])
        match writer.kind:
            case "record":
                return self._record(writer, reader)
            case "array":
                return each_item(_inside("[]", lambda: self._resolve(writer.parts[0], reader.parts[0])))
            case "map":
                return each_value(_inside("{}", lambda: self._resolve(writer.parts[0], reader.parts[0])))
            case "enum":
                return _enum(writer, reader)
            case "fixed" if not _is_same_name(writer, reader) or writer.size != reader.size:
                raise SchemaMismatch("", f"{reader} of {reader.size} bytes", f"{writer} of {writer.size} bytes")
        return _through_bases(writer, reader, _KEEP)

    def _from_union(self, writer: Type, reader: Type) -> Check | None:
        converts = [self._resolve(part, reader) for part in writer.parts]
        if not any(converts):
            return _KEEP
        select = CheckCompiler("native", is_finite=False).selector(writer)

        def convert(value: Any) -> Any:
            index, checked = select(value)
            step = converts[index]
            return checked if step is None else step(checked)

        return convert

    def _to_union(self, writer: Type, reader: Type) -> Check | None:
        alike = [part for part in reader.parts if part.kind == writer.kind]
        failures = []
        for part in sorted(reader.parts, key=lambda part: (part.kind != writer.kind, not _is_same_name(writer, part))):
            try:
                return self._resolve(writer, part)
            except SchemaMismatch as error:
                failures.append(error)
        # one branch of the same kind: what is wrong inside of it says more
        raise failures[0] if len(alike) == 1 and failures[0].path else _misfit(writer, reader)

    def _record(self, writer: Type, reader: Type) -> Check | None:
        if not _is_same_name(writer, reader):
            raise _misfit(writer, reader)
        pair, known = (id(writer), id(reader)), self._known
        if pair in known:  # a recursive schema: the conversion is not made yet

            def convert_later(value: Any) -> Any:
                convert = known[pair]
                return value if convert is None else convert(value)

            return convert_later
        known[pair] = _KEEP
        try:
            known[pair] = self._fields(writer, reader)
        except SchemaMismatch:
            del known[pair]
            raise
        return known[pair]

    def _fields(self, writer: Type, reader: Type) -> Check | None:
        written = {field.name: field for field in writer.fields}
        copied: list[tuple[str, str, Check | None]] = []
        filled: list[tuple[str, Callable[[], Any]]] = []
        for field in reader.fields:
            source = next((written[name] for name in (field.name, *field.aliases) if name in written), None)
            if source is not None:
                copied.append((field.name, source.name, self._field(source, field)))
            elif (default := default_of(field.type, field.default)) is not None:
                filled.append((field.name, default))
            else:
                raise SchemaMismatch(
                    field.name, f"{field.type} without a default", f"{writer}, which has no such field"
                )
        is_same = [name for name, source, step in copied if name == source and step is None] == list(written)
        if is_same and not filled:
            return _KEEP

        def convert(value: Any) -> dict[str, Any]:
            resolved = {name: value[source] if step is None else step(value[source]) for name, source, step in copied}
            for name, make in filled:
                resolved[name] = make()
            return resolved

        return convert

    def _field(self, writer: Field, reader: Field) -> Check | None:
        return _inside(reader.name, lambda: self._resolve(writer.type, reader.type))


def _inside(step: str, resolve: Callable[[], Check | None]) -> Check | None:
    """Resolve what is inside; a mismatch there, now or when a value comes, is named by its path."""
    try:
        convert = resolve()
    except SchemaMismatch as error:
        raise within(step, error) from error.__cause__
    if convert is None:
        return None

    def convert_inside(value: Any) -> Any:
        try:
            return convert(value)
        except SchemaMismatch as error:
            raise within(step, error) from error.__cause__

    return convert_inside


def _is_same_name(writer: Type, reader: Type) -> bool:
    names = {alias.rpartition(".")[2] for alias in reader.aliases} | {reader.short_name}
    return writer.short_name in names


def _misfit(writer: Type, reader: Type) -> SchemaMismatch:
    return SchemaMismatch("", str(reader), str(writer))


def _enum(writer: Type, reader: Type) -> Check | None:
    if not _is_same_name(writer, reader):
        raise _misfit(writer, reader)
    unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    default = reader.symbol_default
    if unknown and default is None:
        one_of = f"{reader}, one of {', '.join(reader.symbols)},"
        raise SchemaMismatch("", one_of, f"{writer} with {', '.join(unknown)}")
    known = frozenset(reader.symbols)
    return (lambda value: value if value in known else default) if unknown else _KEEP


def _through_bases(writer: Type, reader: Type, promote: Check | None) -> Check | None:
    """Convert between types of which one or both are logical: what stands for the value is what Avro resolves."""
    if writer.logical and reader.logical:
        if (writer.logical.name, writer.logical.parameters) != (reader.logical.name, reader.logical.parameters):
            raise _misfit(writer, reader)
        return _KEEP
    if writer.logical is None and reader.logical is None:
        return promote
    to_base = writer.logical.to_base if writer.logical else None
    from_base = CheckCompiler("native", is_finite=False).check(reader) if reader.logical else None
    steps = [step for step in (to_base, promote, from_base) if step is not None]

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return convert
