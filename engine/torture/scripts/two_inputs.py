"""Two inputs share one sum: nobody knows in which order they come, and every output says what it followed."""
# engine.action.0: left
# engine.action.2: right

import time

n = total = 0


def left(tick):
    yield _add(0, tick)


def right(tick):
    yield _add(2, tick)


def _add(slot, tick):
    global n, total
    time.sleep(tick["pause_s"])
    n += 1
    total += tick["value"]
    return {"slot": slot, "id": tick["id"], "value": tick["value"], "n": n, "total": total}
