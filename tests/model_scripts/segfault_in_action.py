# engine.on_error: reject
import ctypes


def action(x):
    if x == 13:
        ctypes.string_at(0)
    yield x
