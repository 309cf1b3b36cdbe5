"""Counts the records of each key: the least that a script can keep."""

# engine.schema.0: double
# engine.schema.1: double
# engine.key.0: $key

n = 0


def action(_price):
    """Return how many there were."""
    global n
    n += 1
    yield float(n)
