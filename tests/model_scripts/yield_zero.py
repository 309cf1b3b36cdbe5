def action(x):
    yield 0.0
