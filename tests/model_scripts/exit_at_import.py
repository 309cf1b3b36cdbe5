import os

os._exit(7)


def action(x):
    yield x
