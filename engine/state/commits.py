"""What a commit says, and what a store of commits promises: the seam between the runtime and where things are kept.

A commit is all or nothing. It moves the *fence*: where every input goes on, how far every output was written, and the
state as of then. To resume is to load what the last commit left, and to go on; nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from engine.record import Position

SCRIPT = "script"
"""The scope of a script's own variables."""


class Entry(NamedTuple):
    """One value of the state.

    Parameters
    ----------
    scope : str
        `SCRIPT`; ``cells`` for cells, and ``pools/NAME`` for the pool of that name.
    key : bytes
        The packed key whose state it is; empty where the script has no key. Of a pool, the packed key in it.
    name : str
        The script's name for the variable, or the cell's; empty in a pool.
    value : bytes or None
        The packed value; None when it is forgotten.
    task : int
        Whose state it is, where the inputs of a job have partitions: those of this number.
    """

    scope: str
    key: bytes
    name: str
    value: bytes | None
    task: int = 0


@dataclass(frozen=True, slots=True)
class InputFence:
    """Where an attached input stream goes on.

    Parameters
    ----------
    slot : int
        Its slot.
    position : int
        Where its source resumes: everything before was scored.
    seq_no : int
        Sequence number of the last record before that.
    n_rejected : int
        How many of them were rejected.
    """

    slot: int
    position: Position = 0
    seq_no: int = 0
    n_rejected: int = 0


@dataclass(frozen=True, slots=True)
class OutputFence:
    """How far an attached output stream was written.

    Parameters
    ----------
    slot : int
        Its slot.
    position : int
        The sink's own, as its ``flush`` returned it: what is behind it was never committed.
    seq_no : int
        How many records were written.
    identity : str
        What the sink says it wrote to, such as a file's device and inode; empty where it cannot say.
    """

    slot: int
    position: Position = 0
    seq_no: int = 0
    identity: str = ""


@dataclass(frozen=True, slots=True)
class TaskFence:
    """What is done for good of one task: partition `task` of every partitioned input.

    Parameters
    ----------
    inputs : mapping of int to InputFence
        By input slot; a position is the offset of the next record.
    has_begun : bool
        What ``begin()`` gave is written, or another task's engine writes it.
    """

    inputs: Mapping[int, InputFence]
    has_begun: bool = True


