import base64
import os

import pytest

from engine.errors import DeliveryFailed, DescriptorError, EndOfStream, StreamChanged, StreamError
from engine.schema import parse_schema
from engine.state.commits import OutputFence
from engine.streams import open_sink, open_source, parse_descriptor, resolve_stream, sample
from engine.transports import DiscardSink, Outbox, RestInbox


def stream_of(**fields):
    return resolve_stream("prices", parse_descriptor(fields), lambda name: parse_schema(name, name))


def file_stream(path, **fields):
    return stream_of(Transport={"Type": "file", "Path": str(path)}, **fields)


def records_of(stream, **options):
    source = open_source(stream, **options)
    values = []
    try:
        while True:
            values += source.read(1000, 10.0).values
    except EndOfStream:
        return values
    finally:
        source.close()


@pytest.mark.parametrize(
    ("fields", "records"),
    [
        ({"Data": ["1", "", "2"]}, [b"1", b"", b"2"]),
        ({"Data": "1\n\n2"}, [b"1", b"", b"2"]),
        ({"Data": "1\n2\n"}, [b"1", b"2"]),
        ({"Data": ""}, []),
        ({"Data": []}, []),
        ({"DataBinary": ["AP8="]}, [b"\x00\xff"]),
        ({"DataBinary": "MQoy"}, [b"1", b"2"]),
    ],
)
def test_inline_data_is_read(fields, records):
    assert records_of(stream_of(Transport={"Type": "inline", **fields})) == records


@pytest.mark.parametrize(
    ("fields", "records"),
    [
        ({}, [b"one", b"two", b"three"]),
        ({"SkipTo": 4}, [b"two", b"three"]),
        ({"SkipTo": 2}, [b"e", b"two", b"three"]),
        ({"SkipTo": 1000}, []),
        ({"Envelope": {"Type": "delimited", "Separator": "\nt"}}, [b"one", b"wo", b"hree"]),
    ],
)
def test_a_file_is_read_from_where_the_descriptor_says(tmp_path, fields, records):
    (tmp_path / "in").write_bytes(b"one\ntwo\nthree")
    assert records_of(file_stream(tmp_path / "in", **fields)) == records


@pytest.mark.parametrize(
    ("skip", "records"), [(None, ["1", "2", "3"]), (1, ["2", "3"]), ("earliest", ["1", "2", "3"]), ("latest", [])]
)
def test_a_list_is_read_from_the_record_that_the_descriptor_says(skip, records):
    stream = stream_of(Transport={"Type": "inline", "Data": ["1", "2", "3"]}, SkipToRecord=skip)
    assert records_of(stream) == [record.encode() for record in records]


def test_a_loop_begins_again_at_the_very_beginning(tmp_path):
    (tmp_path / "in").write_bytes(b"1\n2\n")
    source = open_source(file_stream(tmp_path / "in", Loop=True, SkipTo=2))
    batches = [source.read(10, 10.0) for _ in range(3)]
    assert [batch.values for batch in batches] == [[b"2"], [b"1", b"2"], [b"1", b"2"]]
    assert [list(batch.positions) for batch in batches] == [[4], [2, 4], [2, 4]]
    source.close()


def test_a_loop_over_an_empty_file_ends(tmp_path):
    (tmp_path / "in").touch()
    assert records_of(file_stream(tmp_path / "in", Loop=True)) == []


def test_avro_records_end_where_the_schema_says(tmp_path):
    (tmp_path / "in").write_bytes(bytes.fromhex("080204060800" + "00"))
    schema = {"type": "array", "items": "int"}
    records = [bytes.fromhex("080204060800"), b"\0"]
    assert records_of(file_stream(tmp_path / "in", Encoding="avro-binary", Schema=schema)) == records
    inherited = file_stream(tmp_path / "in", Encoding="avro-binary")
    assert records_of(inherited, model_schema=parse_schema(schema)) == records
    with pytest.raises(DescriptorError, match="only a schema can say"):
        open_source(inherited)


def test_batching_is_the_descriptors():
    inline = {"Type": "inline", "Data": ["1", "2", "3"]}
    assert len(open_source(stream_of(Transport=inline, Batching={"Watermark": 2})).read(10, 1.0)) == 2
    assert len(open_source(stream_of(Transport=inline, Batching=None)).read(10, 1.0)) == 1
    assert len(open_source(stream_of(Transport=inline, Batching={"NagleTime": None})).read(10, 1.0)) == 3


@pytest.mark.parametrize(
    ("fields", "records"),
    [
        ({"Transport": "REST"}, [[b"1\n2"], [b"3\n"]]),
        ({"Transport": "REST", "Envelope": "delimited"}, [[b"1", b"2"], [b"3"]]),
        ({"Transport": {"Type": "REST", "Mode": "chunked"}}, [[b"1"], [b"23"]]),
    ],
)
def test_a_rest_stream_is_read_from_its_inbox(fields, records):
    source = open_source(stream_of(**fields))
    assert isinstance(source.inner, RestInbox)
    for body, expected in zip([b"1\n2", b"3\n"], records, strict=True):
        source.inner.put(source.inner.split([body]))
        assert source.read(10, 0.0).values == expected
    source.close()


