# engine.on_error: reject
import os


def action(x):
    if x == 13:
        os._exit(7)
    yield x
