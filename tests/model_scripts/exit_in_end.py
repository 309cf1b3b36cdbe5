import os


def action(x):
    yield x


def end():
    os._exit(7)
