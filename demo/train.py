"""Train the tutorial's LSTM, write its attachments, draw its pictures, and measure it: ``make train [DATA=DIR]``."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from demo.attachment import write_attachment
from demo.data import N_STEPS, SPLIT, Prices, cut_windows, read_folder, read_packages
from demo.plots import draw_predictions, draw_preparation
from engine import inference

if TYPE_CHECKING:
    import keras

    from engine.inference import Predictor

_REQUIREMENTS = Path(__file__).with_name("keras_requirements.txt")
# The tutorial's close-up: half a year of trading days.
_CLOSE_UP_FROM = pd.Timestamp("2007-07-01")
_CLOSE_UP_DAYS = 120


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.train", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the tutorial's sp500.csv and CPIAUCSL.csv")
    parser.add_argument("--long", action="store_true", help="without --data: begin in 1990, with skfolio's closes")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--output", type=Path, default=Path("attachments"), help="where the attachments go")
    parser.add_argument("--report", type=Path, default=Path("docs/lstm"), help="where pictures and figures go")
    options = parser.parse_args()
    prices = read_folder(options.data) if options.data else read_packages(is_long=options.long)
    options.report.mkdir(parents=True, exist_ok=True)
    draw_preparation(prices, options.report)

    # Read when TensorFlow is imported: say errors only, and add in one order, whatever this processor could do better.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    from demo.network import build_network  # takes seconds: after the options and the data are known to be good

    network = build_network()
    losses = _train(network, prices, options.steps)
    predictor, distance = _export(network, options.output)
    measured = {
        "source": prices.source,
        "first_day": f"{prices.table.index[0]:%Y-%m-%d}",
        "last_day": f"{prices.table.index[-1]:%Y-%m-%d}",
        "n_training_days": len(prices.training),
        "n_test_days": len(prices.test),
        "n_steps": options.steps,
        "training_mse_last_100_batches": float(np.mean(losses[-100:])),
        **measure(predictor, prices),
        "onnx_to_keras_max_distance": distance,
    }
    text = json.dumps(measured, indent=2) + "\n"
    (options.report / "measured.json").write_text(text, encoding="utf-8")
    _draw_predictions(predictor, prices, options.report)
    print(text, end="")


def predict(predictor: Predictor, series: pd.Series) -> pd.Series:
    """Return what the model says after each day, from the `N_STEPS`-th on, about the next."""
    return pd.Series(predictor(cut_windows(series))[:, -1, 0], series.index[N_STEPS - 1 :], dtype=float)


def measure(predictor: Predictor, prices: Prices) -> dict[str, float]:
    """Return the mean squared errors of the model, over windows that lie within one part.

    Returns
    -------
    dict
        ``training_mse``: over all windows of the training part and all their steps, as in training.
        ``test_mse_as_in_the_tutorial``: of the last step, against the last day that the model had seen, which is where
        the tutorial's observed series begins. ``test_mse_next_day``: against the day that the prediction is for.
        ``test_mse_naive``: of saying that tomorrow is as today. ``..._in_range``: over the days whose price is
        within the range of the training part; beyond it the network has learnt nothing.
    """
    training = cut_windows(prices.training, N_STEPS + 1)
    predicted = predict(predictor, prices.test)
    today = prices.test.loc[predicted.index]
    tomorrow = today.shift(-1)  # NaN after the last day, which the means leave out
    is_in_range = today.between(prices.training.min(), prices.training.max())
    return {
        "training_mse": float(np.mean((predictor(training[:, :-1]) - training[:, 1:]) ** 2)),
        "test_mse_as_in_the_tutorial": float(((predicted - today) ** 2).mean()),
        "test_mse_next_day": float(((predicted - tomorrow) ** 2).mean()),
        "test_mse_naive": float(((today - tomorrow) ** 2).mean()),
        "n_test_days_in_range": int(is_in_range.sum()),
        "test_mse_next_day_in_range": float(((predicted - tomorrow)[is_in_range] ** 2).mean()),
        "test_mse_naive_in_range": float(((today - tomorrow)[is_in_range] ** 2).mean()),
    }


def _draw_predictions(predictor: Predictor, prices: Prices, folder: Path) -> None:
    days = prices.table.index
    predicted = predict(predictor, prices.table["adjusted"])
    predicted = pd.Series(predicted.to_numpy()[:-1], days[N_STEPS:])  # by the day that each is for
    test = predicted[predicted.index >= SPLIT]
    close_up = predicted[predicted.index >= _CLOSE_UP_FROM][:_CLOSE_UP_DAYS]
    seen = (prices.training.min(), prices.training.max())
    for name, part in (("predicted.png", test), ("predicted_close_up.png", close_up)):
        observed = prices.table["adjusted"].loc[part.index]
        title = f"S&P 500, predicted and observed, {part.index[0]:%B %Y} to {part.index[-1]:%B %Y}"
        draw_predictions(folder / name, title, observed, part, seen=seen if part is test else None)


def _train(network: keras.Model, prices: Prices, n_steps: int) -> list[float]:
    from demo.network import train

    columns = [
        TextColumn("Training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    losses = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=n_steps, loss=float("nan"))
        for loss in train(network, prices.training, n_steps):
            losses.append(loss)
            progress.update(task, advance=1, loss=loss)
    return losses


def _export(network: keras.Model, output: Path) -> tuple[Predictor, float]:
    """Write both attachments; return what ONNX became, and how far it is from Keras."""
    from demo.network import take_weights

    with tempfile.TemporaryDirectory() as folder:
        onnx, weights = Path(folder, "lstm.onnx"), Path(folder, "lstm.weights.h5")
        layers, dense = take_weights(network)
        distance = inference.export_lstm(onnx, layers, dense, n_steps=N_STEPS, reference=network.predict_on_batch)
        network.save_weights(weights)
        write_attachment(output / "tf_sp500_lstm/attachment.tar.gz", {onnx.name: onnx.read_bytes()})
        write_attachment(
            output / "tf_sp500_lstm_keras/attachment.tar.gz",
            {weights.name: weights.read_bytes(), "requirements.txt": _REQUIREMENTS.read_bytes()},
        )
        return inference.load(onnx), distance


if __name__ == "__main__":
    main()
