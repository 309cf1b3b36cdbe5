# engine.on_error: reject


def action(x):
    while x == 13:
        yield "x" * 1_000_000
    yield x
