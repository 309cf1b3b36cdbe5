"""The hop to the jet: a no-op script from file to file, through an engine and in a loop of one process.

The loop does what nobody could leave out: it reads the file in the same pieces, decodes and encodes with the engine's
own codecs, calls the same ``action``, and makes the same file safe. What the engine adds is the process of its own,
with all that hangs on it: frames, positions, order, credit, rejects, metrics.

The loop takes one record after the other, as one writes it. Beside it stands one that decodes and encodes as many at
once as the engine does, which is what the machine has to give at best.
"""

from __future__ import annotations

import argparse
import logging
import os
import runpy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.measuring import LOCAL, interleave, machine, median_ratio, print_table, save, spread
from engine import log
from engine.cli.job import Job, perform
from engine.codecs import open_codec
from engine.envelopes import DatumEnvelope
from engine.registry import Model, from_path
from engine.schema import Schema, parse_schema
from engine.settings import Settings
from engine.streams import parse_descriptor, resolve_stream

SCRIPT = Path(__file__).parent / "scripts" / "no_op_of.py"
DOUBLE = parse_schema("double", "value")
_COLUMNS = ("open", "high", "low", "close", "volume")
BAR = parse_schema(
    {"type": "record", "name": "bar", "fields": [{"name": name, "type": "double"} for name in _COLUMNS]}, "value"
)
TICK = parse_schema(
    {
        "type": "record",
        "name": "tick",
        "fields": [
            {"name": "symbol", "type": "string"},
            {"name": "price", "type": "double"},
            {"name": "size", "type": "long"},
        ],
    },
    "value",
)
N_RECORDS = 1_000_000  # a run of a second or two: shorter ones move by a third from round to round
N_ROUNDS = 5
READ_BYTES = 1 << 18  # as the engine's file source


Split = Callable[[bytes], Sequence[bytes]]
"""Takes the next bytes of a file, and returns the records that they complete."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a file holds, and how a loop finds the records there."""

    encoding: str
    schema: Schema
    value: Callable[[int], Any]
    """The record of a number."""
    open_split: Callable[[], Split]
    end: bytes = b""
    n_fewer: int = 1
    """By how much its runs are shorter, since a record takes longer."""


def _equal(size: int) -> Callable[[], Split]:
    def open_split() -> Split:
        rest = b""

        def split(data: bytes) -> list[bytes]:
            nonlocal rest
            data = rest + data
            stop = len(data) // size * size
            rest = data[stop:]
            return [data[at : at + size] for at in range(0, stop, size)]

        return split

    return open_split


def _lines() -> Split:
    rest = b""

    def split(data: bytes) -> list[bytes]:
        nonlocal rest
        *lines, rest = (rest + data).split(b"\n")
        return lines

    return split


def _tick(index: int) -> dict[str, Any]:
    return {"symbol": f"SYM{index % 100}", "price": index * 0.37, "size": index % 5000}


FORMATS = {
    "avro": Format("avro-binary", DOUBLE, lambda index: index * 0.37, _equal(8)),
    "avro bar": Format(
        "avro-binary",
        BAR,
        lambda index: {name: index * 0.37 + nth for nth, name in enumerate(_COLUMNS)},
        _equal(40),
        n_fewer=2,
    ),
    "avro tick": Format("avro-binary", TICK, _tick, lambda: DatumEnvelope(TICK.parsed).feed, n_fewer=5),
    "json": Format("json", DOUBLE, lambda index: index * 0.37, _lines, b"\n"),
}


def run_loop(form: Format, action: Callable[[Any], Iterator[Any]], source: Path, target: Path) -> float:
    """Score a file in this process, record by record; return the seconds."""
    codec, split, end = open_codec(form.encoding, form.schema, form.schema), form.open_split(), form.end
    decode, encode = codec.decode, codec.encode
    started_s = time.perf_counter()
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        while data := reader.read(READ_BYTES):
            records = split(data)
            outputs: list[bytes] = []
            append = outputs.append
            for raw in records:
                for output in action(decode(raw)):
                    append(encode(output))
            _write(writer, end.join((*outputs, b"")) if end else b"".join(outputs))
        os.fdatasync(writer.fileno())
    return time.perf_counter() - started_s


