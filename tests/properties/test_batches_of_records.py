"""Many records at once: what comes out, and what is refused, is what the records give one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs import open_codec
from engine.errors import DataError
from engine.record import Joined
from engine.schema import parse_schema

FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 3.4e38, 3.5e38, 1e308])
FLAT = {
    "double": FLOATS,
    "float": st.floats(width=32),
    "boolean": st.booleans(),
    "fixed": st.binary(min_size=3, max_size=3),
}
OTHERS = {
    "null": st.none(),
    "int": st.sampled_from([0, 63, 64, -64, -65, (1 << 31) - 1, -(1 << 31)]) | st.integers(-(1 << 31), (1 << 31) - 1),
    "long": st.integers(-(1 << 63), (1 << 63) - 1),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=70),
    "bytes": st.binary(max_size=70),
    "enum": st.sampled_from(["a", "b"]),
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1 << 1100, 1 << 31, 1 << 63, "\ud800", "a", np.float64(0.5), np.int64(3), np.True_, np.str_("b")]),
    FLOATS,
    st.text(max_size=3),
    st.binary(max_size=4),
)


class OneSchema:
    """A registry that has one schema, under several numbers."""

    def __init__(self, source):
        self.source = source

    def written(self, key):
        return self.source

    def to_write(self):
        return 7, self.source


def named(kind, name):
    return {"type": "fixed", "name": name, "size": 3} if kind == "fixed" else kind


@st.composite
def flat(draw):
    """Draw a schema whose values all have one length, a strategy of its values, and one of what may be no value."""
    if draw(st.booleans()):
        kind = draw(st.sampled_from(list(FLAT)))
        return named(kind, "f"), FLAT[kind], FLAT[kind] | ODD
    kinds = draw(st.lists(st.sampled_from(list(FLAT)), min_size=1, max_size=8))
    fields = [{"name": f"f{index}", "type": named(kind, f"t{index}")} for index, kind in enumerate(kinds)]
    if draw(st.booleans()):
        fields[-1]["default"] = {"double": 1.5, "float": 2, "boolean": True, "fixed": "abc"}[kinds[-1]]
    good = {field["name"]: FLAT[kind] for field, kind in zip(fields, kinds, strict=True)}
    odd = {name: values | ODD for name, values in good.items()} | {"extra": ODD}
    return (
        {"type": "record", "name": "r", "fields": fields},
        st.fixed_dictionaries(good),
        st.fixed_dictionaries({}, optional=odd) | ODD,
    )


@st.composite
def mixed(draw):
    """As `flat`, for records of which the fields have any length, and some are optional."""
    kinds = FLAT | OTHERS
    chosen = draw(st.lists(st.tuples(st.sampled_from(list(kinds)), st.sampled_from(["", "first", "last"])), max_size=6))
    fields, good = [], {}
    for index, (kind, null) in enumerate(chosen):
        type_ = (
            {"type": "enum", "name": f"e{index}", "symbols": ["a", "b"]} if kind == "enum" else named(kind, f"t{index}")
        )
        is_optional = bool(null) and kind != "null"
        union = ["null", type_] if null == "first" else [type_, "null"]
        fields.append({"name": f"f{index}", "type": union if is_optional else type_})
        good[f"f{index}"] = (st.none() | kinds[kind]) if is_optional else kinds[kind]
    odd = {name: values | ODD for name, values in good.items()} | {"extra": ODD}
    return (
        {"type": "record", "name": "r", "fields": fields},
        st.fixed_dictionaries(good),
        st.fixed_dictionaries({}, optional=odd) | ODD,
    )


def attempt(function, argument):
    """Return what comes out, in a form that tells -0.0 from 0.0 and one NaN from a number, or what was refused."""
    try:
        value = function(argument)
    except DataError as exc:
        return type(exc), str(exc)
    return repr(value)


def assert_alike(codec, raws):
    one_by_one = [attempt(codec.decode, raw) for raw in raws]
    sizes = {len(raw) for raw in raws}
    forms = [raws] if len(sizes) != 1 or 0 in sizes else [raws, Joined(b"".join(raws), sizes.pop())]
    for form in forms:
        values = codec.decode_batch(form)
        assert values is None or [repr(value) for value in values] == one_by_one
    return values


def written(codec, values):
    """Encode what can be."""
    return [raw for value in values if isinstance(raw := _encoded(codec, value), bytes)]


def _encoded(codec, value):
    try:
        return codec.encode(value)
    except DataError:
        return None


@pytest.mark.parametrize("encoding", ["avro-binary", "avro-registry"])
@given(case=flat(), data=st.data())
def test_flat_records_are_read_at_once_as_one_by_one(encoding, case, data):
    source, good, _ = case
    codec = open_codec(encoding, parse_schema(source), schemas=OneSchema(source))
    raws = written(codec, data.draw(st.lists(good, max_size=5)))
    for raw in raws[:1]:
        codec.decode(raw)  # a schema is asked for by a record, and not by a batch
    assert assert_alike(codec, raws) is not None or not raws


@pytest.mark.parametrize("encoding", ["avro-binary", "avro-registry"])
@given(case=flat(), data=st.data())
def test_records_with_wrong_bytes_are_refused_as_one_by_one(encoding, case, data):
    source, good, _ = case
    codec = open_codec(encoding, parse_schema(source), schemas=OneSchema(source))
    raws = written(codec, data.draw(st.lists(good, min_size=1, max_size=4)))
    damage = st.one_of(
        st.tuples(st.just("cut"), st.integers(0, 40)),
        st.tuples(st.just("add"), st.binary(min_size=1, max_size=3)),
        st.tuples(st.just("set"), st.tuples(st.integers(0, 40), st.integers(0, 255))),
        st.tuples(st.just("be"), st.binary(max_size=16) | st.just(b"\x1c$fastscore.set" + bytes(9))),
    )
    for at in range(len(raws)):
        match data.draw(st.none() | damage):
            case "cut", size:
                raws[at] = raws[at][:size]
            case "add", more:
                raws[at] += more
            case "set", (place, byte) if place < len(raws[at]):
                raws[at] = raws[at][:place] + bytes([byte]) + raws[at][place + 1 :]
            case "be", raw:
                raws[at] = raw
    assert_alike(codec, raws)


def test_a_control_record_among_flat_ones_is_refused_by_itself():
    fields = [{"name": name, "type": "double"} for name in "ab"]
    codec = open_codec("avro-binary", parse_schema({"type": "record", "name": "r", "fields": fields}))
    control = b"\x1c$fastscore.set".ljust(16, b"\0")
    assert codec.decode_batch([bytes(16), control]) is None
    with pytest.raises(DataError, match="control records"):
        codec.decode(control)


@pytest.mark.parametrize("encoding", ["avro-binary", "avro-registry", "json"])
@given(case=flat(), data=st.data())
def test_any_values_are_written_at_once_as_one_by_one(encoding, case, data):
    source, good, odd = case
    codec = open_codec(encoding, parse_schema(source), schemas=OneSchema(source))
    values = data.draw(st.lists(good, max_size=4) | st.lists(odd, max_size=4))
    one_by_one = [attempt(codec.encode, value) for value in values]
    n_extra = codec.extra_fields
    raws = codec.encode_batch(values)
    assert raws is None or [repr(raw) for raw in raws] == one_by_one
    assert codec.extra_fields == n_extra


@given(case=flat() | mixed(), data=st.data())
def test_a_record_is_written_as_it_is_inside_another_type(case, data):
    """What is written in one piece is what the parts give: an array's items go the way of each field by itself."""
    source, good, odd = case
    codec = open_codec("avro-binary", parse_schema(source))
    within = open_codec("avro-binary", parse_schema({"type": "array", "items": source}))
    value = data.draw(good | odd)
    alone, inside = attempt(codec.encode, value), attempt(within.encode, [value])
    if isinstance(alone, str):
        assert within.encode([value]) == b"\2" + codec.encode(value) + b"\0"
        assert repr(within.decode(within.encode([value]))) == repr([codec.decode(codec.encode(value))])
    else:
        assert not isinstance(inside, str)
        assert inside[0] is alone[0]


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
    st.text('0123456789.eE+-,[]{}" \t\ufeffnaNItrufls', max_size=8),
    st.sampled_from(
        ["1e999", "NaN", "-Infinity", "true", "null", "-0", "-0.0", "[1", "2]", "1,2", "1], [2", '{"a":1}', "1" * 5000]
    ),
)


