"""What an image of a model is made of: every file of its build folder, by path, and what its labels say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import __version__
from engine.errors import AssetInvalid
from engine.registry import Library, Model, assemble
from engine.registry.library import MODELS_FOLDER, SCHEMAS_FOLDER

PREFIX = "scoring-engine."
MODEL_LABEL = f"{PREFIX}model"
STREAMS_FOLDER = "streams"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model with all that its image holds beside the engine.

    Parameters
    ----------
    model : Model
        From the library.
    base : str
        The image with the engine.
    streams : mapping of int to str
        For each slot, a stream of the image's library, or a literal.
    files : mapping of str to bytes
        The library's part, by its path there; archives are in `attachments`.
    attachments : mapping of str to Path
        For each archive ``SHA-256/NAME`` and the file.
    requirements : str
        The packages, locked.
    brings_packages : bool
        They are the model's own; else they are those of the engine.
    """

    model: Model
    base: str
    streams: Mapping[int, str]
    files: Mapping[str, bytes]
    attachments: Mapping[str, Path]
    requirements: str
    brings_packages: bool

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.script.name

    @property
    def labels(self) -> dict[str, str]:
        """What the image says of itself: OCI's words first, then ours; what is more than a word is JSON."""
        script = self.model.script
        slots = {
            str(number): {
                field: value
                for field, value in (
                    ("name", slot.name),
                    ("schema", slot.schema),
                    ("key", script.keys.get(number)),
                    ("stream", self.streams.get(number)),
                )
                if value is not None
            }
            for number, slot in sorted(script.slots.items())
        }
        own: dict[str, Any] = {
            "model": script.name,
            "model.digest": self.model.digest,
            "script.digest": script.digest,
            "schemas": {Path(path).stem: _sha256(text) for path, text in self._below(SCHEMAS_FOLDER)},
            "streams": {Path(path).stem: _sha256(text) for path, text in self._below(STREAMS_FOLDER)},
            "attachments": {Path(path).name: str(Path(path).parent) for path in sorted(self.attachments)},
            "slots": slots,
            "state": [one.name for one in script.state_names],
            "packages": "model" if self.brings_packages else "engine",
            "requirements.digest": _sha256(self.requirements.encode()),
            "version": __version__,
        }
        return {
            "org.opencontainers.image.title": script.name,
            "org.opencontainers.image.version": self.model.digest[:12],
            "org.opencontainers.image.base.name": self.base,
            **{PREFIX + name: value if isinstance(value, str) else _json(value) for name, value in own.items()},
        }

    def _below(self, folder: str) -> Iterator[tuple[str, bytes]]:
        return ((path, text) for path, text in sorted(self.files.items()) if path.startswith(f"{folder}/"))


def collect(
    library: Library, name: str, *, base: str, streams: Mapping[int, str], requirements: str, brings_packages: bool
) -> Recipe:
    """Return the recipe of a model of the library.

    Raises
    ------
    AssetNotFound
        The model, or something that it or its streams name, is not in the library.
    EngineError
        The script is none.
    """
    model = assemble(library, name)
    files = {f"{MODELS_FOLDER}/{name}.py": library.models.read(name)}
    for schema in model.schemas:
        _add_schema(files, library, schema)
    for stream in streams.values():
        if ":" not in stream:
            _add_stream(files, library, stream)
    attachments = {f"{one.sha256}/{one.name}": one.path for one in model.attachments}
    return Recipe(model, base, streams, files, attachments, requirements, brings_packages)


def read_labels(labels: Mapping[str, str]) -> dict[str, Any]:
    """Return our labels without their prefix, and JSON as what it stands for.

    >>> read_labels({"scoring-engine.model": "lstm", "scoring-engine.state": '["past"]', "maintainer": "me"})
    {'model': 'lstm', 'state': ['past']}
    """
    own = {name.removeprefix(PREFIX): text for name, text in labels.items() if name.startswith(PREFIX)}
    return {name: json.loads(text) if text[:1] in ("{", "[") else text for name, text in own.items()}


def _add_schema(files: dict[str, bytes], library: Library, name: str) -> None:
    stem = name.removesuffix(".avsc")
    files[f"{SCHEMAS_FOLDER}/{stem}.avsc"] = library.schemas.read(stem)


def _add_stream(files: dict[str, bytes], library: Library, name: str) -> None:
    path = f"{STREAMS_FOLDER}/{name}.json"
    if path in files:
        return
    files[path] = library.streams.read(name)
    try:
        descriptor = json.loads(files[path])
    except ValueError as exc:
        raise AssetInvalid("stream", name, f"is not JSON: {exc}") from exc
    for field, value in descriptor.items() if isinstance(descriptor, dict) else ():
        if isinstance(value, dict) and isinstance(named := value.get("$ref"), str):
            (_add_stream if field == "Rejects" else _add_schema)(files, library, named)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
