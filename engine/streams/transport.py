"""The Transport of a descriptor: one class for each kind, with its fields and what it is able to do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.alias_generators import to_pascal

from engine.errors import DescriptorError
from engine.streams.words import TRANSPORTS, TRANSPORTS_NOT_BUILT, canonical, expected, one_of


class Part(BaseModel):
    """An object of a descriptor: fields spelt ``LikeThis`` there and ``like_this`` here, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_pascal)


class RestTransport(Part):
    """Request bodies in, outputs fetched by clients out."""

    type: Literal["REST"]
    mode: Annotated[
        Literal["simple", "chunked"],
        BeforeValidator(lambda word: canonical("Transport.Mode", word, ("simple", "chunked"))),
    ] = "simple"

    is_seekable: ClassVar[bool] = False
    directions: ClassVar[tuple[str, ...]] = ("input", "output")

    @property
    def keeps_boundaries(self) -> bool:
        """Whether what it carries comes in records."""
        return self.mode == "simple"


class FileTransport(Part):
    """A file in the engine's file system; ``-`` is standard input or output."""

    type: Literal["file"]
    path: Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
    append: bool = False

    keeps_boundaries: ClassVar[bool] = False
    directions: ClassVar[tuple[str, ...]] = ("input", "output")

    @property
    def is_seekable(self) -> bool:
        """Whether reading can begin anywhere and again."""
        return self.path != "-"


def _check_data(value: Any, field: str) -> Any:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str):
            raise expected(field, "a text for each record", item)
        if field.endswith("Binary"):
            _from_base64(item)
    return value


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise DescriptorError("Transport.DataBinary", f"base64 expected: {exc}") from exc


_Data: TypeAlias = str | list[str] | None


class InlineTransport(Part):
    """Data in the descriptor itself: a list holds a record each, a text is one piece."""

    type: Literal["inline"]
    data: Annotated[_Data, BeforeValidator(lambda value: _check_data(value, "Transport.Data"))] = None
    data_binary: Annotated[_Data, BeforeValidator(lambda value: _check_data(value, "Transport.DataBinary"))] = None

    is_seekable: ClassVar[bool] = True
    directions: ClassVar[tuple[str, ...]] = ("input",)

    @model_validator(mode="after")
    def _check_one_is_given(self) -> Self:
        if (self.data is None) == (self.data_binary is None):
            raise DescriptorError("Transport", "either Data or DataBinary expected")
        return self

    @property
    def keeps_boundaries(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.content, list)

    @property
    def content(self) -> bytes | list[bytes]:
        """The data as bytes."""
        given = self.data if self.data is not None else self.data_binary
        to_bytes = str.encode if self.data is not None else _from_base64
        return [to_bytes(item) for item in given] if isinstance(given, list) else to_bytes(str(given))


class DiscardTransport(Part):
    """Outputs that nobody wants."""

    type: Literal["discard"]

    is_seekable: ClassVar[bool] = False
    keeps_boundaries: ClassVar[bool] = True
    directions: ClassVar[tuple[str, ...]] = ("output",)


CLASSES: Mapping[str, type[Part]] = {
    "REST": RestTransport,
    "file": FileTransport,
    "inline": InlineTransport,
    "discard": DiscardTransport,
}


def _as_object(value: Any) -> Any:
    """Make a shortcut an object, and spell its Type right."""
    if isinstance(value, Part):
        return value
    fields = {"Type": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise expected("Transport", "a text or an object", value)
    if "Type" not in fields:
        raise DescriptorError("Transport.Type", f"missing: {one_of(TRANSPORTS)} expected")
    field = "Transport" if isinstance(value, str) else "Transport.Type"
    return fields | {"Type": canonical(field, fields["Type"], TRANSPORTS, TRANSPORTS_NOT_BUILT)}


def tag_of(name: str) -> str:
    """Return the step that pydantic puts into an error's path for the class that it chose; no field looks like it."""
    return f"<{name}>"


Transport: TypeAlias = Annotated[
    Annotated[RestTransport, Tag(tag_of("REST"))]
    | Annotated[FileTransport, Tag(tag_of("file"))]
    | Annotated[InlineTransport, Tag(tag_of("inline"))]
    | Annotated[DiscardTransport, Tag(tag_of("discard"))],
    Discriminator(lambda value: tag_of(value["Type"] if isinstance(value, dict) else value.type)),
    BeforeValidator(_as_object),
]
