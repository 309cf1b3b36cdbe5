"""Whether what a stream stands for can be reached, tried for real."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from engine.errors import BrokerUnreachable, StreamError
from engine.streams.connecting import connection_of
from engine.streams.descriptor import StreamDescriptor
from engine.streams.encoding import RegistryEncoding
from engine.streams.kafka import KafkaTransport
from engine.streams.stream import Stream

ATTACH_S = 3.0
"""How long brokers may take for an answer about a stream that is attached: at its start they are asked once more."""

OUTPUT = 1  # a slot that is written to, as what gets rejects is


def reach(descriptor: StreamDescriptor, slot: int | None, secrets: Path) -> str | None:
    """Try to connect, and return what was found in sentences; None for a stream that connects to nobody.

    Parameters
    ----------
    descriptor : StreamDescriptor
        Checked on its own.
    slot : int, optional
        Where it is to be attached: even numbers read from it, odd ones write to it.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.

    Raises
    ------
    ConfigError
        A secret that it names is not there.
    BrokerRefused, BrokerUnreachable
        What is wrong, and what to do about it.
    RegistryRefused, RegistryUnreachable
        The same, of a schema registry.
    StreamError
        Both.
    """
    found: list[str | None] = []
    faults: list[StreamError] = []
    asks = partial(_reach_broker, descriptor, slot, secrets), partial(_reach_registry, descriptor, secrets)
    for ask in asks:
        try:
            found.append(ask())
        except StreamError as exc:
            faults.append(exc)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise StreamError("\n".join(map(str, faults)))
    return " ".join(filter(None, found)) or None


def check_topics(stream: Stream, slot: int, secrets: Path) -> list[str]:
    """Ask whether the topics of a stream that is to be attached are there, and may be read or written.

    Parameters
    ----------
    stream : Stream
        With that of its rejects.
    slot : int
        Where it is to be attached.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.

    Returns
    -------
    list of str
        For brokers that do not answer, what is therefore not known.

    Raises
    ------
    ConfigError
        A secret that it names is not there.
    BrokerRefused
        What is wrong, and what to do about it.
    """
    unknown: list[str] = []
    for one, direction in ((stream, slot), (stream.rejects, OUTPUT)):
        try:
            if one is not None:
                _reach_broker(one.descriptor, direction, secrets, ATTACH_S)
        except BrokerUnreachable as exc:
            topic = one.kafka.topic if one is not None and one.kafka is not None else ""
            unknown.append(f"the brokers of topic {topic!r}, of which nobody knows whether it is there: {exc}")
    return unknown


def _reach_registry(descriptor: StreamDescriptor, secrets: Path) -> str | None:
    """Ask the schema registry of a stream, and return what it has as a sentence; None for a stream without one.

    Raises
    ------
    ConfigError
        A secret that it names is not there.
    RegistryRefused, RegistryUnreachable
        What is wrong.
    """
    encoding = descriptor.encoding
    if not isinstance(encoding, RegistryEncoding):
        return None
    from engine.streams.registering import check_registry

    return check_registry(encoding, descriptor.subject, secrets)


def _reach_broker(
    descriptor: StreamDescriptor, slot: int | None, secrets: Path, timeout_s: float | None = None
) -> str | None:
    """Ask the brokers of a topic, and return what is there as a sentence; None for a stream that is none.

    Parameters
    ----------
    descriptor : StreamDescriptor
        Checked on its own.
    slot : int, optional
        Where it is to be attached: even numbers read from it, odd ones write to it.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.
    timeout_s : float, optional
        See `engine.kafka.brokers.Brokers`.

    Raises
    ------
    ConfigError
        A secret that it names is not there.
    BrokerRefused, BrokerUnreachable
        What is wrong, and what to do about it.
    """
    transport = descriptor.transport
    if not isinstance(transport, KafkaTransport):
        return None
    from engine.kafka.brokers import Brokers
    from engine.kafka.checking import check_input, check_output, check_topic

    with Brokers(connection_of(transport, secrets), timeout_s) as brokers:
        if slot is None:
            return check_topic(brokers, transport.topic)
        if slot % 2:
            return check_output(brokers, transport.topic)
        return check_input(brokers, transport.topic, transport.partition, transport.group)
