"""Moving a group's offsets, and the state that belongs to them, in one step."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from engine.errors import BrokerRefused, CommitUnknown, ConfigError, EngineError
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog, latest
from engine.kafka.connection import Connection
from engine.kafka.forms import Stamp
from engine.kafka.groups import find_group, move_offsets
from engine.kafka.names import changelog_name, fixed_transactional_id, transactional_id
from engine.kafka.standing import Place, Reading, Standing, look
from engine.kafka.topics import offsets_at
from engine.kafka.transaction import Outbound, Transaction
from engine.kafka.whereabouts import Moment, Where
from engine.state.commits import SCRIPT, Commit, Entry, Fence, InputFence, TaskFence

_INSTANCE = "engine-stream-seek"  # no engine is called so
_N_WRITER = 8  # random bytes, as of an engine


def seek(reading: Reading, where: Where, *, is_kept: bool | None = None, blank: Fence | None = None) -> Standing:
    """Let a group go on elsewhere, and return where it stands then.

    Where there is state, its fence moves with the offsets in one transaction, so that no engine ever sees one without
    the other.

    Parameters
    ----------
    reading : Reading
        Whose offsets, and in what.
    where : str, int or Moment
        See `engine.kafka.whereabouts.parse_where`.
    is_kept : bool, optional
        Whether the state stays as it is, or is forgotten. It must be said where there is state, unless `where` is
        ``state``.
    blank : Fence, optional
        The model's name, digest and keys, without tasks: begins the state of a model that has none yet.

    Raises
    ------
    BrokerRefused
        Engines are in the group; or the brokers do not let it be done.
    BrokerUnreachable
        Nobody answers.
    ConfigError
        There is no such place, or it was not said what becomes of the state.
    """
    standing = look(reading)
    _refuse_members(reading, standing.members)
    if standing.fences and is_kept is None and where != "state":
        raise ConfigError(
            f"State of {standing.reading.model or 'the model'} belongs to these offsets. Say what becomes of it:"
            " --keep-state lets it go on as it is, with records that it may have seen already or has never seen;"
            " --clear-state forgets it."
        )
    offsets = _offsets(standing, where)
    has_state = standing.changelog is not None or blank is not None
    if not has_state:
        with Brokers(reading.connection) as brokers:
            move_offsets(brokers, reading.group, reading.topic, offsets)
        return look(reading)
    _move_with_state(standing, offsets, blank, is_kept=is_kept is not False)
    return look(reading)


def _refuse_members(reading: Reading, members: tuple[str, ...]) -> None:
    if members:
        raise BrokerRefused(
            f"move the offsets of group {reading.group!r}",
            f"engines are in it: {', '.join(members)}",
            "Stop them first. One that was killed leaves the group when its session.timeout.ms is over.",
        )


def _offsets(standing: Standing, where: Where) -> dict[int, int]:
    reading, places = standing.reading, standing.places
    if isinstance(where, Moment):
        with Brokers(reading.connection) as brokers:
            return offsets_at(brokers, reading.topic, places, where.timestamp_ms)
    return {partition: _offset(reading, place, where) for partition, place in places.items()}


def _offset(reading: Reading, place: Place, where: str | int) -> int:
    what = f"{reading.topic}[{place.partition}]"
    if isinstance(where, int):
        if not place.first <= where <= place.last:
            raise ConfigError(
                f"There is no offset {where} in {what}: it goes from {place.first} to {place.last}. Name a partition"
                " with --partition, or a time."
            )
        return where
    if where in ("earliest", "latest"):
        return place.first if where == "earliest" else place.last
    found, who = (place.offset, "the group") if where == "group" else (place.state_offset, "the state")
    if found is None:
        raise ConfigError(f"There is no place in {what} at which {who} stands. Name another, such as earliest.")
    return found


def _move_with_state(standing: Standing, offsets: Mapping[int, int], blank: Fence | None, *, is_kept: bool) -> None:
    reading, slot = standing.reading, standing.slot
    patterns = [*standing.fences.values(), *([blank] if blank is not None else [])]
    if not patterns:
        raise ConfigError(
            "There is a topic for the state, and nothing in it yet, so that there is no model to which the offsets"
            " could belong. Name one of the library with --model."
        )
    pattern = patterns[0]
    model = pattern.model
    changelog = Changelog(reading.connection, standing.changelog or changelog_name(reading.group, model))
    if standing.changelog is None:
        changelog.ensure(standing.n_partitions)
    transaction = Transaction(reading.connection, _name(standing, model))
    transaction.init()
    try:
        for task, offset in offsets.items():
            fence = _moved(standing.fences.get(task), pattern, task, slot, offset)
            transaction.write(changelog.topic, _records(changelog, fence, task, is_kept=is_kept))
        with Brokers(reading.connection) as brokers:
            _refuse_members(reading, find_group(brokers, reading.group).members)  # one may have come meanwhile
        places = {(reading.topic, task): offset for task, offset in offsets.items()}
        transaction.commit(places, _membership(reading.connection, reading.group))
    except EngineError:
        with suppress(EngineError):
            transaction.abort()  # an engine that begins meanwhile would wait for it
        raise
    except CommitUnknown as exc:
        raise BrokerRefused(
            f"move the offsets of group {reading.group!r}",
            f"the brokers have not said whether they did: {exc.reason}",
            "Look where the group stands with: engine stream seek",
        ) from exc
    finally:
        transaction.close()


def _name(standing: Standing, model: str) -> str:
    reading = standing.reading
    if not reading.is_fixed or reading.partition is None:
        return transactional_id(reading.group, _INSTANCE)
    # No group knows its engine. Under the engine's own name, what that one has open is taken back.
    slots = sorted({slot for task, fence in standing.fences.items() for slot in fence.tasks[task].inputs})
    return fixed_transactional_id(reading.group, model, slots or [standing.slot], reading.partition)


def _moved(fence: Fence | None, pattern: Fence, task: int, slot: int, offset: int) -> Fence:
    """Return the fence of a task at another offset; the first one where it has none."""
    if fence is None:
        # What begin() gives is written by whoever begins task 0.
        return replace(pattern, number=0, tasks={task: TaskFence({slot: InputFence(slot, offset)}, task != 0)})
    one = fence.tasks[task]
    known = replace(one.inputs.get(slot, InputFence(slot)), position=offset)
    return replace(fence, tasks={task: replace(one, inputs={**one.inputs, slot: known})})


def _records(changelog: Changelog, fence: Fence, task: int, *, is_kept: bool) -> list[Outbound]:
    stamp = Stamp(secrets.token_bytes(_N_WRITER), fence.number)
    if is_kept:
        with changelog.partition(task) as partition:
            floor = changelog.find_floor(partition, task)
        return changelog.records(Commit(fence), [task], stamp, floors={task: floor})
    # Cells and pools are the job's, and stand beside the state of task 0: they are written again behind the new floor.
    entries = _beside_the_script(changelog) if task == 0 else []
    job = changelog.read_job() if task == 0 else None
    return changelog.records(Commit(fence, entries), [task], stamp, job=job, floors={task: changelog.high(task)})


def _beside_the_script(changelog: Changelog) -> list[Entry]:
    return [entry for entry in latest(changelog.restore(0)) if entry.scope != SCRIPT]


def _membership(connection: Connection, group: str) -> object:
    """Return what commits for a group in which nobody is."""
    from confluent_kafka import Consumer

    consumer = Consumer(connection.consumer(**{"group.id": group}))
    try:
        return consumer.consumer_group_metadata()
    finally:
        consumer.close()
