"""From what librdkafka says to a sentence with the fix."""

from __future__ import annotations

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
_WRONG_PASSWORD = _Saying(
    "the broker does not let the user in",
    "Look at Security: Mechanism, Username, and what Password refers to.",
)
_UNTRUSTED = _Saying(
    "the TLS handshake failed",
    "Name the file with the certificate of the broker's authority as Security.CaFile, and where the broker asks for"
    " one, the engine's own as CertificateFile and KeyFile.",
)
_GONE = _Saying(
    "the broker does not have the records of that offset: they were deleted, or the topic was made anew",
    "Say where to go on with: engine stream seek",
)

_REFUSED: Mapping[str, _Saying] = {
    "UNKNOWN_TOPIC_OR_PART": _NO_TOPIC,
    "UNKNOWN_TOPIC_ID": _NO_TOPIC,
    "_UNKNOWN_TOPIC": _NO_TOPIC,
    "_UNKNOWN_PARTITION": _NO_TOPIC,
    "TOPIC_EXCEPTION": _Saying("that is no name of a topic", "Name another in Topic."),
    "TOPIC_AUTHORIZATION_FAILED": _Saying(
        "the user has no permission", "Add an ACL for the topic: READ for an input, WRITE for an output."
    ),
    "GROUP_AUTHORIZATION_FAILED": _Saying("the user has no permission", "Add an ACL for the group: READ."),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": _Saying(
        "the user has no permission for transactions", "Add an ACL for the transactional id: WRITE."
    ),
    "CLUSTER_AUTHORIZATION_FAILED": _Saying("the user has no permission", "Add an ACL for the cluster."),
    "SASL_AUTHENTICATION_FAILED": _WRONG_PASSWORD,
    "UNSUPPORTED_SASL_MECHANISM": _WRONG_PASSWORD,
    "_AUTHENTICATION": _WRONG_PASSWORD,
    "_SSL": _UNTRUSTED,
    "MSG_SIZE_TOO_LARGE": _TOO_LARGE,
    "RECORD_LIST_TOO_LARGE": _TOO_LARGE,
    "OFFSET_OUT_OF_RANGE": _GONE,
    "_AUTO_OFFSET_RESET": _GONE,
    "NON_EMPTY_GROUP": _Saying("the group has members", "Stop the engines that are in it."),
    "UNKNOWN_MEMBER_ID": _Saying("the group has members", "Stop the engines that are in it."),
}
_UNREACHABLE = frozenset(
    ("_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_TRANSPORT", "BROKER_NOT_AVAILABLE", "NETWORK_EXCEPTION")
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
    """
    fault: KafkaError = error.args[0] if isinstance(error, Exception) else error
    said = fault.str().rstrip(".")
    if fault.name() in _UNREACHABLE:
        return BrokerUnreachable(servers or "the addresses that were given", said)
    saying = _REFUSED.get(fault.name())
    if saying is None:
        return BrokerRefused(what, said)
    is_news = said.casefold() not in saying.reason.casefold()
    return BrokerRefused(what, f"{saying.reason} ({said})" if is_news else saying.reason, saying.fix)
