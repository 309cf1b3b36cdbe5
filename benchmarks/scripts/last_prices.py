"""The mean of the last 30 prices of each key, which come many at a time."""

# engine.schema.0: doubles
# engine.schema.1: double
# engine.key.0: $key

from engine import window

prices = window(30)


def action(more):
    """Take the prices of one key, and give the mean of its last ones."""
    for price in more:
        prices.append(price)
    yield float(prices.array().mean())
