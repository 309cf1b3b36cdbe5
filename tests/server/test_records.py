"""Records survive their way into a body and out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.server.records import media_type_of, pack_records, split_records, unpack_records


@given(st.lists(st.binary()))
def test_a_packed_list_is_unpacked_to_the_same_records(records: list[bytes]) -> None:
    assert unpack_records(pack_records(records)) == records


@given(st.lists(st.binary(min_size=1).filter(lambda record: b"\n" not in record and not record.endswith(b"\r"))))
def test_lines_are_split_to_the_same_records(records: list[bytes]) -> None:
    assert split_records(b"\n".join(records)) == records
    assert split_records(b"".join(record + b"\r\n" for record in records)) == records


@pytest.mark.parametrize(
    ("header", "media_type"),
    [("", ""), ("Text/Plain; charset=utf-8", "text/plain"), ("application/json, */*", "application/json")],
)
def test_a_media_type_is_told_without_its_parameters(header: str, media_type: str) -> None:
    assert media_type_of(header) == media_type
