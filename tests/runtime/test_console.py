import pytest

from engine.channel.tags import MAX_LINE_BYTES, tag_line
from engine.runtime.console import LineReader


@pytest.mark.parametrize("cut", range(1, 12))
def test_lines_are_found_however_the_bytes_are_cut(cut):
    data = tag_line((2, 7), "grün".encode()) + b"\nplain\nrest"
    reader, lines = LineReader(), []
    for start in range(0, len(data), cut):
        lines += reader.feed(data[start : start + cut])
    assert lines == [((2, 7), "grün"), (None, "plain")]
    assert reader.finish() == [(None, "rest")]
    assert reader.finish() == []


def test_a_line_without_an_end_is_cut_and_does_not_grow():
    reader = LineReader()
    lines = reader.feed(b"x" * (3 * MAX_LINE_BYTES + 5))
    assert [len(text) for _, text in lines] == [MAX_LINE_BYTES] * 3
    assert reader.finish() == [(None, "xxxxx")]


def test_bytes_that_are_not_text_are_shown_all_the_same():
    assert LineReader().feed(b"\xff\xfe\n") == [(None, "\ufffd\ufffd")]
