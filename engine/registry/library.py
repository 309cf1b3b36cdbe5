"""The library: a folder of models, schemas, streams and attachments."""

from __future__ import annotations

import json
from pathlib import Path

from engine.errors import AssetInvalid
from engine.registry.archive import check_archive
from engine.registry.collection import Collection
from engine.registry.names import check_name
from engine.schema import Schema, parse_schema

MODELS_FOLDER = "model_scripts"
SCHEMAS_FOLDER = "schemas"
ATTACHMENTS_FOLDER = "attachments"


class Models(Collection):
    """Scripts, as ``model_scripts/NAME.py``."""

    kind, suffix = "model", ".py"

    def __init__(self, root: Path) -> None:
        super().__init__(root, MODELS_FOLDER)
        self._root = root

    def check(self, name: str, content: bytes) -> None:
        """Raise `AssetInvalid` unless it is text. What the script says is looked at when it is verified or loaded."""
        _text(self.kind, name, content)

    def take_out(self, name: str) -> None:
        """As `Collection.take_out`; the model's attachments go with it, and their versions stay readable too."""
        self.get(name)
        attachments = Attachments(self._root, self, name)
        for attachment in attachments.list():
            attachments.take_out(attachment.name)
        super().take_out(name)


class Schemas(Collection):
    """Avro schemas, as ``schemas/NAME.avsc``."""

    kind, suffix = "schema", ".avsc"

    def check(self, name: str, content: bytes) -> None:
        """Raise `SchemaInvalid` unless it is an Avro schema."""
        parse_schema(content, name)


class Streams(Collection):
    """Stream descriptors, as ``streams/NAME.json``."""

    kind, suffix = "stream", ".json"

    def check(self, name: str, content: bytes) -> None:
        """Raise `AssetInvalid` unless it is a JSON object; what it means is for `engine.streams` to say."""
        try:
            value = json.loads(_text(self.kind, name, content))
        except json.JSONDecodeError as exc:
            raise AssetInvalid(self.kind, name, f"is not JSON: line {exc.lineno}, {exc.msg.lower()}") from exc
        except RecursionError as exc:
            raise AssetInvalid(self.kind, name, "is not a descriptor: it is nested too deeply") from exc
        if not isinstance(value, dict):
            raise AssetInvalid(self.kind, name, "is not a descriptor: a JSON object is expected")


class Attachments(Collection):
    """The archives of one model, as ``attachments/MODEL/FILE``."""

    kind, suffix = "attachment", ""

    def __init__(self, root: Path, models: Models, model: str) -> None:
        super().__init__(root, f"{ATTACHMENTS_FOLDER}/{model}")
        self._models, self._model = models, model

    def check(self, name: str, content: bytes) -> None:
        """Raise unless it is an archive that opens and is safe to unpack, of a model that is in the library.

        Raises
        ------
        AssetNotFound
            There is no such model.
        AssetInvalid
            Another kind of file, or a damaged archive.
        AttachmentUnsafe
            See `unpack`.
        """
        self._models.get(self._model)
        check_archive(name, content)


class Library:
    """A folder with the current versions as plain files, and all earlier ones under ``.history/``.

    Parameters
    ----------
    root : Path
        The folder. It need not be there: the first `put` makes it, and reading never writes.

    Attributes
    ----------
    models, schemas, streams : Collection
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models: Collection = Models(root)
        self.schemas: Collection = Schemas(root, SCHEMAS_FOLDER)
        self.streams: Collection = Streams(root, "streams")

    def attachments(self, model: str) -> Collection:
        """Return the attachments of a model.

        Raises
        ------
        AssetInvalid
            The model's name is not legal.
        """
        check_name("model", model)
        return Attachments(self.root, Models(self.root), model)

    def schema(self, name: str) -> Schema:
        """Return a schema.

        Raises
        ------
        AssetNotFound
            There is none of that name.
        SchemaInvalid
            Somebody wrote it by hand, and it is none.
        """
        return parse_schema(self.schemas.read(name), name)

    def __repr__(self) -> str:
        return f"Library({str(self.root)!r})"


def _text(kind: str, name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise AssetInvalid(kind, name, f"is not UTF-8 text: byte {exc.start} is {content[exc.start]:#04x}") from exc
