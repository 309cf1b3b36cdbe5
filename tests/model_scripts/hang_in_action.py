# engine.on_error: reject
# engine.timeout: 400ms
import time


def action(x):
    while x == 13:
        time.sleep(60)
    yield x
