"""What the LSTM says to the last 30 prices of each symbol; before there are so many, the rest is 0."""

# engine.schema.0: tick
# engine.schema.1: double
# engine.key.0: symbol

from engine import inference, window

prices = window(30)


def begin():
    """Open the model, and fill the window that every symbol begins with."""
    global lstm
    lstm = inference.load("lstm.onnx")
    for _ in range(30):
        prices.append(0.0)


def action(tick):
    """Score the window of one symbol."""
    prices.append(tick["price"])
    yield float(lstm(prices.array()[None, :, None])[0, -1, 0])
