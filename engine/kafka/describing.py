"""A process that looks at one consumer group: ``python -m engine.kafka.describing``, asked on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any

from engine.errors import BrokerRefused, BrokerUnreachable
from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.topics import names_of


def describe(brokers: Brokers, name: str) -> dict[str, Any]:
    """Return who is in a group, and what the user may do with it; raises `BrokerRefused`, `BrokerUnreachable`."""
    try:
        found = brokers.ask(
            f"look at group {name!r}",
            lambda client, timeout_s: client.describe_consumer_groups(
                [name], include_authorized_operations=True, request_timeout=timeout_s
            ),
        )[name]
    except BrokerRefused as exc:
        if "GROUP_ID_NOT_FOUND" in str(exc.__cause__):
            return {"members": [], "operations": None}
        raise
    operations = names_of(found.authorized_operations)
    return {
        "members": [member.group_instance_id or member.member_id for member in found.members],
        "operations": None if operations is None else sorted(operations),
    }


def main() -> None:
    """Answer one question, which has the connection in it: no other user of the machine sees standard input."""
    asked = json.load(sys.stdin)
    try:
        with Brokers(Connection(asked["servers"], asked["settings"])) as brokers:
            said = describe(brokers, asked["group"])
    except BrokerRefused as exc:
        said = {"refused": [exc.what, exc.reason, exc.fix]}
    except BrokerUnreachable as exc:
        said = {"unreachable": [exc.servers, exc.reason]}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
