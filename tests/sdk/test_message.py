import pickle

import pytest

import engine
from engine import Message


def test_a_message_is_offered_by_the_package():
    assert engine.Message is Message
    assert {"Message", "now"} <= set(engine.__all__)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, {}),
        ({"key": "naïve"}, {"key": "naïve".encode()}),
        ({"key": bytearray(b"\xff")}, {"key": b"\xff"}),
        ({"key": None}, {"key": None}),
        ({"timestamp_ms": 5}, {"timestamp_ms": 5}),
        ({"timestamp_ms": None}, {"timestamp_ms": None}),
        ({"headers": {"a": "b", "c": b"\x00", "d": None}}, {"headers": (("a", b"b"), ("c", b"\x00"), ("d", None))}),
        ({"headers": [("a", "1"), ["a", "2"]]}, {"headers": (("a", b"1"), ("a", b"2"))}),
        ({"headers": None}, {"headers": ()}),
        ({"headers": {}}, {"headers": ()}),
    ],
)
def test_what_is_said_is_in_the_label_and_what_is_left_out_is_not(given, label):
    message = Message(0.5, **given)
    assert (message.value, message.label) == (0.5, label)


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"key": 7}, TypeError, "the key of a Message is text, bytes or None, not 7 (int)"),
        ({"timestamp_ms": 1.5}, TypeError, "timestamp_ms is a whole number of milliseconds since 1970, not 1.5; of"),
        ({"timestamp_ms": -1}, ValueError, "timestamp_ms counts milliseconds since 1970, and -1 is no such time"),
        ({"timestamp_ms": 2**63}, ValueError, "is no such time"),
        ({"headers": {"a": 7}}, TypeError, "the header 'a' of a Message is text, bytes or None, not 7 (int)"),
        ({"headers": {7: "a"}}, TypeError, "the name of a header is a text, not 7"),
        ({"headers": ["abc"]}, TypeError, "headers are pairs of a name and a value, and 'abc' is none"),
        ({"headers": 7}, TypeError, "headers are a mapping or pairs of a name and a value, not 7"),
        ({"header": {}}, TypeError, "header"),
    ],
)
def test_what_no_message_can_have_is_refused(given, error, sentence):
    with pytest.raises(error) as raised:
        Message(1, **given)
    assert sentence in str(raised.value)


def test_a_key_is_said_by_its_name():
    with pytest.raises(TypeError):
        Message(1, "AAPL")


def test_messages_of_the_same_content_are_equal_and_show_what_was_said():
    message = Message([1], key="a", timestamp_ms=5)
    assert message == Message([1], timestamp_ms=5, key=b"a") != Message([1], key="a")
    assert repr(message) == "Message([1], key=b'a', timestamp_ms=5)"
    assert pickle.loads(pickle.dumps(message)) == message
