# engine.on_error: reject
import os


def action(x):
    if x == 13:
        os.closerange(3, 64)
    yield x
