import os


def begin():
    os._exit(7)


def action(x):
    yield x
