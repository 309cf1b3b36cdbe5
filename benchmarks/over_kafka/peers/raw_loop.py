"""``python raw_loop.py TASK``: what anybody writes first, and nobody can beat in one process.

It consumes, scores, produces and commits in one loop, each record exactly once, and does nothing about rebalances,
crashes of the model, bad records, or state that must outlive it.
"""

import io
import json
import struct
import sys
import time
from collections import defaultdict, deque

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition

TASK = json.loads(sys.argv[1])
WINDOW = TASK["window"]
CHUNK = {"lstm": 500}.get(TASK["load"], 1000)  # what one call of consume() gives at most: more of them miss the cache
STEP = 128  # windows in one call of the model: beyond it they only wait for each other
DOUBLE = fastavro.parse_schema("double")
PACKED = struct.Struct("<d")


def unpack(raw):
    """Return a double that is its own 8 bytes."""
    return PACKED.unpack(raw)[0]


def read_avro(raw):
    """Return what fastavro reads."""
    return fastavro.schemaless_reader(io.BytesIO(raw), DOUBLE)


def write_avro(value):
    """Return what fastavro writes."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, DOUBLE, value)
    return out.getvalue()


decode, encode = (unpack, PACKED.pack) if TASK["codec"] == "struct" else (read_avro, write_avro)


def echo(messages):
    """Return what came."""
    return [(message.key(), decode(message.value())) for message in messages]


counts = defaultdict(int)


def count(messages):
    """Return how many came of each key."""
    outputs = []
    for message in messages:
        decode(message.value())
        key = message.key()
        counts[key] += 1
        outputs.append((key, float(counts[key])))
    return outputs


def open_scorer():
    """Return a scorer: of all full windows of a chunk at once, or of one after the other."""
    from lstm import open_lstm

    lstm = open_lstm(TASK)
    windows = defaultdict(lambda: deque(maxlen=WINDOW))
    step = STEP if TASK["is_batched"] else 1

    def score(messages):
        keys, rows = [], []
        for message in messages:
            key = message.key()
            window = windows[key]
            window.append(decode(message.value()))
            if len(window) == WINDOW:
                keys.append(key)
                rows.append(list(window))
        scores = []
        for at in range(0, len(rows), step):
            scores += lstm(rows[at : at + step])
        return list(zip(keys, scores, strict=True))

    return score


def main():
    """Score until killed."""
    score = open_scorer() if TASK["load"] == "lstm" else {"no_op": echo, "counter": count}[TASK["load"]]
    base = {"bootstrap.servers": TASK["brokers"]}
    producer = Producer(
        base
        | {"transactional.id": TASK["group"], "linger.ms": TASK["linger_ms"], "queue.buffering.max.messages": 1_000_000}
    )
    producer.init_transactions()
    consumer = Consumer(
        base
        | {
            "group.id": TASK["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.min.messages": 200_000,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.subscribe([TASK["source"]])
    produce, places, due_s = producer.produce, {}, 0.0
    while True:
        messages = consumer.consume(CHUNK, 0.02)
        if messages:
            if not places:
                producer.begin_transaction()
                due_s = time.perf_counter() + TASK["commit_s"]
            for key, value in score(messages):
                produce(TASK["target"], encode(value), key)
            for message in messages:
                places[message.partition()] = message.offset() + 1
            producer.poll(0)
        if places and time.perf_counter() >= due_s:
            producer.flush()
            offsets = [TopicPartition(TASK["source"], partition, offset) for partition, offset in places.items()]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
            producer.commit_transaction()
            places = {}


if __name__ == "__main__":
    main()
