"""A real broker for the whole test run, and topics that no two tests share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Protocol

import pytest

from testbed.broker import kafka_jars
from testbed.certificates import Authority
from testbed.errors import NotToBeHad
from testbed.java import find_java
from testbed.kafka import KafkaCluster
from testbed.registry import SchemaRegistry, registry_folder
from testbed.security import Security


class MakeTopic(Protocol):
    """What the fixture ``topic`` is: make a topic of a name that no other test has, and return the name."""

    def __call__(self, n_partitions: int = 1, **config: str | int) -> str: ...


@pytest.fixture(scope="session", autouse=True)
def _jars() -> None:
    """Skip the tests of this folder where no broker is to be had: the reason says what to install."""
    try:
        find_java()
        kafka_jars()
    except NotToBeHad as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One broker for all tests that do not harm it; whoever kills a broker starts a cluster of their own."""
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker that speaks TLS, knows the user alice, and lets her do nothing until it is granted."""
    security = Security(Authority(tmp_path_factory.mktemp("authority")), {"alice": "alice-secret"})
    with KafkaCluster(security=security) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def registry() -> Iterator[SchemaRegistry]:
    """One schema registry for all tests that do not stop it; no two tests share a subject."""
    try:
        registry_folder()
    except NotToBeHad as missing:
        pytest.skip(str(missing))
    with SchemaRegistry() as registry:
        yield registry


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