def run_batches(form: Format, action: Callable[[Any], Iterator[Any]], source: Path, target: Path) -> float:
    """As `run_loop`, with as many records decoded and encoded at once as the codec takes."""
    codec, split, end = open_codec(form.encoding, form.schema, form.schema), form.open_split(), form.end
    started_s = time.perf_counter()
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        while data := reader.read(READ_BYTES):
            records = split(data)
            values = codec.decode_batch(records)
            if values is None:
                values = list(map(codec.decode, records))
            outputs: list[Any] = []
            append = outputs.append
            for value in values:
                for output in action(value):
                    append(output)
            encoded = codec.encode_batch(outputs) or list(map(codec.encode, outputs))
            _write(writer, end.join((*encoded, b"")) if end else b"".join(encoded))
        os.fdatasync(writer.fileno())
    return time.perf_counter() - started_s


def _write(writer: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[writer.write(view) :]


def run_engine(form: Format, model: Model, settings: Settings, source: Path, target: Path) -> float:
    """Score a file as ``engine run`` does, the script in a jet; return the seconds from attach to FINISHED.

    The start of the jet's process is not counted, nor is that of the loop's.
    """
    framing = {"Envelope": "delimited"} if form.end else {}
    streams = {
        slot: resolve_stream(
            path.name,
            parse_descriptor(
                {
                    "Transport": {"Type": "file", "Path": str(path)},
                    "Encoding": form.encoding,
                    "Schema": form.schema.source,
                }
                | framing
            ),
            lambda _name: form.schema,
        )
        for slot, path in enumerate((source, target))
    }
    done = perform(Job(settings, model, streams), on_console=lambda _line: None)
    if done.error is not None:
        raise done.error
    return done.seconds


def measure(n_records: int, n_rounds: int) -> dict[str, Any]:
    """Return the nanoseconds that a record costs, by format and contender."""
    log.configure(is_json=True)
    logging.getLogger().setLevel(logging.CRITICAL)
    action = runpy.run_path(str(SCRIPT))["action"]
    results: dict[str, Any] = {"benchmark": "hop", "machine": machine(), "n_records": n_records, "cases": {}}
    with tempfile.TemporaryDirectory(prefix="hop-") as name:
        folder = Path(name)
        settings = Settings(state_dir=folder / "state", cache_dir=folder / "cache")
        for form_name, form in FORMATS.items():
            n_here = n_records // form.n_fewer
            model = from_path(SCRIPT, schemas={"value": form.schema})
            source, by_loop, by_batches, by_engine = (
                folder / f"{form_name}-{end}" for end in ("in", "loop", "batches", "engine")
            )
            encode = open_codec(form.encoding, form.schema, form.schema).encode
            with source.open("wb") as file:
                file.writelines(encode(form.value(index)) + form.end for index in range(n_here))
            seconds = interleave(
                n_rounds,
                {
                    "loop": partial(run_loop, form, action, source, by_loop),
                    "batches": partial(run_batches, form, action, source, by_batches),
                    "engine": partial(run_engine, form, model, settings, source, by_engine),
                },
            )
            results_of = (by_loop, by_batches, by_engine)
            is_verified = all(path.read_bytes() == source.read_bytes() for path in results_of)
            if not is_verified:
                raise AssertionError(f"{form_name}: what came out is not what went in")
            results["cases"][form_name] = {
                "is_verified": is_verified,
                "n_records": n_here,
                "ratio": median_ratio(seconds["loop"], seconds["engine"]),
                "ratio_to_batches": median_ratio(seconds["batches"], seconds["engine"]),
                **{f"{side}_ns": spread([s / n_here * 1e9 for s in taken]) for side, taken in seconds.items()},
            }
    return results


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        (
            name,
            f"{case['n_records']:,}",
            case["loop_ns"]["median"],
            case["batches_ns"]["median"],
            case["engine_ns"]["median"],
            f"{case['engine_ns']['min']:,.0f}..{case['engine_ns']['max']:,.0f}",
            f"{1e9 / case['engine_ns']['median']:,.0f}",
            case["ratio"],
            case["ratio_to_batches"],
        )
        for name, case in results["cases"].items()
    ]
    head = (
        "records as",
        "records",
        "loop ns",
        "in batches",
        "engine ns",
        "min..max",
        "records/s",
        "of the loop",
        "of batches",
    )
    print_table("The hop to the jet, no-op, from file to file", head, rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``hop.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=N_RECORDS)
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(options.records, options.rounds)
    show(results)
    save("hop", results, options.out)


if __name__ == "__main__":
    main()
