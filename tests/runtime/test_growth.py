from types import SimpleNamespace

import pytest

from engine.errors import BrokerRefused, SlotsUnfit
from engine.kafka.places import Inlet
from engine.runtime import growth
from engine.runtime.growth import Growth

UNFIT = BrokerRefused("keep state", "it has 2 partitions, and the inputs have 3", "Give the streams another Group.")


class Changelog:
    def ensure(self, n_partitions):
        if n_partitions != 2:
            raise UNFIT


class Brokers:
    """Know of topics as many partitions as they are told, and how often they were asked."""

    def __init__(self, **n_partitions):
        self.n_partitions, self.asked = n_partitions, []

    def __call__(self, connection):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def find_topic(self, brokers, name, what):
        self.asked.append(name)
        return SimpleNamespace(n_partitions=self.n_partitions[name])


@pytest.fixture
def known(monkeypatch):
    def know(**n_partitions):
        brokers = Brokers(**n_partitions)
        monkeypatch.setattr(growth, "Brokers", brokers)
        monkeypatch.setattr(growth, "find_topic", brokers.find_topic)
        return brokers

    return know


def growth_of(*names, changelog=None):
    inlets = tuple(Inlet(2 * i, name) for i, name in enumerate(names))
    return Growth(SimpleNamespace(inlets=inlets, partition=None, connection=None), 2, changelog)


def test_partitions_that_were_there_at_the_start_are_not_asked_about(known):
    brokers = known()
    growth_of("prices").check({0, 1})
    growth_of("prices").check(set())
    assert brokers.asked == []


def test_new_partitions_of_a_job_without_state_are_read_and_asked_about_once(known):
    brokers = known(prices=3, trades=3)
    grown = growth_of("prices", "trades")
    grown.check({2})
    grown.check({2})
    assert brokers.asked == ["prices", "trades"]


def test_an_input_that_has_grown_alone_is_named(known):
    known(prices=2, trades=3)
    with pytest.raises(SlotsUnfit, match="'prices' on slot 0 has 2 partitions, and 'trades' on slot 2 has 3"):
        growth_of("prices", "trades").check({2})


def test_inputs_that_have_grown_beyond_their_state_are_refused_with_the_reason(known):
    known(prices=3)
    with pytest.raises(BrokerRefused, match="it has 2 partitions, and the inputs have 3"):
        growth_of("prices", changelog=Changelog()).check({2})
