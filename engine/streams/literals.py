"""Streams named in one word: ``rest:``, ``file:/tmp/x.json``, ``http://host/``, and the paths of ``engine run``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from engine.errors import DescriptorError, NotBuilt, nearest
from engine.streams.descriptor import StreamDescriptor
from engine.streams.parsing import parse_descriptor
from engine.streams.restrictions import verify_descriptor
from engine.streams.words import WHERE

_ENCODINGS = {".avro": "avro-binary", ".utf8": "utf-8", ".txt": "utf-8", ".bin": None}  # otherwise json
_NOT_BUILT = ("tcp", "udp", "exec", "s3", "odbc", "hdfs")


def _rest(_: str) -> Any:
    return "REST"


def _rest_chunked(_: str) -> Any:
    return {"Type": "REST", "Mode": "chunked"}


def _discard(_: str) -> Any:
    return "discard"


def _file(path: str) -> Any:
    if not path.startswith("/"):
        raise DescriptorError("Transport.Path", "a path that begins with / expected behind file:")
    return {"Type": "file", "Path": path}


def _inline(data: str) -> Any:
    return {"Type": "inline", **_data(data, data.split(",") if data else [])}


def _inline_chunked(data: str) -> Any:
    return {"Type": "inline", **_data(data, data)}


def _http(rest: str) -> Any:
    return {"Type": "HTTP", "Url": f"http:{rest}"}


def _https(rest: str) -> Any:
    return {"Type": "HTTP", "Url": f"https:{rest}"}


def _kafka(rest: str) -> Any:
    servers, slash, topic = rest.rpartition("/")
    if not slash:
        raise DescriptorError("Transport.Topic", "kafka:BROKER/TOPIC or kafka:BROKER:PORT/TOPIC expected")
    suffix = Path(topic).suffix
    # Topics have dots in their names: only what says an encoding is taken off.
    name = topic.removesuffix(suffix) if suffix.lower() in (".json", *_ENCODINGS) else topic
    return {"Type": "Kafka", "BootstrapServers": servers.split(","), "Topic": name}


_KAFKA_FIELDS = ("Group", "Partition", "MaxWaitTime")
_QUERY_FIELDS = (*_KAFKA_FIELDS, "SkipToRecord")


def _parse_query(query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what stands behind the ? of a topic: fields of the Transport, and of the descriptor."""
    inner: dict[str, Any] = {}
    outer: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _QUERY_FIELDS:
            reason = f"behind the ? of a topic there may be {', '.join(_QUERY_FIELDS)}; for the rest write a descriptor"
            raise DescriptorError(name, reason, nearest(name, _QUERY_FIELDS))
        value = int(text) if text.isdecimal() and name != "Group" else text
        (inner if name in _KAFKA_FIELDS else outer)[name] = value
    return inner, outer


def _data(text: str, items: str | list[str]) -> dict[str, Any]:
    """Return the field for the items: text, or base64 where the literal holds bytes in percent notation."""
    if "%" not in text:
        return {"Data": items}
    return {"DataBinary": [_to_base64(item) for item in items] if isinstance(items, list) else _to_base64(items)}


def _to_base64(text: str) -> str:
    return base64.b64encode(unquote_to_bytes(text)).decode()


_TRANSPORTS: Mapping[str, Callable[[str], Any]] = {
    "rest": _rest,
    "rest-chunked": _rest_chunked,
    "discard": _discard,
    "file": _file,
    "inline": _inline,
    "inline-chunked": _inline_chunked,
    "http": _http,
    "https": _https,
    "kafka": _kafka,
}
LITERALS = tuple(f"{scheme}:" for scheme in _TRANSPORTS)
"""How literals begin."""


def parse_literal(text: str) -> StreamDescriptor | None:
    """Return the descriptor that a literal stands for, or None when the text is no literal.

    Raises
    ------
    DescriptorError
        A literal with something wrong behind its colon.
    NotBuilt
        A literal for a transport that does not exist yet.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in (*_TRANSPORTS, *_NOT_BUILT):
        return None
    if scheme in _NOT_BUILT:
        raise NotBuilt(f'Transport "{scheme}:"', WHERE)
    rest, _, query = rest.partition("?") if scheme == "kafka" else (rest, "", "")
    inner, outer = _parse_query(query)
    transport = _TRANSPORTS[scheme](rest)
    encoding = _encoding_of(rest) if scheme in ("file", "kafka") else "json"
    if inner:
        transport |= inner
    return parse_descriptor({"Transport": transport, "Encoding": encoding, **outer}, text)


def parse_endpoint(text: str, is_input: bool) -> StreamDescriptor:
    """Return the descriptor for an end of ``engine run``: a literal, a path, or ``-`` for standard input or output.

    The suffix says the encoding: ``.avro`` avro-binary, ``.utf8`` and ``.txt`` utf-8, ``.bin`` bytes, otherwise json.

    Raises
    ------
    DescriptorError, NotBuilt
        As `parse_literal`; or it cannot be read from, or written to.
    """
    descriptor = parse_literal(text)
    if descriptor is None:
        path = text if text == "-" else str(Path(text).absolute())
        descriptor = parse_descriptor(
            {"Transport": {"Type": "file", "Path": path}, "Encoding": _encoding_of(text)}, text
        )
    verify_descriptor(descriptor, slot=0 if is_input else 1)
    return descriptor


def _encoding_of(path: str) -> str | None:
    return _ENCODINGS.get(Path(path).suffix.lower(), "json")
