"""Sums and windows of each symbol, by the key of the message; some records fail, some take long, some never end."""
# engine.key.0: $key
# engine.on_error.0: reject

import time

from engine import window

n = total = 0
last = window(30)


def action(tick):
    global n, total
    time.sleep(tick["pause_s"])
    n += 1  # of a record that fails, too: it shows when it is done again
    if tick["fails"]:
        raise ValueError(tick["id"])
    total += tick["value"]
    last.append(tick["value"])
    yield {"id": tick["id"], "n": n, "total": total, "of_last": float(last.array().sum())}
