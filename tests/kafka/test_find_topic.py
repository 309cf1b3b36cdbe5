from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from engine.errors import BrokerRefused
from engine.kafka.topics import find_topic


class Hearsay:
    """Brokers of which the one that is asked hears of a topic late."""

    def __init__(self, n_brokers: int, n_unheard: int) -> None:
        self._n_brokers, self.n_unheard = n_brokers, n_unheard

    def ask(self, what: str, _question: Any) -> dict[str, Any]:
        if self.n_unheard:
            self.n_unheard -= 1
            raise BrokerRefused(what, "no") from KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return {"prices": SimpleNamespace(partitions=[0, 1], authorized_operations=None)}

    def count(self) -> int:
        return self._n_brokers


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.kafka.topics._AGAIN_S", 0.0)


def test_of_several_brokers_one_that_has_not_heard_of_a_topic_is_asked_again() -> None:
    brokers: Any = Hearsay(3, 5)
    assert find_topic(brokers, "prices", is_patient=True).n_partitions == 2


@pytest.mark.parametrize(("n_brokers", "is_patient"), [(1, True), (3, False)])
def test_a_topic_that_is_not_there_is_refused_at_once_where_nobody_could_know_better(n_brokers, is_patient) -> None:
    brokers: Any = Hearsay(n_brokers, 5)
    with pytest.raises(BrokerRefused):
        find_topic(brokers, "prices", is_patient=is_patient)
    assert brokers.n_unheard == 4


def test_a_topic_that_stays_unheard_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.kafka.topics.HEARSAY_S", 0.0)
    brokers: Any = Hearsay(3, 10_000_000)
    with pytest.raises(BrokerRefused):
        find_topic(brokers, "prices", is_patient=True)
