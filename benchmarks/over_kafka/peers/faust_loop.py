"""``python faust_loop.py TASK``: the same in Faust, in an environment of its own, each record at least once."""

import io
import json
import sys

import fastavro
import faust

TASK = json.loads(sys.argv[1])
WINDOW = TASK["window"]
DOUBLE = fastavro.parse_schema("double")

app = faust.App(
    TASK["group"],
    broker=f"kafka://{TASK['brokers'].replace(',', ';')}",
    datadir=TASK["folder"],
    store="memory://",
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=TASK["commit_s"],
    producer_linger=TASK["linger_ms"] / 1000,
    web_enabled=False,
    topic_partitions=TASK["n_partitions"],
    topic_disable_leader=True,
)
source = app.topic(TASK["source"], key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
target = app.topic(TASK["target"], key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
kept = app.Table("kept", default=lambda: None) if TASK["load"] != "no_op" else None


def echo(_key, value):
    """Return what came."""
    return value


def count(key, _value):
    """Return how many came of this key."""
    n = (kept[key] or 0) + 1
    kept[key] = n
    return float(n)


def open_scorer():
    """Return a scorer of one price after the other."""
    from lstm import open_lstm

    lstm = open_lstm(TASK)

    def score(key, price):
        window = [*(kept[key] or ()), price][-WINDOW:]
        kept[key] = window
        return lstm([window])[0] if len(window) == WINDOW else None

    return score


score_one = open_scorer() if TASK["load"] == "lstm" else {"no_op": echo, "counter": count}[TASK["load"]]


@app.agent(source)
async def score(stream):
    """Score until killed."""
    async for event in stream.events():
        found = score_one(event.key.decode(), fastavro.schemaless_reader(io.BytesIO(event.value), DOUBLE))
        if found is not None:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, DOUBLE, found)
            await target.send(key=event.key, value=out.getvalue())


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()
