"""Whole engines at a broker that asks who they are, and lets them do only what was granted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import ROLLING, Site, by_key, read_all, rolled, write

INSTANCE = "one"


@pytest.fixture
def site(tmp_path: Path, guarded: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("PASSWORD", "alice-secret")
    site = Site(tmp_path, guarded)
    yield site
    site.close()


@pytest.fixture
def security(guarded: KafkaCluster) -> dict[str, Any]:
    """Return the Security of a stream that is alice's."""
    assert guarded.security is not None
    ca = str(guarded.security.authority.certificate)
    return {"Mechanism": "SCRAM-SHA-512", "Username": "alice", "Password": "env://PASSWORD", "CaFile": ca}


@pytest.fixture
def topics(guarded: KafkaCluster, name: str) -> tuple[str, str]:
    """Make an input and an output of two partitions, of which alice knows nothing."""
    return guarded.create_topic(f"{name}-in", 2), guarded.create_topic(f"{name}-out", 2)


def grant_all(guarded: KafkaCluster, source: str, output: str, group: str) -> None:
    """Grant what docs/kafka.md says that an engine needs, and nothing more."""
    guarded.grant("alice", "topic", source, "read")
    guarded.grant("alice", "topic", output, "write")
    guarded.grant("alice", "group", group, "read")
    guarded.grant("alice", "transactional_id", f"{group}-{INSTANCE}", "write")
    guarded.grant("alice", "topic", f"{group}-model-changelog", "create", "read", "write", "describe_configs")


def streams(site: Site, source: str, output: str, group: str, security: dict[str, Any]) -> tuple[str, str]:
    fields = {"Group": group, "SkipToRecord": "earliest", "MaxWaitTime": 3000}
    return site.topic(source, Security=security, **fields), site.topic(output, Security=security)


def test_an_engine_with_the_rights_that_are_documented_scores_keyed_and_exactly_once(
    site, guarded, topics, name, security
) -> None:
    source, output = topics
    grant_all(guarded, source, output, name)
    records = [(number % 2, b"k%d" % (number % 2), number) for number in range(1000)]
    write(guarded, source, records)
    engine = site.start(
        "run", site.script(ROLLING), *streams(site, source, output, name, security), ENGINE_INSTANCE=INSTANCE
    )
    assert engine.wait() == 0, engine.said
    assert by_key(read_all(guarded, output)) == rolled(records)
    assert "alice-secret" not in engine.said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Password": "env://WRONG"}, ["does not let the user in", "Password"]),
        ({"CaFile": None}, ["certificate", "Security.CaFile"]),
        ({"Mechanism": "PLAIN", "Username": "mallory"}, ["does not let the user in", "Username"]),
    ],
    ids=["password", "authority", "user"],
)
def test_an_engine_that_is_not_let_in_ends_with_the_reason(site, guarded, topics, name, security, change, words):
    source, output = topics
    grant_all(guarded, source, output, name)
    engine = site.start(
        "run", site.script(ROLLING), *streams(site, source, output, name, security | change), WRONG="hunter2"
    )
    assert engine.wait() not in (0, -9), engine.said
    last = engine.said.splitlines()[-1]
    assert all(each in last for each in words), engine.said
    assert "hunter2" not in engine.said


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("topic", "{source}"), ["{source}", "no permission"]),
        (("topic", "{output}"), ["{output}", "no permission"]),
        (("group", "{group}"), ["group", "{group}", "no permission"]),
        (("transactional_id", "{group}-one"), ["no permission", "transactional id"]),
        (("topic", "{group}-model-changelog"), ["{group}-model-changelog", "no permission"]),
    ],
    ids=["input", "output", "group", "transactional-id", "changelog"],
)
def test_an_engine_that_lacks_a_right_ends_with_what_to_grant(
    site, guarded, topics, name, security, missing, words
) -> None:
    source, output = topics
    places = {"source": source, "output": output, "group": name}
    left_out = (missing[0], missing[1].format(**places))
    grant = guarded.grant

    def grant_but_one(user: str, kind: str, resource: str, *operations: str) -> None:
        if (kind, resource) != left_out:
            grant(user, kind, resource, *operations)

    guarded.grant = grant_but_one
    try:
        grant_all(guarded, source, output, name)
    finally:
        guarded.grant = grant
    write(guarded, source, [(0, b"k", 1)])
    engine = site.start(
        "run", site.script(ROLLING), *streams(site, source, output, name, security), ENGINE_INSTANCE=INSTANCE
    )
    assert engine.wait() not in (0, -9), engine.said
    last = engine.said.splitlines()[-1]
    assert all(each.format(**places) in last for each in words), engine.said
