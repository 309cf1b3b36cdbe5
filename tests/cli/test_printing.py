from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.cli.printing import hex_pane, is_readable, print_json, print_table, size_text


def test_a_table_in_a_pipe_is_aligned_text_with_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["Name", "Size", "Note"], [("a", 5, None), ("longer", 1234, "x")])
    assert capsys.readouterr().out == "Name    Size  Note\na          5  -\nlonger  1234  x\n"


def test_a_column_without_a_number_is_to_the_left(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["A", "B"], [(None, True)])
    assert capsys.readouterr().out == "A  B\n-  yes\n"


def test_times_and_names_in_any_script_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "prix_é", "modified": datetime(2026, 1, 2, tzinfo=UTC)})
    assert capsys.readouterr().out == '{\n  "name": "prix_é",\n  "modified": "2026-01-02T00:00:00+00:00"\n}\n'


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB"), (1024**5, "1024.0 TiB")],
)
def test_a_size_is_written_as_people_read_it(n_bytes: int, text: str) -> None:
    assert size_text(n_bytes) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"1.5", True), ("é\t".encode(), True), (b"\xff", False), (b"\x1b[31m", False), (b"\x00", False)],
)
def test_a_terminal_is_shown_nothing_that_could_steer_it(value: bytes, expected: bool) -> None:
    assert is_readable(value) is expected


def test_a_hex_pane_has_sixteen_bytes_a_line() -> None:
    first, second = hex_pane(bytes(range(65, 82))).splitlines()
    assert first == "00000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP"
    assert second.split() == ["00000010", "51", "Q"]


def test_an_empty_record_is_said_to_be_empty() -> None:
    assert hex_pane(b"") == "(empty)"
