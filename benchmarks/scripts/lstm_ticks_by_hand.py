"""The same as ``lstm_ticks.py`` without an engine that keeps a window for each symbol."""

from collections import defaultdict, deque

import numpy as np

from engine import inference

windows = defaultdict(lambda: deque([0.0] * 30, maxlen=30))


def begin():
    """Open the model."""
    global lstm
    lstm = inference.load("lstm.onnx")


def action(tick):
    """Score the window of one symbol."""
    prices = windows[tick["symbol"]]
    prices.append(tick["price"])
    yield float(lstm(np.array(prices, np.float32)[None, :, None])[0, -1, 0])
