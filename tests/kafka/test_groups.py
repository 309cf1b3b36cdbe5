import json
import signal
import subprocess
from types import SimpleNamespace

import pytest

from engine.errors import BrokerRefused, BrokerUnreachable
from engine.kafka import groups
from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.groups import Group, find_group


def answering(monkeypatch, *answers):
    """Let processes that look at groups end so, one after the other: by a signal, or with an answer; return what they
    were asked."""
    left, asked = list(answers), []

    def run(words, *, input, **_):  # noqa: A002 -- as subprocess calls it
        asked.append(json.loads(input))
        answer = left.pop(0) if len(left) > 1 else left[0]
        return SimpleNamespace(returncode=answer if isinstance(answer, int) else 0, stdout=json.dumps(answer))

    monkeypatch.setattr(subprocess, "run", run)
    return asked


@pytest.fixture
def brokers():
    return Brokers(Connection("broker:9092", {"sasl.password": "secret"}))


def test_a_group_is_asked_for_again_when_the_client_has_ended_its_process(monkeypatch, brokers):
    asked = answering(monkeypatch, -signal.SIGABRT, {"members": ["one"], "operations": ["READ"]})
    assert find_group(brokers, "prices") == Group("prices", ("one",), frozenset({"READ"}))
    settings = {"sasl.password": "secret"}
    assert asked == [{"servers": "broker:9092", "settings": settings, "group": "prices"}] * 2


def test_a_group_that_nobody_can_be_asked_about_is_given_up(monkeypatch, brokers):
    answering(monkeypatch, -signal.SIGABRT)
    monkeypatch.setattr(groups, "TIMEOUT_S", -1)
    with pytest.raises(BrokerUnreachable, match="'prices'"):
        find_group(brokers, "prices")


def test_what_the_process_meets_is_raised_here(monkeypatch, brokers):
    answering(monkeypatch, {"refused": ["look at group 'prices'", "no permission", "Add it."]})
    with pytest.raises(BrokerRefused, match=r"look at group 'prices': no permission\. Add it\."):
        find_group(brokers, "prices")
