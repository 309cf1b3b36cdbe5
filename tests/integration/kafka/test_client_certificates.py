"""A broker that wants to see a certificate of its clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from engine.errors import BrokerRefused
from engine.streams.parsing import parse_descriptor
from engine.streams.reaching import reach
from testbed.certificates import Authority
from testbed.kafka import KafkaCluster
from testbed.security import Security


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with KafkaCluster(security=Security(authority, needs_certificate=True)) as cluster:
        cluster.create_topic("prices")
        yield cluster


def try_to_read(mutual: KafkaCluster, secrets: Path, **files: str) -> str | None:
    assert mutual.security is not None
    (secrets / "password").write_text("admin-secret")
    who = {"Mechanism": "PLAIN", "Username": "admin", "Password": "secret://password"}
    who["CaFile"] = str(mutual.security.authority.certificate)
    transport: dict[str, Any] = {"Type": "Kafka", "BootstrapServers": [mutual.bootstrap], "Topic": "prices"}
    return reach(parse_descriptor({"Transport": transport | {"Security": who | files}, "Encoding": "json"}), 0, secrets)


def test_a_client_that_shows_a_certificate_is_let_in(mutual: KafkaCluster, tmp_path: Path) -> None:
    assert mutual.security is not None
    shown = str(mutual.security.authority.issue("shown"))
    assert "is there" in str(try_to_read(mutual, tmp_path, CertificateFile=shown, KeyFile=shown))


def test_its_key_may_be_behind_a_password(mutual: KafkaCluster, tmp_path: Path) -> None:
    assert mutual.security is not None
    shown = mutual.security.authority.issue("locked")
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(shown.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"sesame")))
    (tmp_path / "sesame").write_text("sesame")
    files = {"CertificateFile": str(shown), "KeyFile": str(locked)}
    assert "is there" in str(try_to_read(mutual, tmp_path, **files, KeyPassword="secret://sesame"))
    (tmp_path / "wrong").write_text("hunter2")
    with pytest.raises(BrokerRefused, match=r"KeyPassword|files of Security") as refused:
        try_to_read(mutual, tmp_path, **files, KeyPassword="secret://wrong")
    assert "hunter2" not in str(refused.value)


def test_a_client_that_shows_none_reads_that_it_should(mutual: KafkaCluster, tmp_path: Path) -> None:
    with pytest.raises(BrokerRefused, match=r"wants to see a certificate.*CertificateFile and KeyFile"):
        try_to_read(mutual, tmp_path)


def test_a_client_that_shows_one_of_a_stranger_reads_that_it_was_not_taken(
    mutual: KafkaCluster, tmp_path: Path
) -> None:
    shown = str(Authority(tmp_path / "stranger").issue("shown"))
    with pytest.raises(BrokerRefused, match=r"not one that it takes.*CertificateFile and KeyFile"):
        try_to_read(mutual, tmp_path, CertificateFile=shown, KeyFile=shown)
