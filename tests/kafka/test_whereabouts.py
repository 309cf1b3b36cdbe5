import pytest

from engine.errors import ConfigError
from engine.kafka.whereabouts import Moment, parse_where


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("earliest", "earliest"),
        (" Latest ", "latest"),
        ("GROUP", "group"),
        ("state", "state"),
        ("0", 0),
        ("1200", 1200),
        ("1970-01-01", Moment(0)),
        ("1970-01-01T00:00:01.5", Moment(1500)),
        ("1970-01-01T01:00:00+01:00", Moment(0)),
        ("1970-01-01T00:01Z", Moment(60_000)),
    ],
)
def test_words_offsets_and_times_are_places(text, where):
    assert parse_where(text) == where


@pytest.mark.parametrize("text", ["", "begin", "-1", "1.5", "0x10", "yesterday", "9" * 19])
def test_anything_else_is_refused_with_what_there_is(text):
    with pytest.raises(ConfigError, match="earliest, latest, group, state, an offset, or a time"):
        parse_where(text)
