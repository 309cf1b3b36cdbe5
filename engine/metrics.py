"""The engine's numbers, in base units, in the text form of Prometheus.

For the engine's own process: a jet sends what it measured over the channel. Every function may be called from any
thread; those that take a count are meant to be called once a batch.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from engine import __version__

# When each series began is as many lines again, and a fall in a count tells the same.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own gap
REGISTRY = CollectorRegistry()
"""What `render` writes; apart from the client library's own, which other code of the process may use."""

# From what a warm jet needs for a no-op (tens of microseconds) to the default time-out of a synchronous score.
_SCORE_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# From a commit that syncs nothing to one of a million keys.
_COMMIT_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


# Rows of a call: what one frame holds is the most that waits together.
_ROW_BOUNDS = tuple(1 << power for power in range(13))


@dataclass(frozen=True, slots=True)
class Times:
    """How often something was done, and the time in it."""

    count: int = 0
    total_s: float = 0.0

    def __sub__(self, before: Times) -> Times:
        return Times(self.count - before.count, self.total_s - before.total_s)


class PredictorFigures(Protocol):
    """What is known of a loaded model file; sums over all jets."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def backend(self) -> str:
        """What runs it."""

    @property
    def device(self) -> str:
        """Where it really runs."""

    @property
    def n_calls(self) -> int:
        """How often it was called."""

    @property
    def n_rows(self) -> int:
        """How many rows it has predicted."""

    @property
    def duration_s(self) -> float:
        """The time in it."""

    @property
    def waiting_s(self) -> float:
        """For how long rows have waited for the others of their batch."""

    @property
    def calls_by_rows(self) -> Mapping[int, int]:
        """How many calls had up to 1, 2, 4, 8 ... rows."""


class _BatchedTime(Collector):
    """How often something was done to records, and the time in it, added up a batch at a time.

    A `Summary` of the library takes them one by one.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self._lock = threading.Lock()
        self._n_calls = 0
        self._total_s = 0.0

    def add(self, n_calls: int, total_s: float) -> None:
        with self._lock:
            self._n_calls += n_calls
            self._total_s += total_s

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            n_calls, total_s = self._n_calls, self._total_s
        yield SummaryMetricFamily(self._name, self._documentation, count_value=n_calls, sum_value=total_s)

    @property
    def times(self) -> Times:
        with self._lock:
            return Times(self._n_calls, self._total_s)


class _Records(Collector):
    """Records by slot and outcome: a `Counter` takes four times as long, and every score is counted twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], int] = {}

    def add(self, slot: int, outcome: str, n_records: int) -> None:
        with self._lock:
            self._counts[slot, outcome] = self._counts.get((slot, outcome), 0) + n_records

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            counts = dict(self._counts)
        family = CounterMetricFamily("engine_records", "Records, by what became of them.", labels=["slot", "outcome"])
        for (slot, outcome), n_records in counts.items():
            family.add_metric([str(slot), outcome], n_records)
        yield family


class _ScoreTime(Collector):
    """Synchronous scores, by how long they took; as a `Histogram`, which looks through its buckets one by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(_SCORE_BUCKETS_S) + 1)
        self._total_s = 0.0

    def observe(self, duration_s: float) -> None:
        at = bisect_left(_SCORE_BUCKETS_S, duration_s)
        with self._lock:
            self._counts[at] += 1
            self._total_s += duration_s

    @property
    def times(self) -> Times:
        with self._lock:
            return Times(sum(self._counts), self._total_s)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            counts, total_s = list(self._counts), self._total_s
        names = [*(str(float(bound)) for bound in _SCORE_BUCKETS_S), "+Inf"]
        buckets = list(zip(names, accumulate(counts), strict=True))
        yield HistogramMetricFamily(
            "engine_score_duration_seconds",
            "Synchronous scores, as the engine sees them.",
            buckets=buckets,
            sum_value=total_s,
        )


