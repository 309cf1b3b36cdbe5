"""How many records were scored in one call of a model: without it, the figures of a batched run prove nothing."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from engine.runtime.info import EngineInfo

LEAST_BATCH = 8.0
"""A mean below it is no batch: what was measured then is something else."""

_SAMPLE = re.compile(r"^engine_predictor_(calls|rows)(?:_total)?(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the predictors of a process did: calls, and the rows of all calls."""

    n_calls: int = 0
    n_rows: int = 0

    def __add__(self, other: Self) -> Predicted:
        return Predicted(self.n_calls + other.n_calls, self.n_rows + other.n_rows)

    def __sub__(self, before: Self) -> Predicted:
        return Predicted(self.n_calls - before.n_calls, self.n_rows - before.n_rows)

    @property
    def mean_batch(self) -> float | None:
        """The mean rows of a call; None where nothing was counted."""
        return round(self.n_rows / self.n_calls, 2) if self.n_calls else None


def parse(text: str) -> Predicted:
    """Return the sum over all predictors of an engine, from the text of its metrics."""
    sums = {"calls": 0.0, "rows": 0.0}
    for what, value in _SAMPLE.findall(text):
        sums[what] += float(value)
    return Predicted(int(sums["calls"]), int(sums["rows"]))


def predicted_over_http(port: int) -> Predicted:
    """Ask an engine that serves."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        return parse(connection.getresponse().read().decode())
    finally:
        connection.close()


def predicted_by(info: EngineInfo) -> Predicted:
    """Return what an engine of this process says, of the model that it has or had last."""
    found = info.predictors
    return Predicted(sum(one.n_calls for one in found), sum(one.n_rows for one in found))