def test_an_inbox_is_bounded():
    source = open_source(stream_of(Transport="REST"), inbox_bytes=10)
    source.inner.put(source.inner.split([b"1"]))
    with pytest.raises(Exception, match="Try again"):
        source.inner.split([b"2"])


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({}, b"1\n2\n"),
        ({"Envelope": {"Type": "delimited", "Separator": ", "}}, b"1, 2, "),
        ({"Encoding": "avro-binary"}, b"12"),
    ],
)
def test_a_file_is_written_in_its_envelope(tmp_path, fields, data):
    sink = open_sink(file_stream(tmp_path / "out", **fields))
    sink.write([b"1", b"2"])
    assert sink.flush() == len(data)
    sink.close()
    assert (tmp_path / "out").read_bytes() == data


def test_append_keeps_what_is_there(tmp_path):
    (tmp_path / "out").write_bytes(b"0\n")
    sink = open_sink(stream_of(Transport={"Type": "file", "Path": str(tmp_path / "out"), "Append": True}))
    sink.write([b"1"])
    assert sink.flush() == 4
    sink.close()


def test_rest_and_discard_are_written_to():
    assert isinstance(open_sink(stream_of(Transport="REST")), Outbox)
    assert isinstance(open_sink(stream_of(Transport="discard")), DiscardSink)


def test_a_stream_opens_in_its_direction_only(tmp_path):
    with pytest.raises(DescriptorError, match="can only be read"):
        open_sink(stream_of(Transport={"Type": "inline", "Data": []}))
    with pytest.raises(DescriptorError, match="can only be written"):
        open_source(stream_of(Transport="discard"))
    with pytest.raises(DescriptorError, match="can only be written"):
        sample(stream_of(Transport="discard"))


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(StreamError, match=str(tmp_path / "in")):
        open_source(file_stream(tmp_path / "in"))
    with pytest.raises(DeliveryFailed, match=str(tmp_path / "no")):
        open_sink(file_stream(tmp_path / "no" / "out"))


def test_a_pipe_cannot_be_skipped_in(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StreamError, match="Illegal seek"):
        open_source(file_stream(tmp_path / "pipe", SkipTo=1))


@pytest.mark.parametrize(
    ("fields", "start", "records"),
    [
        ({}, 0, ["one", "two", "three"]),
        ({}, 4, ["two", "three"]),
        ({}, 13, []),
        ({"SkipTo": 4}, 0, ["two", "three"]),
        ({"SkipTo": 4}, 8, ["three"]),
    ],
)
def test_a_file_is_gone_on_with_in_place_of_what_is_skipped(tmp_path, fields, start, records):
    (tmp_path / "in").write_bytes(b"one\ntwo\nthree")
    found = records_of(file_stream(tmp_path / "in", **fields), start=start)
    assert found == [record.encode() for record in records]


@pytest.mark.parametrize(("start", "records"), [(0, [b"2", b"3"]), (1, [b"2", b"3"]), (2, [b"3"])])
def test_inline_data_are_gone_on_with(start, records):
    inline = {"Type": "inline", "Data": ["1", "2", "3"]}
    assert records_of(stream_of(Transport=inline, SkipToRecord=1), start=start) == records


def test_a_loop_goes_on_in_its_pass(tmp_path):
    (tmp_path / "in").write_bytes(b"1\n2\n")
    source = open_source(file_stream(tmp_path / "in", Loop=True), start=2)
    assert [source.read(10, 10.0).values for _ in range(2)] == [[b"2"], [b"1", b"2"]]
    source.close()


def test_a_file_that_another_process_cannot_have_read_is_named(tmp_path):
    (tmp_path / "in").write_bytes(b"one\n")
    with pytest.raises(StreamChanged, match=f"{tmp_path / 'in'} has 4 bytes, and 5 were read"):
        open_source(file_stream(tmp_path / "in"), start=5)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StreamChanged, match="what was read of it is gone"):
        open_source(file_stream(tmp_path / "pipe"), start=0)


def test_a_rest_stream_goes_on_counting():
    source = open_source(stream_of(Transport="REST"), start=7)
    source.inner.put(source.inner.split([b"1"]))
    assert list(source.read(10, 0.0).positions) == [8]
    outbox = open_sink(stream_of(Transport="REST"), fence=OutputFence(1, 7, 7))
    outbox.publish([b"a"])
    assert outbox.last_seq == 8


def test_a_file_is_written_on_behind_the_fence(tmp_path):
    sink = open_sink(file_stream(tmp_path / "out"))
    sink.write([b"1"])
    fence = OutputFence(1, sink.flush(), 1, sink.identity)
    sink.write([b"never committed"])
    sink.close()
    sink = open_sink(file_stream(tmp_path / "out"), fence=fence)
    sink.write([b"2"])
    sink.close()
    assert (tmp_path / "out").read_bytes() == b"1\n2\n"


def test_a_sample_is_the_first_records_of_a_reader_of_its_own(tmp_path):
    (tmp_path / "in").write_bytes(b"1\n2\n3\n")
    stream = file_stream(tmp_path / "in")
    assert sample(stream, 2) == sample(stream, 2) == [b"1", b"2"]
    assert sample(stream) == [b"1", b"2", b"3"]
    assert sample(stream_of(Transport={"Type": "inline", "Data": ["1"]}, Loop=True), 3) == [b"1"] * 3
    assert sample(stream_of(Transport={"Type": "inline", "DataBinary": base64.b64encode(b"1\n2").decode()})) == [
        b"1",
        b"2",
    ]


@pytest.mark.parametrize("transport", ["REST", {"Type": "file", "Path": "-"}])
def test_a_stream_whose_records_are_gone_once_read_is_not_sampled(transport):
    with pytest.raises(StreamError, match="'prices' cannot be sampled"):
        sample(stream_of(Transport=transport))
