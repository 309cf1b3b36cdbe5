import pytest

from engine.errors import DescriptorError, NotBuilt, SchemaInvalid
from engine.schema import parse_schema
from engine.streams import parse_descriptor, verify_descriptor
from engine.streams.restrictions import RESTRICTIONS

REST = {"Transport": "REST"}
CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}}
FILE = {"Transport": {"Type": "file", "Path": "/data/x"}}
STANDARD = {"Transport": {"Type": "file", "Path": "-"}}
LIST = {"Transport": {"Type": "inline", "Data": ["1", "2"]}}
PIECE = {"Transport": {"Type": "inline", "Data": "1\n2"}}
DISCARD = {"Transport": "discard"}
KAFKA = {"Transport": {"Type": "Kafka", "BootstrapServers": ["broker"], "Topic": "prices"}}
OFFSETS = {"Transport": KAFKA["Transport"] | {"Type": "kafka-offset", "Group": "g"}}
APPEND = {"Transport": {"Type": "file", "Path": "/data/x", "Append": True}}
HTTP = {"Transport": {"Type": "HTTP", "Url": "https://host/x"}}
AVRO = {"Encoding": "avro-binary"}
REGISTRY = {"Encoding": {"Type": "avro-registry", "Url": "http://registry:8081"}}
RECORD = {"type": "record", "name": "R", "fields": []}


def kafka(**fields):
    return {"Transport": KAFKA["Transport"] | fields}


BROKEN = [
    ({**LIST}, 1, "Transport", "inline data can only be read,"),
    ({**PIECE}, 3, "Transport", "inline data can only be read,"),
    ({**DISCARD}, 0, "Transport", "discard and kafka-offset can only be written"),
    ({**OFFSETS}, 0, "Transport", "kafka-offset can only be written"),
    (kafka(Group="g"), 1, "Transport", "only an input has Group"),
    (kafka(Partition=0), 1, "Transport", "Partition and MaxWaitTime"),
    (kafka(MaxWaitTime=5), 1, "Transport", "go where their keys say"),
    ({**KAFKA, "Loop": True}, 0, "Loop", "a topic of Kafka has no end"),
    ({**KAFKA, "SkipToRecord": None}, 0, "SkipToRecord", "Kafka needs one"),
    ({**KAFKA, "SkipToRecord": 1}, 1, "SkipTo", "only an input can skip"),
    ({**KAFKA, "Envelope": "delimited"}, 0, "Envelope", "keeps record boundaries"),
    ({**KAFKA, "SkipTo": 1}, 0, "SkipTo", "a seekable stream of bytes"),
    ({**HTTP, "Loop": True}, None, "Loop", "a file or inline data"),
    ({**HTTP, "Durable": "process"}, 1, "Durable", "only REST has it"),
    ({**REST, "Rejects": {"$ref": "bad"}}, 1, "Rejects", "only an input has them"),
    ({**APPEND}, 2, "Transport.Append", "only a file that is written"),
    ({**REST, "Loop": True}, None, "Loop", "a file or inline data"),
    ({**CHUNKED, "Loop": True}, 0, "Loop", "a file or inline data"),
    ({**STANDARD, "Loop": True}, 0, "Loop", "a file or inline data"),
    ({**DISCARD, "Loop": True}, None, "Loop", "a file or inline data"),
    ({**FILE, "Loop": True}, 1, "Loop", "only an input can loop"),
    ({**REST, "SkipTo": 1}, None, "SkipTo", "a seekable stream of bytes"),
    ({**STANDARD, "SkipTo": 1}, None, "SkipTo", "a seekable stream of bytes"),
    ({**LIST, "SkipTo": 1}, None, "SkipTo", "a seekable stream of bytes"),
    ({**REST, "SkipToRecord": 1}, None, "SkipToRecord", "a seekable stream of records"),
    ({**FILE, "SkipToRecord": "latest"}, None, "SkipToRecord", "a seekable stream of records"),
    ({**PIECE, "SkipToRecord": 1}, None, "SkipToRecord", "a seekable stream of records"),
    ({**FILE, "SkipTo": 1}, 1, "SkipTo", "only an input can skip"),
    ({**FILE, "Durable": False}, None, "Durable", "only REST has it"),
    ({**DISCARD, "Durable": "disk"}, 1, "Durable", "only REST has it"),
    ({**LIST, "Envelope": "delimited"}, None, "Envelope", "keeps record boundaries"),
    ({**DISCARD, "Envelope": "delimited"}, None, "Envelope", "keeps record boundaries"),
    ({**FILE, **AVRO, "Envelope": "delimited"}, None, "Envelope", "cannot be delimited"),
    ({**REST, **REGISTRY, "Envelope": "delimited"}, None, "Envelope", "cannot be delimited"),
    ({**FILE, **REGISTRY}, None, "Encoding", "keeps records apart"),
    ({**REST, **REGISTRY}, 1, "Encoding.Subject", "only Kafka has a topic"),
    ({**FILE, **AVRO, "Schema": None}, None, "Schema", "avro-binary needs one"),
    ({**REST, **AVRO, "Schema": None}, None, "Schema", "avro-binary needs one"),
    ({**REST, "Schema": "string"}, None, "Schema", 'must be "bytes"'),
    ({**REST, "Schema": {"type": "array", "items": "bytes"}}, None, "Schema", 'must be "bytes"'),
    ({**REST, "Schema": ["null", "bytes"]}, None, "Schema", 'must be "bytes"'),
    ({**REST, "Encoding": "utf-8", "Schema": "bytes"}, None, "Schema", 'needs the schema "string"'),
    ({**REST, "Encoding": "utf-8", "Schema": RECORD}, None, "Schema", 'needs the schema "string"'),
]

