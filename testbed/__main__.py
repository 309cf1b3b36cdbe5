"""``python -m testbed kafka``: a broker in the foreground, for trying things out; Ctrl-C ends it."""

from __future__ import annotations

import argparse
import signal
import sys

from testbed.errors import TestbedError
from testbed.kafka import KafkaCluster


def _kafka(arguments: argparse.Namespace) -> None:
    with KafkaCluster(arguments.brokers, config={"auto.create.topics.enable": "true"}) as kafka:
        print(kafka.bootstrap, flush=True)
        print("Ctrl-C ends it, and nothing of it stays.", file=sys.stderr)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description="Real servers, started here for a while.")
    servers = parser.add_subparsers(required=True, metavar="SERVER")
    kafka = servers.add_parser("kafka", help="start Kafka and print its address")
    kafka.add_argument("--brokers", type=int, default=1, metavar="N", help="how many brokers (1)")
    kafka.set_defaults(run=_kafka)
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        arguments.run(arguments)
    except TestbedError as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
