# engine.on_error: reject
import asyncio


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def action(x):
    if x == 1:
        raise ValueError("\udcff")
    if x == 2:
        raise Silent
    if x == 3:
        raise asyncio.CancelledError
    yield x
