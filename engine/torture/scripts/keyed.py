"""Does the same for every symbol by itself."""
# engine.key.0: symbol

import time
from collections import deque

n = total = 0
last = deque(maxlen=30)


def action(tick):
    global n, total
    time.sleep(tick["pause_s"])
    n += 1
    total += tick["value"]
    last.append(tick["value"])
    yield {"id": tick["id"], "symbol": tick["symbol"], "n": n, "total": total, "of_last": sum(last)}
