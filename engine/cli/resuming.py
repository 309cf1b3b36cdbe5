"""What a run leaves behind, so that the same run can go on later."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.job import Job
from engine.cli.printing import talk
from engine.cli.waiting import GroupTeller
from engine.errors import StateLocked

if TYPE_CHECKING:
    from engine.runtime.info import EngineInfo
    from engine.state.commits import InputFence
    from engine.streams import Stream


@contextmanager
def keep(job: Job, script: Path, *, is_resuming: bool) -> Iterator[Job]:
    """Give a run its store, and with `is_resuming` what is in it, else an empty one.

    Of a run of which an input cannot be read again only the rejects are of use later.

    Raises
    ------
    click.UsageError
        It is to go on, and an input cannot be read again.
    StateLocked
        The same run is at work.
    StateError
        It is to go on, and what is kept is damaged.
    """
    reason, is_asked = unresumable(job), is_resuming
    if reason is not None and is_asked:
        raise click.UsageError(f"--resume goes on with inputs that can be read again: {reason}.")
    has_group = reason is None and reads_topics(job)  # which goes on where it has committed, whoever asks
    is_resuming = is_resuming or has_group
    from engine.runtime.steps import Killer
    from engine.state.anew import open_anew
    from engine.state.jobs import job_folder, run_name
    from engine.state.sqlite import SqliteStore

    name = run_name(script, {slot: _described(stream) for slot, stream in job.streams.items()})
    folder = job_folder(job.settings.state_dir, name)
    killer = Killer(job.settings.kill_at)
    try:
        opened = SqliteStore(folder, on_step=killer) if is_resuming else open_anew(folder, killer, talk)
    except StateLocked:
        if reason is None:
            raise
        yield job  # the same script on another pipe: of this one nothing is kept
        return
    with closing(opened) as store:
        has_before = store.fence is not None or (has_group and store.job is not None)
        if is_asked and not has_before:
            talk("There is nothing to resume: the run begins at the start.")
        yield replace(job, name=name, store=store, is_resuming=is_resuming and has_before)


def reads_topics(job: Job) -> bool:
    """Return whether an input of a job is a topic."""
    return any(slot % 2 == 0 and stream.kafka is not None for slot, stream in job.streams.items())


def unresumable(job: Job) -> str | None:
    """Return why a job cannot be resumed; None if it can."""
    for slot, stream in sorted(job.streams.items()):
        if slot % 2 == 0 and not stream.is_resumable:
            what = stream.name if stream.transport != "file" else _pipe_name(stream)
            return f"slot {slot} reads {what}, which is gone when it is read"
    return None


def _pipe_name(stream: Stream) -> str:
    return "standard input" if stream.path is None else f"the pipe {stream.path}"


def _described(stream: Stream) -> dict[str, Any]:
    """Return what makes a stream the same as another one: its descriptor, with a path that holds in every folder."""
    from engine.streams import describe

    said = describe(stream.descriptor)
    if stream.path is not None:
        said["transport"] = said["transport"] | {"path": str(stream.path)}
    return said


def is_done(job: Job) -> bool:
    """Return whether a run that is to go on has come to its end before, and all of its outputs have left."""
    fence = job.store.fence if job.store is not None else None
    if job.store is None or fence is None or not (job.is_resuming and fence.is_finished):
        return False
    pushed = [slot for slot, stream in job.streams.items() if stream.transport == "HTTP"]
    return not any(job.store.outputs(number).values for number, one in fence.outputs.items() if one.slot in pushed)


def went_on_at(job: Job) -> str:
    """Return a sentence, with a blank before it, for each input that goes on; nothing for a run from the start."""
    places = _places(job) if job.is_resuming else []
    return "".join(f" Went on at record {place.seq_no + 1:,} of slot {place.slot}." for place in places if place.seq_no)


def resume_command(job: Job, arguments: Sequence[str]) -> str | None:
    """Return the command that goes on with a run that was stopped; None if there is nothing to go on with."""
    if unresumable(job) or not any(place.seq_no for place in _places(job)) or "run" not in arguments:
        return None
    rest = [argument for argument in arguments if argument != "--resume"]
    at = rest.index("run") + 1
    return shlex.join(["engine", *rest[:at], "--resume", *rest[at:]])


def _places(job: Job) -> list[InputFence]:
    """Return where the inputs stand, by slot: a later attachment is the one that counts."""
    fence = job.store.fence if job.store is not None else None
    if fence is None or fence.is_finished:
        return []
    by_slot = {place.slot: place for _, place in sorted(fence.inputs.items())}
    return [place for _, place in sorted(by_slot.items())]


def tell_promise(promise: Sequence[str]) -> None:
    """Say what is promised for the streams, on standard error."""
    for sentence in promise:
        talk(sentence)


class TroubleTeller:
    """Says what keeps a run from its work, such as a full disk, once for each time that something does."""

    def __init__(self) -> None:
        self._told = ""
        self._tell_group = GroupTeller()

    def __call__(self, info: EngineInfo) -> None:
        """Take what the engine says of itself."""
        trouble = info.fence.trouble if info.fence is not None else ""
        if trouble and trouble != self._told:
            talk(f"The run waits: {trouble}")
        self._told = trouble
        self._tell_group(info)
