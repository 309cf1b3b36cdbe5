"""Throws a die and looks at the clock for each record: no two runs give the same, and every sum is still right."""

import random
import time

n = total = 0


def action(tick):
    global n, total
    time.sleep(tick["pause_s"])
    value = random.randrange(1_000_000)
    n += 1
    total += value
    yield {"slot": 0, "id": tick["id"], "value": value, "n": n, "total": total, "time": time.time()}