FINE = [
    ({**REST}, 0),
    ({**REST}, 1),
    ({**REST, "Durable": "process"}, 0),
    ({**CHUNKED, "Durable": False}, 1),
    ({**CHUNKED, "Envelope": "delimited"}, 0),
    ({**CHUNKED, **AVRO}, 0),
    ({**FILE, "Loop": True, "SkipTo": 3}, 0),
    ({**FILE, **AVRO}, 0),
    ({**FILE, **AVRO, "Schema": RECORD}, 1),
    ({**STANDARD}, 0),
    ({**APPEND}, 1),
    ({**APPEND}, None),
    ({**LIST, "Loop": True, "SkipToRecord": 1}, 0),
    ({**LIST, "SkipToRecord": "earliest"}, 0),
    ({**PIECE, "Loop": True, "SkipTo": 2, "Envelope": "delimited"}, 0),
    ({**DISCARD}, 1),
    ({**HTTP}, 1),
    ({**KAFKA, "SkipToRecord": 7}, 0),
    ({**KAFKA, **AVRO, "Rejects": {"$ref": "bad"}}, 0),
    (kafka(Group="g", Partition=3, MaxWaitTime=1000), 0),
    (kafka(Config={"group.protocol": "consumer"}), 1),
    ({**HTTP}, None),
    ({**HTTP, **AVRO}, 1),
    ({**FILE, "Rejects": {"$ref": "bad"}}, 0),
    ({**REST, "Schema": "bytes"}, None),
    ({**REST, "Schema": None}, None),
    ({**REST, "Schema": {"type": "bytes", "logicalType": "decimal", "precision": 3}}, None),
    ({**REST, "Encoding": "utf-8", "Schema": "string"}, None),
    ({**REST, "Encoding": "utf-8", "Schema": {"$ref": "unknown"}}, None),
]


@pytest.mark.parametrize(("fields", "slot", "field", "words"), BROKEN)
def test_fields_that_do_not_fit_together_are_refused(fields, slot, field, words):
    descriptor = parse_descriptor(fields)
    with pytest.raises(DescriptorError) as caught:
        verify_descriptor(descriptor, slot)
    assert caught.value.field == field
    assert words in caught.value.reason


def test_every_row_of_the_table_is_tried():
    tried = {(field, words) for _, _, field, words in BROKEN}
    for row in RESTRICTIONS:
        assert any(field == row.field and words in row.sentence for field, words in tried), row.sentence


@pytest.mark.parametrize(("fields", "slot"), FINE)
def test_fields_that_fit_together_pass_without_a_note(fields, slot):
    assert verify_descriptor(parse_descriptor(fields), slot) == []


@pytest.mark.parametrize(
    "fields",
    [
        {**REST, "Encoding": "msgpack", "Envelope": "delimited"},
        {**FILE, "Encoding": "json", "Envelope": "ocf-block"},
        {"Transport": {"Type": "ODBC", "OutputFields": []}, "Encoding": "json"},
        {**FILE, "Encoding": "soap-rpc", "Schema": RECORD},
        {**FILE, "Encoding": "json", "Envelope": "delimited-csv"},
        {**FILE, "Encoding": "csv", "Schema": "double"},
    ],
)
def test_restrictions_on_what_is_not_built_need_no_row_since_it_is_refused_by_name(fields):
    with pytest.raises(NotBuilt):
        parse_descriptor(fields)


def test_http_cannot_be_read_yet():
    with pytest.raises(NotBuilt, match='Transport "HTTP" for an input'):
        verify_descriptor(parse_descriptor(HTTP), 0)


def test_rest_with_an_envelope_is_allowed_with_a_note():
    [note] = verify_descriptor(parse_descriptor({**REST, "Envelope": "delimited"}), 0)
    assert "each body is split at the separator" in note


@pytest.mark.parametrize(
    ("fields", "slot", "words"),
    [
        (kafka(CommitOffset=False), 0, "CommitOffset changes nothing"),
        (OFFSETS, 1, "what is written there is let go"),
        ({**KAFKA, "Batching": None}, 0, "Batching changes nothing"),
        (
            kafka(
                Security={
                    "Protocol": "SASL_PLAINTEXT", "Mechanism": "PLAIN", "Username": "u", "Password": "env://P",
                }
            ),
            None,
            "in the clear",
        ),
    ],
)  # fmt: skip
def test_what_kafka_does_otherwise_or_sends_for_everyone_to_read_is_allowed_with_a_note(fields, slot, words):
    [note] = verify_descriptor(parse_descriptor(fields), slot)
    assert words in note


def test_the_schema_that_a_name_stands_for_is_looked_at():
    descriptor = parse_descriptor({**REST, "Schema": {"$ref": "price"}})
    with pytest.raises(DescriptorError, match="must be"):
        verify_descriptor(descriptor, schema=parse_schema("double"))


def test_an_inline_schema_must_be_one():
    with pytest.raises(SchemaInvalid):
        verify_descriptor(parse_descriptor({**REST, "Schema": {"type": "nonsense"}}))
