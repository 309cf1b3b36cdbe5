"""What jets, and streams that are attached, ask of schema registries; and what was answered before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from engine.channel import SchemaAnswer
from engine.errors import (
    EngineError,
    RegistryRefused,
    RegistryUnreachable,
    SchemaInvalid,
    SchemaMismatch,
    SchemaUnknown,
    SlotsUnfit,
)
from engine.registry import Model
from engine.runtime.courier import pause_s
from engine.runtime.fitting import model_schema
from engine.runtime.registrar import Find, Registrar
from engine.schema import Schema, check_resolution, parse_schema
from engine.schema_registry import SchemaKey, SchemaRegistry
from engine.streams import Stream
from engine.streams.encoding import RegistryEncoding
from engine.streams.registering import open_registry

if TYPE_CHECKING:
    from engine.runtime.jets import Jet

UNKNOWN_S = 10.0
"""How long a schema that there was not is not asked for again: registries take a moment to hear of each other's."""

MAX_UNKNOWN = 1000
"""How many of them are remembered: what is no record of a registry may name any of four thousand million."""

Key: TypeAlias = int | bytes | None
"""What a jet asks for: a schema's number, the bytes of its GUID, or None for that of the outputs."""


class SchemaDesk:
    """Answers from what it knows, and else from the registry. Used on the event loop.

    Parameters
    ----------
    secrets : Path
        The folder of secrets, for users and passwords of registries.
    pause_s : callable
        From a number of tries to the pause behind them.
    """

    def __init__(self, secrets: Path, pause_s: Callable[[int], float] = pause_s) -> None:
        self._secrets, self._pause_s = secrets, pause_s
        self._registrars: dict[RegistryEncoding, Registrar] = {}
        self._known: dict[tuple[RegistryEncoding, object], bytes] = {}
        self._unknown: dict[tuple[RegistryEncoding, object], tuple[float, SchemaUnknown]] = {}
        self._asking: dict[object, int] = {}
        """Of each jet that waits for an answer, the number of its question."""
        self._n_asked = 0

    @property
    def waits_for(self) -> list[str]:
        """A sentence for each registry that is waited for."""
        return [registrar.waits_for for registrar in self._registrars.values() if registrar.waits_for]

    def ask(
        self,
        jet: object,
        stream: Stream,
        schema: Schema | None,
        key: Key,
        reply: Callable[[bytes], None],
        refuse: Callable[[EngineError], None],
        *,
        is_at_once: bool = False,
    ) -> None:
        """Answer a jet, now or when the registry has answered.

        Parameters
        ----------
        jet : object
            Who asks; it asks one thing at a time.
        stream : Stream
            On the slot it asks for.
        schema : Schema or None
            That outputs of the slot are written with; None for the latest of the subject.
        key : int, bytes or None
            What it asks for.
        reply : callable
            Takes a packed `SchemaAnswer`. Never called for a jet that was released.
        refuse : callable
            Takes the error when asking again is of no use, and neither is another record.
        is_at_once : bool
            Do not return before there is an answer: the jet runs on this thread.
        """
        encoding = _registry_of(stream)
        what = key if key is not None else (stream.subject, schema)
        if (found := self._known.get((encoding, what))) is not None:
            reply(found)
            return
        since_s, error = self._unknown.get((encoding, what), (0.0, None))
        if error is not None and time.monotonic() - since_s < UNKNOWN_S:
            reply(SchemaAnswer.refuse(error))
            return
        self._n_asked += 1
        number = self._asking[jet] = self._n_asked

        def take(answer: Future[SchemaAnswer]) -> None:
            if self._asking.get(jet) == number:
                del self._asking[jet]
                self._settle(encoding, what, answer, reply, refuse)

        try:
            answer = self._registrar(encoding).ask(_finder(stream, schema, key))
        except EngineError as exc:  # a secret is not there
            del self._asking[jet]
            refuse(exc)
            return
        if is_at_once:
            answer.exception()  # waits
            take(answer)
        else:
            loop = asyncio.get_running_loop()

            def pass_on(answer: Future[SchemaAnswer]) -> None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                    loop.call_soon_threadsafe(take, answer)

            answer.add_done_callback(pass_on)

    def on_ask(
        self,
        jet: Jet,
        message: list[Any],
        reply: Callable[[bytes | None], None],
        on_broken: Callable[[Jet, EngineError], None],
    ) -> None:
        """Answer the question of a jet, ``["schema", slot, key]``.

        Where the registry will not talk to us, `on_broken` is told: a record more would fare no better.
        """
        _, slot, key = message
        stream = jet.stream_of(slot)

        def refuse(error: EngineError) -> None:
            on_broken(jet, error)
            if key is None:  # whichever hook gave the output fails with it, ``begin()`` as well
                reply(SchemaAnswer.refuse(error))

        schema = stream.own_schema or model_schema(jet.model, slot)
        self.ask(jet, stream, schema, key, reply, refuse, is_at_once=jet.is_inline)

    def release(self, jet: object) -> None:
        """Forget what a jet that has ended asked for."""
        self._asking.pop(jet, None)

    async def check(self, model: Model, streams: Mapping[int, Stream]) -> None:
        """Refuse streams whose registry has what does not go with the model; register what they will write.

        A registry that does not answer refuses nothing: it is asked again when a record comes.

        Raises
        ------
        RegistryRefused
            A subject does not take the schema of an output, or has none; or the registry will not talk to us.
        SlotsUnfit
            What is written to a subject now cannot be read as the model asks.
        ConfigError
            A secret is not there.
        """
        for slot, stream in sorted(streams.items()):
            if stream.registry is not None:
                await self._check(model, slot, stream)

    async def _check(self, model: Model, slot: int, stream: Stream) -> None:
        encoding, schema = _registry_of(stream), model_schema(model, slot)
        if slot % 2 == 0 and stream.subject is None:
            return
        written = stream.own_schema or schema
        find = _finder(stream, written, None) if slot % 2 else _latest(stream)
        try:
            answer = await asyncio.wrap_future(self._registrar(encoding).ask(find, is_patient=False))
        except RegistryUnreachable:
            return  # the registrar has said so
        if slot % 2:
            self._known[encoding, (stream.subject, written)] = answer.pack()
        if answer.source is not None:
            _check_fit(slot, stream, answer.source, schema)

    async def close(self) -> None:
        """Ask nothing more."""
        registrars, self._registrars = self._registrars, {}
        for registrar in registrars.values():
            await registrar.close()

    def _registrar(self, encoding: RegistryEncoding) -> Registrar:
        if encoding not in self._registrars:
            self._registrars[encoding] = Registrar(open_registry(encoding, self._secrets), self._pause_s)
        return self._registrars[encoding]

    def _settle(
        self,
        encoding: RegistryEncoding,
        what: object,
        answer: Future[SchemaAnswer],
        reply: Callable[[bytes], None],
        refuse: Callable[[EngineError], None],
    ) -> None:
        try:
            packed = answer.result().pack()
        except SchemaUnknown as exc:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[encoding, what] = time.monotonic(), exc
            reply(SchemaAnswer.refuse(exc))
        except EngineError as exc:
            refuse(exc)
        except Exception as exc:  # noqa: BLE001 -- a jet that is never answered would wait for ever
            refuse(EngineError(f"The schema registry could not be asked: {type(exc).__name__}: {exc}"))
        else:
            self._known[encoding, what] = packed
            reply(packed)


