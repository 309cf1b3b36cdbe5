# engine.schema.1: double


def action(x):
    yield None
    yield x
