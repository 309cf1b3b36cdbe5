"""What the LSTM says to a window that comes whole: nothing is kept from one record to the next."""

# engine.schema.0: doubles
# engine.schema.1: double

import numpy as np

from engine import inference


def begin():
    """Open the model."""
    global lstm
    lstm = inference.load("lstm.onnx")


def action(window):
    """Score one window of 30 prices."""
    yield float(lstm(np.array(window, np.float32)[None, :, None])[0, -1, 0])
