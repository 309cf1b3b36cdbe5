import os
import threading


def begin():
    threading.Timer(0.2, os._exit, [7]).start()


def action(x):
    yield x
