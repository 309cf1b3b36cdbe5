# engine.on_error: reject


def action(x):
    yield (1, x, x)
