import time


def action(x):
    yield x


def end():
    time.sleep(600)