class _Predictors(Collector):
    """What the predictors of the loaded model did, as it was said last."""

    def __init__(self) -> None:
        self._figures: Sequence[PredictorFigures] = ()

    def set(self, figures: Sequence[PredictorFigures]) -> None:
        self._figures = tuple(figures)

    def collect(self) -> Iterable[Metric]:
        by, figures = ["predictor"], self._figures
        calls = CounterMetricFamily("engine_predictor_calls", "Calls of a loaded model file.", labels=by)
        rows = CounterMetricFamily("engine_predictor_rows", "Rows that went through it.", labels=by)
        duration = SummaryMetricFamily("engine_predictor_duration_seconds", "Time in its calls.", labels=by)
        waiting = CounterMetricFamily(
            "engine_predictor_waiting_seconds",
            "How long rows waited for the others of their batch.",
            labels=by,
        )
        batches = HistogramMetricFamily("engine_predictor_batch_rows", "Rows of a call.", labels=by)
        info = InfoMetricFamily("engine_predictor", "What runs it, and where.", labels=by)
        for one in figures:
            calls.add_metric([one.name], one.n_calls)
            rows.add_metric([one.name], one.n_rows)
            duration.add_metric([one.name], count_value=one.n_calls, sum_value=one.duration_s)
            waiting.add_metric([one.name], one.waiting_s)
            batches.add_metric([one.name], _cumulated(one.calls_by_rows), one.n_rows)
            info.add_metric([one.name], {"backend": one.backend, "device": one.device})
        yield from (calls, rows, duration, waiting, batches, info)


def _cumulated(calls_by_rows: Mapping[int, int]) -> list[tuple[str, float]]:
    """Return the calls of up to so many rows, by powers of two without a gap: a bucket that comes later is no news."""
    buckets, n_calls = list[tuple[str, float]](), 0
    for bound in _ROW_BOUNDS:
        n_calls += calls_by_rows.get(bound, 0)
        buckets.append((f"{bound}.0", n_calls))
    return [*buckets, ("+Inf", sum(calls_by_rows.values()))]


_action_time = _BatchedTime("engine_action_duration_seconds", "Time in the model's action().")
_queue_time = _BatchedTime("engine_queue_duration_seconds", "From a record's coming in to its being given to a jet.")
_predictors = _Predictors()
REGISTRY.register(_action_time)
REGISTRY.register(_queue_time)
REGISTRY.register(_predictors)
ProcessCollector(registry=REGISTRY)
Info("engine", "The engine's version.", registry=REGISTRY).info({"version": __version__})
_records = _Records()
_score_time = _ScoreTime()
REGISTRY.register(_records)
REGISTRY.register(_score_time)
_jets = Gauge("engine_jets", "Processes that run a copy of the model.", ["status"], registry=REGISTRY)
_restarts = Counter("engine_jet_restarts", "Jets that ended by themselves and were started again.", registry=REGISTRY)
_state = Gauge("engine_state", "1 for the state that the engine is in.", ["state"], registry=REGISTRY)
_console = Counter("engine_console_lines", "Lines that the model printed.", registry=REGISTRY)
_inbox = Gauge("engine_inbox_bytes", "Accepted over REST and not yet given to a jet.", ["slot"], registry=REGISTRY)
_commits = Histogram(
    "engine_commit_duration_seconds",
    "From the scored records to the kept ones: outputs written, and fence and state in the store.",
    buckets=_COMMIT_BUCKETS_S,
    registry=REGISTRY,
)
_keys = Gauge("engine_state_keys", "Keys that have a state of their own.", ["form"], registry=REGISTRY)
_state_bytes = Gauge("engine_state_bytes", "The script's state, packed, with its keys.", registry=REGISTRY)
_resends = Counter(
    "engine_delivery_retries", "Batches of outputs that had to be sent again over HTTP.", ["slot"], registry=REGISTRY
)
_lags = Gauge(
    "engine_kafka_lag", "Offsets between where the group goes on and where a partition ends.", ["slot", "partition"],
    registry=REGISTRY,
)  # fmt: skip
_restoring = Gauge(
    "engine_kafka_restoring_records", "Records of the changelog to be read before a partition is scored.",
    ["partition"], registry=REGISTRY,
)  # fmt: skip
_rebalances = Counter(
    "engine_kafka_rebalances", "How often the group has changed what the engine reads.", registry=REGISTRY
)
_aborts = Counter("engine_commit_aborts", "Commits that were taken back and done again.", registry=REGISTRY)
_outbox = Gauge("engine_outbox_bytes", "Outputs that nobody acknowledged yet.", ["slot"], registry=REGISTRY)


