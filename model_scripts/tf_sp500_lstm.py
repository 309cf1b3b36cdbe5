# Tomorrow's adjusted price of the S&P 500, from the last 30, by a three-layer LSTM (docs/lstm.md).

# engine.schema.0: double
# engine.schema.1: double

import numpy as np

from engine import inference

N_STEPS = 30


def begin():
    global past_days, lstm
    past_days = []
    lstm = inference.load("lstm.onnx")


def action(price):
    past_days.append(price)
    del past_days[:-N_STEPS]
    if len(past_days) == N_STEPS:
        windows = np.reshape(past_days, (1, N_STEPS, 1))
        yield float(lstm(windows)[0, -1, 0])
