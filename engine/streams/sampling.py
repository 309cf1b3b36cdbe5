"""A look at the records of a stream, by a reader of its own that takes nothing away from anybody."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path

from engine.codecs import join_headers
from engine.errors import EndOfStream, StreamError
from engine.ports import Source
from engine.record import Batch
from engine.schema import Schema
from engine.streams.connecting import connection_of
from engine.streams.decoding import readable
from engine.streams.kafka import KafkaTransport
from engine.streams.opening import open_reader
from engine.streams.posting import SECRETS
from engine.streams.restrictions import verify_descriptor
from engine.streams.stream import Stream
from engine.streams.transport import RestTransport

_WAIT_S = 5.0  # for a named pipe that nobody writes to
_FURTHER_BACK = 8  # times as far: what is no record, such as the ends of transactions, has offsets too


def sample(
    stream: Stream, n_records: int = 10, *, model_schema: Schema | None = None, secrets: Path = SECRETS
) -> list[bytes]:
    """Return the stream's first records. Of a topic that is read from its end: its last ones.

    Those whose schemas a registry has are decoded, as JSON.

    Parameters
    ----------
    stream : Stream
        Not touched: a group's offsets stay where they are.
    n_records : int
        How many at most.
    model_schema : Schema, optional
        See `open_source`.
    secrets : Path, optional
        The folder of secrets; see `engine.settings.Settings`.

    Raises
    ------
    DescriptorError
        The stream cannot be read.
    StreamError
        Its file cannot be opened, or its topic cannot be read; or what is read of it is gone for everybody else; or its
        registry does not answer.
    """
    transport = stream.descriptor.transport
    if isinstance(transport, KafkaTransport):
        verify_descriptor(stream.descriptor, slot=0, schema=stream.own_schema)
        return readable(stream, _sample_topic(stream, transport, n_records, secrets), secrets)
    is_shared = isinstance(transport, RestTransport) or not transport.is_seekable
    if is_shared and "input" in transport.directions:
        raise StreamError(f"Stream {stream.name!r} cannot be sampled: what a sample takes, the model would miss.")
    return readable(stream, _first(_batches(open_reader(stream, model_schema), n_records), n_records), secrets)


def _batches(reader: Source, max_records: int, *, has_registry: bool = False) -> Generator[Batch, None, None]:
    """Yield what comes, until there is no more or nothing comes in time; then close the reader."""
    deadline = time.monotonic() + _WAIT_S
    try:
        while batch := reader.read(max_records, max(deadline - time.monotonic(), 0.0)):
            yield join_headers(batch) if has_registry else batch
    except EndOfStream:
        pass  # it has no more
    finally:
        reader.close()


def _sample_topic(stream: Stream, transport: KafkaTransport, n_records: int, secrets: Path) -> list[bytes]:
    from engine.kafka.brokers import Brokers
    from engine.kafka.reader import KafkaReader
    from engine.kafka.topics import begin_offsets, find_topic, first_offsets

    connection, topic = connection_of(transport, secrets), transport.topic
    first_record, has_registry = stream.descriptor.first_record or 0, stream.registry is not None
    with Brokers(connection) as brokers:
        n_partitions = find_topic(brokers, topic, f"read topic {topic!r}").n_partitions
        partitions = range(n_partitions) if transport.partition is None else [transport.partition]
        firsts = first_offsets(brokers, topic, partitions)
        starts = begin_offsets(brokers, topic, partitions, first_record)
    if first_record != "latest":
        reader = KafkaReader(connection, topic, starts, is_bounded=True)
        return _first(_batches(reader, n_records, has_registry=has_registry), n_records)
    n_back = n_records
    while True:
        begins = {each: max(firsts[each], starts[each] - n_back) for each in partitions}
        reader = KafkaReader(connection, topic, begins, is_bounded=True)
        values = _latest(_batches(reader, n_records, has_registry=has_registry), n_records)
        if all(reader.counts[each] >= n_records or begins[each] == firsts[each] for each in partitions):
            return values
        n_back *= _FURTHER_BACK


def _first(batches: Generator[Batch, None, None], n_records: int) -> list[bytes]:
    values: list[bytes] = []
    with closing(batches):
        for batch in batches:
            values += batch.values
            if len(values) >= n_records:
                break
    return values[:n_records]


def _latest(batches: Iterable[Batch], n_records: int) -> list[bytes]:
    """Return the records with the latest times, in the order of their times."""
    found: list[tuple[int, bytes]] = []
    for batch in batches:
        times = (time_ms or 0 for time_ms in (batch.labels.timestamps_ms if batch.labels is not None else ()))
        found = sorted([*found, *zip(times, batch.values, strict=True)], key=lambda each: each[0])[-n_records:]
    return [value for _, value in found]
