"""What is wrong between a stream and its brokers is said in a sentence, with the fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BrokerRefused, BrokerUnreachable, ConfigError
from engine.streams.parsing import parse_descriptor
from engine.streams.reaching import reach
from testbed.certificates import Authority
from testbed.kafka import KafkaCluster
from testbed.ports import free_ports

INPUT, OUTPUT = 0, 1


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Return a folder with a password that is right and one that is wrong."""
    (tmp_path / "right").write_text("alice-secret")
    (tmp_path / "wrong").write_text("hunter2")
    return tmp_path


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the certificate of an authority that has signed nothing."""
    return Authority(tmp_path_factory.mktemp("stranger")).certificate


@pytest.fixture
def alice(guarded: KafkaCluster, secrets: Path) -> Callable[..., str | None]:
    """Return a function that tries, as alice, to reach a stream of the guarded broker."""

    def reach_as_alice(topic: str, slot: int = INPUT, *, security: dict[str, Any] | None = None, **fields: Any) -> Any:
        assert guarded.security is not None
        who = {"Mechanism": "SCRAM-SHA-512", "Username": "alice", "Password": "secret://right"}
        who["CaFile"] = str(guarded.security.authority.certificate)
        return reach(kafka_stream(guarded.bootstrap, topic, Security=who | (security or {}), **fields), slot, secrets)

    return reach_as_alice


@pytest.fixture(scope="session")  # as its brokers: workers that take tests from each other come back to this module
def mine(guarded: KafkaCluster) -> str:
    """Make a topic that alice may read and write."""
    topic = guarded.create_topic("alices", 3)
    guarded.grant("alice", "topic", topic, "read", "write", "describe")
    return topic


def kafka_stream(servers: str, topic: str, **fields: Any):
    transport = {"Type": "Kafka", "BootstrapServers": servers.split(","), "Topic": topic} | fields
    return parse_descriptor({"Transport": transport, "Encoding": "json"})


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_with_the_right_password_and_the_rights_is_let_in(alice, mine: str, mechanism: str) -> None:
    security = {"Mechanism": mechanism}
    assert "'alices' is there, with 3 partitions" in alice(mine, security=security)
    assert "can be written" in alice(mine, OUTPUT, security=security)


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"Password": "secret://wrong"}, ["does not let the user in", "what Password refers to"]),
        ({"Username": "mallory"}, ["does not let the user in", "Username"]),
        ({"Username": "mallory", "Mechanism": "PLAIN"}, ["does not let the user in", "Username"]),
        ({"CaFile": "stranger"}, ["certificate", "Security.CaFile"]),
        ({"CaFile": None}, ["certificate", "Security.CaFile"]),
    ],
    ids=str,
)
def test_who_is_not_let_in_reads_why_and_no_secret(alice, mine: str, stranger: Path, security, words) -> None:
    if security.get("CaFile") == "stranger":
        security = {"CaFile": str(stranger)}
    with pytest.raises(BrokerRefused) as refused:
        alice(mine, security=security)
    for each in words:
        assert each in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_secret_that_is_not_there_is_named(alice, mine: str) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        alice(mine, security={"Password": "secret://nowhere"})


@pytest.mark.parametrize("field", ["CaFile", "CertificateFile", "KeyFile"])
def test_a_file_that_is_not_there_is_named_with_its_field(alice, guarded, mine: str, field: str) -> None:
    files = dict.fromkeys(("CertificateFile", "KeyFile"), str(guarded.security.authority.issue("alice")))
    with pytest.raises(ConfigError, match=rf"Security\.{field}: there is no file /no/such/file\.pem"):
        alice(mine, security=files | {field: "/no/such/file.pem"})


def test_a_topic_that_alice_may_not_see_is_refused_with_the_permission_that_is_missing(alice, guarded) -> None:
    topic = guarded.create_topic("hidden")
    with pytest.raises(BrokerRefused, match=r"cannot read topic 'hidden': .*no permission.*ACL.*READ"):
        alice(topic)
    with pytest.raises(BrokerRefused, match=r"cannot write to topic 'hidden': .*no permission.*ACL.*WRITE"):
        alice(topic, OUTPUT)


def test_a_topic_that_alice_may_only_read_is_refused_as_an_output(alice, guarded) -> None:
    topic = guarded.create_topic("readable")
    guarded.grant("alice", "topic", topic, "read")
    assert "is there" in alice(topic)
    with pytest.raises(BrokerRefused, match=r"cannot write to topic 'readable': .*no permission.*ACL.*WRITE"):
        alice(topic, OUTPUT)


def test_a_group_that_alice_may_not_join_is_refused_with_its_name(alice, guarded, mine: str) -> None:
    with pytest.raises(BrokerRefused, match=r"group 'scorers'.*no permission.*ACL.*READ"):
        alice(mine, Group="scorers")
    guarded.grant("alice", "group", "scorers", "read", "describe")
    assert "is there" in alice(mine, Group="scorers")


@pytest.fixture
def open_stream(kafka: KafkaCluster, secrets: Path) -> Callable[..., str | None]:
    """Return a function that tries to reach a stream of the broker that asks nothing."""

    def reach_it(topic: str, slot: int = INPUT, **fields: Any) -> str | None:
        return reach(kafka_stream(kafka.bootstrap, topic, **fields), slot, secrets)

    return reach_it


@pytest.mark.parametrize(("slot", "verb"), [(INPUT, "read"), (OUTPUT, "write to")])
def test_a_topic_that_is_not_there_is_refused_by_name(open_stream, name: str, slot: int, verb: str) -> None:
    with pytest.raises(BrokerRefused, match=rf"cannot {verb} topic '{name}': there is no such topic.*Create it"):
        open_stream(name, slot)


def test_a_topic_that_was_deleted_is_refused_by_name(open_stream, kafka: KafkaCluster, topic) -> None:
    gone = topic()
    assert "is there" in open_stream(gone)
    kafka.delete_topic(gone)
    with pytest.raises(BrokerRefused, match=rf"'{gone}': there is no such topic"):
        open_stream(gone)


def test_a_partition_that_is_not_there_is_refused_with_those_that_are(open_stream, topic) -> None:
    with pytest.raises(BrokerRefused, match=r"no partition 2: its partitions are 0 to 1"):
        open_stream(topic(2), Partition=2)


@pytest.fixture
def nobody() -> str:
    """Return an address at which nobody listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"


