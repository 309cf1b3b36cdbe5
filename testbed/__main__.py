"""``python -m testbed kafka``: a broker in the foreground, for trying things out; Ctrl-C ends it."""

from __future__ import annotations

import argparse
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from testbed.broker import kafka_jars
from testbed.errors import TestbedError
from testbed.images import fetch_debian, prune_images
from testbed.kafka import KafkaCluster, quicken
from testbed.registry import SchemaRegistry, registry_folder
from testbed.serde import serde_classes

_SIGNALS = {signal.SIGINT, signal.SIGTERM}


def _wait(address: str) -> None:
    print(address, flush=True)
    print("Ctrl-C ends it, and nothing of it stays.", file=sys.stderr)
    signal.sigwait(_SIGNALS)


def _kafka(arguments: argparse.Namespace) -> None:
    # Whoever tries things out writes to a topic by naming it.
    with KafkaCluster(arguments.brokers, config={"auto.create.topics.enable": "true"}) as kafka:
        _wait(kafka.bootstrap)


def _registry(_: argparse.Namespace) -> None:
    with SchemaRegistry() as registry:
        _wait(registry.url)


def _fetch(_: argparse.Namespace) -> None:
    with ThreadPoolExecutor() as beside:  # a Debian takes a minute, mostly of waiting for the network
        debian = beside.submit(fetch_debian)
        for fetched in (kafka_jars(), registry_folder(), serde_classes(), quicken()):
            print(fetched)
        print(debian.result())
    prune_images()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description="Real servers, started here for a while.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    kafka = verbs.add_parser("kafka", help="start Kafka and print its address")
    kafka.add_argument("--brokers", type=int, default=1, metavar="N", help="how many brokers (1)")
    kafka.set_defaults(run=_kafka)
    verbs.add_parser("registry", help="start a schema registry and print its address").set_defaults(run=_registry)
    verbs.add_parser("fetch", help="fetch all that they need, and start nothing").set_defaults(run=_fetch)
    arguments = parser.parse_args()
    if arguments.run is not _fetch:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # from here on they wait for sigwait: no start is cut in two
    try:
        arguments.run(arguments)
    except TestbedError as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
