"""Questions that nobody answers. What brokers answer is asked of real ones."""

import logging
import socket
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from engine.errors import BrokerRefused, BrokerUnreachable
from engine.kafka import brokers as brokers_module
from engine.kafka.brokers import Brokers, Complaints
from engine.kafka.connection import Connection
from engine.kafka.topics import find_topic


@pytest.fixture
def silent():
    """Return an address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed():
    """Return an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"127.0.0.1:{port}"


def test_nobody_at_an_address_is_said_with_the_reason(closed):
    with Brokers(Connection(closed), 0.3) as brokers, pytest.raises(BrokerUnreachable) as caught:
        find_topic(brokers, "prices")
    assert (caught.value.servers, "Connection refused" in caught.value.reason) == (closed, True)


def test_somebody_who_says_nothing_is_not_waited_for_longer_than_was_said(silent):
    with Brokers(Connection(silent), 0.3) as brokers, pytest.raises(BrokerUnreachable, match=silent):
        find_topic(brokers, "prices")


def test_an_answer_that_is_an_error_is_told_whatever_was_complained_of_before(closed):
    answer = Future()
    answer.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
    with Brokers(Connection(closed), 0.3) as brokers, pytest.raises(BrokerRefused, match="no permission"):
        brokers.ask("look", lambda client, timeout_s: {"prices": answer})


def test_the_worst_complaint_explains_a_silence():
    complaints = Complaints()
    assert (complaints.worst, complaints.is_hopeless) == (None, False)
    for code in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._AUTHENTICATION):
        complaints.note(KafkaError(code))
    assert complaints.worst.name() == "_AUTHENTICATION"
    assert complaints.is_hopeless


def test_what_librdkafka_logs_while_it_is_asked_is_kept_and_goes_nowhere(caplog):
    complaints = Complaints()
    with caplog.at_level(logging.INFO):
        complaints.logger.info(
            "FAIL [c#producer-1] [thrd:b]: ssl://b:1/bootstrap: Disconnected (after 1ms in state UP)"
        )
    assert (complaints.logged, caplog.records) == ("Disconnected", [])


def test_who_asks_again_forgets_the_leaders_that_were_known(closed):
    clients = []

    def question(client, _timeout_s):
        clients.append(client)
        answer = Future()
        if len(clients) == 1:
            answer.set_exception(KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH)))
        else:
            answer.set_result(7)
        return {"prices": answer}

    with Brokers(Connection(closed), 5) as brokers:
        assert brokers.ask("look", question) == {"prices": 7}
    assert clients[0] is not clients[1]


@pytest.mark.parametrize(
    "code", [KafkaError.INVALID_REPLICATION_FACTOR, KafkaError._TRANSPORT], ids=["too few brokers", "gone meanwhile"]
)
def test_what_is_said_for_a_moment_is_asked_again(closed, code):
    """So it is while a broker hands over what it leads; a second answer settles it."""
    answers = [KafkaException(KafkaError(code)), None]

    def question(_client, _timeout_s):
        future = Future()
        answer = answers.pop(0)
        future.set_exception(answer) if answer is not None else future.set_result("made")
        return {"topic": future}

    with Brokers(Connection(closed), 10) as brokers:
        assert brokers.ask("create topic 'prices'", question) == {"topic": "made"}
    assert answers == []


@pytest.mark.parametrize(
    ("n_silent", "failure"), [(1, BrokerRefused), (2, BrokerUnreachable)], ids=["a client", "the brokers"]
)
def test_one_silence_behind_an_answer_is_not_taken_for_brokers_that_are_away(closed, n_silent, failure, monkeypatch):
    """When the time is over: of some hundred clients one hears nothing of a topic that is not there."""
    now_s = [0.0]
    monkeypatch.setattr(brokers_module, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=lambda _: None))
    codes = [KafkaError._NOENT, *[KafkaError._TIMED_OUT] * n_silent]

    def question(_client, _timeout_s):
        answer = Future()
        answer.set_exception(KafkaException(KafkaError(codes.pop(0))))
        if not codes:
            now_s[0] = 11.0
        return {"prices": answer}

    with Brokers(Connection(closed), 10) as brokers, pytest.raises(failure):
        brokers.ask("read topic 'prices'", question, is_known=True)
    assert codes == []
