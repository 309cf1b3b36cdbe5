import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channel.tags import read_line, tag_line


@given(
    st.none() | st.tuples(st.integers(0, 65535), st.integers(1, 2**63)), st.binary().filter(lambda b: b"\x1e" not in b)
)
def test_a_line_comes_back_with_its_record(record, line):
    assert read_line(tag_line(record, line)) == (record, line)


@pytest.mark.parametrize("line", [b"\x1enonsense\x1fx", b"\x1e1:\x1fx", b"\x1e", b"\x1e1:2", b""])
def test_what_is_no_tag_stays_part_of_the_line(line):
    assert read_line(line) == (None, line)
