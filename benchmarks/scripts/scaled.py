"""The mean of the last 30 prices of each key, in a millisecond: a model that waits for something."""

# engine.schema.0: double
# engine.schema.1: double
# engine.key.0: $key

import time

from engine import window

prices = window(30)


def action(price):
    """Take a price of one key, and give the mean of its last ones."""
    time.sleep(0.001)
    prices.append(price)
    yield float(prices.array().mean())
