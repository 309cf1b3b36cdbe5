"""From what librdkafka says to a sentence with the fix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import BrokerRefused, BrokerUnreachable, EngineError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, KafkaException


class _Saying(NamedTuple):
    """Why something is refused, and what to do about it."""

    reason: str
    fix: str = ""


_NO_TOPIC = _Saying("there is no such topic or partition, or not any more", "Create it, or name another in Topic.")
_TOO_LARGE = _Saying(
    "a record is larger than the topic takes", "Raise max.message.bytes of the topic, or write smaller records."
)
_NOT_LET_IN = _Saying(
    "the broker does not let the user in", "Look at Security: Mechanism, Username, and what Password refers to."
)
_UNTRUSTED = _Saying(
    "the broker's certificate cannot be trusted: its authority is not known, its time is over, or it is another's",
    "Name the file with the certificate of the broker's authority as Security.CaFile.",
)
_NO_HANDSHAKE = _Saying(
    "the TLS handshake failed",
    "Look at Security: CaFile, and CertificateFile and KeyFile where the broker asks for the engine's certificate.",
)
_NOT_SHOWN = _Saying(
    "the broker wants to see a certificate of the engine, and has seen none, or not one that it takes",
    "Look at Security: CertificateFile and KeyFile.",
)
_NO_TLS = _Saying("no TLS is spoken at that address", "Look at Security.Protocol and the port in BootstrapServers.")
_GONE = _Saying(
    "the broker does not have the records of that offset: they were deleted, or the topic was made anew",
    "Say where to go on with: engine stream seek",
)
_FEW_BROKERS = _Saying(
    "there are fewer brokers than a topic is to have replicas",
    "Start those that are away; where there are no more, lower default.replication.factor of the brokers.",
)
_MEMBERS = _Saying("the group has members", "Stop the engines that are in it.")

_REFUSED: Mapping[str, _Saying] = {
    "UNKNOWN_TOPIC_OR_PART": _NO_TOPIC,
    "UNKNOWN_TOPIC_ID": _NO_TOPIC,
    "_UNKNOWN_TOPIC": _NO_TOPIC,
    "_UNKNOWN_PARTITION": _NO_TOPIC,
    "TOPIC_EXCEPTION": _Saying("that is no name of a topic", "Name another in Topic."),
    "TOPIC_AUTHORIZATION_FAILED": _Saying(
        "the user has no permission for the topic",
        "Add an ACL for it: READ for an input, WRITE for an output; both, CREATE and DESCRIBE_CONFIGS for a changelog.",
    ),
    "GROUP_AUTHORIZATION_FAILED": _Saying("the user has no permission for the group", "Add an ACL for it: READ."),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": _Saying(
        "the user has no permission for transactions", "Add an ACL for the transactional id: WRITE."
    ),
    "CLUSTER_AUTHORIZATION_FAILED": _Saying(
        "the user has no permission for the cluster", "Add an ACL for it: CREATE for topics, IDEMPOTENT_WRITE to write."
    ),
    "SASL_AUTHENTICATION_FAILED": _NOT_LET_IN,
    "UNSUPPORTED_SASL_MECHANISM": _NOT_LET_IN,
    "_AUTHENTICATION": _NOT_LET_IN,
    "_SSL": _NO_HANDSHAKE,
    "MSG_SIZE_TOO_LARGE": _TOO_LARGE,
    "RECORD_LIST_TOO_LARGE": _TOO_LARGE,
    "OFFSET_OUT_OF_RANGE": _GONE,
    "_AUTO_OFFSET_RESET": _GONE,
    "INVALID_REPLICATION_FACTOR": _FEW_BROKERS,
    "NON_EMPTY_GROUP": _MEMBERS,
    "UNKNOWN_MEMBER_ID": _MEMBERS,
    "_INVALID_ARG": _Saying("a setting is wrong", "Look at Config and at the files of Security."),
}
_BY_WORDS = (
    (re.compile("certificate verify failed", re.IGNORECASE), _UNTRUSTED),
    (re.compile("connecting to a PLAINTEXT broker|closed by peer.*in state SSL_HANDSHAKE", re.IGNORECASE), _NO_TLS),
    (re.compile("alert (bad certificate|certificate required|unknown ca|handshake failure)"), _NOT_SHOWN),
    (re.compile("No leaders found"), _NO_TOPIC),  # what is said of offsets of a topic that was deleted
)
_UNREACHABLE = frozenset(
    (
        "_ALL_BROKERS_DOWN",
        "_RESOLVE",
        "_TIMED_OUT",
        "_TRANSPORT",
        "_WAIT_COORD",
        "BROKER_NOT_AVAILABLE",
        "CONCURRENT_TRANSACTIONS",  # the one before is not over: its brokers are away
        "COORDINATOR_LOAD_IN_PROGRESS",
        "COORDINATOR_NOT_AVAILABLE",
        "NETWORK_EXCEPTION",
        "NOT_COORDINATOR",
        "UNSTABLE_OFFSET_COMMIT",
    )
)
# Who says it to whom, and when: `ssl://HOST:PORT/bootstrap: Disconnected (after 3ms in state UP)`.
_SURROUNDINGS = re.compile(
    r"^(\[[^]]*\]: )?\S+/(bootstrap|\d+): |(?<=.) \(after \d+ms in state \w+\)|^Broker: |^Local: "
)


def broker_error(what: str, error: KafkaError | KafkaException, servers: str = "") -> EngineError:
    """Return the error of ours for one of librdkafka's.

    Parameters
    ----------
    what : str
        What was tried, such as ``read topic 'prices'``.
    error : KafkaError or KafkaException
        What came of it.
    servers : str
        Whom it was asked of; see `engine.kafka.connection.Connection`.

    Returns
    -------
    EngineError
        `BrokerUnreachable` where trying again may help, else `BrokerRefused`.
    """
    fault: KafkaError = error.args[0] if isinstance(error, Exception) else error
    said = said_by(fault.str()) or fault.name()
    saying = next((saying for words, saying in _BY_WORDS if words.search(fault.str())), _REFUSED.get(fault.name()))
    if saying is not None:
        # The codes of the brokers say no more than the sentence does, and about certificates librdkafka only guesses.
        is_all = fault.code() > 0 or saying in (_UNTRUSTED, _NO_TLS)
        return BrokerRefused(what, saying.reason if is_all else f"{saying.reason} ({said})", saying.fix)
    if fault.name() in _UNREACHABLE:
        return BrokerUnreachable(servers or "the addresses that were given", said)
    return BrokerRefused(what, said)


def said_by(text: str) -> str:
    """Return what librdkafka said, without who said it to whom and when.

    >>> said_by("ssl://127.0.0.1:9092/bootstrap: Disconnected: closed by peer (after 1ms in state UP)")
    'Disconnected: closed by peer'
    """
    return _SURROUNDINGS.sub("", text).rstrip(".: ")
