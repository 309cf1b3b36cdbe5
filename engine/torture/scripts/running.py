"""Sums and counts what went by: a lost, repeated or forgotten record shows in every output behind it."""

import time

from engine import window

n = total = 0
last = window(30)


def action(tick):
    global n, total
    time.sleep(tick["pause_s"])
    n += 1
    total += tick["value"]
    last.append(tick["value"])
    yield {"id": tick["id"], "n": n, "total": total, "of_last": float(last.array().sum())}
