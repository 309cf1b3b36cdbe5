"""The bytes of the changelog's records.

A key is a letter for the kind of the record, and for an entry the length of what comes next, its scope and name, and
its key as it is. A value is the version of the
format, a checksum and what is said; none, a tombstone, where something is forgotten. The checksum counts version, key
and value, so that no record passes for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgpack

from engine.errors import StateCorrupt, StateIncompatible
from engine.state.commits import Entry, Fence, InputFence, OutputFence, TaskFence

FORMAT_VERSION = 1
"""Of the records. A later version of the engine must read them; tests/data has records of each."""

_ENTRY, _TASK, _JOB, _RECEIPT = b"e", b"t", b"j", b"r"
_VERSION = bytes([FORMAT_VERSION])
_N_CHECKSUM = 16  # bytes: as many as tell apart all that was ever written
_HEAD = 1 + _N_CHECKSUM
_N_LENGTH = 4  # bytes: names may be longer than anybody wants them
_LENGTH_END = 1 + _N_LENGTH

TASK_KEY = _TASK
"""The key of a partition's fence."""
JOB_KEY = _JOB
"""The key of what the job keeps beside its tasks, in partition 0."""


class Stamp(NamedTuple):
    """By what a commit is known again.

    Parameters
    ----------
    writer : bytes
        Random, for as long as a log is open.
    number : int
        Which of its commits it was.
    """

    writer: bytes
    number: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What a job keeps beside its tasks.

    Parameters
    ----------
    home : str
        The store that the job is bound to; empty for none.
    life : str
        The job in that store that the fence is of.
    fence : Fence or None
        Its attachments, as of its last commit.
    scopes : tuple of str
        The scopes, beside the script's own, that may have entries.
    """

    home: str = ""
    life: str = ""
    fence: Fence | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What a fence in the changelog says besides: of which commit it is, and from where on state counts.

    Parameters
    ----------
    stamp : Stamp
        The commit's.
    floor : int
        The offset in this partition before which entries belong to a state that was forgotten.
    """

    stamp: Stamp
    floor: int = 0


def receipt_key(name: str) -> bytes:
    """Return the key under which an engine notes which of its prepared commits has come true."""
    return _RECEIPT + name.encode("utf-8", "surrogatepass")


@lru_cache(4096)  # a script has a handful of names, and there may be a million keys
def _prefix(scope: str, name: str) -> bytes:
    packed = _pack([scope, name])
    return _ENTRY + len(packed).to_bytes(_N_LENGTH, "big") + packed


@lru_cache(4096)
def _unpack_prefix(packed: bytes) -> tuple[str, str]:
    scope, name = _unpack(packed)
    return scope, name


def entry_key(scope: str, key: bytes, name: str) -> bytes:
    """Return the key of an entry of the state."""
    return _prefix(scope, name) + key


def is_entry(key: bytes) -> bool:
    """Whether a record is an entry of the state."""
    return key[:1] == _ENTRY


def seal(key: bytes, said: bytes) -> bytes:
    """Return the value of a record."""
    return _VERSION + _checksum(_VERSION, key, said) + said


def opened(key: bytes, value: bytes) -> bytes:
    """Return what a record says.

    Raises
    ------
    StateCorrupt
        It is not what was written.
    StateIncompatible
        A later version of the engine wrote it.
    """
    version, said = value[:1], value[_HEAD:]
    if version != _VERSION and version > _VERSION:
        raise StateIncompatible(
            f"a record of the changelog has version {version[0]} of the format, and this engine reads {FORMAT_VERSION}",
            "Use the engine that wrote it, or a later one.",
        )
    if value[1:_HEAD] != _checksum(version, key, said):
        raise StateCorrupt(f"the record {key[:80]!r} of the changelog is not what was written")
    return said


def _checksum(version: bytes, key: bytes, said: bytes) -> bytes:
    # The length counts too, so that the border between key and value cannot move.
    return blake2b(b"%b%d:%b%b" % (version, len(key), key, said), digest_size=_N_CHECKSUM).digest()


def unpack_entry(key: bytes, value: bytes | None, task: int) -> Entry:
    """Return the entry of a record."""
    said = None if value is None else opened(key, value)
    end = _LENGTH_END + int.from_bytes(key[1:_LENGTH_END], "big")
    try:
        scope, name = _unpack_prefix(key[_LENGTH_END:end])
    except (ValueError, TypeError) as exc:
        raise StateCorrupt(f"the key {key[:80]!r} of the changelog is none") from exc
    return Entry(scope, key[end:], name, said, task)


def pack_task(fence: Fence, task: int, place: Place) -> bytes:
    """Return the fence of one task as the value of a record."""
    one = fence.tasks[task]
    said = {
        "model": fence.model,
        "digest": fence.digest,
        "keys": dict(fence.keys),
        "inputs": {slot: _named(kept) for slot, kept in one.inputs.items()},
        "has_begun": one.has_begun,
        **_dump_place(place),
    }
    return seal(TASK_KEY, _pack(said))


def unpack_task(value: bytes, task: int) -> tuple[Fence, Place]:
    """Return the fence of one task, with nothing but that task in it."""
    said = _unpack(opened(TASK_KEY, value))
    inputs = {slot: InputFence(**kept) for slot, kept in said["inputs"].items()}
    place = _load_place(said)
    tasks = {task: TaskFence(inputs, said["has_begun"])}
    return Fence(place.stamp.number, said["model"], said["digest"], said["keys"], tasks=tasks), place


def pack_job(record: JobRecord, place: Place) -> bytes:
    """Return what a job keeps beside its tasks as the value of a record."""
    fence = record.fence
    said: dict[str, Any] = {
        "home": record.home,
        "life": record.life,
        "scopes": list(record.scopes),
        "fence": None,
        **_dump_place(place),
    }
    if fence is not None:
        inputs = {number: _named(kept) for number, kept in fence.inputs.items()}
        outputs = {number: _named(kept) for number, kept in fence.outputs.items()}
        named = {name: kept for name, kept in _named(fence).items() if name != "tasks"}
        said["fence"] = {**named, "keys": dict(fence.keys), "inputs": inputs, "outputs": outputs}
    return seal(JOB_KEY, _pack(said))


def unpack_job(value: bytes) -> tuple[JobRecord, Place]:
    """Return what was packed."""
    said = _unpack(opened(JOB_KEY, value))
    fence = None
    if said["fence"] is not None:
        named = dict(said["fence"])
        named["inputs"] = {number: InputFence(**kept) for number, kept in named["inputs"].items()}
        named["outputs"] = {number: OutputFence(**kept) for number, kept in named["outputs"].items()}
        fence = Fence(**named)
    return JobRecord(said["home"], said["life"], fence, tuple(said["scopes"])), _load_place(said)


def pack_receipt(key: bytes, stamp: Stamp) -> bytes:
    """Return the value of the record that says which prepared commit has come true."""
    return seal(key, _pack(list(stamp)))


def unpack_receipt(key: bytes, value: bytes) -> Stamp:
    """Return what was packed."""
    return Stamp(*_unpack(opened(key, value)))


def _dump_place(place: Place) -> dict[str, Any]:
    return {"writer": place.stamp.writer, "number": place.stamp.number, "floor": place.floor}


def _load_place(said: Mapping[str, Any]) -> Place:
    return Place(Stamp(said["writer"], said["number"]), said["floor"])


def _named(record: Any) -> dict[str, Any]:
    """Return the fields of a record by name, so that it may get more of them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return packed


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=False)
