"""What the predictors of a model did, summed over its jets, those that have ended too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import metrics
from engine.registry import Model
from engine.runtime.info import PredictorInfo
from engine.runtime.jets import Jet

_SUMS = ("n_calls", "n_rows", "duration_s", "waiting_s")
_PEAKS = ("max_duration_s", "max_rows")


@dataclass(slots=True)
class _Sums:
    """The counts of one name."""

    backend: str = ""
    device: str = ""
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    peaks: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_PEAKS, 0))
    calls_by_rows: Counter[int] = field(default_factory=Counter)

    def add(self, report: Mapping[str, Any]) -> None:
        """Add a report."""
        self.backend = _joined(self.backend, report["backend"])
        self.device = _joined(self.device, report["device"])
        for name in _SUMS:
            self.sums[name] += report[name]
        for name in _PEAKS:
            self.peaks[name] = max(self.peaks[name], report[name])
        self.calls_by_rows.update(report["calls_by_rows"])

    def grow(self, now: _Sums, before: _Sums) -> None:
        """Add what came between two looks at a jet; what has fallen, as a predictor was dropped, was counted then."""
        self.backend, self.device = _joined(self.backend, now.backend), _joined(self.device, now.device)
        for name in _SUMS:
            self.sums[name] += max(0, now.sums[name] - before.sums[name])
        for name in _PEAKS:
            self.peaks[name] = max(self.peaks[name], now.peaks[name])
        self.calls_by_rows += now.calls_by_rows - before.calls_by_rows

    def info(self, name: str) -> PredictorInfo:
        """Return it in plain values."""
        return PredictorInfo(
            name,
            self.backend,
            self.device,
            int(self.sums["n_calls"]),
            int(self.sums["n_rows"]),
            self.sums["duration_s"],
            self.peaks["max_duration_s"],
            int(self.peaks["max_rows"]),
            self.sums["waiting_s"],
            dict(sorted(self.calls_by_rows.items())),
        )


class Predictions:
    """The predictors of every model of which a jet is at work."""

    def __init__(self) -> None:
        self._last: dict[Jet, dict[str, _Sums]] = {}
        self._totals: dict[int, tuple[Model, dict[str, _Sums]]] = {}
        self._model: Model | None = None

    def take(self, jet: Jet, reports: Iterable[Mapping[str, Any]]) -> None:
        """Take what a jet says of each of its predictors: counts since its process began."""
        now: dict[str, _Sums] = {}
        for report in reports:
            now.setdefault(report["name"], _Sums()).add(report)
        before, self._last[jet] = self._last.get(jet, {}), now
        _, totals = self._totals.setdefault(id(jet.model), (jet.model, {}))
        for name, sums in now.items():
            totals.setdefault(name, _Sums()).grow(sums, before.get(name, _Sums()))
        self._tell()

    def end(self, jet: Jet) -> None:
        """Let the counts of a jet begin at 0 again: its process has ended."""
        self._last.pop(jet, None)

    def use(self, model: Model | None) -> None:
        """Show those of this model, and forget those of models that are gone."""
        if model is self._model and (model is not None or not self._totals):
            return
        self._model = model
        alive = {id(jet.model) for jet in self._last} | {id(model)}
        self._totals = {key: found for key, found in self._totals.items() if key in alive}
        self._tell()

    def infos(self, model: Model | None) -> list[PredictorInfo]:
        """Return what the predictors of a model did, by name."""
        _, totals = self._totals.get(id(model), (None, {}))
        return [totals[name].info(name) for name in sorted(totals)]

    def _tell(self) -> None:
        metrics.set_predictors(self.infos(self._model))


def _joined(known: str, word: str) -> str:
    """Return both words, where copies of one file run in different ways."""
    return ", ".join(dict.fromkeys(filter(None, (*known.split(", "), *word.split(", ")))))
