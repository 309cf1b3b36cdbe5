def begin():
    raise RuntimeError("no such luck in begin")


def action(x):
    yield x
