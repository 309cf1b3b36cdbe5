"""Daily S&P 500 closes, in prices of one year and less their trend: what the LSTM is trained on and scores."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

# The tutorial's: the model is trained before the crisis and tested on it.
SPLIT = pd.Timestamp("2007-06-01")
N_STEPS = 30  # days that the model sees


@dataclass(frozen=True)
class Prices:
    """One row a trading day, from the first to the last day on which both the close and the CPI are known.

    Parameters
    ----------
    table : pandas.DataFrame
        By date: ``close`` in dollars, ``cpi``, ``normalised`` (close / CPI), ``trend`` (of the training part's
        ``normalised``, drawn on through the test part) and ``adjusted`` (normalised - trend), the model's input.
    source : str
        Where the prices came from, for titles and reports.
    """

    table: pd.DataFrame
    source: str

    @property
    def training(self) -> pd.Series:
        """The adjusted prices before the split."""
        return self.table["adjusted"][self.table.index < SPLIT]

    @property
    def test(self) -> pd.Series:
        """The adjusted prices from the split on."""
        return self.table["adjusted"][self.table.index >= SPLIT]

    def to_dollars(self, adjusted: pd.Series) -> pd.Series:
        """Turn adjusted prices, observed or predicted, back into dollars of their own day."""
        days = self.table.loc[adjusted.index]
        return (adjusted + days["trend"]) * days["cpi"]


def read_packages(*, is_long: bool = False) -> Prices:
    """Read the CSV files inside the package `arch`: S&P 500 closes of 1999 to 2018 and the core CPI.

    The packages are data here: they may be installed without their dependencies, and are not imported.

    Parameters
    ----------
    is_long : bool
        Put the closes of 1990 to 1998 before them, from the package `skfolio`.
    """
    closes = _read_column(_packaged("arch", "sp500.csv.gz"), "Close")
    cpi = _read_column(_packaged("arch", "core-cpi.csv.gz"), "CPILFESL")
    if not is_long:
        return prepare(closes, cpi, "arch")
    earlier = _read_column(_packaged("skfolio", "sp500_index.csv.gz"), "SP500")
    return prepare(pd.concat([earlier[earlier.index < closes.index[0]], closes]), cpi, "skfolio and arch")


def read_stocks(n_days: int) -> pd.DataFrame:
    """Read the last closes of 20 stocks in the package `skfolio`: one row a trading day, one column a stock."""
    table = pd.read_csv(_packaged("skfolio", "sp500_dataset.csv.gz"), index_col="Date", parse_dates=True)
    return table.iloc[-n_days:].astype(float)


def read_folder(folder: Path) -> Prices:
    """Read the tutorial's two files: ``sp500.csv`` (Yahoo) and ``CPIAUCSL.csv`` (FRED)."""
    closes = _read_column(folder / "sp500.csv", "Close")
    cpi = _read_column(folder / "CPIAUCSL.csv", "CPIAUCSL")
    return prepare(closes, cpi, "sp500.csv and CPIAUCSL.csv")


def prepare(closes: pd.Series, cpi: pd.Series, source: str) -> Prices:
    """Divide closes by the CPI and subtract the linear trend of the part before the split.

    The CPI is monthly, dated at the first of the month; between two months it is interpolated linearly, and days after
    the last month are left out.
    """
    daily_cpi = cpi.resample("D").interpolate()
    table = pd.DataFrame({"close": closes, "cpi": daily_cpi.reindex(closes.index)}).dropna()
    table["normalised"] = table["close"] / table["cpi"]
    days = np.asarray((table.index - table.index[0]).days, dtype=float)
    is_training = table.index < SPLIT
    slope, intercept = np.polyfit(days[is_training], table["normalised"][is_training], 1)
    table["trend"] = intercept + slope * days
    table["adjusted"] = table["normalised"] - table["trend"]
    return Prices(table, source)


def cut_windows(series: pd.Series, length: int = N_STEPS) -> np.ndarray:
    """Return every window of the series: float32 [n - length + 1, length, 1]."""
    return np.lib.stride_tricks.sliding_window_view(series.to_numpy(np.float32), length)[..., None]


def write_lines(path: Path, numbers: Iterable[float]) -> None:
    """Write one JSON number a line: what `engine model input` and `engine run` read."""
    path.write_text("".join(f"{float(number)!r}\n" for number in numbers), encoding="utf-8")


def _read_column(path: Path, column: str) -> pd.Series:
    table = pd.read_csv(path)
    dates = table[table.columns[0]]
    # arch writes 1/4/1999, the others 1999-01-04
    table.index = pd.to_datetime(dates, format="%m/%d/%Y" if "/" in dates.iloc[0] else "%Y-%m-%d")
    return table[column].astype(float)


def _packaged(distribution: str, name: str) -> Path:
    for file in files(distribution) or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise FileNotFoundError(f"{name} is not among the files of the package {distribution}")
