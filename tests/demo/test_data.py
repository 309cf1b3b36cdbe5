from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demo.data import SPLIT, Prices, cut_windows, prepare, read_folder, read_packages, write_lines


def straight_line(last_day: str = "2008-03-31") -> Prices:
    """Closes of 100 times a line that rises by 0.01 a day, over a CPI of 100."""
    days = pd.bdate_range("2007-01-01", last_day)
    line = 2 + 0.01 * (days - days[0]).days
    cpi = pd.Series(100.0, pd.date_range("2007-01-01", "2008-03-01", freq="MS"))
    return prepare(pd.Series(100.0 * line, days), cpi, "a line")


def test_a_straight_line_is_all_trend() -> None:
    prices = straight_line()
    assert np.abs(prices.table["adjusted"]).max() < 1e-9


def test_the_trend_is_that_of_the_training_part_alone() -> None:
    prices = straight_line()
    closes = prices.table["close"].copy()
    closes[closes.index >= SPLIT] *= 3
    tripled = prepare(closes, prices.table["cpi"], "the test part tripled")
    assert tripled.table["trend"].to_numpy() == pytest.approx(prices.table["trend"].to_numpy())
    assert tripled.test.iloc[-1] > 1


def test_every_day_is_in_one_part_and_the_split_day_is_in_the_test() -> None:
    prices = straight_line()
    assert prices.training.index.max() < SPLIT == prices.test.index.min()
    assert len(prices.training) + len(prices.test) == len(prices.table)


def test_the_cpi_is_interpolated_between_the_firsts_of_months() -> None:
    days = pd.date_range("2007-04-01", "2007-07-31")
    cpi = pd.Series([100.0, 130.0, 161.0, 161.0], pd.date_range("2007-04-01", periods=4, freq="MS"))
    table = prepare(pd.Series(1.0, days), cpi, "").table
    assert table["cpi"]["2007-04-01"] == 100
    assert table["cpi"]["2007-04-16"] == pytest.approx(115)
    assert table["cpi"]["2007-05-02"] == pytest.approx(131)


def test_days_outside_the_cpi_are_left_out() -> None:
    assert straight_line().table.index[-1] == pd.Timestamp("2008-02-29")


def test_adjusted_prices_turn_back_into_dollars() -> None:
    prices = read_packages()
    dollars = prices.to_dollars(prices.test)
    assert dollars.to_numpy() == pytest.approx(prices.table["close"].loc[dollars.index].to_numpy())


def test_the_packages_give_closes_of_1999_to_2018() -> None:
    prices = read_packages()
    assert [f"{day:%Y-%m-%d}" for day in prices.table.index[[0, -1]]] == ["1999-01-04", "2018-11-01"]
    assert prices.table["close"].iloc[0] == pytest.approx(1228.10, abs=0.01)
    assert (len(prices.training), len(prices.test)) == (2114, 2878)
    assert prices.training.mean() == pytest.approx(0, abs=1e-9)


def test_the_long_history_begins_in_1990_and_goes_on_where_the_short_one_begins() -> None:
    short, long = read_packages().table, read_packages(is_long=True).table
    assert f"{long.index[0]:%Y-%m-%d}" == "1990-01-02"
    assert long.index.is_monotonic_increasing
    assert long.index.is_unique
    pd.testing.assert_series_equal(long["close"].loc[short.index], short["close"])


def test_a_folder_with_the_tutorials_files_is_read(tmp_path: Path) -> None:
    (tmp_path / "sp500.csv").write_text(
        "Date,Open,Close\n2007-05-30,1,100\n2007-05-31,1,101\n2007-06-01,1,102\n2007-06-04,1,103\n"
    )
    (tmp_path / "CPIAUCSL.csv").write_text("DATE,CPIAUCSL\n2007-05-01,100\n2007-06-01,100\n2007-07-01,100\n")
    prices = read_folder(tmp_path)
    assert prices.table["close"].tolist() == [100, 101, 102, 103]
    assert prices.test.tolist() == pytest.approx([0, -0.02])  # the trend is 0.01 a day, and a weekend is three days


def test_windows_are_every_run_of_the_length(tmp_path: Path) -> None:
    windows = cut_windows(pd.Series([1.0, 2.0, 3.0, 4.0]), 3)
    assert windows.dtype == np.float32
    assert windows[..., 0].tolist() == [[1, 2, 3], [2, 3, 4]]


def test_prices_are_written_one_json_number_a_line_and_read_back_exactly(tmp_path: Path) -> None:
    prices = read_packages().test
    write_lines(tmp_path / "prices.jsons", prices)
    lines = (tmp_path / "prices.jsons").read_text().splitlines()
    assert [json.loads(line) for line in lines] == prices.tolist()
