"""A server that runs a model by itself: what it was told to run, and how that begins or goes on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.errors import AssetError, BrokerUnreachable, ConfigError, DescriptorError, StateIncompatible
from engine.registry import Library, Model, assemble, from_path
from engine.runtime.job import is_same_stream, name_and_digest, renewed
from engine.runtime.resuming import PAUSE_S
from engine.runtime.states import EngineState
from engine.schema import Schema, parse_schema
from engine.streams import Stream, given_stream, parse_descriptor, parse_literal, resolve_stream, verify_descriptor

if TYPE_CHECKING:
    from engine.runtime import Engine
    from engine.runtime.info import Resumed

_SLOT_VARIABLE = re.compile(r"ENGINE_STREAM_(\d{1,9})")
_SCRIPT_SUFFIXES = (".py", ".py3")


@dataclass(frozen=True, slots=True)
class Autostart:
    """A model and its streams, as the environment or options name them; nothing is read before `begin`.

    Parameters
    ----------
    model : str
        Its name in the library, or the path of a script.
    streams : mapping of int to str
        For each slot a name in the library, a literal such as ``rest:``, or the path of a descriptor.
    schemas : mapping of str to Path
        Schemas beside those of the library.
    attachments : tuple of Path
        Archives in place of those of the library; for a script that is named by its path.
    brokers : tuple of str
        Where the brokers of all Kafka streams are, whatever their descriptors say.
    """

    model: str
    streams: Mapping[int, str] = field(default_factory=dict)
    schemas: Mapping[str, Path] = field(default_factory=dict)
    attachments: tuple[Path, ...] = ()
    brokers: tuple[str, ...] = ()

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, model: str | None = None, streams: Mapping[int, str] | None = None
    ) -> Self | None:
        """Return what `environ` asks for, or None where no model is named; `model` and `streams` come before it.

        ``ENGINE_MODEL``, ``ENGINE_STREAM_0``, ``ENGINE_BROKERS``; and in an image, before those, ``MODEL``,
        ``SCHEMAS``, ``STREAMS`` and ``ATTACHMENTS``, whose lists have ``;`` between their items and ``:`` between name
        and path.

        Raises
        ------
        ConfigError
            A list cannot be read, or there are streams and no model.
        """
        found = {
            int(match[1]): text for name, text in environ.items() if (match := _SLOT_VARIABLE.fullmatch(name)) and text
        }
        named = environ.get("ENGINE_MODEL", "")
        schemas: dict[str, Path] = {}
        attachments: tuple[Path, ...] = ()
        if environ.get("ENGINE_IMAGE"):  # elsewhere such names may belong to anything
            named = environ.get("MODEL") or named
            found |= {_slot(number): path for number, path in _pairs("STREAMS", environ, "0:/p;1:/p")}
            schemas = {name: Path(path) for name, path in _pairs("SCHEMAS", environ, "name:/p;name2:/p2")}
            attachments = tuple(Path(item) for item in _items("ATTACHMENTS", environ))
        found |= streams or {}
        named = model or named
        if not named:
            if streams:
                raise ConfigError("There are streams, and no model for them. Name one with --model (ENGINE_MODEL).")
            return None
        brokers = tuple(one for one in re.split(r"[,\s]+", environ.get("ENGINE_BROKERS", "")) if one)
        return cls(named, found, schemas, attachments, brokers)

    @property
    def is_path(self) -> bool:
        """Whether the model is named by the path of its script."""
        return "/" in self.model or self.model.endswith(_SCRIPT_SUFFIXES)

    async def begin(
        self,
        engine: Engine,
        library: Library,
        on_wait: Callable[[BrokerUnreachable], None],
        say: Callable[[str], None],
    ) -> Resumed | None:
        """Go on with what the engine's store has of this model, or begin; what was asked for and changed is changed.

        Another version of the same model takes the place of the one before and has its state. Brokers that do not
        answer are waited for; `on_wait` is told.

        Raises
        ------
        StateIncompatible
            The store's job is that of another model.
        EngineError
            The model or a stream cannot be set up.
        """
        model, streams = await asyncio.to_thread(self.put_together, library)
        if (stored := engine.store.job) is not None and (before := name_and_digest(stored)) is not None:
            _check_model(before[0], model, engine)
            if before[1] != model.digest:
                await asyncio.wrap_future(engine.store.set_job(renewed(stored, model)))
                say(f"Another version of {model.script.name!r} takes the place of the one before, with its state.")
        resumed = await engine.resume(library, on_wait)
        if engine.state is EngineState.INIT:
            await _foresee(engine, model, {**engine.streams, **streams}, on_wait)
        # Outputs first: nothing is read before there is a place for it.
        for slot in sorted(streams, key=lambda slot: (slot % 2 == 0, slot)):
            if not is_same_stream(engine.streams.get(slot), streams[slot]):
                await engine.attach(slot, streams[slot])
        if engine.state is EngineState.INIT and engine.inspect().model is None:
            await engine.load(model)
        return resumed

    def put_together(self, library: Library) -> tuple[Model, dict[int, Stream]]:
        """Return the model and its streams, checked; raises `EngineError`. Blocks for as long as reading takes."""
        schemas = {name: parse_schema(_read("schema", path), name) for name, path in self.schemas.items()}
        if self.is_path:
            model = from_path(Path(self.model), library, self.attachments, schemas)
        elif self.attachments:
            raise ConfigError("ATTACHMENTS go with a model that is named by its path, such as MODEL=/model/price.py.")
        else:
            model = assemble(library, self.model)

        def find_schema(name: str) -> Schema:
            return schemas[name] if name in schemas else library.schema(name)

        def stored(name: str) -> bytes:
            return self._moved(library.streams.read(name))

        streams = {slot: self._stream(text, find_schema, stored) for slot, text in self.streams.items()}
        for slot, stream in streams.items():
            verify_descriptor(stream.descriptor, slot)
        return model, streams

    def _stream(self, text: str, find_schema: Callable[[str], Schema], stored: Callable[[str], bytes]) -> Stream:
        if text.startswith(("/", ".")):
            content = self._moved(_read("stream", Path(text)))
            return resolve_stream(Path(text).stem, parse_descriptor(content, text), find_schema, stored)
        if (literal := parse_literal(text)) is not None:
            dumped = literal.model_dump(by_alias=True, mode="json", exclude_unset=True)
            moved = self._moved(json.dumps(dumped).encode())
            return resolve_stream(text, parse_descriptor(moved, text), find_schema, stored)
        if ":" in text:
            return given_stream(text, find_schema, stored)  # which says what is wrong with it
        return resolve_stream(text, parse_descriptor(stored(text), text), find_schema, stored)

    def _moved(self, descriptor: bytes) -> bytes:
        """Return a descriptor with our brokers in place of its own, if it is one of Kafka."""
        if not self.brokers:
            return descriptor
        try:
            value: Any = json.loads(descriptor)
        except ValueError:
            return descriptor  # whoever parses it says what is wrong with it
        transport = value.get("Transport") if isinstance(value, dict) else None
        if not isinstance(transport, dict) or str(transport.get("Type", "")).lower() != "kafka":
            return descriptor
        return json.dumps({**value, "Transport": {**transport, "BootstrapServers": list(self.brokers)}}).encode()


async def _foresee(
    engine: Engine, model: Model, streams: Mapping[int, Stream], on_wait: Callable[[BrokerUnreachable], None]
) -> None:
    is_told = False
    while True:
        try:
            await engine.foresee(model, streams)
        except BrokerUnreachable as exc:
            if not is_told:
                is_told = True
                on_wait(exc)
        else:
            return
        await asyncio.sleep(PAUSE_S)


def _check_model(name: str, model: Model, engine: Engine) -> None:
    if name != model.script.name:
        raise StateIncompatible(
            f"{engine.settings.state_dir} holds the state of model {name!r}, and {model.script.name!r} is to run",
            "Name another folder with --state (ENGINE_STATE), or begin anew with --fresh.",
        )


def _items(variable: str, environ: Mapping[str, str]) -> list[str]:
    return [item.strip() for item in environ.get(variable, "").split(";") if item.strip()]


def _pairs(variable: str, environ: Mapping[str, str], example: str) -> list[tuple[str, str]]:
    pairs = []
    for item in _items(variable, environ):
        name, colon, path = item.partition(":")
        if not colon or not name.strip() or not path.strip():
            raise ConfigError(f"{variable}: {item!r} is not of the form name:path. Write a list such as {example}.")
        pairs.append((name.strip(), path.strip()))
    return pairs


def _slot(number: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", number):
        raise DescriptorError("", f"STREAMS: {number!r} is not the number of a slot")
    return int(number)


def _read(kind: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise AssetError(f"{kind.capitalize()} {str(path)!r} cannot be read: {exc.strerror}.") from exc