@given(st.lists(NUMBERS.map(str.encode) | st.binary(max_size=4), max_size=5))
def test_numbers_in_json_are_read_at_once_as_one_by_one(raws):
    assert_alike(open_codec("json", parse_schema("double")), raws)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-9, 9).map(str), min_size=1))
def test_numbers_in_json_are_read_at_once(texts):
    assert assert_alike(open_codec("json", parse_schema("double")), [text.encode() for text in texts]) is not None


@pytest.mark.parametrize(("stream", "model"), [("float", "double"), ("double", '["null", "double"]')])
@given(data=st.data())
def test_what_the_script_wants_otherwise_is_converted_at_once_too(stream, model, data):
    codec = open_codec("avro-binary", parse_schema(stream), parse_schema(model))
    values = data.draw(st.lists(FLAT[stream], max_size=4))
    assert assert_alike(codec, written(open_codec("avro-binary", parse_schema(stream)), values)) is not None


@given(st.binary(max_size=40), st.integers(1, 6), st.slices(10))
def test_joined_records_are_a_sequence_of_their_bytes(data, size, span):
    data = data[: len(data) // size * size]
    plain = [data[at : at + size] for at in range(0, len(data), size)]
    records = Joined(data, size)
    assert list(records) == plain
    assert records[span] == plain[span]
    assert [records[index] for index in range(-len(plain), len(plain))] == plain + plain
    assert records == plain
    with pytest.raises(IndexError):
        records[len(plain)]


def assert_left_to_each(codec, raws):
    assert_alike(codec, raws)
    assert codec.decode_batch(raws) is None


@pytest.mark.parametrize(
    "raws",
    [[b"1], [2"], [b"1.0", b"2.0], [3"], [b"1,2", b"[3", b"4]"], [b"1,2"], [b"1,2", b""], [b"1", b"1e999"], [b"true"]],
)
def test_records_that_are_numbers_only_together_are_left_to_each(raws):
    assert_left_to_each(open_codec("json", parse_schema("double")), raws)


def test_a_byte_that_is_no_boolean_is_found_among_others():
    fields = [{"name": name, "type": kind} for name, kind in (("a", "double"), ("b", "boolean"), ("c", "float"))]
    codec = open_codec("avro-binary", parse_schema({"type": "record", "name": "r", "fields": fields}))
    good, bad = bytes(13), bytes(8) + b"\2" + bytes(4)
    assert codec.decode_batch([good, good]) == [codec.decode(good)] * 2
    assert_left_to_each(codec, [good, bad])
    assert_left_to_each(open_codec("avro-binary", parse_schema("boolean")), [b"\1", b"\2"])


def test_records_of_several_schemas_are_left_to_each():
    codec = open_codec("avro-registry", parse_schema("double"), schemas=OneSchema("double"))
    one, other = (b"\0" + number.to_bytes(4) + bytes(8) for number in (1, 2))
    assert codec.decode_batch([one]) is None  # nobody has asked for its schema
    codec.decode(one), codec.decode(other)
    assert codec.decode_batch([one, one]) == [0.0, 0.0]
    assert_left_to_each(codec, [one, other])
    assert_left_to_each(codec, [one, b"\1" + one[1:]])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[
            ("int", 1 << 31),
            ("int", -(1 << 31) - 1),
            ("long", 1 << 63),
            ("int", True),
            ("boolean", 1),
            ("float", 3.5e38),
        ],
        *[("double", True), ("double", "1"), ("string", b"a"), ("bytes", "a"), ("string", "\ud800"), ("null", 0)],
    ],
)
@pytest.mark.parametrize("n_fields", [1, 2])
@pytest.mark.parametrize("other", ["double", "string"])
def test_a_field_of_the_wrong_type_is_refused_wherever_it_is(kind, value, n_fields, other):
    good = {"double": 0.5, "string": "a"}[other]
    fields = [{"name": "a", "type": other}, *[{"name": f"b{nth}", "type": kind} for nth in range(n_fields)]]
    codec = open_codec("avro-binary", parse_schema({"type": "record", "name": "r", "fields": fields}))
    with pytest.raises(DataError):
        codec.encode({"a": good} | {f"b{nth}": value for nth in range(n_fields)})
