"""What each kind of write changes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from engine.state.commits import Answer, Commit, Fence
from engine.state.sqlite.changes import Changes, checked_rows
from engine.state.sqlite.forms import (
    key_bytes,
    pack,
    pack_answer,
    pack_commit,
    pack_fence,
    pack_records,
    pack_reject,
    unpack,
    unpack_commit,
)
from engine.state.sqlite.tables import (
    ACKNOWLEDGED,
    ANSWERS,
    ENTRIES,
    FENCE,
    IDENTITY,
    JOB,
    JOURNAL,
    META,
    OUTPUTS,
    PENDING,
    PREPARED,
    REJECTS,
    TABLES,
    number_key,
)

ANSWER_S = 24 * 3600
"""How long a request may be repeated: a sender that was down over night, or whose disk was replaced, still gets the
first answer; a day of answers is what a disk can be expected to hold."""

_N_IDENTITY = 8  # random bytes: the stores of the world are some millions

STRETCH_S = 900
"""Answers are forgotten by the quarter of an hour: a hundred stretches to look in, and one to remove at a time."""


def set_job(changes: Changes, job: Any) -> None:
    """Keep what the runtime wants to know."""
    packed = pack(job)
    changes.put_one(META, JOB, b"", packed)
    changes.ledger.job = unpack(packed)


def identify(changes: Changes) -> None:
    """Give the store a name that it keeps, if it has none, and the job in it a new one."""
    ledger = changes.ledger
    ledger.identity, ledger.life = ledger.identity or _random(), _random()
    changes.put_one(META, IDENTITY, b"", pack([ledger.identity, ledger.life]))


def _random() -> str:
    return secrets.token_hex(_N_IDENTITY)


def append(
    changes: Changes, attachment: int, values: Sequence[bytes], pending: bytes, answers: Sequence[Answer]
) -> int:
    """Journal the records of requests; return the sequence number of the last."""
    ledger = changes.ledger
    last = ledger.last_input(attachment) + len(values)
    area = number_key(attachment)
    packed, packed_answers = pack_records(values), [(answer, pack_answer(answer)) for answer in answers]
    if not isinstance(pending, bytes):
        raise TypeError(f"the beginning of a record is bytes, not {type(pending).__name__}")
    if values:
        changes.put_one(JOURNAL, area, number_key(last), packed)
        ledger.journaled[attachment] = last
    _keep_pending(changes, attachment, pending)
    for answer, packed_answer in packed_answers:
        _keep_answer(changes, answer, packed_answer)
    return last


def _keep_pending(changes: Changes, attachment: int, pending: bytes) -> None:
    if pending != changes.ledger.pending.get(attachment, b""):
        changes.put_one(META, PENDING, number_key(attachment), pending or None)
        changes.ledger.pending[attachment] = pending


def _keep_answer(changes: Changes, answer: Answer, packed: bytes) -> None:
    changes.put_one(ANSWERS, _stretch(answer.time_s), key_bytes(answer.key), packed)


def _stretch(time_s: float) -> bytes:
    return number_key(max(int(time_s // STRETCH_S), 0))


def forget_answers(changes: Changes, now_s: float) -> None:
    """Remove the answers of the stretches that are over for a day."""
    for area in changes.ledger.areas(ANSWERS):
        if area < _stretch(now_s - ANSWER_S):
            changes.remove(ANSWERS, area)


def commit(changes: Changes, commit: Commit) -> None:
    """Write a commit; nothing is changed when a part of it cannot be."""
    ledger = changes.ledger
    before = ledger.fence
    packed_fence = pack_fence(commit.fence)
    outputs = [_packed_outputs(changes, commit.fence, *one) for one in commit.outputs.items() if one[1]]
    rejects = [pack_reject(reject) for reject in commit.rejects]
    answers = [(answer, pack_answer(answer)) for answer in commit.answers]
    scopes: dict[str, dict[tuple[bytes, bytes], bytes | None]] = {}
    names: dict[str, bytes] = {}
    for scope, key, name, value, _ in commit.entries:
        if name not in names:
            names[name] = key_bytes(name)
        if scope not in scopes:
            scopes[scope] = {}
        scopes[scope][key, names[name]] = value

    log: dict[tuple[bytes, bytes], bytes | None] = {(number_key(number), b""): None for number in commit.replayed}
    for number, packed in enumerate(rejects, ledger.last_reject + 1):
        log[number_key(number), b""] = packed
    areas = {key_bytes(scope): rows for scope, rows in scopes.items()}
    entries = {area: checked_rows(ENTRIES, area, rows) for area, rows in areas.items()}

    for area, rows in entries.items():  # from here on nothing can go wrong
        changes.put(ENTRIES, area, rows)
    if commit.is_anew:
        changes.wipe(ENTRIES)
    changes.put_one(META, FENCE, b"", packed_fence)
    ledger.fence = commit.fence
    for attachment, last, packed in outputs:
        changes.put_one(OUTPUTS, number_key(attachment), number_key(last), packed)
        ledger.put_out[attachment] = last
    ledger.last_reject += len(rejects)
    if log:
        changes.put(REJECTS, b"", checked_rows(REJECTS, b"", log))
    for answer, packed in answers:
        _keep_answer(changes, answer, packed)
    _trim(changes)
    for attachment in set(_attachments(before)) - set(_attachments(commit.fence)):
        _forget(changes, attachment)


def prepare(changes: Changes, commit: Commit, note: Any) -> None:
    """Keep a commit that is to be decided later; another one that was is forgotten."""
    for one in commit.outputs.items():
        if one[1]:
            _packed_outputs(changes, commit.fence, *one)  # what cannot be written is not prepared either
    packed = pack_commit(commit, note)
    changes.put_one(META, PREPARED, b"", packed)
    changes.ledger.prepared = packed


def settle(changes: Changes, *, is_true: bool) -> None:
    """Write the prepared commit, or forget it."""
    packed = changes.ledger.prepared
    if packed is None:
        return
    if is_true:
        commit(changes, unpack_commit(packed)[0])
    changes.put_one(META, PREPARED, b"", None)
    changes.ledger.prepared = None


def _packed_outputs(changes: Changes, fence: Fence, attachment: int, values: Sequence[bytes]) -> tuple[int, int, bytes]:
    last = fence.outputs[attachment].seq_no
    before = changes.ledger.put_out.get(attachment)
    if last - len(values) < 0 or (before is not None and last - len(values) != before):
        raise ValueError(f"{len(values)} outputs that end at {last} do not follow {before or 0}")
    return attachment, last, pack_records(values)


def _attachments(fence: Fence | None) -> list[int]:
    return [*fence.inputs, *fence.outputs] if fence is not None else []


def _trim(changes: Changes) -> None:
    """Remove the journal before the fence."""
    fence, journaled = changes.ledger.fence, changes.ledger.journaled
    for attachment, done in fence.inputs.items() if fence is not None else ():
        if attachment in journaled:
            changes.remove(JOURNAL, number_key(attachment), number_key(done.position))


def _forget(changes: Changes, attachment: int) -> None:
    """Remove what there is of an attachment that the fence does not name any more: it never comes again."""
    ledger, area = changes.ledger, number_key(attachment)
    changes.remove(JOURNAL, area)
    changes.remove(OUTPUTS, area)
    _keep_pending(changes, attachment, b"")
    if ledger.acknowledged.pop(attachment, None) is not None:
        changes.put_one(META, ACKNOWLEDGED, area, None)
    ledger.journaled.pop(attachment, None)
    ledger.put_out.pop(attachment, None)
    ledger.pending.pop(attachment, None)


def acknowledge(changes: Changes, attachment: int, through: int) -> None:
    """Forget outputs that somebody has taken."""
    ledger, area = changes.ledger, number_key(attachment)
    is_there = ledger.fence is not None and attachment in ledger.fence.outputs
    if not is_there or through <= ledger.acknowledged.get(attachment, 0):
        return
    changes.put_one(META, ACKNOWLEDGED, area, pack(through))
    ledger.acknowledged[attachment] = through
    changes.remove(OUTPUTS, area, number_key(through))


def drop_rejects(changes: Changes, numbers: Sequence[int] | None) -> None:
    """Remove rejects from the log."""
    if numbers is None:
        changes.wipe(REJECTS)
    elif numbers:
        gone = checked_rows(REJECTS, b"", {(number_key(number), b""): None for number in numbers})
        changes.put(REJECTS, b"", gone)


def clear(changes: Changes) -> None:
    """Forget everything but the reject log, and how often the store was opened."""
    for table in TABLES:
        if table != REJECTS:
            changes.wipe(table)
    ledger = changes.ledger
    ledger.fence = ledger.job = ledger.prepared = None
    ledger.journaled.clear()
    ledger.put_out.clear()
    ledger.pending.clear()
    ledger.acknowledged.clear()
    identify(changes)
