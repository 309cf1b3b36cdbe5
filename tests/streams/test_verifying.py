from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DescriptorError, NotBuilt
from engine.streams import parse_descriptor, verify_descriptor
from engine.streams.verifying import find_faults, verify_source, write_descriptor

KAFKA = {"Type": "Kafka", "BootstrapServers": ["broker:9092"], "Topic": "prices"}


def faults_of(fields: dict[str, Any], slot: int | None = 0) -> list[str]:
    return [getattr(one, "field", "?") for one in find_faults(json.dumps(fields).encode(), "s", slot)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Transport": KAFKA, "Encoding": "json"}, []),
        ({"Transport": KAFKA | {"Topik": "x"}, "Encodign": "json"}, ["Encodign", "Transport.Topik"]),
        ({"Transport": {"Type": "Kafka", "Topik": "x", "BootstrapServers": ["b"]}}, ["Transport.Topik"]),
        (
            {"Transport": KAFKA | {"MaxWaitTime": "1 s", "Config": {"acks": 1}}, "Encoding": "jsn", "Loop": 3},
            ["Transport.Config.acks", "Encoding", "Loop", "Transport.MaxWaitTime"],
        ),
        ({"Transport": KAFKA, "Encoding": "json", "Envelope": "delimited", "SkipTo": 3, "Loop": True}, 3),
        ({"Transport": KAFKA | {"BootstrapServers": "b"}, "Encoding": "json", "Durable": "no"}, 2),
    ],
)
def test_all_faults_of_a_descriptor_are_found_at_once(fields: dict[str, Any], expected: list[str] | int) -> None:
    found = faults_of(fields)
    assert len(set(found)) == len(found)
    assert sorted(found) == sorted(expected) if isinstance(expected, list) else len(found) >= expected


def test_several_faults_are_one_error_with_a_line_each(tmp_path: Path) -> None:
    source = json.dumps({"Transport": KAFKA | {"Topik": "x"}, "Encoding": "jsn"}).encode()
    with pytest.raises(DescriptorError) as caught:
        verify_source(source, "s", 0, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "Did you mean 'Topic'?" in "".join(lines)
    with pytest.raises(NotBuilt):
        verify_source(b'{"Transport": {"Type": "TCP", "Host": "h"}}', "s", None, tmp_path)


@pytest.mark.parametrize("text", ["", "nothing", "[1]", "null", '{"Transport": NaN}', "\u00e4", "1" * 10_000])
def test_what_is_no_descriptor_at_all_has_one_fault(text: str) -> None:
    assert len(list(find_faults(text.encode("latin-1"), "s", None))) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"Transport": KAFKA, "Encoding": "json"},
        {"Transport": KAFKA | {"Group": "g", "Partition": 3, "MaxWaitTime": 5}, "Encoding": None, "SkipToRecord": 7},
        {"Transport": KAFKA, "Encoding": {"Type": "avro-registry", "Url": "http://r"}, "Rejects": {"$ref": "bad"}},
        {"Transport": "REST", "Encoding": "json", "Durable": False, "Schema": {"type": "string"}},
        {"Transport": {"Type": "file", "Path": "/x"}, "Encoding": {"Type": "json", "Unions": "tagged"}, "Loop": True},
        {"Transport": {"Type": "inline", "Data": "1\n2"}, "Encoding": "json", "Batching": None, "SkipTo": 2},
        {"Transport": "discard", "LingerTime": None},
        {"Transport": "REST", "Schema": None, "Batching": {"Watermark": None, "NagleTime": 5}, "Description": "x"},
    ],
)
def test_what_is_printed_of_a_descriptor_can_be_added_and_means_the_same(fields: dict[str, Any]) -> None:
    descriptor = parse_descriptor(fields)
    again = parse_descriptor(json.dumps(write_descriptor(descriptor)))
    verify_descriptor(again)
    assert write_descriptor(again) == write_descriptor(descriptor)
    assert (again.transport, again.encoding, again.first_record, again.rejects) == (
        descriptor.transport,
        descriptor.encoding,
        descriptor.first_record,
        descriptor.rejects,
    )
    assert (again.durable, again.framing, again.loop, again.avro, again.batching) == (
        descriptor.durable,
        descriptor.framing,
        descriptor.loop,
        descriptor.avro,
        descriptor.batching,
    )