def test_a_broker_that_does_not_listen_is_named_with_its_address(nobody: str, secrets: Path) -> None:
    with pytest.raises(BrokerUnreachable, match=rf"No Kafka broker answers at {nobody}: .*Connection refused"):
        reach(kafka_stream(nobody, "prices"), INPUT, secrets)


def test_one_broker_of_two_that_answers_is_enough(nobody: str, kafka: KafkaCluster, topic, secrets: Path) -> None:
    found = reach(kafka_stream(f"{nobody},{kafka.bootstrap}", topic()), INPUT, secrets)
    assert found is not None
    assert "is there" in found


def test_tls_with_a_broker_that_speaks_none_is_said(kafka: KafkaCluster, topic, stranger: Path, secrets: Path) -> None:
    stream = kafka_stream(kafka.bootstrap, topic(), Security={"CaFile": str(stranger)})
    with pytest.raises(BrokerRefused, match=r"TLS.*Security.Protocol"):
        reach(stream, INPUT, secrets)


def test_no_tls_with_a_broker_that_speaks_it_is_said(guarded: KafkaCluster, mine: str, secrets: Path) -> None:
    with pytest.raises((BrokerRefused, BrokerUnreachable), match=r"Security.Protocol"):
        reach(kafka_stream(guarded.bootstrap, mine), INPUT, secrets)
