"""The bytes of fences, rejects, answers and records, in the rows of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import msgpack

from engine.record import Oversized
from engine.state.commits import Answer, Commit, Fence, InputFence, OutputFence, Reject, TaskFence

_OVERSIZED = 1  # msgpack's number of our extension: eight bytes of size, then the head


def pack(value: Any) -> bytes:
    """Return None, numbers, texts, bytes, lists and dicts as bytes."""
    packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return packed


def unpack(data: bytes) -> Any:
    """Return what was packed."""
    return msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=False, ext_hook=_restored)


def _restored(code: int, data: bytes) -> Any:
    if code != _OVERSIZED:
        raise ValueError(f"extension {code} is not known")
    return Oversized(data[8:], int.from_bytes(data[:8], "big"))


def pack_records(values: Sequence[bytes]) -> bytes:
    """Return records as one value."""
    return pack([_plain(value) for value in values])


def _plain(value: bytes) -> Any:
    if isinstance(value, Oversized):
        return msgpack.ExtType(_OVERSIZED, value.size_bytes.to_bytes(8, "big") + value)
    if not isinstance(value, bytes):
        raise TypeError(f"a record is bytes, not {type(value).__name__}")
    return value


def pack_fence(fence: Fence) -> bytes:
    """Return a fence as bytes: by the names of its fields, so that it may get more of them."""
    return pack(_dump_fence(fence))


def _dump_fence(fence: Fence) -> dict[str, Any]:
    inputs = {number: _named(one) for number, one in fence.inputs.items()}
    outputs = {number: _named(one) for number, one in fence.outputs.items()}
    dumped = {**_named(fence), "keys": dict(fence.keys), "inputs": inputs, "outputs": outputs}
    del dumped["tasks"]
    if fence.tasks:  # a job without partitions writes what engines could read that knew of none
        dumped["tasks"] = {
            task: [{slot: _named(kept) for slot, kept in one.inputs.items()}, one.has_begun]
            for task, one in fence.tasks.items()
        }
    return dumped


def _named(record: Any) -> dict[str, Any]:
    """Return the fields of a record by name: not as `asdict`, which would copy what is in them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def unpack_fence(data: bytes) -> Fence:
    """Return the fence that was packed."""
    return _load_fence(unpack(data))


def _load_fence(named: dict[str, Any]) -> Fence:
    named["inputs"] = {number: InputFence(**one) for number, one in named["inputs"].items()}
    named["outputs"] = {number: OutputFence(**one) for number, one in named["outputs"].items()}
    named["tasks"] = {
        task: TaskFence({slot: InputFence(**kept) for slot, kept in inputs.items()}, has_begun)
        for task, (inputs, has_begun) in named.get("tasks", {}).items()
    }
    return Fence(**named)


def pack_commit(commit: Commit, note: Any) -> bytes:
    """Return a commit as bytes, but for the state, and what it is to be decided by."""
    return pack(
        {
            "fence": _dump_fence(commit.fence),
            "outputs": {number: [_plain(value) for value in values] for number, values in commit.outputs.items()},
            "rejects": [pack_reject(reject) for reject in commit.rejects],
            "replayed": list(commit.replayed),
            "answers": [[answer.key, pack_answer(answer)] for answer in commit.answers],
            "is_anew": commit.is_anew,
            "note": note,
        }
    )


def unpack_commit(data: bytes) -> tuple[Commit, Any]:
    """Return the commit that was packed, and its note."""
    named = unpack(data)
    commit = Commit(
        _load_fence(named["fence"]),
        outputs=named["outputs"],
        rejects=[unpack_reject(0, packed) for packed in named["rejects"]],
        replayed=named["replayed"],
        answers=[unpack_answer(key, packed) for key, packed in named["answers"]],
        is_anew=named["is_anew"],
    )
    return commit, named["note"]


def pack_reject(reject: Reject) -> bytes:
    """Return a reject as bytes; its number is the row's."""
    return pack({**_named(reject), "number": 0, "value": _plain(reject.value)})


def unpack_reject(number: int, data: bytes) -> Reject:
    """Return the reject that was packed."""
    return replace(Reject(**unpack(data)), number=number)


def pack_answer(answer: Answer) -> bytes:
    """Return an answer as bytes; its key is the row's."""
    return pack({**_named(answer), "key": ""})


def unpack_answer(key: str, data: bytes) -> Answer:
    """Return the answer that was packed."""
    return replace(Answer(**unpack(data)), key=key)


def key_bytes(text: str) -> bytes:
    """Return a text as a key or a name in the store."""
    return text.encode("utf-8", "surrogatepass")


def key_text(data: bytes) -> str:
    """Return the text of a key or a name."""
    return data.decode("utf-8", "surrogatepass")
