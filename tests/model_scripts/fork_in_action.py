# engine.on_error: reject
import os


def action(x):
    if x == 13:
        os.fork()
    yield x
