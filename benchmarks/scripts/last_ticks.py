"""The mean of the last 30 prices of each symbol; before there are so many, the rest is 0."""

# engine.schema.0: tick
# engine.schema.1: double
# engine.key.0: symbol

from engine import window

prices = window(30)


def begin():
    """Fill the window that every symbol begins with."""
    for _ in range(30):
        prices.append(0.0)


def action(tick):
    """Take one price."""
    prices.append(tick["price"])
    yield float(prices.array().mean())
