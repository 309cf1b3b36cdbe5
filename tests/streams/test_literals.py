from pathlib import Path

import pytest

from engine.errors import DescriptorError, NotBuilt
from engine.streams import describe, parse_endpoint, parse_literal


@pytest.mark.parametrize(
    ("text", "transport", "encoding"),
    [
        ("rest:", {"type": "rest", "mode": "simple"}, "json"),
        ("rest-chunked:", {"type": "rest", "mode": "chunked"}, "json"),
        ("REST:", {"type": "rest", "mode": "simple"}, "json"),
        ("file:/data/x.json", {"type": "file", "path": "/data/x.json", "append": False}, "json"),
        ("file:/data/x.avro", {"type": "file", "path": "/data/x.avro", "append": False}, "avro-binary"),
        ("file:/data/x.UTF8", {"type": "file", "path": "/data/x.UTF8", "append": False}, "utf-8"),
        ("file:/data/x.bin", {"type": "file", "path": "/data/x.bin", "append": False}, None),
        ("file:/data/x", {"type": "file", "path": "/data/x", "append": False}, "json"),
        ("inline:1,2,3", {"type": "inline", "data": ["1", "2", "3"]}, "json"),
        ("inline:", {"type": "inline", "data": []}, "json"),
        ('inline:{"a":1,"b":2}', {"type": "inline", "data": ['{"a":1', '"b":2}']}, "json"),
        ("inline:%31%2C%32,%ff", {"type": "inline", "data_binary": ["MSwy", "/w=="]}, "json"),
        ("inline-chunked:1,2", {"type": "inline", "data": "1,2"}, "json"),
        ("inline-chunked:1%0A2", {"type": "inline", "data_binary": "MQoy"}, "json"),
        ("discard:", {"type": "discard"}, "json"),
        *(
            (
                f"kafka:{servers}/{text}",
                {
                    "type": "kafka",
                    "bootstrap_servers": servers.split(","),
                    "topic": topic,
                    "commit_offset": True,
                    "config": {},
                },
                encoding,
            )
            for servers, text, topic, encoding in (
                ("broker", "prices", "prices", "json"),
                ("broker:9092", "prices.json", "prices", "json"),
                ("a:1,b:2", "prices.Avro", "prices", "avro-binary"),
                ("[::1]:9092", "prices.utf8", "prices", "utf-8"),
                ("broker", "prices.bin", "prices", None),
                ("broker", "prices.of.2026", "prices.of.2026", "json"),
            )
        ),
    ],
)
def test_a_literal_is_a_descriptor(text, transport, encoding):
    described = describe(parse_literal(text))
    assert (described["transport"], described["encoding"]) == (transport, encoding)


@pytest.mark.parametrize("text", ["prices", "prices.json", "C:/x", "", "-", "discard"])
def test_other_texts_are_no_literals(text):
    assert parse_literal(text) is None


@pytest.mark.parametrize("text", ["tcp:h:1", "udp:h:1", "exec:ls", "s3:b/k"])
def test_literals_that_are_not_built_are_refused_by_name(text):
    with pytest.raises(NotBuilt, match=f'Transport "{text.split(":")[0]}:"'):
        parse_literal(text)


@pytest.mark.parametrize("text", ["http://host/x?y=1,2", "https://host:8443/"])
def test_an_address_is_an_http_stream(text):
    described = describe(parse_literal(text))
    assert (described["transport"]["type"], described["transport"]["url"]) == ("http", text)
    assert described["encoding"] == "json"
    assert parse_endpoint(text, is_input=False) == parse_literal(text)
    with pytest.raises(NotBuilt, match='"HTTP" for an input'):
        parse_endpoint(text, is_input=True)


def test_the_path_of_a_file_literal_is_absolute():
    with pytest.raises(DescriptorError, match="begins with /"):
        parse_literal("file:prices.json")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("x.json", "json"),
        ("x.jsons", "json"),
        ("x.jsonl", "json"),
        ("x.ndjson", "json"),
        ("x.avro", "avro-binary"),
        ("x.utf8", "utf-8"),
        ("x.txt", "utf-8"),
        ("x.bin", "null"),
        ("folder.txt/x", "json"),
        ("odd:name", "json"),
    ],
)
@pytest.mark.parametrize("is_input", [True, False])
def test_a_path_is_a_file_whose_suffix_says_the_encoding(text, encoding, is_input):
    descriptor = parse_endpoint(text, is_input)
    assert descriptor.transport.path == str(Path.cwd() / text)
    assert descriptor.encoding_name == encoding


@pytest.mark.parametrize("is_input", [True, False])
def test_a_dash_is_a_standard_stream_of_json_lines(is_input):
    descriptor = parse_endpoint("-", is_input)
    assert (descriptor.transport.path, descriptor.encoding_name) == ("-", "json")
    assert descriptor.framing.separator == "\n"


def test_an_endpoint_may_be_a_literal_of_its_direction():
    assert parse_endpoint("inline:1", is_input=True).transport.content == [b"1"]
    assert parse_endpoint("discard:", is_input=False).transport.type == "discard"
    with pytest.raises(DescriptorError, match="can only be written"):
        parse_endpoint("discard:", is_input=True)
    with pytest.raises(DescriptorError, match="can only be read"):
        parse_endpoint("inline:1", is_input=False)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("kafka:broker", "Transport.Topic"),
        ("kafka:broker/", "Transport.Topic"),
        ("kafka:/prices", "Transport.BootstrapServers"),
        ("kafka:http://broker/prices", "Transport.BootstrapServers"),
    ],
)
def test_a_kafka_literal_without_a_broker_or_a_topic_is_refused(text, field):
    with pytest.raises(DescriptorError) as caught:
        parse_literal(text)
    assert caught.value.field == field


def test_behind_the_question_mark_of_a_topic_stand_the_fields_that_say_where_and_how_long_it_is_read():
    descriptor = parse_literal("kafka:broker/prices.v1.avro?SkipToRecord=earliest&Group=7&Partition=2&MaxWaitTime=500")
    topic = descriptor.transport
    assert (topic.topic, topic.group, topic.partition, topic.max_wait_time_ms) == ("prices.v1", "7", 2, 500)
    assert (descriptor.first_record, descriptor.encoding_name) == ("earliest", "avro-binary")
    assert parse_literal("kafka:broker/prices?SkipToRecord=12").first_record == 12


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SkipToRecords=earliest", "Did you mean 'SkipToRecord'"),
        ("SkipToRecord=soon", "SkipToRecord"),
        ("x", "behind the"),
    ],
)
def test_what_a_topic_has_not_behind_its_question_mark_is_refused_by_name(query, words):
    with pytest.raises(DescriptorError, match=words):
        parse_literal(f"kafka:broker/prices?{query}")
