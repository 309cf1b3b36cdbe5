import json
import re
from pathlib import Path

import pytest

from engine.errors import DescriptorError, NotBuilt
from engine.streams import describe, parse_descriptor
from engine.streams.transport import CLASSES
from engine.streams.words import TRANSPORTS

ROOT = Path(__file__).parents[2]


def test_only_the_transport_is_required_and_the_defaults_are_these():
    assert describe(parse_descriptor('{"Transport": "REST"}')) == {
        "transport": {"type": "rest", "mode": "simple"},
        "encoding": None,
        "schema": "$inherit",
        "batching": {"watermark": 1000, "nagle_time": 0},
        "loop": False,
        "linger_time": 3000,
        "durable": "disk",
    }


def test_every_field_is_read():
    source = {
        "Version": "1.2",
        "Description": "all of it",
        "Transport": {"Type": "file", "Path": "/data/in.json", "Append": False},
        "Loop": True,
        "SkipTo": 10,
        "SkipToRecord": None,
        "Envelope": {"Type": "delimited", "Separator": "\r\n"},
        "Encoding": {"Type": "json", "Unions": "tagged"},
        "Schema": {"$ref": "double"},
        "Batching": {"Watermark": None, "NagleTime": 5},
        "LingerTime": None,
        "Rejects": None,
    }
    assert describe(parse_descriptor(json.dumps(source).encode())) == {
        "transport": {"type": "file", "path": "/data/in.json", "append": False},
        "envelope": {"type": "delimited", "separator": "\r\n"},
        "encoding": {"type": "json", "unions": "tagged"},
        "schema": {"$ref": "double"},
        "batching": {"watermark": None, "nagle_time": 5},
        "loop": True,
        "skip_to": 10,
        "linger_time": None,
    }


def test_every_field_of_http_is_read():
    source = {
        "Type": "http",
        "Url": "https://host:8443/x?y=1",
        "Headers": {"Authorization": "Bearer secret://token", "X-Key": "env://KEY", "X-From": "engine"},
        "Timeout": 500,
        "Method": "put",
        "Chunked": False,
    }
    assert describe(parse_descriptor({"Transport": source, "Encoding": "json"}))["transport"] == {
        "type": "http",
        "url": "https://host:8443/x?y=1",
        "headers": {"Authorization": "Bearer secret://token", "X-Key": "env://KEY", "X-From": "engine"},
        "timeout_ms": 500,
        "method": "PUT",
        "chunked": False,
    }


@pytest.mark.parametrize("durable", ["disk", "Process", False])
def test_how_durable_a_stream_is_and_where_its_rejects_go_is_shown(durable):
    described = describe(parse_descriptor({**REST, "Durable": durable, "Rejects": {"$ref": "bad"}}))
    assert described["durable"] == (durable and durable.lower())
    assert described["rejects"] == {"$ref": "bad"}


def test_a_schema_of_null_is_left_out_of_the_internal_form():
    assert "schema" not in describe(parse_descriptor({"Transport": "REST", "Schema": None}))


@pytest.mark.parametrize(
    ("batching", "watermark", "nagle_time"),
    [
        ("normal", 1000, 0),
        ("NORMAL", 1000, 0),
        (None, 1, 0),
        ({}, 1000, 0),
        ({"Watermark": 5}, 5, 0),
        ({"NagleTime": None}, 1000, None),
        ({"Watermark": None}, None, 0),
    ],
)
def test_batching_has_a_watermark_and_a_nagle_time(batching, watermark, nagle_time):
    described = describe(parse_descriptor({"Transport": "REST", "Batching": batching}))["batching"]
    assert described == {"watermark": watermark, "nagle_time": nagle_time}


@pytest.mark.parametrize(
    ("fields", "path", "value"),
    [
        ({"Transport": "rest"}, ("transport", "type"), "rest"),
        ({"Transport": {"Type": "rEsT", "Mode": "CHUNKED"}}, ("transport", "mode"), "chunked"),
        ({"Transport": "Discard"}, ("transport", "type"), "discard"),
        ({"Transport": "REST", "Encoding": "JSON"}, ("encoding",), "json"),
        ({"Transport": "REST", "Encoding": "UTF-8"}, ("encoding",), "utf-8"),
        ({"Transport": "REST", "Encoding": "null"}, ("encoding",), None),
        ({"Transport": "REST", "Envelope": "Delimited"}, ("envelope", "separator"), "\n"),
    ],
)
def test_case_does_not_matter_in_words(fields, path, value):
    found = describe(parse_descriptor(fields))
    for step in path:
        found = found[step]
    assert found == value


