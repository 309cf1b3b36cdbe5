"""``python bytewax_loop.py TASK``: the same in Bytewax, in an environment of its own, each record at least once."""

import io
import json
import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import fastavro
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

TASK = json.loads(sys.argv[1])
WINDOW = TASK["window"]
DOUBLE = fastavro.parse_schema("double")


def read(message):
    """Return the key and the double."""
    return message.key.decode(), fastavro.schemaless_reader(io.BytesIO(message.value), DOUBLE)


def write(keyed):
    """Return the message for a key and a double."""
    key, value = keyed
    out = io.BytesIO()
    fastavro.schemaless_writer(out, DOUBLE, value)
    return KafkaSinkMessage(key.encode(), out.getvalue())


def count(n, _value):
    """Return how many came of this key."""
    n = (n or 0) + 1
    return n, float(n)


def open_scorer():
    """Return a scorer of one price after the other."""
    from lstm import open_lstm

    lstm = open_lstm(TASK)

    def score(window, price):
        window = [*(window or ()), price][-WINDOW:]
        return window, lstm([window])[0] if len(window) == WINDOW else None

    return score


def main():
    """Score until killed."""
    folder = Path(TASK["folder"]) / "recovery"
    folder.mkdir()
    init_db_dir(folder, 1)
    brokers = TASK["brokers"].split(",")
    flow = Dataflow("peer")
    source = kafka.input("in", flow, brokers=brokers, topics=[TASK["source"]])
    values = op.map("read", source.oks, read)
    if TASK["load"] == "counter":
        values = op.stateful_map("count", values, count)
    elif TASK["load"] == "lstm":
        values = op.stateful_map("score", values, open_scorer())
        values = op.filter("full", values, lambda keyed: keyed[1] is not None)
    settings = {"linger.ms": str(TASK["linger_ms"])}
    kafka.output("out", op.map("write", values, write), brokers=brokers, topic=TASK["target"], add_config=settings)
    cli_main(flow, epoch_interval=timedelta(seconds=TASK["commit_s"]), recovery_config=RecoveryConfig(folder))


if __name__ == "__main__":
    main()
