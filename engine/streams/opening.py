"""From a stream to the source or sink that it describes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine.envelopes import DatumEnvelope, DelimitedEnvelope
from engine.errors import DescriptorError, StreamChanged, StreamError
from engine.ports import Envelope, Sink, Source
from engine.record import MAX_RECORD_BYTES, Position
from engine.schema import Schema
from engine.streams.batching import BatchedSource
from engine.streams.framing import FramedSink, FramedSource
from engine.streams.kafka import KafkaOffsetTransport, KafkaTransport
from engine.streams.looping import LoopingSource, SeekableSource
from engine.streams.restrictions import verify_descriptor
from engine.streams.stream import Stream
from engine.streams.transport import DiscardTransport, FileTransport, HttpTransport, InlineTransport, RestTransport
from engine.transports.discard import DiscardSink
from engine.transports.file import FileSink, FileSource
from engine.transports.inline import InlineBytes, InlineRecords
from engine.transports.outbox import Outbox
from engine.transports.rest import RestInbox

if TYPE_CHECKING:
    from engine.state.commits import OutputFence

REST_BYTES = 64 << 20
"""How much may wait in a REST stream, 64 MiB: four of the longest records, or about a million short ones."""


def open_source(
    stream: Stream,
    *,
    model_schema: Schema | None = None,
    inbox_bytes: int = REST_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    start: Position | None = None,
) -> BatchedSource:
    """Return what reads the stream, one raw record each.

    Parameters
    ----------
    stream : Stream
        Its envelope, SkipTo, SkipToRecord, Loop and Batching are in force.
    model_schema : Schema, optional
        Stands in for a schema that the stream takes from the model: where avro-binary records end, their schema says.
    inbox_bytes : int
        The bound of a REST stream, whose `RestInbox` is the ``inner`` of what is returned.
    max_record_bytes : int
        A longer record comes as `Oversized`.
    start : Position, optional
        Where an earlier process had come to; 0 when it had read nothing. None for a stream that begins.

    Raises
    ------
    DescriptorError
        The stream cannot be read by itself: a topic is read by what fetches for all inputs of a job.
    StreamError
        Its file cannot be opened.
    StreamChanged
        Its data are not those that were read before, or are gone.
    """
    nagle_time_ms = stream.descriptor.batching.nagle_time_ms
    return BatchedSource(
        open_reader(stream, model_schema, inbox_bytes, max_record_bytes, start),
        stream.descriptor.batching.watermark,
        None if nagle_time_ms is None else nagle_time_ms / 1000,
    )


def open_sink(stream: Stream, *, outbox_bytes: int = REST_BYTES, fence: OutputFence | None = None) -> Sink | Outbox:
    """Return what writes the stream, one raw record each: a sink, or the outbox that clients or a courier empty.

    Parameters
    ----------
    stream : Stream
        Without a `fence` its file is emptied here, unless its Append says otherwise.
    outbox_bytes : int
        The bound of an outbox.
    fence : OutputFence, optional
        How far an earlier process had written it. What is behind that in a file is taken away.

    Raises
    ------
    DescriptorError
        The stream cannot be written.
    DeliveryFailed
        Its file cannot be opened.
    StreamChanged
        Its file is not the one that was written before.
    """
    verify_descriptor(stream.descriptor, slot=1, schema=stream.own_schema)
    match stream.descriptor.transport:
        case RestTransport() | HttpTransport():
            return Outbox(outbox_bytes, fence.seq_no if fence is not None else 0)
        case KafkaTransport():
            raise DescriptorError("Transport", "a topic is written in the transactions of a job", name=stream.name)
        case FileTransport() as file:
            framing = stream.descriptor.framing
            wrap = DelimitedEnvelope(framing.separator.encode()).wrap if framing else b"".join
            return FramedSink(FileSink(file.path, is_append=file.append, fence=fence), wrap)
        case _:
            return DiscardSink()


def open_reader(
    stream: Stream,
    model_schema: Schema | None = None,
    inbox_bytes: int = REST_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    start: Position | None = None,
) -> Source:
    """Return what reads the stream without a thought of its Batching; as `open_source`."""
    descriptor = stream.descriptor
    verify_descriptor(descriptor, slot=0, schema=stream.own_schema)
    open_envelope = partial(_open_envelope, stream, model_schema, max_record_bytes)
    source: SeekableSource
    skip = descriptor.skip_to or 0
    match descriptor.transport:
        case RestTransport() as rest:
            has_envelope = not rest.keeps_boundaries or descriptor.framing is not None
            envelope = open_envelope() if has_envelope else None
            return RestInbox(inbox_bytes, envelope, not rest.keeps_boundaries, max_record_bytes, start or 0)
        case InlineTransport() as inline:
            content = inline.content
            if isinstance(content, list):
                source = InlineRecords(content)
                word = descriptor.skip_to_record or 0
                skip = {"earliest": 0, "latest": len(content)}[word] if isinstance(word, str) else word
            else:
                source = FramedSource(InlineBytes(content), open_envelope)
        case FileTransport() as file:
            open_envelope()  # what is wrong with it is said before the file is opened
            source = FramedSource(FileSource(file.path), open_envelope)
        case KafkaTransport():
            raise DescriptorError("Transport", "a topic is read for all inputs of a job at once", name=stream.name)
        case DiscardTransport() | HttpTransport() | KafkaOffsetTransport():
            raise DescriptorError("Transport", f"{stream.transport} can only be written")
    try:
        if start is not None:
            source.resume(start)
        if not start and skip:  # nothing was read yet
            source.seek(skip)
    except (StreamError, StreamChanged):
        source.close()
        raise
    return LoopingSource(source) if descriptor.loop else source


def _open_envelope(stream: Stream, model_schema: Schema | None, max_record_bytes: int) -> Envelope:
    framing = stream.descriptor.framing
    if framing is not None:
        return DelimitedEnvelope(framing.separator.encode(), max_record_bytes)
    schema = stream.own_schema or model_schema
    if schema is None:
        raise DescriptorError("Schema", "where avro-binary records end in a stream of bytes, only a schema can say")
    return DatumEnvelope(schema.parsed, max_record_bytes)