@pytest.mark.parametrize(
    ("transport", "encoding", "envelope"),
    [
        ("REST", "json", None),
        ({"Type": "REST", "Mode": "chunked"}, "json", "delimited"),
        ({"Type": "REST", "Mode": "chunked"}, "avro-binary", None),
        ({"Type": "file", "Path": "x"}, None, "delimited"),
        ({"Type": "file", "Path": "x"}, "utf-8", "delimited"),
        ({"Type": "file", "Path": "x"}, "avro-binary", None),
        ({"Type": "inline", "Data": "1\n2"}, "json", "delimited"),
        ({"Type": "inline", "Data": ["1", "2"]}, "json", None),
        ("discard", "json", None),
    ],
)
def test_the_envelope_goes_by_transport_and_encoding_unless_it_is_given(transport, encoding, envelope):
    framing = parse_descriptor({"Transport": transport, "Encoding": encoding, "Envelope": None}).framing
    assert (framing and framing.type) == envelope


REST = {"Transport": "REST"}


def kafka(**fields):
    return {"Transport": {"Type": "Kafka", "BootstrapServers": ["broker:9092"], "Topic": "prices"} | fields}


def http(**fields):
    return {"Transport": {"Type": "HTTP", "Url": "https://host/x", **fields}}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, "Transport", "missing"),
        ({"Transprt": "REST"}, "Transprt", "no such field. Did you mean 'Transport'?"),
        ({**REST, "loop": True}, "loop", "Did you mean 'Loop'?"),
        ({**REST, "Nonsense": 1}, "Nonsense", "no such field; there are Version, Description, Transport, Loop"),
        ({"Transport": {"Type": "REST", "Mdoe": 1}}, "Transport.Mdoe", "Did you mean 'Mode'?"),
        ({**REST, "Batching": {"Watermrk": 1}}, "Batching.Watermrk", "Did you mean 'Watermark'?"),
        ({**REST, "Envelope": {"Type": "delimited", "Seperator": ","}}, "Envelope.Seperator", "'Separator'?"),
        ({**REST, "Encoding": {"Type": "json", "Union": "tagged"}}, "Encoding.Union", "Did you mean 'Unions'?"),
        ({"Transport": 3}, "Transport", "a text or an object expected, got 3"),
        ({"Transport": {}}, "Transport.Type", 'missing: "REST", "file", "inline", "discard", '),
        ({"Transport": "rset"}, "Transport", "got \"rset\". Did you mean 'REST'?"),
        ({"Transport": {"Type": "kafak"}}, "Transport.Type", "Did you mean 'Kafka'?"),
        ({"Transport": {"Type": "REST", "Mode": "chunky"}}, "Transport.Mode", '"simple" or "chunked" expected'),
        ({"Transport": {"Type": "file"}}, "Transport.Path", "missing"),
        ({"Transport": {"Type": "file", "Path": ""}}, "Transport.Path", "a text that is not empty expected"),
        ({"Transport": {"Type": "file", "Path": "a\0b"}}, "Transport.Path", "a text without NUL expected"),
        ({"Transport": {"Type": "file", "Path": "x", "Append": 1}}, "Transport.Append", "true or false expected"),
        ({"Transport": "inline"}, "Transport", "either Data or DataBinary expected"),
        ({"Transport": {"Type": "inline", "Data": [], "DataBinary": []}}, "Transport", "either Data or DataBinary"),
        ({"Transport": {"Type": "inline", "Data": [1]}}, "Transport.Data", "a text for each record expected, got 1"),
        ({"Transport": {"Type": "inline", "DataBinary": "?"}}, "Transport.DataBinary", "base64 expected"),
        ({**REST, "Loop": "yes"}, "Loop", 'true or false expected, got "yes"'),
        ({**REST, "Version": 1.2}, "Version", "a text expected, got 1.2"),
        ({**REST, "SkipTo": -1}, "SkipTo", "a whole number of at least 0 expected, got -1"),
        ({**REST, "SkipTo": 1 << 63}, "SkipTo", "a whole number below"),
        ({**REST, "SkipTo": 1.5}, "SkipTo", "a whole number expected, got 1.5"),
        ({**REST, "SkipToRecord": True}, "SkipToRecord", "got true"),
        ({**REST, "SkipToRecord": "newest"}, "SkipToRecord", '"earliest" or "latest" expected, got "newest"'),
        ({**REST, "Envelope": 7}, "Envelope", "a name, an object or null expected, got 7"),
        ({**REST, "Envelope": "limited"}, "Envelope", "Did you mean 'delimited'?"),
        ({**REST, "Envelope": {"Type": "delimited", "Separator": ""}}, "Envelope.Separator", "not empty expected"),
        ({**REST, "Encoding": []}, "Encoding", "a name, an object or null expected, got []"),
        ({**REST, "Encoding": "utf8"}, "Encoding", "Did you mean 'utf-8'?"),
        ({**REST, "Encoding": {"Type": "utf-8", "Unions": "tagged"}}, "Encoding.Unions", "only the json encoding"),
        ({**REST, "Schema": {"$ref": 1}}, "Schema", '{"$ref": "NAME"}'),
        ({**REST, "Batching": "nromal"}, "Batching", "Did you mean 'normal'?"),
        ({**REST, "Batching": {"Watermark": 0}}, "Batching.Watermark", "a whole number above 0 expected, got 0"),
        ({**REST, "LingerTime": "3s"}, "LingerTime", 'a whole number expected, got "3s"'),
        ({**REST, "Durable": True}, "Durable", "got true"),
        ({**REST, "Durable": None}, "Durable", '"disk", "process" or false expected, got null'),
        ({**REST, "Durable": "disc"}, "Durable", "Did you mean 'disk'?"),
        ({**REST, "Rejects": "bad"}, "Rejects", '{"$ref": "NAME"} or null expected, got "bad"'),
        ({**REST, "Rejects": {"$ref": "bad", "x": 1}}, "Rejects", '{"$ref": "NAME"} or null expected'),
        ({**REST, "Rejects": {"$ref": 1}}, "Rejects", '{"$ref": "NAME"} or null expected'),
        (http(Url=1), "Transport.Url", "a text expected, got 1"),
        (http(Url="host/x"), "Transport.Url", "https://HOST/PATH expected"),
        (http(Url="ftp://host/x"), "Transport.Url", "https://HOST/PATH expected"),
        (http(Url="http:///x"), "Transport.Url", "https://HOST/PATH expected"),
        (http(Url="http://h:port/x"), "Transport.Url", "ort"),
        (http(Url="http://h/a b"), "Transport.Url", "https://HOST/PATH expected"),
        (http(Url="https://me:secret@h/"), "Transport.Url", "secret://NAME"),
        (http(Url="https://me@h/"), "Transport.Url", "secret://NAME"),
        ({"Transport": {"Type": "HTTP"}}, "Transport.Url", "missing"),
        (http(Headers={"Authorization": "Bearer abc"}), "Transport.Headers.Authorization", "Bearer secret://NAME"),
        (http(Headers={"x-api-key": "abc"}), "Transport.Headers.x-api-key", "holds no secrets"),
        (http(Headers={"Cookie": "a=b"}), "Transport.Headers.Cookie", "holds no secrets"),
        (http(Headers={"Authorization": "Bearer secret://"}), "Transport.Headers.Authorization", "holds no secrets"),
        (http(Headers={"X": "a\nb"}), "Transport.Headers.X", "a text of printable ASCII expected"),
        (http(Headers={"X": 1}), "Transport.Headers.X", "a text of printable ASCII expected"),
        (http(Headers={"X Y": "1"}), "Transport.Headers", '"X Y" is no name of a header'),
        (http(Headers={"Idempotency-Key": "1"}), "Transport.Headers.Idempotency-Key", "the engine sets it"),
        (http(Headers=[]), "Transport.Headers", "an object expected"),
        (http(Timeout=0), "Transport.Timeout", "a whole number above 0 expected"),
        (http(Method="GET"), "Transport.Method", '"POST" or "PUT" expected'),
        ({**REST, "Description": "x" * 1000, "Loop": "x" * 1000}, "Loop", "x…"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(fields, field, words):
    with pytest.raises(DescriptorError) as caught:
        parse_descriptor(fields, "prices")
    assert caught.value.field == field
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"Stream descriptor 'prices', {field}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON: Expecting value, line 1, column 1"),
        ('{"Transport":\n  rest}', "not JSON: Expecting value, line 2, column 3"),
        (b"\xff{}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"rest"', 'an object expected, got "rest"'),
        ({"Transport": "REST", "Description": "\ud800"}, "surrogates not allowed"),
        ({"Transport": "REST", "LingerTime": float("nan")}, "not JSON"),
        ({"Transport": object()}, "not JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(text, words):
    with pytest.raises(DescriptorError) as caught:
        parse_descriptor(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "feature"),
    [
        *(
            ({"Transport": {"Type": name, "Any": "field"}}, f'Transport "{name}"')
            for name in ("S3", "ODBC", "HDFS", "TCP", "UDP", "exec")
        ),
        *(({**REST, "Encoding": name}, f'Encoding "{name}"') for name in ("csv", "msgpack", "soap-rpc")),
        *(({**REST, "Envelope": name}, f'Envelope "{name}"') for name in ("fixed", "ocf-block", "delimited-csv")),
        ({"Transport": "odbc"}, 'Transport "ODBC"'),
        ({**REST, "Envelope": {"Type": "fixed", "Size": 3}}, 'Envelope "fixed"'),
        ({**REST, "Batching": "explicit"}, 'Batching "explicit"'),
        ({**REST, "Batching": {"Watermark": None, "NagleTime": None}}, "explicit"),
        ({"Transport": {"Type": "HTTP", "Url": "http://h/", "Chunked": True}}, '"HTTP" with "Chunked"'),
        ({**REST, "EndMarker": "$end"}, 'Field "EndMarker"'),
    ],
)
def test_what_is_not_built_is_refused_by_name(fields, feature):
    with pytest.raises(NotBuilt) as caught:
        parse_descriptor(fields, "prices")
    assert feature in caught.value.feature
    assert str(caught.value).startswith("Stream descriptor 'prices': ")


def test_every_transport_that_has_a_name_has_a_class():
    assert tuple(CLASSES) == TRANSPORTS


def file(**fields):
    return {"Transport": {"Type": "file", "Path": "/data/x"}, "Encoding": "json", **fields}


def inline(**fields):
    return {"Transport": {"Type": "inline", **fields}, "Encoding": "json"}


SECRETS = {"Authorization": "Bearer secret://token", "X-Key": "env://KEY", "x_odd-Name": ""}
RECORD = {
    "type": "record",
    "name": "a.b",
    "fields": [{"name": "Type", "type": ["null", "double"], "default": None}, {"name": "x", "type": "int", "k": 1}],
}
DOCUMENTED = [
    json.loads(text)
    for page in ("docs/streams.md", "docs/delivery.md", "docs/http.md", "README.md")
    for text in re.findall(r"```json\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    if '"Transport"' in text
] + [json.loads(path.read_text()) for path in sorted((ROOT / "streams").glob("*.json"))]


@pytest.mark.parametrize(
    "source",
    [
        *DOCUMENTED,
        REST,
        {**REST, "Rejects": {"$ref": "rej"}},
        {**REST, "Rejects": None},
        {**REST, "Version": "1.2", "Description": "\u00e4\n", "EndMarker": None},
        *({**REST, "Durable": durable} for durable in ("Disk", "process", False)),
        {"Transport": {"Type": "rest", "Mode": "CHUNKED"}, "Envelope": {"Type": "Delimited", "Separator": "\r\n"}},
        *({**REST, "Envelope": envelope} for envelope in (None, "delimited", {"Type": "delimited"})),
        *({**REST, "Encoding": encoding} for encoding in (None, "null", "UTF-8", {"Type": "null"}, {"Type": "JSON"})),
        {**REST, "Encoding": {"Type": "json", "Unions": "Tagged"}},
        *({**REST, "Encoding": "avro-binary", "Schema": schema} for schema in ("double", RECORD, ["null", "int"])),
        *({**REST, "Schema": schema} for schema in (None, "$inherit", {"$ref": "double"}, {"type": "double"})),
        *({**REST, "Batching": batching} for batching in (None, "Normal", {}, {"Watermark": None})),
        *({**REST, "Batching": batching} for batching in ({"NagleTime": None}, {"Watermark": 5, "NagleTime": 7})),
        *({**REST, "LingerTime": linger} for linger in (None, 0, 3000)),
        file(),
        file(Loop=True, SkipTo=7),
        file(SkipTo=None, SkipToRecord=None, Loop=False),
        {"Transport": {"Type": "FILE", "Path": "-", "Append": True}},
        inline(Data="1\n2"),
        inline(Data=["1", "2"]) | {"SkipToRecord": 1},
        inline(Data=[]) | {"SkipToRecord": "Latest"},
        inline(DataBinary="AAEC"),
        inline(DataBinary=["", "/w=="]) | {"Loop": True, "SkipToRecord": "earliest"},
        {"Transport": "Discard"},
        http(),
        http(Url="secret://url", Headers=SECRETS, Timeout=500, Method="put", Chunked=False),
        kafka(),
        kafka(Type="KAFKA", Group="g", CommitOffset=False, Partition=0, MaxWaitTime=10, Config={"linger.ms": 5}),
        kafka(Security={"Mechanism": "plain", "Username": "u", "Password": "env://P"}, Principal=None),
        kafka(Security={}) | {"SkipToRecord": 7},
        kafka(Type="kafka-offset", Group="g"),
    ],
    ids=str,
)
def test_a_descriptor_that_was_read_can_be_written_and_read_again(source):
    descriptor = parse_descriptor(source)
    written = descriptor.model_dump(by_alias=True, mode="json", exclude_unset=True)
    again = parse_descriptor(json.dumps(written))
    assert again == descriptor
    assert again.model_fields_set == descriptor.model_fields_set
    assert describe(again) == describe(descriptor)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_is_among_those_that_are_written_and_read_again(name):
    marks = test_a_descriptor_that_was_read_can_be_written_and_read_again.pytestmark
    sources = next(mark.args[1] for mark in marks if mark.name == "parametrize")
    assert name in {parse_descriptor(source).transport.type for source in sources}
