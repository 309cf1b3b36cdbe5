"""A real broker for the whole test run, and topics that no two tests share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Protocol

import pytest

from testbed.certificates import Authority
from testbed.errors import TestbedError
from testbed.kafka import KafkaCluster
from testbed.registry import SchemaRegistry
from testbed.security import Security


class MakeTopic(Protocol):
    """What the fixture ``topic`` is: make a topic of a name that no other test has, and return the name."""

    def __call__(self, n_partitions: int = 1, **config: str | int) -> str: ...


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One broker for all tests that do not harm it; whoever kills a broker starts a cluster of their own."""
    try:
        cluster = KafkaCluster()
        cluster.start()
    except TestbedError as missing:
        pytest.skip(str(missing))
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker that speaks TLS, knows the user alice, and lets her do nothing until it is granted."""
    try:
        security = Security(Authority(tmp_path_factory.mktemp("authority")), {"alice": "alice-secret"})
        cluster = KafkaCluster(security=security)
        cluster.start()
    except TestbedError as missing:
        pytest.skip(str(missing))
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def registry() -> Iterator[SchemaRegistry]:
    """One schema registry for all tests that do not stop it; no two tests share a subject."""
    try:
        registry = SchemaRegistry()
        registry.start()
    except TestbedError as missing:
        pytest.skip(str(missing))
    yield registry
    registry.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name for a group, a model or a transactional id that no other test has."""
    return f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower())[:60].strip('-')}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def topic(kafka: KafkaCluster, name: str) -> MakeTopic:
    """Make topics on the one broker: ``topic(3, cleanup_policy="compact")`` returns the name of a new one."""
    made: list[str] = []

    def make(n_partitions: int = 1, **config: str | int) -> str:
        made.append(kafka.create_topic(f"{name}-{len(made)}", n_partitions, **config))
        return made[-1]

    return make
