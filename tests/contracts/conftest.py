"""Every implementation of a contract, and how to set one up; the tests of a contract run on all of them.

An implementation that is missing here fails `test_every_*_is_put_through_the_contract`.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import pytest

from engine.envelopes import DatumEnvelope, DelimitedEnvelope
from engine.streams.batching import BatchedSource
from engine.streams.framing import FramedSink, FramedSource
from engine.streams.looping import LoopingSource
from engine.transports import DiscardSink, FileSink, FileSource, InlineBytes, InlineRecords, RestInbox

ROOM = 1 << 20
LINES = DelimitedEnvelope().wrap


@dataclass(frozen=True)
class SourceCase:
    """How to open a source (or byte source) that holds some records, and one that waits for its first."""

    kind: type
    filled: Callable[[Sequence[bytes], Path], Any]
    waiting: Callable[[Path], Any] | None = None
    has_end: bool = True
    is_seekable: bool = False
    is_looping: bool = False


def file_of(values: Sequence[bytes], folder: Path) -> FileSource:
    path = folder / "records"
    path.write_bytes(LINES(values))
    return FileSource(str(path))


def idle_pipe(folder: Path) -> FileSource:
    os.mkfifo(folder / "pipe")
    return FileSource(str(folder / "pipe"))


def inbox_of(values: Sequence[bytes], _: Path) -> RestInbox:
    inbox = RestInbox(ROOM)
    inbox.put(inbox.split(values))
    return inbox


BYTE_SOURCES = [
    SourceCase(FileSource, file_of, idle_pipe, is_seekable=True),
    SourceCase(InlineBytes, lambda values, _: InlineBytes(LINES(values)), is_seekable=True),
]
SOURCES = [
    SourceCase(InlineRecords, lambda values, _: InlineRecords(values), is_seekable=True),
    SourceCase(RestInbox, inbox_of, lambda _: RestInbox(ROOM), has_end=False),
    SourceCase(
        FramedSource,
        lambda values, folder: FramedSource(file_of(values, folder), DelimitedEnvelope),
        lambda folder: FramedSource(idle_pipe(folder), DelimitedEnvelope),
        is_seekable=True,
    ),
    SourceCase(
        BatchedSource,
        lambda values, _: BatchedSource(InlineRecords(values), watermark=2, nagle_time_s=60.0),
        lambda _: BatchedSource(RestInbox(ROOM)),
    ),
    SourceCase(
        LoopingSource,
        lambda values, _: LoopingSource(InlineRecords(values)),
        lambda folder: LoopingSource(FramedSource(idle_pipe(folder), DelimitedEnvelope)),
        has_end=False,
        is_looping=True,
    ),
]


@dataclass(frozen=True)
class SinkCase:
    """How to open a sink and look at what arrived (None: nobody can), and one whose write of `LOAD` waits."""

    kind: type
    opened: Callable[[Path], tuple[Any, Callable[[], bytes | None]]]
    full: Callable[[Path, ExitStack], tuple[Any, Callable[[], None]]] | None = None


LOAD = bytes(ROOM)  # sixteen times what a pipe takes


def sink_and_file(wrapped: Callable[[FileSink], Any], folder: Path) -> tuple[Any, Callable[[], bytes]]:
    path = folder / "out"
    return wrapped(FileSink(str(path))), path.read_bytes


def full_pipe(wrapped: Callable[[FileSink], Any], folder: Path, stack: ExitStack) -> tuple[Any, Callable[[], None]]:
    """Return a sink into a pipe that nobody empties, and how to wait until the first bytes are in it."""
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    stack.callback(os.close, reader)
    return wrapped(FileSink(str(folder / "pipe"))), lambda: select.select([reader], [], []) and None


BYTE_SINKS = [
    SinkCase(
        FileSink,
        lambda folder: sink_and_file(lambda sink: sink, folder),
        lambda folder, stack: full_pipe(lambda sink: sink, folder, stack),
    )
]
SINKS = [
    SinkCase(DiscardSink, lambda _: (DiscardSink(), lambda: None)),
    SinkCase(
        FramedSink,
        lambda folder: sink_and_file(lambda sink: FramedSink(sink, LINES), folder),
        lambda folder, stack: full_pipe(lambda sink: FramedSink(sink, LINES), folder, stack),
    ),
]


@dataclass(frozen=True)
class EnvelopeCase:
    """An envelope and records that it can carry."""

    kind: type
    opened: Callable[[], Any]
    records: tuple[bytes, ...]


def datum_case(schema: Any, *records: bytes) -> EnvelopeCase:
    return EnvelopeCase(DatumEnvelope, lambda: DatumEnvelope(fastavro.parse_schema(schema)), records)


ENVELOPES = [
    EnvelopeCase(DelimitedEnvelope, DelimitedEnvelope, (b"1", b"", b"two\r", b"\xff\0", b"")),
    EnvelopeCase(DelimitedEnvelope, lambda: DelimitedEnvelope(b"\r\n"), (b"1", b"", b"\r", b"\n\r", b"")),
    datum_case("long", b"\x02", b"\x80\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    datum_case({"type": "array", "items": "int"}, bytes.fromhex("080204060800"), b"\0", bytes.fromhex("0304020400")),
]

CASES = {
    "source_case": SOURCES,
    "ending_source_case": [case for case in SOURCES if case.has_end],
    "seekable_source_case": [case for case in SOURCES if case.is_seekable],
    "resumable_source_case": [case for case in SOURCES if case.is_seekable or case.is_looping],
    "waiting_source_case": [case for case in SOURCES if case.waiting],
    "byte_source_case": BYTE_SOURCES,
    "waiting_byte_source_case": [case for case in BYTE_SOURCES if case.waiting],
    "sink_case": SINKS,
    "waiting_sink_case": [case for case in SINKS if case.full],
    "byte_sink_case": BYTE_SINKS,
    "envelope_case": ENVELOPES,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in CASES.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(name, CASES[name], ids=lambda case: case.kind.__name__)


@pytest.fixture
def contract_kinds() -> dict[str, set[type]]:
    """Return the classes that are put through each contract."""
    return {name: {case.kind for case in cases} for name, cases in CASES.items()}


@pytest.fixture
def load() -> bytes:
    return LOAD
