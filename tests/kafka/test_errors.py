import pytest
from confluent_kafka import KafkaError, KafkaException

from engine.errors import BrokerRefused, BrokerUnreachable
from engine.kafka.errors import broker_error


def said(code, text=None):
    error = KafkaError(code, text) if text is not None else KafkaError(code)
    return broker_error("read topic 'prices'", error, "broker:9092")


@pytest.mark.parametrize(
    ("code", "words", "fix"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic", "Create it"),
        (KafkaError._UNKNOWN_TOPIC, "no such topic", "Create it"),
        (KafkaError._UNKNOWN_PARTITION, "no such topic or partition", "Topic"),
        (KafkaError.TOPIC_EXCEPTION, "no name of a topic", "Topic"),
        (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            "no permission for the topic",
            "READ for an input, WRITE for an output",
        ),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "no permission for the group", "READ"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no permission for transactions", "WRITE"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "no permission for the cluster", "ACL"),
        (KafkaError._AUTHENTICATION, "does not let the user in", "Password"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, "does not let the user in", "Password"),
        (KafkaError._SSL, "TLS handshake failed", "CertificateFile"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "larger than the topic takes", "max.message.bytes"),
        (KafkaError.RECORD_LIST_TOO_LARGE, "larger than the topic takes", "max.message.bytes"),
        (KafkaError.OFFSET_OUT_OF_RANGE, "they were deleted", "engine stream seek"),
        (KafkaError._AUTO_OFFSET_RESET, "they were deleted", "engine stream seek"),
        (KafkaError.INVALID_REPLICATION_FACTOR, "fewer brokers", "default.replication.factor"),
        (KafkaError.NON_EMPTY_GROUP, "has members", "Stop"),
        (KafkaError._INVALID_ARG, "a setting is wrong", "Config"),
    ],
)
def test_what_asking_again_does_not_mend_is_refused_with_the_fix(code, words, fix):
    error = said(code)
    assert isinstance(error, BrokerRefused)
    assert str(error).startswith("Kafka: cannot read topic 'prices': ")
    assert words in error.reason
    assert fix in error.fix


@pytest.mark.parametrize(
    "code", [KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE]
)
def test_nobody_who_answers_is_no_refusal(code):
    error = said(code, "Connect to ipv4#127.0.0.1:1 failed: Connection refused")
    assert isinstance(error, BrokerUnreachable)
    assert str(error) == (
        "No Kafka broker answers at broker:9092: Connect to ipv4#127.0.0.1:1 failed: Connection refused."
    )


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (KafkaError._SSL, "SSL handshake failed: error:0A: certificate verify failed: ...", "cannot be trusted"),
        (KafkaError._TRANSPORT, "closed by peer: connecting to a PLAINTEXT broker listener?", "no TLS is spoken"),
        (
            KafkaError._TRANSPORT,
            "ssl://host:1/1: Disconnected: SSL connection closed by peer (after 3ms in state SSL_HANDSHAKE)",
            "no TLS is spoken",
        ),
    ],
)
def test_what_the_words_say_more_clearly_than_the_code_is_said(code, text, words):
    assert words in said(code, text).reason


def test_a_broker_that_ends_behind_the_handshake_speaks_tls():
    text = "ssl://host:1/1: Disconnected: SSL connection closed by peer (after 3ms in state UP)"
    assert isinstance(said(KafkaError._TRANSPORT, text), BrokerUnreachable)


def test_what_is_not_known_is_said_in_librdkafkas_words_without_its_surroundings():
    text = "sasl_ssl://host:9093/bootstrap: Broker has lost its keys (after 12ms in state AUTH_REQ)"
    assert str(said(KafkaError.UNKNOWN, text)) == "Kafka: cannot read topic 'prices': Broker has lost its keys."


def test_an_exception_is_read_as_the_error_that_it_carries():
    exception = KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    assert "no such topic" in str(broker_error("read topic 'prices'", exception))
