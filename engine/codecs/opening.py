"""From an encoding's name and two schemas to a codec."""

from __future__ import annotations

from engine.codecs.avro_codec import open_avro
from engine.codecs.compiled import CompiledCodec, SchemaPair
from engine.codecs.json_codec import open_json
from engine.codecs.raw_codecs import open_null, open_utf8
from engine.codecs.registry_codec import NoSchemas, RegistryCodec, SchemaSource
from engine.errors import DescriptorError, NotBuilt, nearest
from engine.schema import Schema

KNOWN = ("json", "utf-8", "avro-binary", "avro-registry", "null")
NOT_BUILT = ("csv", "msgpack", "soap-rpc")


def open_codec(
    encoding: str,
    schema: Schema | None = None,
    model_schema: Schema | None = None,
    *,
    tagged_unions: bool = False,
    schemas: SchemaSource | None = None,
) -> CompiledCodec | RegistryCodec:
    """Return the codec of a slot: what its stream carries on one side, what its script sees on the other.

    What is read is checked by the stream's schema and resolved to the script's (writer = stream, reader = script); what
    is written is checked by the script's and resolved to the stream's. Where one of the two is absent, the other counts
    for both; without both, ``json``, ``utf-8`` and ``null`` take any value they can hold.

    Parameters
    ----------
    encoding : str
        One of `KNOWN`.
    schema : Schema, optional
        The stream's.
    model_schema : Schema, optional
        That of the script's slot.
    tagged_unions : bool
        Write a union's value in JSON as ``{"double": 2.0}``; both forms are always read.
    schemas : SchemaSource, optional
        Who knows the schemas that records of ``avro-registry`` name.

    Raises
    ------
    NotBuilt
        The encoding is known by name only.
    DescriptorError
        No such encoding; ``avro-binary`` without a schema; ``utf-8`` with one that is not ``string``; ``null`` with one
        that is not ``bytes``.
    SchemaMismatch
        The two schemas fit in neither direction. One that fits in the direction of the slot is enough: the other raises
        when it is used.

    Examples
    --------
    >>> from engine.schema import parse_schema
    >>> codec = open_codec("json", parse_schema("double"))
    >>> codec.decode(b"3"), codec.encode(0.5)
    (3.0, b'0.5')
    """
    if encoding in NOT_BUILT:
        raise NotBuilt(f"the encoding {encoding!r}")
    if encoding not in KNOWN:
        raise DescriptorError("Encoding", f"{encoding!r} is not an encoding", nearest(encoding, [*KNOWN, *NOT_BUILT]))
    if tagged_unions and encoding != "json":
        raise DescriptorError("Encoding", f"tagged unions are of json, not of {encoding}")
    if encoding == "avro-registry":
        return RegistryCodec(schemas or NoSchemas(), schema, model_schema)
    stream, model = schema or model_schema, model_schema or schema
    pair = None if stream is None or model is None else SchemaPair.fit(stream, model)
    match encoding:
        case "json":
            return open_json(pair, is_tagged=tagged_unions)
        case "utf-8":
            return open_utf8(pair)
        case "null":
            return open_null(pair)
    if pair is None:
        raise DescriptorError("Encoding", "avro-binary needs a schema")
    return open_avro(pair)
