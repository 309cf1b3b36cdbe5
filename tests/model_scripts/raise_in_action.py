def action(x):
    if x == 13:
        raise RuntimeError("no such luck in action")
    yield x
