"""What of a job's streams is Kafka, and whether that can be one job: one cluster, one group, one set of partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import SlotsUnfit
from engine.kafka.connection import Connection, Setting
from engine.kafka.names import changelog_name, fixed_transactional_id, transactional_id
from engine.kafka.places import Inlet
from engine.registry import Model
from engine.script import inspect_script
from engine.settings import Settings
from engine.streams import KafkaTransport, Stream, parse_descriptor
from engine.streams.connecting import connection_of

_SECURITY = ("security.", "sasl.", "ssl.")


@dataclass(frozen=True, slots=True)
class Topics:
    """The Kafka side of a job.

    Parameters
    ----------
    connection : Connection
        The brokers, with the settings of all streams.
    group : str
        The consumer group of the inputs; without inputs, what stands for one in names.
    inlets : tuple of Inlet
        What is read.
    written : tuple of str
        The topics of the outputs, and of rejects.
    partition : int or None
        The one partition that is read of each input; None for what the group gives.
    is_bound : bool
        The job has streams or cells that only one machine has.
    has_changelog : bool
        It has something that must be kept beside the offsets.
    model : str
        The model's name.
    """

    connection: Connection
    group: str
    inlets: tuple[Inlet, ...]
    written: tuple[str, ...] = ()
    partition: int | None = None
    is_bound: bool = False
    has_changelog: bool = True
    model: str = ""
    elsewhere: tuple[tuple[str, str], ...] = ()
    """Other addresses that some of the topics name, and what is wrong if they are not of the same cluster."""

    @property
    def changelog(self) -> str:
        """The name of the topic with the state."""
        return changelog_name(self.group, self.model)

    def transactional_id(self, instance: str) -> str:
        """Return the name under which the engine writes: a second one of it shuts the first one out."""
        if self.partition is None:
            return transactional_id(self.group, instance)
        return fixed_transactional_id(self.group, self.model, (inlet.slot for inlet in self.inlets), self.partition)


def find_topics(streams: Mapping[int, Stream], model: Model, settings: Settings) -> Topics | None:
    """Return the Kafka side of a job; None for one that has none.

    Parameters
    ----------
    streams : mapping of int to Stream
        By slot; all slots that the model uses.
    model : Model
        What reads and writes them.
    settings : Settings
        Where secrets are.

    Raises
    ------
    SlotsUnfit
        The streams cannot be of one job; the sentence names two of them.
    ConfigError
        A secret is not there.
    """
    every = list(_with_rejects(streams))
    over_kafka = [(what, stream, stream.kafka) for what, stream in every if stream.kafka is not None]
    if not over_kafka:
        return None
    inputs = {slot: stream for slot, stream in sorted(streams.items()) if slot % 2 == 0 and stream.kafka is not None}
    partition = _one_partition(inputs)
    is_bound = model.script.uses_cells or any(_is_local(what, stream) for what, stream in every)
    connections = [(what, connection_of(transport, settings.secrets_dir)) for what, _, transport in over_kafka]
    return Topics(
        _one_connection(connections),
        _one_group(inputs, default_group(model.script.name, partition)),
        _inlets(inputs),
        tuple(dict.fromkeys(transport.topic for what, _, transport in over_kafka if _is_output(what))),
        partition,
        is_bound=is_bound,
        has_changelog=is_bound or not model.script.is_stateless or model.script.begin is not None,
        model=model.script.name,
        elsewhere=tuple(_elsewhere(connections)),
    )


def changelog_of(job: Mapping[str, Any]) -> str | None:
    """Return the topic with the state of a job, as its store keeps what it runs; None where the store has the state.

    Parameters
    ----------
    job : mapping
        What `engine.runtime.job.Job.dump` returned.
    """
    if job["model"] is None:
        return None
    over_kafka = {
        one["slot"]: transport
        for one in job["attached"]
        if isinstance(transport := parse_descriptor(dict(one["stream"]["descriptor"])).transport, KafkaTransport)
    }
    model = job["model"]["name"]
    script = inspect_script(job["model"]["source"], model)
    if not over_kafka or (script.is_stateless and script.begin is None and not script.uses_cells):
        return None
    read = [transport for slot, transport in over_kafka.items() if slot % 2 == 0]
    named = next((transport.group for transport in read if transport.group), None)
    partition = next((transport.partition for transport in read), None)
    return changelog_name(named or default_group(model, partition), model)


def default_group(model: str, partition: int | None) -> str:
    """Return the consumer group of inputs that name none.

    >>> default_group("average", None), default_group("average", 3)
    ('average', 'average-3')
    """
    # A partition that is read alone is read outside of the balance: members of the group would have it a second time.
    return model if partition is None else f"{model}-{partition}"


def _with_rejects(streams: Mapping[int, Stream]) -> Iterator[tuple[str, Stream]]:
    for slot, stream in sorted(streams.items()):
        yield f"slot {slot}", stream
        if stream.rejects is not None:
            yield f"the rejects of slot {slot}", stream.rejects


def _is_local(what: str, stream: Stream) -> bool:
    """Whether only this machine knows how far a stream is."""
    if stream.kafka is not None or stream.transport in ("discard", "kafka-offset"):
        return False
    return not _is_output(what) or stream.transport in ("REST", "HTTP") or stream.is_resumable


def _is_output(what: str) -> bool:
    return "rejects" in what or int(what.split()[-1]) % 2 == 1


def _one_connection(found: list[tuple[str, Connection]]) -> Connection:
    connection = found[0][1]
    settings: dict[str, Setting] = {}
    owners: dict[str, str] = {}
    for what, one in found:
        for name, setting in one.settings.items():
            if name in settings and settings[name] != setting:
                raise SlotsUnfit(
                    f"{_capital(owners[name])} and {what} differ in {name}. The topics of one job are reached with one"
                    " Security and one Config: let them say the same."
                )
            settings[name] = setting
            owners.setdefault(name, what)
    for what, one in found:
        if missing := [name for name in settings if name.startswith(_SECURITY) and name not in one.settings]:
            raise SlotsUnfit(
                f"{_capital(owners[missing[0]])} has a Security that {what} has not. The topics of one job are reached"
                " with one: let both say the same."
            )
    return Connection(connection.servers, settings)


def _elsewhere(found: list[tuple[str, Connection]]) -> Iterator[tuple[str, str]]:
    """Yield addresses that are not those of the first topic: only brokers can tell whether they are of one cluster."""
    first, connection = found[0]
    known = {frozenset(connection.servers.split(","))}
    for what, one in found:
        if (servers := frozenset(one.servers.split(","))) not in known:
            known.add(servers)
            refusal = (
                f"{_capital(first)} is at {connection.servers} and {what} at {one.servers}, which is another cluster."
                " One job commits to one cluster: give both the same BootstrapServers."
            )
            yield one.servers, refusal


def _one_group(inputs: Mapping[int, Stream], default: str) -> str:
    groups = {
        slot: stream.kafka.group for slot, stream in inputs.items() if stream.kafka is not None and stream.kafka.group
    }
    if len(set(groups.values())) > 1:
        slot, group = next(iter(groups.items()))
        other, other_group = next((other, name) for other, name in groups.items() if name != group)
        raise SlotsUnfit(
            f"Slot {slot} is read as group {group!r} and slot {other} as {other_group!r}. The inputs of one job are"
            " read by one group: give both the same Group."
        )
    return next(iter(groups.values()), default)


def _one_partition(inputs: Mapping[int, Stream]) -> int | None:
    partitions = {slot: stream.kafka.partition for slot, stream in inputs.items() if stream.kafka is not None}
    if len(set(partitions.values())) > 1:
        said = ", ".join(
            f"slot {slot} {'all of them' if partition is None else f'number {partition}'}"
            for slot, partition in partitions.items()
        )
        raise SlotsUnfit(
            f"The inputs of one job read the same partitions, and here they differ: {said}. Give all the same Partition"
            " or none."
        )
    return next(iter(partitions.values()), None)


def _inlets(inputs: Mapping[int, Stream]) -> tuple[Inlet, ...]:
    slots: dict[str, int] = {}
    inlets: list[Inlet] = []
    for slot, stream in inputs.items():
        transport = stream.kafka
        assert isinstance(transport, KafkaTransport)  # noqa: S101 -- chosen by that
        if (other := slots.setdefault(transport.topic, slot)) != slot:
            raise SlotsUnfit(
                f"Slots {other} and {slot} both read topic {transport.topic!r}. A job reads a topic once: attach it to"
                " one of them."
            )
        max_wait_s = None if transport.max_wait_time_ms is None else transport.max_wait_time_ms / 1000
        inlets.append(Inlet(slot, transport.topic, stream.descriptor.first_record or 0, max_wait_s))
    return tuple(inlets)


def _capital(what: str) -> str:
    return what[:1].upper() + what[1:]
