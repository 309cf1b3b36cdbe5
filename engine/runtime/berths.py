"""Opens the streams of a job: fresh ones, and those that go on where the job's last commit left them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from engine.ports import Sink
from engine.registry import Model
from engine.runtime.fitting import model_schema
from engine.runtime.intake import Intake
from engine.runtime.job import Attached, Job
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet
from engine.runtime.topic_sink import TopicSink
from engine.settings import Settings
from engine.state.commits import InputFence, OutputFence
from engine.streams import Stream, open_poster, open_sink, open_source, verify_descriptor
from engine.transports import Outbox


class Berths:
    """Gives every stream that is attached its number, and opens it at its place.

    Parameters
    ----------
    manifold : Manifold
        Whose streams they are.
    settings : Settings
        Limits.
    job : str
        What the job is called.
    """

    def __init__(self, manifold: Manifold, settings: Settings, job: str) -> None:
        self._manifold, self._settings, self._job = manifold, settings, job
        self.last_number = 0
        """The highest number that was given."""
        self.job_id = secrets.token_hex(4)
        """What tells the job from those of the same name: outputs that a peer gets carry it."""
        self._known: dict[int, Mapping[str, Any]] = {}
        self._has_model = False
        """Whether the job that is recalled had a model."""

    def recall(self, job: Mapping[str, Any] | None) -> None:
        """Give the streams of a job the numbers again that they had, slot by slot; None begins a new job."""
        self._known, self.last_number, self.job_id, self._has_model = {}, 0, secrets.token_hex(4), False
        if job is not None:
            self._has_model = job["model"] is not None
            self.last_number, self.job_id = job["last_number"], job["id"]
            self._known = {one["slot"]: one for one in job["attached"] if not one["is_fading"]}

    def is_recalling(self, model: Model | None) -> bool:
        """Say whether some of what the recalled job had is not there again yet; `model` is what is loaded."""
        return bool(self._known) or (self._has_model and model is None)

    def job(self, model: Model | None, n_jets: int, *, is_paused: bool) -> Job:
        """Return what is loaded and attached now."""
        self._has_model = False  # from here on the job is what it is now
        fading = self._manifold.fading
        inputs = [
            Attached(
                one.number,
                one.slot,
                one.stream,
                one.rejects.number if one.rejects is not None else None,
                is_fading=one in fading,
            )
            for one in self._manifold.sources
        ]
        outputs = [Attached(one.number, one.slot, one.stream) for one in self._manifold.outlets.values()]
        return Job(model, (*inputs, *outputs), n_jets, is_paused, self.last_number, self.job_id)

    async def intake(self, slot: int, stream: Stream, model: Model | None) -> Intake:
        """Return an input stream, opened unless only a model that is not there yet can say where its records end.

        Raises
        ------
        StreamError, StateError
            It cannot be opened, or not gone on with.
        """
        known = self._known.pop(slot, {})
        intake = self._intake(self._number(known.get("number")), slot, stream)
        if stream.kafka is not None:
            verify_descriptor(stream.descriptor, slot=0, schema=stream.own_schema)
        elif model is not None or not stream.needs_model_schema:
            await self.open(intake, model)
        if stream.rejects is not None:
            intake.rejects = await self._outlet(self._number(known.get("rejects")), slot, stream.rejects)
        return intake

    async def fading(self, one: Attached, model: Model | None) -> Intake:
        """Return an input stream that was replaced before, with what its journal holds; raises as `intake`."""
        intake = self._intake(one.number, one.slot, one.stream)
        if one.rejects is not None and one.stream.rejects is not None:
            intake.rejects = await self._outlet(one.rejects, one.slot, one.stream.rejects)
        await self.open(intake, model)
        return intake

    def _intake(self, number: int, slot: int, stream: Stream) -> Intake:
        fence = self._manifold.store.fence
        start = fence.inputs.get(number) if fence is not None else None
        return Intake(number, start or InputFence(slot), stream, self._manifold)

    async def open(self, intake: Intake, model: Model | None) -> None:
        """Open an input stream, and put back what its journal holds; raises as `intake`."""
        intake.source = await asyncio.to_thread(
            open_source,
            intake.stream,
            model_schema=model_schema(model, intake.slot) if model is not None else None,
            inbox_bytes=self._settings.inbox_bytes,
            max_record_bytes=self._settings.max_record_bytes,
            start=intake.position or None,
        )
        if intake.inbox is not None:
            intake.inbox.restore(self._manifold.store.inputs(intake.number))

    async def outlet(self, slot: int, stream: Stream) -> Outlet:
        """Return an output stream, opened; raises as `intake`."""
        return await self._outlet(self._number(self._known.pop(slot, {}).get("number")), slot, stream)

    async def _outlet(self, number: int, slot: int, stream: Stream) -> Outlet:
        store = self._manifold.store
        fence = store.fence.outputs.get(number) if store.fence is not None else None
        sink: Sink | Outbox
        if stream.kafka is not None:
            verify_descriptor(stream.descriptor, slot=1, schema=stream.own_schema)
            sink = TopicSink(stream.kafka.topic)
        else:
            sink = await asyncio.to_thread(open_sink, stream, outbox_bytes=self._settings.outbox_bytes, fence=fence)
        is_pushed = stream.transport == "HTTP"
        poster = await asyncio.to_thread(open_poster, stream, self._settings.secrets_dir) if is_pushed else None
        job = f"{self._job}-{self.job_id}"
        outlet = Outlet(number, stream, sink, fence or OutputFence(slot), self._manifold, job, poster)
        if outlet.outbox is not None and fence is not None:
            outlet.outbox.restore(store.outputs(number))
        outlet.start()
        return outlet

    def _number(self, known: int | None) -> int:
        if known is not None:
            return known
        self.last_number += 1
        return self.last_number
