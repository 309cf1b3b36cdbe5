"""The Transport of a descriptor: one class for each kind, with its fields and what it is able to do."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from engine.errors import DescriptorError, NotBuilt
from engine.streams.address import check_url
from engine.streams.kafka import KafkaOffsetTransport, KafkaTransport
from engine.streams.part import Part
from engine.streams.words import TRANSPORTS, TRANSPORTS_NOT_BUILT, WHERE, canonical, expected, one_of, shown
from engine.transports.secrets import is_reference


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


_URL_FIX = 'write {"Authorization": "Basic secret://NAME"} into Headers, or the whole Url as secret://NAME'


def _check_headers(value: Any) -> Any:
    for name, text in value.items() if isinstance(value, dict) else ():
        field = f"Transport.Headers.{name}"
        if not _HEADER_NAME.fullmatch(name):
            raise DescriptorError("Transport.Headers", f"{shown(name)} is no name of a header")
        if name.lower() in _OWN_HEADERS:
            raise DescriptorError(field, "the engine sets it")
        if not isinstance(text, str) or not text.isascii() or (text and not text.isprintable()):
            raise expected(field, "a text of printable ASCII", text)
        if _SECRET_NAME.search(name) and not is_reference(text):
            fix = "write secret://NAME or env://NAME, also behind a word as in Bearer secret://NAME"
            raise DescriptorError(field, f"a descriptor holds no secrets; {fix}")
    return value


def _check_chunked(value: Any) -> Any:
    if value is True:
        raise NotBuilt('Transport "HTTP" with "Chunked"', WHERE)
    return value


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_OWN_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "idempotency-key")
_SECRET_NAME = re.compile(r"auth|cookie|token|secret|passw|api-?key|credential|signature", re.IGNORECASE)


class HttpTransport(Part):
    """Outputs that are sent to an address, a batch in each request."""

    type: Literal["HTTP"]
    url: Annotated[str, BeforeValidator(lambda value: check_url(value, "Transport.Url", _URL_FIX))]
    headers: Annotated[dict[str, str], BeforeValidator(_check_headers)] = Field(default_factory=dict)
    timeout_ms: PositiveInt = Field(default=30_000, alias="Timeout")
    method: Annotated[
        Literal["POST", "PUT"],
        BeforeValidator(lambda word: canonical("Transport.Method", word, ("POST", "PUT"))),
    ] = "POST"
    chunked: Annotated[bool, BeforeValidator(_check_chunked)] = False

    is_seekable: ClassVar[bool] = False
    keeps_boundaries: ClassVar[bool] = False
    directions: ClassVar[tuple[str, ...]] = ("output",)


CLASSES: Mapping[str, type[Part]] = {
    "REST": RestTransport,
    "file": FileTransport,
    "inline": InlineTransport,
    "discard": DiscardTransport,
    "HTTP": HttpTransport,
    "Kafka": KafkaTransport,
    "kafka-offset": KafkaOffsetTransport,
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
    | Annotated[DiscardTransport, Tag(tag_of("discard"))]
    | Annotated[HttpTransport, Tag(tag_of("HTTP"))]
    | Annotated[KafkaTransport, Tag(tag_of("Kafka"))]
    | Annotated[KafkaOffsetTransport, Tag(tag_of("kafka-offset"))],
    Discriminator(lambda value: tag_of(value["Type"] if isinstance(value, dict) else value.type)),
    BeforeValidator(_as_object),
]
