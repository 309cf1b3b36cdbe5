# engine.on_error: reject


def action(x):
    if x == 13:
        x = len([bytes(1 << 20) for _ in range(1 << 20)])
    yield x