def count_records(slot: int, outcome: str, n_records: int) -> None:
    """Add records of a slot: ``accepted``, ``scored``, ``rejected``, ``skipped`` or ``written``."""
    _records.add(slot, outcome, n_records)


def add_action_time(n_calls: int, total_s: float) -> None:
    """Add what a jet measured over a batch."""
    _action_time.add(n_calls, total_s)


def add_queue_time(n_records: int, total_s: float) -> None:
    """Add how long the records of a batch have waited for a jet."""
    _queue_time.add(n_records, total_s)


def set_predictors(figures: Sequence[PredictorFigures]) -> None:
    """Say what the predictors of the loaded model did; one that is not named is gone."""
    _predictors.set(figures)


def times() -> dict[str, Times]:
    """Return how many records have waited and were scored, and commits and requests were done, and the time in it."""
    return {
        "queue": _queue_time.times,
        "action": _action_time.times,
        "commit": _times_of(_commits),
        "score": _score_time.times,
    }


def _times_of(histogram: Histogram) -> Times:
    [family] = histogram.collect()
    values = {sample.name.rpartition("_")[2]: sample.value for sample in family.samples}
    return Times(int(values["count"]), values["sum"])


def observe_score(duration_s: float) -> None:
    """Add one synchronous score."""
    _score_time.observe(duration_s)


def observe_commit(duration_s: float) -> None:
    """Add one commit."""
    _commits.observe(duration_s)


def set_state_figures(n_keys: int, n_live: int, size_bytes: int) -> None:
    """Say how many keys there are, how many of them are held as objects and not packed, and the bytes of all state."""
    _keys.labels("live").set(n_live)
    _keys.labels("packed").set(n_keys - n_live)
    _state_bytes.set(size_bytes)


def count_restart() -> None:
    """Add one restart of a jet."""
    _restarts.inc()


def count_resend(slot: int) -> None:
    """Add one batch of outputs that a peer did not take."""
    _resends.labels(str(slot)).inc()


def count_console_lines(n_lines: int) -> None:
    """Add lines that the model printed."""
    _console.inc(n_lines)


def set_jets(n_by_status: Mapping[str, int]) -> None:
    """Say how many jets there are of each status; a status that is not named has none."""
    _jets.clear()
    for status, n_jets in n_by_status.items():
        _jets.labels(status).set(n_jets)


def set_state(current: str, states: Iterable[str]) -> None:
    """Say which of all `states` the engine is in."""
    for state in states:
        _state.labels(state).set(state == current)


def set_inbox(slot: int, size_bytes: int) -> None:
    """Say how much a REST input holds."""
    _inbox.labels(str(slot)).set(size_bytes)


def set_outbox(slot: int, size_bytes: int) -> None:
    """Say how much a REST output holds."""
    _outbox.labels(str(slot)).set(size_bytes)


def set_lags(lags: Mapping[tuple[int, int], int]) -> None:
    """Say how far the group is behind, by slot and partition; of a partition that is not named nothing is known."""
    _lags.clear()
    for (slot, partition), lag in lags.items():
        _lags.labels(str(slot), str(partition)).set(lag)


def set_restoring(n_left: Mapping[int, int]) -> None:
    """Say of which partitions the state is being read, and how many records are left."""
    _restoring.clear()
    for partition, n_records in n_left.items():
        _restoring.labels(str(partition)).set(n_records)


def count_rebalance() -> None:
    """Add one change of what the group has the engine read."""
    _rebalances.inc()


def count_abort() -> None:
    """Add one commit that was taken back."""
    _aborts.inc()


def forget_slot(slot: int) -> None:
    """Drop the sizes of a slot that no stream is attached to any more; its counts stay."""
    for gauge in (_inbox, _outbox):
        gauge.remove_by_labels({"slot": str(slot)})


def render(accept: str = "") -> tuple[bytes, str]:
    """Return every number, and the content type that fits an ``Accept`` header."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type
