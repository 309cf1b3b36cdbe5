"""The hop to the jet: a no-op script from file to file, through an engine and in a loop of one process.

The loop does what nobody could leave out: it reads the file in the same pieces, decodes and encodes with the engine's
own codecs, calls the same ``action``, and makes the same file safe. What the engine adds is the process of its own,
with all that hangs on it: frames, positions, order, credit, rejects, metrics.
"""

from __future__ import annotations

import argparse
import logging
import os
import runpy
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.measuring import LOCAL, interleave, machine, median_ratio, print_table, save, spread
from engine import log
from engine.cli.job import Job, perform
from engine.codecs import open_codec
from engine.registry import Model, from_path
from engine.schema import parse_schema
from engine.settings import Settings
from engine.streams import parse_descriptor, resolve_stream

SCRIPT = Path(__file__).parent / "scripts" / "no_op.py"
DOUBLE = parse_schema("double", "double")
N_RECORDS = 1_000_000  # a run of a second or two: shorter ones move by a third from round to round
N_ROUNDS = 5
READ_BYTES = 1 << 18  # as the engine's file source


@dataclass(frozen=True, slots=True)
class Format:
    """How a file holds doubles, and how a loop finds them there."""

    encoding: str
    pack: Callable[[float], bytes]
    split: Callable[[bytes], tuple[list[bytes], bytes]]
    end: bytes


def _split_doubles(data: bytes) -> tuple[list[bytes], bytes]:
    stop = len(data) & ~7
    return [data[at : at + 8] for at in range(0, stop, 8)], data[stop:]


def _split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    *lines, rest = data.split(b"\n")
    return lines, rest


FORMATS = {
    "avro": Format("avro-binary", struct.Struct("<d").pack, _split_doubles, b""),
    "json": Format("json", lambda value: b"%r\n" % value, _split_lines, b"\n"),
}


def run_loop(form: Format, action: Callable[[Any], Iterator[Any]], source: Path, target: Path) -> float:
    """Score a file in this process; return the seconds."""
    codec = open_codec(form.encoding, DOUBLE, DOUBLE)
    decode, encode, split, end = codec.decode, codec.encode, form.split, form.end
    started_s = time.perf_counter()
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        rest = b""
        while data := reader.read(READ_BYTES):
            records, rest = split(rest + data)
            outputs: list[bytes] = []
            append = outputs.append
            for raw in records:
                for output in action(decode(raw)):
                    append(encode(output))
            _write(writer, end.join((*outputs, b"")) if end else b"".join(outputs))
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
                {"Transport": {"Type": "file", "Path": str(path)}, "Encoding": form.encoding, "Schema": "double"}
                | framing
            ),
            lambda _name: DOUBLE,
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
    model = from_path(SCRIPT, schemas={"double": DOUBLE})
    results: dict[str, Any] = {"benchmark": "hop", "machine": machine(), "n_records": n_records, "cases": {}}
    with tempfile.TemporaryDirectory(prefix="hop-") as name:
        folder = Path(name)
        settings = Settings(state_dir=folder / "state", cache_dir=folder / "cache")
        for form_name, form in FORMATS.items():
            source, by_loop, by_engine = (folder / f"{form_name}-{end}" for end in ("in", "loop", "engine"))
            with source.open("wb") as file:
                file.writelines(form.pack(index * 0.37) for index in range(n_records))
            seconds = interleave(
                n_rounds,
                {
                    "loop": partial(run_loop, form, action, source, by_loop),
                    "engine": partial(run_engine, form, model, settings, source, by_engine),
                },
            )
            is_verified = source.read_bytes() == by_loop.read_bytes() == by_engine.read_bytes()
            if not is_verified:
                raise AssertionError(f"{form_name}: what came out is not what went in")
            results["cases"][form_name] = {
                "is_verified": is_verified,
                "ratio": median_ratio(seconds["loop"], seconds["engine"]),
                **{f"{side}_ns": spread([s / n_records * 1e9 for s in taken]) for side, taken in seconds.items()},
            }
    return results


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        (
            name,
            case["loop_ns"]["median"],
            case["engine_ns"]["median"],
            f"{case['engine_ns']['min']:,.0f}..{case['engine_ns']['max']:,.0f}",
            f"{1e9 / case['engine_ns']['median']:,.0f}",
            case["ratio"],
        )
        for name, case in results["cases"].items()
    ]
    head = ("doubles as", "loop ns", "engine ns", "min..max", "records/s", "share of the loop")
    print_table(f"The hop to the jet, no-op, {results['n_records']:,} records from file to file", head, rows)


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
