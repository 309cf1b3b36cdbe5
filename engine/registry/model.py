"""A model put together from its parts: what an engine loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import AssetError, AssetInvalid, AssetNotFound, nearest
from engine.registry.archive import SUFFIXES
from engine.registry.library import ATTACHMENTS_FOLDER, MODELS_FOLDER, SCHEMAS_FOLDER, Library
from engine.registry.names import is_legal
from engine.schema import PRIMITIVES, Schema, parse_schema
from engine.script import Script, check_keys, inspect_script

SCRIPT_SUFFIXES = (".py", ".py3")


@dataclass(frozen=True, slots=True)
class Attachment:
    """An archive that is unpacked into the folder of every jet.

    Parameters
    ----------
    name : str
        Its name in the library.
    path : Path
        A file with its content.
    sha256 : str
        The hash that the content had when the model was put together.
    """

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A script with the schemas and attachments it was put together with.

    Parameters
    ----------
    script : Script
        What the script says of itself.
    schemas : mapping of str to Schema
        The schemas that its slots name.
    attachments : tuple of Attachment
        In the order in which they are unpacked.
    digest : str
        SHA-256 over all of it: the same digest means the same scores.
    """

    script: Script
    schemas: Mapping[str, Schema]
    attachments: tuple[Attachment, ...]
    digest: str


def assemble(library: Library, name: str, *, is_strict: bool = False) -> Model:
    """Return the model `name` of the library with all it needs; `is_strict` is that of `inspect_script`.

    Raises
    ------
    AssetNotFound
        The model, or a schema that it names, is not in the library.
    ScriptInvalid, HookMissing, AnnotationError, NotBuilt
        See `engine.script.inspect_script`.
    """
    source = library.models.read(name).decode("utf-8-sig")
    return _assemble(source, name, library, _stored_attachments(library, name), {}, is_strict=is_strict)


def from_path(
    path: Path,
    library: Library | None = None,
    attachments: Sequence[Path] = (),
    schemas: Mapping[str, Schema] | None = None,
) -> Model:
    """Return the model whose script is the file `path`.

    Parameters
    ----------
    path : Path
        The script; its name without the suffix is the model's.
    library : Library, optional
        Where to look for schemas and attachments; by default `library_of` the script.
    attachments : sequence of Path
        Archives to use instead of all those in the library.
    schemas : mapping of str to Schema, optional
        Schemas to use before those in the library.

    Raises
    ------
    AssetNotFound
        The script, an attachment or a schema is not there.
    AssetInvalid
        The file is not a Python script or not an archive.
    ScriptInvalid, HookMissing, AnnotationError, NotBuilt
        See `engine.script.inspect_script`.
    """
    if path.suffix not in SCRIPT_SUFFIXES:
        raise AssetInvalid("model", path.name, f"is not a script: {' or '.join(SCRIPT_SUFFIXES)} is expected")
    try:
        source = _read("script", path).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise AssetInvalid("model", path.name, f"is not UTF-8 text: {exc}") from exc
    library = library or library_of(path)
    if attachments:
        chosen = tuple(_attachment(attachment) for attachment in attachments)
    else:
        chosen = _stored_attachments(library, path.stem) if library and is_legal(path.stem) else ()
    return _assemble(source, path.stem, library, chosen, schemas or {})


def library_of(script: Path) -> Library | None:
    """Return the library that a script lies in, as ``LIBRARY/model_scripts/NAME.py``, or None."""
    folder = script.absolute().parent
    neighbours = (folder.parent / SCHEMAS_FOLDER, folder.parent / ATTACHMENTS_FOLDER)
    is_inside = folder.name == MODELS_FOLDER and any(neighbour.is_dir() for neighbour in neighbours)
    return Library(folder.parent) if is_inside else None


def _assemble(
    source: str,
    name: str,
    library: Library | None,
    attachments: tuple[Attachment, ...],
    given: Mapping[str, Schema],
    *,
    is_strict: bool = False,
) -> Model:
    script = inspect_script(source, name, is_strict=is_strict)
    named = sorted({slot.schema for slot in script.slots.values() if slot.schema is not None})
    schemas = {schema: given[schema] if schema in given else _stored_schema(library, schema, given) for schema in named}
    check_keys(
        script.keys, {slot: schemas[used.schema] for slot, used in script.slots.items() if used.schema is not None}
    )
    parts = {
        "script": script.digest,
        "schemas": {schema: schemas[schema].source for schema in named},
        "attachments": [(attachment.name, attachment.sha256) for attachment in attachments],
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return Model(script, schemas, attachments, digest)


def _stored_schema(library: Library | None, name: str, given: Mapping[str, Schema]) -> Schema:
    name = name.removesuffix(".avsc")  # ModelOp Center's scripts name a schema by its file
    if library is None and name in PRIMITIVES:  # a script that stands alone needs no folder for these
        return parse_schema(name, name)
    if library is None:
        raise AssetNotFound("schema", name, nearest(name, given))
    try:
        return library.schema(name)
    except AssetNotFound as exc:
        raise AssetNotFound("schema", name, nearest(name, given) or exc.near) from exc


def _stored_attachments(library: Library, model: str) -> tuple[Attachment, ...]:
    stored = library.attachments(model)
    return tuple(
        Attachment(asset.name, stored.locate(asset), asset.sha256)
        for asset in stored.list()
        if asset.name.endswith(SUFFIXES)
    )


def _attachment(path: Path) -> Attachment:
    if not path.name.endswith(SUFFIXES):
        raise AssetInvalid("attachment", path.name, f"is of an unknown kind: {', '.join(SUFFIXES)} can be unpacked")
    return Attachment(path.name, path.absolute(), hashlib.sha256(_read("attachment", path)).hexdigest())


def _read(kind: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        neighbours = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise AssetNotFound(kind, str(path), nearest(path.name, neighbours)) from exc
    except OSError as exc:
        raise AssetError(f"{kind.capitalize()} {str(path)!r} cannot be read: {exc.strerror}.") from exc