def _registry_of(stream: Stream) -> RegistryEncoding:
    if stream.registry is None:
        raise EngineError(f"Stream {stream.name!r} has no schema registry that could be asked.")
    return stream.registry


def _finder(stream: Stream, schema: Schema | None, key: Key) -> Find:
    """Return what asks a registry for what a jet wants."""
    if key is None:
        return lambda registry: _to_write(registry, stream, schema)
    wanted: SchemaKey = UUID(bytes=key) if isinstance(key, bytes) else key
    return lambda registry: SchemaAnswer(registry.schema(wanted))


def _latest(stream: Stream) -> Find:
    subject = stream.subject or ""

    def find(registry: SchemaRegistry) -> SchemaAnswer:
        latest = registry.latest(subject)
        return SchemaAnswer(None) if latest is None else SchemaAnswer(latest.source, latest.id)

    return find


def _to_write(registry: SchemaRegistry, stream: Stream, schema: Schema | None) -> SchemaAnswer:
    """Return the schema that outputs are written with; it is registered if it may be."""
    subject = stream.subject or ""
    if schema is None:
        if (latest := registry.latest(subject)) is None:
            reason = f"subject {subject!r} has no schema, and neither stream {stream.name!r} nor the script names one"
            raise RegistryRefused(registry.name, reason)
        return SchemaAnswer(latest.source, latest.id)
    if _registry_of(stream).auto_register:
        return SchemaAnswer(schema.source, registry.register(subject, schema))
    if (number := registry.find(subject, schema)) is None:
        reason = (
            f"subject {subject!r} does not have the schema {str(schema)!r} that stream {stream.name!r} is written with,"
            " and AutoRegister is false. Register it, or let the engine do it"
        )
        raise RegistryRefused(registry.name, reason)
    return SchemaAnswer(schema.source, number)


def _check_fit(slot: int, stream: Stream, source: object, schema: Schema | None) -> None:
    """Refuse a registered schema that what is on the slot cannot be read with, or written."""
    try:
        registered = parse_schema(source)
        inner = [one for one in (stream.own_schema, schema) if one is not None]
        chain = [registered, *inner] if slot % 2 == 0 else [*reversed(inner), registered]
        for writer, reader in pairwise(chain):
            check_resolution(writer, reader)
    except (SchemaMismatch, SchemaInvalid) as exc:
        what = "what is registered cannot be read as the model asks" if slot % 2 == 0 else "it cannot be written so"
        raise SlotsUnfit(
            f"Stream {stream.name!r} does not fit slot {slot}: the schema of subject {stream.subject!r}: {what}. {exc}"
        ) from exc
