"""The Encoding of a descriptor: how a record is written, and where the schemas of its records are registered."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from engine import codecs
from engine.errors import DescriptorError
from engine.streams.address import check_url
from engine.streams.part import Part
from engine.streams.words import canonical, expected
from engine.transports.secrets import is_reference

REGISTRY = "avro-registry"

_FIX = "write them as Username and Password: secret://NAME, or the whole Url as secret://NAME"


class PlainEncoding(Part):
    """How a record is written, with nothing but the stream's schema to say so."""

    type: str
    unions: Annotated[
        Literal["plain", "tagged"],
        BeforeValidator(lambda word: canonical("Encoding.Unions", word, ("plain", "tagged"))),
    ] = "plain"


def _check_password(value: Any) -> Any:
    if isinstance(value, str) and (not is_reference(value) or " " in value):
        raise DescriptorError("Encoding.Password", "a descriptor holds no secrets; write secret://NAME or env://NAME")
    return value


class RegistryEncoding(Part):
    """Avro behind the number of a schema that a registry knows."""

    type: Literal["avro-registry"]
    url: Annotated[str, BeforeValidator(lambda value: check_url(value, "Encoding.Url", _FIX))]
    subject: Annotated[str, Field(min_length=1)] | None = None
    username: Annotated[str, Field(min_length=1)] | None = None
    password: Annotated[str | None, BeforeValidator(_check_password)] = None
    auto_register: bool = True
    timeout_ms: PositiveInt = Field(default=10_000, alias="Timeout")
    ca_file: Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")] | None = None

    @model_validator(mode="after")
    def _check_user(self) -> Self:
        if (self.username is None) != (self.password is None):
            missing = "Username" if self.username is None else "Password"
            raise DescriptorError(f"Encoding.{missing}", "missing: a user has a name and a password")
        return self


def _as_encoding(value: Any) -> Any:
    """Make a shortcut an object, and spell its Type right."""
    if value is None or isinstance(value, PlainEncoding | RegistryEncoding):
        return value
    fields = {"Type": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise expected("Encoding", "a name, an object or null", value)
    field = "Encoding" if isinstance(value, str) else "Encoding.Type"
    name = canonical(field, fields.get("Type"), codecs.KNOWN, codecs.NOT_BUILT)
    if "Unions" in fields and name != "json":
        raise DescriptorError("Encoding.Unions", "only the json encoding has it")
    if name == REGISTRY and "Url" not in fields:
        raise DescriptorError("Encoding.Url", "missing: avro-registry needs the address of its schema registry")
    return None if name == "null" else fields | {"Type": name}


PLAIN_TAG, REGISTRY_TAG = "<encoding>", "<avro-registry>"
"""What pydantic puts into an error's path for the class that it chose; no field looks like it."""


def _tag(value: Any) -> str:
    name = value["Type"] if isinstance(value, dict) else value.type
    return REGISTRY_TAG if name == REGISTRY else PLAIN_TAG


Encoding: TypeAlias = Annotated[
    Annotated[
        Annotated[PlainEncoding, Tag(PLAIN_TAG)] | Annotated[RegistryEncoding, Tag(REGISTRY_TAG)],
        Discriminator(_tag),
    ]
    | None,
    BeforeValidator(_as_encoding),
]
