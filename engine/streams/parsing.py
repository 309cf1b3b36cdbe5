"""From the text of a descriptor to a `StreamDescriptor`, or to a sentence that says what is wrong where."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.errors import DescriptorError, NotBuilt, nearest
from engine.streams.descriptor import Batching, Framing, StreamDescriptor
from engine.streams.encoding import PLAIN_TAG, REGISTRY_TAG, PlainEncoding, RegistryEncoding
from engine.streams.security import Security
from engine.streams.transport import CLASSES, tag_of
from engine.streams.words import WHERE, expected

_FIELDS_NOT_BUILT = ("EndMarker",)
_PARTS: dict[str, type[BaseModel]] = {
    "Envelope": Framing,
    PLAIN_TAG: PlainEncoding,
    REGISTRY_TAG: RegistryEncoding,
    "Batching": Batching,
    "Security": Security,
    **{tag_of(name): part for name, part in CLASSES.items()},
}
# A misspelt field first: it is also why another one is missing.
_ORDER = {"extra_forbidden": 0, "missing": 2}
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "int_type": "a whole number",
    "less_than": "a whole number below {lt}",
    "model_type": "a name, an object or null",
    "string_type": "a text",
    "greater_than": "a whole number above {gt}",
    "greater_than_equal": "a whole number of at least {ge}",
    "string_pattern_mismatch": "a text without NUL",
    "string_too_short": "a text that is not empty",
}


def parse_descriptor(source: str | bytes | dict[str, Any], name: str = "") -> StreamDescriptor:
    """Return a descriptor's fields, defaults filled in.

    Parameters
    ----------
    source : str, bytes or dict
        A JSON text or the object that it stands for.
    name : str, optional
        The stream's, for the error's sentence.

    Raises
    ------
    DescriptorError
        Not JSON (with line and column), or a field that is missing, unknown or of the wrong kind (with its path).
    NotBuilt
        It asks for something that does not exist yet.
    """
    try:
        fields = _without_not_built(_load(source))
        return StreamDescriptor.model_validate(fields)
    except ValidationError as exc:
        fault = _explain(min(exc.errors(include_url=False), key=lambda error: _ORDER.get(error["type"], 1)))
        raise DescriptorError(fault.field, fault.reason, fault.near, name) from exc
    except DescriptorError as exc:
        raise DescriptorError(exc.field, exc.reason, exc.near, name) from exc
    except NotBuilt as exc:
        raise NotBuilt(exc.feature, f"{WHERE} {name!r}" if name else WHERE) from exc


def _load(source: str | bytes | dict[str, Any]) -> dict[str, Any]:
    """Return the object, all of which can be written as JSON in UTF-8 again."""
    try:
        value = source if isinstance(source, dict) else json.loads(source)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as exc:
        raise DescriptorError("", f"not JSON: {exc.msg}, line {exc.lineno}, column {exc.colno}") from exc
    except (ValueError, TypeError, RecursionError) as exc:
        raise DescriptorError("", f"not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise expected("", "an object", value)
    return value


def _without_not_built(fields: dict[str, Any]) -> dict[str, Any]:
    for field in _FIELDS_NOT_BUILT:
        if fields.get(field) is not None:
            raise NotBuilt(f'Field "{field}"', WHERE)
    return {field: value for field, value in fields.items() if field not in _FIELDS_NOT_BUILT}


def _explain(error: ErrorDetails) -> DescriptorError:
    steps = [str(step) for step in error["loc"]]
    path = ".".join(step for step in steps if not step.startswith("<"))  # without the steps of `tag_of`
    if error["type"] == "missing":
        return DescriptorError(path, "missing")
    if error["type"] == "extra_forbidden":
        part = _PARTS[steps[-2]] if len(steps) > 1 else StreamDescriptor
        known = [str(field.alias) for field in part.model_fields.values()]
        near = nearest(steps[-1], known)
        return DescriptorError(path, "no such field", near) if near else _name_fields(path, known)
    what = _EXPECTED.get(error["type"], error["msg"]).format(**error.get("ctx", {}))
    return expected(path, what, error["input"])


def _name_fields(path: str, known: list[str]) -> DescriptorError:
    return DescriptorError(path, f"no such field; there are {', '.join(known)}")
