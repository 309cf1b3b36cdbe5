"""``python quix_loop.py TASK``: the same in Quix Streams, in an environment of its own, exactly once."""

import io
import json
import sys

import fastavro
from quixstreams import Application
from quixstreams.models import Deserializer, Serializer

TASK = json.loads(sys.argv[1])
WINDOW = TASK["window"]
DOUBLE = fastavro.parse_schema("double")


class DoubleReader(Deserializer):
    """Avro, by fastavro."""

    def __call__(self, value, ctx):  # noqa: ARG002 - the name is theirs
        """Return the double."""
        return fastavro.schemaless_reader(io.BytesIO(value), DOUBLE)


class DoubleWriter(Serializer):
    """Avro, by fastavro."""

    def __call__(self, value, ctx):  # noqa: ARG002 - the name is theirs
        """Return the datum."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, DOUBLE, value)
        return out.getvalue()


def count(_value, state):
    """Return how many came of this key."""
    n = state.get("n", 0) + 1
    state.set("n", n)
    return float(n)


def open_scorer():
    """Return a scorer of one price after the other."""
    from lstm import open_lstm

    lstm = open_lstm(TASK)

    def score(price, state):
        window = [*state.get("window", []), price][-WINDOW:]
        state.set("window", window)
        return lstm([window])[0] if len(window) == WINDOW else None

    return score


def main():
    """Score until killed."""
    application = Application(
        broker_address=TASK["brokers"],
        consumer_group=TASK["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=TASK["commit_s"],
        state_dir=TASK["folder"],
        auto_create_topics=TASK["load"] != "no_op",  # the changelogs of its state
        loglevel="WARNING",
        consumer_extra_config={"isolation.level": "read_committed", "fetch.queue.backoff.ms": 5},
        producer_extra_config={"linger.ms": TASK["linger_ms"]},
    )
    source = application.topic(TASK["source"], value_deserializer=DoubleReader(), key_deserializer="bytes")
    target = application.topic(TASK["target"], value_serializer=DoubleWriter(), key_serializer="bytes")
    frame = application.dataframe(source)
    if TASK["load"] == "no_op":
        frame = frame.apply(lambda value: value)
    elif TASK["load"] == "counter":
        frame = frame.apply(count, stateful=True)
    else:
        frame = frame.apply(open_scorer(), stateful=True).filter(lambda score: score is not None)
    frame.to_topic(target)
    application.run()


if __name__ == "__main__":
    main()
