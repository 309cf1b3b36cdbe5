"""The same commands, word for word, on a folder and through a server."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "# engine.schema.0: double\n# engine.schema.1: double\n\ndef action(x):\n    return x * 2\n"


def archive(path: Path, content: bytes = b"1.5") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("weights.txt")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def filled(place: Path, command: Any) -> Path:
    assert command("schema", "add", "double", stdin=b'"double"').code == 0
    assert command("model", "add", "twice", stdin=SCRIPT.encode()).code == 0
    assert command("stream", "add", "rest", stdin=b'{"Transport": "REST", "Encoding": "json"}').code == 0
    return place


@pytest.mark.parametrize(
    ("kind", "content"), [("model", SCRIPT), ("schema", '"double"'), ("stream", '{"Transport": "REST"}')]
)
def test_an_asset_is_created_updated_and_unchanged(place: Path, command: Any, kind: str, content: str) -> None:
    for text, outcome in ((content, "created"), (content, "unchanged"), (content + "\n", "updated")):
        ran = command(kind, "add", "prix_é", stdin=text.encode())
        assert (ran.code, ran.out) == (0, "")
        assert ran.err.startswith(f"{kind.capitalize()} 'prix_é' {outcome} (")
    assert command(kind, "show", "prix_é").out == content + "\n"
    first, second = command(kind, "history", "prix_é").out.splitlines()[1:]
    assert command(kind, "show", "prix_é", "--version", second.split()[-1]).out == content
    assert first != second


def test_an_asset_is_added_from_a_file(place: Path, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "double.avsc"
    file.write_text('"double"')
    assert command("schema", "add", "double", file).code == 0
    assert command("schema", "show", "double").out == '"double"'


def test_a_list_is_a_table_and_json(filled: Path, command: Any) -> None:
    heading, row = command("model", "list").out.splitlines()
    assert heading.split() == ["Name", "Size", "Modified", "SHA-256"]
    assert row.split()[0] == "twice"
    (asset,) = json.loads(command("model", "list", "-o", "json").out)
    assert asset["name"] == "twice"
    assert asset["size_bytes"] == len(SCRIPT)
    assert set(asset) == {"name", "sha256", "size_bytes", "modified"}


def test_an_empty_list_says_so(place: Path, command: Any) -> None:
    assert command("model", "list").err == "There is no model yet.\n"
    assert json.loads(command("model", "list", "-o", "json").out) == []


@pytest.mark.parametrize("kind", ["model", "schema", "stream"])
def test_a_removed_asset_is_gone_and_its_history_stays(filled: Path, command: Any, kind: str) -> None:
    name = command(kind, "list").out.splitlines()[1].split()[0]
    assert command(kind, "remove", name).err == f"{kind.capitalize()} {name!r} removed.\n"
    assert command(kind, "show", name).code == 1
    assert len(command(kind, "history", name).out.splitlines()) == 2


def test_a_name_that_is_not_there_is_answered_with_the_nearest(filled: Path, command: Any) -> None:
    ran = command("model", "show", "twise")
    assert (ran.code, ran.out, ran.err) == (1, "", "Error: Model 'twise' not found. Did you mean 'twice'?\n")


@pytest.mark.parametrize("kind", ["model", "schema", "stream"])
def test_nothing_on_standard_input_is_not_added(place: Path, command: Any, kind: str) -> None:
    ran = command(kind, "add", "x", stdin=b"\n")
    assert ran.code == 1
    assert ran.err == f"Error: {kind.capitalize()} 'x' was not added: standard input is empty.\n"


@pytest.mark.parametrize(
    ("args", "content", "code", "part"),
    [
        (("schema", "add", "x"), b'{"type": "recrd"}', 3, "Schema 'x'"),
        (("stream", "add", "x"), b"{", 1, "Stream 'x'"),
        (("model", "add", ".x"), SCRIPT.encode(), 1, "Model '.x'"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(
    place: Path, command: Any, args: tuple[str, ...], content: bytes, code: int, part: str
) -> None:
    ran = command(*args, stdin=content)
    assert ran.code == code
    assert ran.err.startswith("Error: ")
    assert part in ran.err


def test_a_model_is_verified_without_being_run(filled: Path, command: Any) -> None:
    ran = command("model", "verify", "twice")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()] == [
        ["Slot", "Direction", "Schema", "Action"],
        ["0", "in", "double", "action"],
        ["1", "out", "double", "-"],
    ]
    fields = json.loads(command("model", "verify", "twice", "-o", "json").out)
    assert fields["slots"][0] == {
        "slot": 0,
        "name": None,
        "schema": "double",
        "action": "action",
        "arity": 1,
        "on_error": None,
        "key": None,
        "key_ttl_s": None,
    }
    assert set(fields) == {
        *("name", "digest", "sloc", "begin", "end", "timeout_s", "slots"),
        *("state", "is_stateless", "unkept", "notes", "uses_cells"),
    }


def test_a_note_is_an_error_to_a_strict_check_alone(filled: Path, command: Any) -> None:
    command("model", "add", "typo", stdin=SCRIPT.replace("engine.schema.1", "engine.schmea.1").encode())
    assert command("model", "verify", "typo").code == 0
    ran = command("model", "verify", "typo", "--strict")
    assert (ran.code, ran.out) == (3, "")
    assert "schema.1" in ran.err
    assert command("model", "verify", "twice", "--strict").code == 0


@pytest.mark.parametrize(
    ("script", "code"),
    [("def action(x):\n", 4), ("def akt(x):\n    pass\n", 3), ("# engine.schema.0: nope\n" + SCRIPT[25:], 1)],
)
def test_a_script_that_breaks_the_contract_is_told_by_the_exit_code(
    filled: Path, command: Any, script: str, code: int
) -> None:
    command("model", "add", "bad", stdin=script.encode())
    ran = command("model", "verify", "bad")
    assert ran.code == code, ran.err
    assert ran.err.startswith("Error: ")


def test_each_record_gets_a_verdict(filled: Path, command: Any) -> None:
    ran = command("schema", "verify", "double", "-", stdin=b'1.5\n"x"\n{\n')
    assert ran.code == 3
    assert [line.split()[0] for line in ran.out.splitlines() if not line.startswith(" ")] == ["OK", "FAIL", "JSON"]
    assert "line 2: double expected" in ran.out
    assert ran.err == "1 of 3 records fit schema 'double'.\n"


def test_line_numbers_go_on_over_many_lines(filled: Path, command: Any) -> None:
    ran = command("schema", "verify", "double", "-", stdin=b"1\n" * 2500 + b"x\n")
    assert "line 2501: " in ran.out
    assert ran.err == "2500 of 2501 records fit schema 'double'.\n"


def test_a_schema_alone_is_verified_too(filled: Path, command: Any) -> None:
    assert command("schema", "verify", "double").err == "Schema 'double' is valid.\n"
    assert command("schema", "verify", "nope").code == 1


def test_a_descriptor_is_printed_with_its_defaults(filled: Path, command: Any) -> None:
    ran = command("stream", "verify", "rest", "1")
    assert ran.code == 0
    assert json.loads(ran.out)["Transport"]["Type"] == "REST"
    assert ran.err == "The descriptor of stream 'rest' contains no errors.\n"


def test_a_stream_of_rejects_that_is_not_there_is_named(filled: Path, command: Any) -> None:
    text = b'{"Transport": {"Type": "file", "Path": "a"}, "Encoding": "json", "Rejects": {"$ref": "rset"}}'
    command("stream", "add", "bad", stdin=text)
    ran = command("stream", "verify", "bad")
    assert (ran.code, ran.out) == (3, "")
    assert "Rejects: there is no stream 'rset' in the library. Did you mean 'rest'?" in ran.err
    command("stream", "add", "good", stdin=text.replace(b"rset", b"rest"))
    assert command("stream", "verify", "good").code == 0


def test_a_descriptor_that_does_not_fit_the_slot_is_refused(filled: Path, command: Any) -> None:
    command("stream", "add", "prices", stdin=b'{"Transport": {"Type": "inline", "Data": ["1"]}, "Encoding": "json"}')
    assert command("stream", "verify", "prices", 0).code == 0
    assert command("stream", "verify", "prices", 1).code == 3


def test_a_stream_is_sampled_by_name_and_by_literal(filled: Path, command: Any) -> None:
    command(
        "stream",
        "add",
        "prices",
        stdin=b'{"Transport": {"Type": "inline", "Data": ["1", "2", "3"]}, "Encoding": "json"}',
    )
    assert command("stream", "sample", "prices", "-n", 2).out == "1\n2\n"
    assert command("stream", "sample", "inline:4,5", "-n", 2).out == "4\n5\n"


def test_a_mistyped_literal_is_told_with_the_nearest(filled: Path, command: Any) -> None:
    ran = command("stream", "sample", "fiel:/data/prices.jsons")
    assert ran.code == 3
    assert "Did you mean 'file:'?" in ran.err


def test_an_attachment_goes_there_and_back(filled: Path, command: Any, tmp_path: Path) -> None:
    file = archive(tmp_path / "poids_é.tar.gz")
    assert "created" in command("attachment", "upload", "twice", file).err
    assert "unchanged" in command("attachment", "upload", "twice", file).err
    assert command("attachment", "list", "twice").out.splitlines()[1].split()[0] == file.name
    target = tmp_path / "target"
    target.mkdir()
    assert command("attachment", "download", "twice", file.name, target).code == 0
    assert (target / file.name).read_bytes() == file.read_bytes()
    assert list(target.iterdir()) == [target / file.name]
    assert command("attachment", "remove", "twice", file.name).code == 0
    assert command("attachment", "download", "twice", file.name, target).code == 1


def test_an_attachment_of_a_model_that_is_not_there_is_refused(filled: Path, command: Any, tmp_path: Path) -> None:
    assert "not found" in command("attachment", "upload", "nope", archive(tmp_path / "a.tar.gz")).err


def test_an_empty_attachment_is_refused(filled: Path, command: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    assert "the file is empty" in command("attachment", "upload", "twice", tmp_path / "a.zip").err


def test_a_download_that_fails_leaves_no_file(filled: Path, command: Any, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    assert command("attachment", "download", "twice", "nope.zip", target).code == 1
    assert list(target.iterdir()) == []
