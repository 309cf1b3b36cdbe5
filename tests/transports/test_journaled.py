import pytest

from engine.record import Oversized
from engine.transports.journaled import from_journal, to_journal

MARK = to_journal(Oversized(b"", 1))[:15]


@pytest.mark.parametrize("value", [b"", b"1", b"\0", MARK, MARK + MARK, MARK[:-1], MARK + b"\0" * 20])
def test_any_record_comes_back(value):
    assert from_journal(to_journal(value)) == value
    assert type(from_journal(to_journal(value))) is bytes


def test_an_ordinary_record_is_kept_as_it_is():
    assert to_journal(b"1.5") == b"1.5"


@pytest.mark.parametrize("head", [b"", b"x" * 1024, MARK])
def test_a_record_that_was_too_long_comes_back_as_such(head):
    value = from_journal(to_journal(Oversized(head, 1 << 40)))
    assert (type(value), value, value.size_bytes) == (Oversized, head, 1 << 40)
