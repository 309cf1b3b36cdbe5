"""Gives back what it gets: what remains is the engine's own cost."""

# engine.schema.0: double
# engine.schema.1: double


def action(x):
    """Return x, as most scripts return their scores: by a generator."""
    yield x
