"""What an engine says of itself: plain values, for the API, the command line and the log."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """One line that a script printed, or the building of its environment did; `stream` says which, and where.

    `slot` and `seq_no` name the record in work, where there was one.
    """

    jet: int
    stream: str
    text: str
    slot: int | None = None
    seq_no: int | None = None


@dataclass(frozen=True, slots=True)
class StateInfo:
    """A name of the script's state: the line and the reason for which it was taken, and whether it can be kept.

    `size_bytes` is what its value took, packed, when the script was set up; `refusal` says why it cannot be kept.
    """

    name: str
    line: int
    reason: str
    size_bytes: int | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model. `state` is what the engine takes as the script's state, `notes` what there is to say of it."""

    name: str
    digest: str
    sloc: int
    is_stateless: bool
    state: list[StateInfo]
    notes: list[str]
    n_jets: int
    n_working: int


@dataclass(frozen=True, slots=True)
class SlotInfo:
    """One slot: what the model says of it, what is attached to it, and what went through it.

    `n_records` counts records read or written since the stream was attached; `n_rejected` those of them that were bad;
    `position` is where its source would go on.
    """

    slot: int
    name: str | None
    schema: str | None
    action: str | None
    stream: str | None
    transport: str | None
    encoding: str | None
    is_eof: bool
    n_records: int
    n_rejected: int
    position: int | None


@dataclass(frozen=True, slots=True)
class JetInfo:
    """One running copy of the model. `rss_bytes` is what it holds in memory now.

    `n_threads` is what each of its predictors may use, `silent_s` for how long it has answered nothing of what it was
    given; 0 while it has nothing to answer.
    """

    number: int
    pid: int | None
    status: str
    n_records: int
    n_restarts: int
    rss_bytes: int | None
    n_threads: int | None = None
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """How the cores are shared: how many there are and what says so, and what each predictor of each jet gets.

    `device` is where predictors were told to run, `sentence` all of it in words.
    """

    n_cores: int
    source: str
    n_jets: int
    n_threads: int
    device: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PredictorInfo:
    """What a model file did, of all jets since the model was loaded. `device` is where it really runs.

    `waiting_s` is for how long rows have waited for the others of their batch, added up over the rows, and
    `calls_by_rows` how many calls had up to 1, 2, 4, 8 ... rows.
    """

    name: str
    backend: str
    device: str
    n_calls: int = 0
    n_rows: int = 0
    duration_s: float = 0.0
    max_duration_s: float = 0.0
    max_rows: int = 0
    waiting_s: float = 0.0
    calls_by_rows: dict[int, int] = field(default_factory=dict)

    @property
    def mean_rows(self) -> float:
        """The mean number of rows of a call; 0.0 before the first."""
        return self.n_rows / self.n_calls if self.n_calls else 0.0

    @property
    def row_s(self) -> float:
        """The mean time of a row; 0.0 before the first."""
        return self.duration_s / self.n_rows if self.n_rows else 0.0


@dataclass(frozen=True, slots=True)
class TimeInfo:
    """How often something was done, and the time in it."""

    count: int
    total_s: float


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """Where the time went since the model was loaded.

    `queue` counts records and how long they waited until a jet was given them, `action` records and the time in
    ``action()``, predictors included; `commit` counts commits, and `score`
    synchronous requests, from the engine's taking them to its answer. `n_waiting` records wait for a jet now, and
    `n_in_jets` were given to one.
    """

    model: str
    plan: PlanInfo
    predictors: list[PredictorInfo]
    queue: TimeInfo
    action: TimeInfo
    commit: TimeInfo
    score: TimeInfo
    n_waiting: int
    n_in_jets: int


@dataclass(frozen=True, slots=True)
class RejectInfo:
    """One record that was not scored. `value` is its head, as text, and `place` where it is in its topic, if any."""

    slot: int
    seq_no: int
    stage: str
    reason: str
    value: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a jet says of the state that it holds: how many keys, how many of them as objects, and their bytes."""

    n_keys: int = 0
    n_live: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FenceInfo:
    """The last commit: which one it was, and how long ago; `trouble` is what holds up the next one, or its outputs."""

    number: int
    age_s: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What an engine goes on with: by input slot the last record that is done, and the state that the engine is in.

    Of a slot that reads a topic, `offsets` says by partition where its group goes on.
    """

    model: str | None
    number: int
    positions: dict[int, int]
    state: str
    offsets: dict[int, dict[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """A partition that the engine reads: `position` is where the group goes on, `end` where the topic ends.

    `lag` is how many offsets are in between; both are None before the brokers have said where it ends.
    """

    slot: int
    topic: str
    partition: int
    position: int
    end: int | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class RestoringInfo:
    """A partition whose state is being read: of about how many records, and how long the rest will take."""

    partition: int
    n_read: int
    n_total: int
    left_s: float | None
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """The consumer group: what of it is this engine's.

    `instance` is the name by which the group knows the engine after a restart, `changelog` the topic with the state,
    and `trouble` what keeps the brokers from answering. `notes` says, a sentence each, where the group began that had
    committed nothing.
    """

    name: str
    instance: str
    changelog: str | None
    partitions: list[PartitionInfo] = field(default_factory=list)
    restoring: list[RestoringInfo] = field(default_factory=list)
    n_rebalances: int = 0
    trouble: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """All of it. `waits_for` says what is missing before the engine starts, `error` why it stopped.

    `promise` says, a sentence each, what is promised for the attached streams. `n_keys` is how many keys have a state
    of their own (None without keys), `state_bytes` what the state takes packed. `group` is there while the engine reads
    topics, `plan` while a model is loaded.
    """

    state: str
    error: str | None = None
    waits_for: list[str] = field(default_factory=list)
    model: ModelInfo | None = None
    slots: list[SlotInfo] = field(default_factory=list)
    jets: list[JetInfo] = field(default_factory=list)
    rejects: list[RejectInfo] = field(default_factory=list)
    promise: list[str] = field(default_factory=list)
    fence: FenceInfo | None = None
    n_keys: int | None = None
    state_bytes: int = 0
    group: GroupInfo | None = None
    plan: PlanInfo | None = None
    predictors: list[PredictorInfo] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scaled:
    """What a change of scale led to. `note` says so where some copies have nothing to do."""

    n_jets: int
    n_working: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Records of a REST output, oldest first; `last_seq` is the last one's number, by which they are acknowledged.

    `is_settled` says that what had been accepted when they were asked for is scored, or that nothing is being scored.
    """

    values: list[bytes]
    last_seq: int
    is_eof: bool
    is_settled: bool
