"""Where streams are attached to slots and taken off them, also while records flow."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from engine import metrics
from engine.errors import SlotsUnfit, StreamError
from engine.log import get_logger
from engine.runtime.berths import Berths
from engine.runtime.fitting import check_files, check_fit
from engine.runtime.intake import Intake
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet
from engine.runtime.remembering import JobRecord
from engine.streams import Stream

log = get_logger(__name__)


class Dock:
    """The streams on an engine's slots.

    Parameters
    ----------
    manifold : Manifold
        What they are attached to.
    berths : Berths
        Opens them.
    record : JobRecord
        Keeps which there are.
    """

    def __init__(self, manifold: Manifold, berths: Berths, record: JobRecord) -> None:
        self._manifold, self._berths, self._record = manifold, berths, record

    @property
    def streams(self) -> dict[int, Stream]:
        """What is attached, by slot."""
        return streams_of(self._manifold)

    async def attach(self, slot: int, stream: Stream, *, is_started: bool) -> None:
        """Attach a stream to a slot, in place of the one that is there; see `Engine.attach`."""
        if is_started:
            _check_started(slot, stream, self.streams)
        check_files(slot, stream, self.streams)
        if self._manifold.crew is not None:
            check_fit(self._manifold.crew.model, {slot: stream})
            await self._manifold.schemas.check(self._manifold.crew.model, {slot: stream})
        attach = self._attach_output if slot % 2 else self._attach_input
        await attach(slot, stream, is_started=is_started)
        log.info("stream.attached", slot=slot, stream=stream.name, transport=stream.transport)

    async def detach(self, slot: int) -> Intake | None:
        """Take a stream off its slot; return it if it is an input. Raises `StreamError` where there is none."""
        if slot not in self.streams:
            raise StreamError(f"No stream is attached to slot {slot}.")
        if (intake := self._manifold.intakes.pop(slot, None)) is not None:
            await intake.stop()
        else:
            await self._manifold.outlets.pop(slot).close()
        await self._record.remember()
        metrics.forget_slot(slot)
        log.info("stream.detached", slot=slot)
        return intake

    def clear(self) -> None:
        """Forget every stream; they are closed already."""
        for slot in self.streams:
            metrics.forget_slot(slot)
        self._manifold.intakes.clear()
        self._manifold.outlets.clear()

    async def _attach_input(self, slot: int, stream: Stream, *, is_started: bool) -> None:
        crew = self._manifold.crew
        intake = await self._berths.intake(slot, stream, crew.model if crew is not None else None)
        async with self._settled(is_started=is_started):
            before = self._manifold.replace_intake(intake)
            # Before anything else: what is accepted from here on is journaled behind it.
            await self._record.remember()
            if before is not None and before.inbox is None:
                await before.stop()
            if is_started:
                await self._pin()
        if is_started:
            intake.start()

    async def _attach_output(self, slot: int, stream: Stream, *, is_started: bool) -> None:
        before = self._manifold.outlets.get(slot)
        _check_taken(before)
        outlet = await self._berths.outlet(slot, stream)
        async with self._settled(is_started=is_started):
            self._manifold.outlets[slot] = outlet
            await self._record.remember()
            if is_started and self._manifold.crew is not None:
                for jet in self._manifold.crew.jets:
                    jet.code_outputs()
                await self._pin()
            if before is not None:
                await before.close()

    @contextlib.asynccontextmanager
    async def _settled(self, *, is_started: bool) -> AsyncIterator[None]:
        """While the engine works, hold it with everything committed."""
        if not is_started:
            yield
            return
        async with self._manifold.held():
            await self._manifold.committed()
            yield

    async def _pin(self) -> None:
        """Commit where the streams stand that are attached now; what ``begin()`` gave stays written, or not."""
        fence = self._manifold.store.fence
        await self._manifold.pin(has_begun=fence is not None and fence.has_begun)


def streams_of(manifold: Manifold) -> dict[int, Stream]:
    """Return what is attached, by slot."""
    ends: dict[int, Intake | Outlet] = {**manifold.intakes, **manifold.outlets}
    return {slot: end.stream for slot, end in sorted(ends.items())}


def _check_started(slot: int, stream: Stream, streams: Mapping[int, Stream]) -> None:
    """Refuse what cannot change while records flow: where a job commits."""
    before = streams.get(slot)
    for one in filter(None, (stream, before)):
        for topic in filter(None, (one.kafka, one.rejects.kafka if one.rejects is not None else None)):
            raise SlotsUnfit(
                f"Topic {topic.topic!r} cannot be attached to slot {slot}, or taken off it, while the engine works:"
                " its commits would have to go elsewhere. Reset the engine, and attach it before the start."
            )


def _check_taken(outlet: Outlet | None) -> None:
    """Refuse to replace a stream that holds outputs which nobody has taken."""
    if outlet is not None and outlet.n_left:
        raise StreamError(
            f"Slot {outlet.slot} ({outlet.stream.name}) holds {outlet.n_left} outputs that nobody has taken yet, and"
            " another stream would drop them. Have them read or delivered first, or reset the engine."
        )
