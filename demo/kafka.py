"""Scores of 20 stocks over Kafka, exactly once, and the engine is killed half-way: ``make demo-kafka``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pandas as pd
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from demo.data import N_STEPS, read_stocks
from demo.demo import INTERRUPTED, bold, say
from demo.server import PROGRAMS, clean_environ
from testbed.broker import VERSION
from testbed.errors import TestbedError
from testbed.kafka import KafkaCluster

ROOT = Path(__file__).parent.parent
LIBRARY = Path("demo/out/kafka")
MODEL = "stocks_lstm"
SCRIPT = LIBRARY / f"model_scripts/{MODEL}.py"
N_DAYS = 400  # with 20 stocks 8,000 records: some seconds of work, so that there is a half-way
N_PARTITIONS = 4
QUIET_MS = 3000  # a run is over when no price has come for so long
END_LIMIT_S = 120
N_SHOWN = 5

Scores = Mapping[str, list[float]]


class DemoFailed(Exception):
    """Something is not as it has to be."""


def lay_out(bootstrap: str) -> None:
    """Write a library: the script, its schema and weights, and streams at this broker."""
    shutil.rmtree(LIBRARY, ignore_errors=True)
    for file, place in {
        ROOT / f"model_scripts/{MODEL}.py": SCRIPT,
        ROOT / "schemas/double.avsc": LIBRARY / "schemas/double.avsc",
        ROOT / "attachments/tf_sp500_lstm/attachment.tar.gz": LIBRARY / f"attachments/{MODEL}/attachment.tar.gz",
    }.items():
        place.parent.mkdir(parents=True)
        shutil.copy(file, place)
    (LIBRARY / "streams").mkdir()
    for run in ("undisturbed", "killed"):
        reading = {"Topic": "prices", "Group": run, "MaxWaitTime": QUIET_MS}
        write_stream(f"prices-{run}", bootstrap, reading, SkipToRecord="earliest")
        write_stream(f"scores-{run}", bootstrap, {"Topic": f"scores-{run}"})


def write_stream(name: str, bootstrap: str, transport: Mapping[str, object], **fields: object) -> None:
    """Write the descriptor of a stream over Kafka into the library."""
    descriptor = {
        "Transport": {"Type": "Kafka", "BootstrapServers": bootstrap.split(","), **transport},
        "Encoding": "json",
        **fields,
    }
    (LIBRARY / f"streams/{name}.json").write_text(json.dumps(descriptor, indent=2) + "\n", encoding="utf-8")


def produce(kafka: KafkaCluster, stocks: pd.DataFrame) -> None:
    """Write every close, day by day, with the stock as its key: a stock is always in the same partition."""
    producer = Producer(kafka.client_settings | {"partitioner": "murmur2_random", "enable.idempotence": True})
    for day, closes in stocks.iterrows():
        for stock, close in closes.items():
            producer.produce("prices", repr(close), str(stock), timestamp=int(day.timestamp() * 1000))
        producer.poll(0)
    if producer.flush(END_LIMIT_S):
        raise DemoFailed("The broker did not take all prices.")


def read_scores(kafka: KafkaCluster, topic: str, *, is_committed: bool = True) -> Scores:
    """Return all scores of a topic by stock, in their order; if told, those that were never committed too."""
    scores: dict[str, list[float]] = defaultdict(list)
    for stock, score in messages_of(kafka, topic, is_committed=is_committed):
        scores[stock].append(score)
    return dict(scores)


def messages_of(
    kafka: KafkaCluster, topic: str, *, is_committed: bool = True, is_endless: bool = False
) -> Iterator[tuple[str, float]]:
    """Yield stock and score of every record from the first one on, to the end of the topic or for ever."""
    consumer = Consumer(
        kafka.client_settings
        | {
            "group.id": "look",  # librdkafka wants one; nothing is committed for it
            "enable.auto.commit": False,
            "enable.partition.eof": not is_endless,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed" if is_committed else "read_uncommitted",
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(N_PARTITIONS)])
    try:
        n_open = N_PARTITIONS
        while n_open:
            message = consumer.poll(END_LIMIT_S)
            if message is None:
                raise DemoFailed(f"Nothing came from topic {topic} for {END_LIMIT_S} s.")
            if (error := message.error()) is None:
                yield message.key().decode(), float(message.value())
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - so confluent_kafka names librdkafka's own
                n_open -= 1
            else:
                raise DemoFailed(f"Topic {topic}: {error.str()}")
    finally:
        consumer.close()


def score(run: str, until: Callable[[], None] | None = None) -> float:
    """Run the engine in a process until it ends by itself, or is killed when `until` returns; return the seconds."""
    line = f"engine run {SCRIPT} prices-{run} scores-{run}"
    print(bold(f"$ {line}"), flush=True)
    started_s = time.monotonic()
    engine = subprocess.Popen([PROGRAMS / "engine", *line.split()[1:]], cwd=ROOT, env=clean_environ({}))
    try:
        if until is not None:
            until()
            engine.send_signal(signal.SIGKILL)
        code = engine.wait(END_LIMIT_S)
    finally:
        engine.kill()
        engine.wait()
    if code != (0 if until is None else -signal.SIGKILL):
        raise DemoFailed(f"{line!r} ended with exit code {code}.")
    return time.monotonic() - started_s


def compare(expected: Scores, scores: Scores) -> None:
    """Raise if the scores of one run are not those of the other, bit by bit and in the same order for each stock."""
    if scores != expected:
        wrong = [stock for stock in expected if scores.get(stock) != expected[stock]]
        raise DemoFailed(f"The scores of {', '.join(wrong) or 'a stock that is unknown'} are not the same.")


def play(kafka: KafkaCluster) -> None:
    """Tell the story.

    Raises
    ------
    DemoFailed
        It ends otherwise than it has to.
    """
    stocks = read_stocks(N_DAYS)
    for topic in ("prices", "scores-undisturbed", "scores-killed"):
        kafka.create_topic(topic, N_PARTITIONS)
    lay_out(kafka.bootstrap)
    produce(kafka, stocks)
    n_stocks, first, last = stocks.shape[1], stocks.index[0], stocks.index[-1]
    say(
        f"\n{stocks.size:,} closes of {n_stocks} stocks, {first:%B %Y} to {last:%B %Y}, are in the topic `prices` of\n"
        f"{N_PARTITIONS} partitions. A record's key is its stock. The script keeps the last {N_STEPS} closes of each:"
        "\nits state. Scores, state, and how far the prices were read are committed in one transaction.\n"
    )
    seconds = score("undisturbed")
    expected = read_scores(kafka, "scores-undisturbed")
    n_expected = sum(map(len, expected.values()))
    if n_expected != stocks.shape[1] * (N_DAYS - N_STEPS + 1):
        raise DemoFailed(f"There are {n_expected:,} scores.")
    say(f"{n_expected:,} scores by a run that nobody disturbs ({seconds:.1f} s).\n")

    score("killed", until=lambda: wait_for(kafka, "scores-killed", n_expected // 2))
    n_seen = sum(map(len, read_scores(kafka, "scores-killed").values()))
    n_written = sum(map(len, read_scores(kafka, "scores-killed", is_committed=False).values()))
    if not 0 < n_seen < n_expected:
        raise DemoFailed(f"{n_seen:,} of {n_expected:,} scores were there when the engine was killed.")
    say(f"The same from the start, as another group, and a kill -9 half-way: {n_seen:,} scores are committed.")
    if n_written > n_seen:
        say(f"{n_written - n_seen:,} more were written, and not committed: no reader sees them.")
    say("")
    seconds = score("killed")
    say(f"The same command again. It went on behind the last commit ({seconds:.1f} s).\n")
    scores = read_scores(kafka, "scores-killed")
    compare(expected, scores)
    print(tell(stocks, scores))
    say(f"\n{n_expected:,} scores of {n_stocks} stocks: none is lost, none came twice, all are the same, bit by bit.")


def wait_for(kafka: KafkaCluster, topic: str, n: int) -> None:
    """Return when so many records are committed in a topic."""
    for n_seen, _ in enumerate(messages_of(kafka, topic, is_endless=True), start=1):
        if n_seen == n:
            return


def tell(stocks: pd.DataFrame, scores: Scores) -> str:
    """Return some of the scores as a table."""
    rows = [f"{'stock':8}{'last close':>12}{'next day, predicted':>22}"]
    rows += [f"{stock:8}{stocks[stock].iloc[-1]:12.2f}{scores[stock][-1]:22.2f}" for stock in list(scores)[:N_SHOWN]]
    return "\n".join([*rows, f"... {len(scores) - N_SHOWN} more ..."])


def main() -> int:
    """Play the demo and stop everything it started; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    say("A broker of Kafka is started; the first time it is fetched, which takes a minute.")
    try:
        with KafkaCluster() as kafka:
            say(f"Kafka {VERSION} listens at {kafka.bootstrap}.")
            play(kafka)
    except (DemoFailed, TestbedError) as exc:
        print(f"\nThe demo failed. {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the broker was stopped.", file=sys.stderr)
        return INTERRUPTED
    say(
        "\nThe broker is stopped, and its topics are gone. What to try next:\n"
        "  .venv/bin/python -m testbed kafka   a broker that stays until Ctrl-C\n"
        f"  cat {LIBRARY}/streams/*.json  the streams of this demo\n"
        "  docs/kafka.md                       what they can say, and what is promised"
    )
    return 0


def _interrupt(*_signal: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