@dataclass(frozen=True, slots=True)
class Fence:
    """What is done for good.

    Parameters
    ----------
    number : int
        Counts commits from 1.
    model : str
        The model's name.
    digest : str
        The model's digest.
    keys : mapping of int to str
        For each keyed input slot, the expression of its key.
    inputs, outputs : mapping of int to InputFence, OutputFence
        By the number of the attachment: every stream that is attached gets one, and it never comes again in a job.
    has_begun : bool
        What ``begin()`` gave is written: it is not repeated.
    is_finished : bool
        All inputs have ended, and ``end()`` was called: there is nothing to resume.
    tasks : mapping of int to TaskFence
        Of inputs that have partitions: every task that this engine owns.
    """

    number: int
    model: str
    digest: str
    keys: Mapping[int, str] = field(default_factory=dict)
    inputs: Mapping[int, InputFence] = field(default_factory=dict)
    outputs: Mapping[int, OutputFence] = field(default_factory=dict)
    has_begun: bool = True
    is_finished: bool = False
    tasks: Mapping[int, TaskFence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record of a topic is.

    >>> str(RecordPlace("prices", 1, 4711))
    'offset 4711 of prices[1]'
    """

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"offset {self.offset} of {self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not scored, or an output that was not written, with what is needed to see why and try again.

    Parameters
    ----------
    time_s : float
        When, in seconds since 1970.
    slot, seq_no, position
        Which record it was; `position` is None for one that somebody waited for.
    stage : str
        ``input``, ``action`` or ``output``.
    error : str
        The class of the error.
    reason, traceback : str
        The error's sentence, and the script's part of the traceback.
    value : bytes
        The record, as it came.
    number : int
        In the store's reject log, from 1; 0 before it is kept.
    topic : str
        Where it was read; empty for a record of no topic, and for one that was kept before this was noted.
    partition, offset : int, optional
        Its place there.
    """

    time_s: float
    slot: int
    seq_no: int
    position: Position | None
    stage: str
    error: str
    reason: str
    traceback: str
    value: bytes
    number: int = 0
    topic: str = ""
    partition: int | None = None
    offset: int | None = None

    @property
    def place(self) -> RecordPlace | None:
        """Where it is in its topic; None for a record of none."""
        if self.partition is None or self.offset is None:
            return None
        return RecordPlace(self.topic, self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request with an ``Idempotency-Key`` was answered.

    Parameters
    ----------
    key : str
        The request's.
    body_digest : bytes
        BLAKE2b-128 of the request's slot and body: the same key with another body is a mistake of the caller's.
    content : bytes
        What it was answered; opaque to the store.
    time_s : float
        When, in seconds since 1970.
    """

    key: str
    body_digest: bytes
    content: bytes
    time_s: float


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that becomes true at once.

    Parameters
    ----------
    fence : Fence
        The new one.
    entries : sequence of Entry
        The state that has changed since the commit before.
    outputs : mapping of int to sequence of bytes
        By attachment: outputs that the store itself keeps until they are acknowledged. They end at the sequence number
        that the fence gives for the attachment.
    rejects : sequence of Reject
        For the reject log.
    replayed : sequence of int
        Numbers in the reject log that were fed back in: they leave it.
    answers : sequence of Answer
        Of synchronous requests with an ``Idempotency-Key``.
    is_synced : bool
        Whether it must survive a power loss, not only the end of the process.
    is_anew : bool
        Forget all state of before, in the same step.
    membership : object, optional
        What proves that the engine still owns the tasks of the fence; opaque to all but the store.
    """

    fence: Fence
    entries: Sequence[Entry] = ()
    outputs: Mapping[int, Sequence[bytes]] = field(default_factory=dict)
    rejects: Sequence[Reject] = ()
    replayed: Sequence[int] = ()
    answers: Sequence[Answer] = ()
    is_synced: bool = True
    is_anew: bool = False
    membership: Any = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Records that a store holds for an attachment: the first one's sequence number, and their bytes.

    `pending` is what an envelope had of the record that was not complete yet; `ends` are the sequence numbers of the
    last output of each commit that put some there, in order.
    """

    first_seq: int
    values: list[bytes]
    pending: bytes = b""
    ends: Sequence[int] = ()


class CommitLog(Protocol):
    """A store of commits, of one job.

    Writes are queued, in order, to a thread of the store's own, which puts what waits into one transaction. A future
    that is done says that its write is kept; its error is a `StoreFailed`, and then nothing of the write is kept.
    """

    @property
    def fence(self) -> Fence | None:
        """The last committed one; None before the first commit."""

    @property
    def job(self) -> Any:
        """What `set_job` kept; None before."""

    def set_job(self, job: Any) -> Future[None]:
        """Keep what the runtime wants to know after a restart: None, numbers, texts, bytes, lists and dicts."""

    def entries(self, scope: str = SCRIPT, task: int = 0) -> Iterator[Entry]:
        """Return the committed state of a task; raises `StateCorrupt`."""

    def scopes(self) -> list[str]:
        """Return the scopes that have entries."""

    def commit(self, commit: Commit) -> Future[None]:
        """Write a commit.

        The future may also fail with `CommitAborted`: nothing of it holds, and everything since the last one is to be
        done again by whoever owns the tasks then.
        """

    def append(
        self,
        attachment: int,
        values: Sequence[bytes],
        *,
        pending: bytes = b"",
        answers: Sequence[Answer] = (),
        is_synced: bool = True,
    ) -> Future[int]:
        """Journal records that came in; return the sequence number of the last. The fence's position frees them."""

    def inputs(self, attachment: int) -> Kept:
        """Return what was journaled and is behind the fence's position."""

    def outputs(self, attachment: int) -> Kept:
        """Return the outputs that nobody acknowledged."""

    def acknowledge(self, attachment: int, through: int) -> None:
        """Forget outputs up to and with a sequence number, soon: a loss of power may bring them back."""

    def answer_of(self, key: str) -> Answer | None:
        """Return what the request with this key was answered."""

    def rejects(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """Return the reject log, oldest first."""

    def drop_rejects(self, numbers: Sequence[int] | None = None) -> Future[None]:
        """Remove rejects from the log; all of them when None."""

    def clear(self) -> Future[None]:
        """Begin a new job: forget all but the reject log."""

    def close(self) -> None:
        """Write what is queued, and let go."""
