"""The mean of the last 30 prices of each symbol."""
# engine.key.0: symbol

from engine import window

prices = window(30)


def action(tick):
    """Take the prices of one symbol and give the mean of its last ones."""
    for price in tick["prices"]:
        prices.append(price)
    yield float(prices.array().mean())
