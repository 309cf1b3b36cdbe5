# Tomorrow's price of every stock, from its last 30, by the LSTM of tf_sp500_lstm.py; a record's key says which stock.

# engine.schema.0: double
# engine.schema.1: double
# engine.key.0: $key

from engine import inference, window

N_STEPS = 30
LEVEL = 6.5  # what the model was trained on moves by about 1 % of this a day


def begin():
    global prices, lstm
    prices = window(N_STEPS)
    lstm = inference.load("lstm.onnx")


def action(price):
    prices.append(price)
    if prices.full:
        past_days = prices.array()
        mean = past_days.mean()
        windows = (past_days / mean - 1).reshape(1, N_STEPS, 1) * LEVEL
        yield mean * (1 + float(lstm(windows)[0, -1, 0]) / LEVEL)
