"""The tutorial's pictures, as PNG files."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from PIL import Image

from demo.data import SPLIT

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from demo.data import Prices

_SIZE_INCHES = (10, 5)
_DPI = 100  # 1000 by 500 pixels: sharp on a page, and well under 100 kB
# Two hues that stay apart for colour-blind eyes (Okabe and Ito), and greys for what is not data.
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#767676"


def draw_preparation(prices: Prices, folder: Path) -> None:
    """Draw what becomes of the closes: ``price.png``, ``cpi.png``, ``normalised.png`` and ``adjusted.png``."""
    table = prices.table
    years = f"{table.index[0]:%Y} to {table.index[-1]:%Y}"

    figure, axes = _axes(f"S&P 500, daily close, {years}", "Dollars")
    axes.plot(table["close"], color=_BLUE, linewidth=1)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylim(bottom=0)
    _save(figure, folder / "price.png")

    figure, axes = _axes(f"Consumer price index, interpolated to days, {years}", "1982 to 1984 = 100")
    axes.plot(table["cpi"], color=_BLUE, linewidth=1.5)
    _save(figure, folder / "cpi.png")

    figure, axes = _axes(f"S&P 500, close / CPI, {years}", "Close / CPI")
    axes.plot(table["normalised"], color=_BLUE, linewidth=1, label="Close / CPI")
    axes.plot(table["trend"], color=_ORANGE, linewidth=1.5, label="Linear trend before the split")
    axes.legend(frameon=False, loc="upper left")
    _mark_split(axes)
    _save(figure, folder / "normalised.png")

    figure, axes = _axes(f"S&P 500, adjusted price, {years}", "Close / CPI - trend")
    axes.plot(table["adjusted"], color=_BLUE, linewidth=1)
    axes.axhline(0, color=_GREY, linewidth=0.8)
    _mark_split(axes)
    _save(figure, folder / "adjusted.png")


def draw_predictions(
    path: Path,
    title: str,
    observed: pd.Series,
    predicted: pd.Series,
    *,
    unit: str = "Adjusted price",
    seen: tuple[float, float] | None = None,
) -> None:
    """Draw what was predicted for each day over what was observed on it.

    Parameters
    ----------
    path : path
    title, unit : str
        Above and beside the picture.
    observed, predicted : pandas.Series
        By the day that they are of, or for.
    seen : tuple of float, optional
        Least and greatest price that the model was trained on, to be shaded.
    """
    figure, axes = _axes(title, unit)
    if seen:
        axes.axhspan(*seen, color=_GREY, alpha=0.12, linewidth=0, label="Range seen in training")
    # The wide line below still shows where the narrow one hides it.
    axes.plot(observed, color=_BLUE, linewidth=2.4, alpha=0.7, label="Observed")
    axes.plot(predicted, color=_ORANGE, linewidth=1, label="Predicted the day before")
    axes.legend(frameon=False)
    _save(figure, path)


def _axes(title: str, unit: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=13)
    axes.set_ylabel(unit)
    axes.margins(x=0.01)
    axes.grid(color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _mark_split(axes: Axes) -> None:
    axes.axvline(SPLIT, color=_GREY, linewidth=1, linestyle="--")
    # At the foot of the axes, whatever the prices do there.
    axes.text(SPLIT, 0.02, " test from here", color=_GREY, transform=axes.get_xaxis_transform())


def _save(figure: Figure, path: Path) -> None:
    drawn = BytesIO()
    # Without the version of matplotlib in it, the same data gives the same bytes.
    figure.savefig(drawn, dpi=_DPI, metadata={"Software": None})
    # 64 colours are a few hues and the steps of their edges, in a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)
