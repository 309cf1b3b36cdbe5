import io
import zipfile
from pathlib import Path

import pytest

from engine.errors import AssetInvalid, AssetNotFound, ScriptInvalid
from engine.registry import Library, assemble, from_path, library_of
from engine.schema import parse_schema

SCRIPT = b"""# fastscore.schema.0: double
# fastscore.schema.1: score

def action(x):
    yield x
"""


def packed(data: bytes = b"0123456789") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("weights.bin"), data)
    return file.getvalue()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path / "library")
    library.models.put("lstm", SCRIPT)
    library.schemas.put("double", b'"double"')
    library.schemas.put("score", b'["null", "double"]')
    library.attachments("lstm").put("weights.zip", packed())
    return library


def test_a_model_comes_with_the_schemas_it_names_and_all_its_attachments(library: Library) -> None:
    model = assemble(library, "lstm")

    assert model.script.name == "lstm"
    assert {name: schema.source for name, schema in model.schemas.items()} == {
        "double": "double",
        "score": ["null", "double"],
    }
    (attachment,) = model.attachments
    assert (attachment.name, attachment.sha256) == (
        "weights.zip",
        library.attachments("lstm").get("weights.zip").sha256,
    )
    assert attachment.path.read_bytes() == packed()


def test_the_digest_tells_every_part_and_nothing_else(library: Library) -> None:
    digests = [assemble(library, "lstm").digest, assemble(library, "lstm").digest]
    library.schemas.put("score", b'[ "null",\n"double"]')
    library.streams.put("rest", b'{"Transport": "REST"}')
    digests.append(assemble(library, "lstm").digest)
    assert len(set(digests)) == 1

    library.schemas.put("score", b'"double"')
    digests.append(assemble(library, "lstm").digest)
    library.attachments("lstm").put("weights.zip", packed(b"other"))
    digests.append(assemble(library, "lstm").digest)
    library.models.put("lstm", SCRIPT + b"\n# changed\n")
    digests.append(assemble(library, "lstm").digest)
    assert len(set(digests)) == 4


def test_an_attachment_that_is_replaced_stays_as_the_model_was_put_together_with(library: Library) -> None:
    model = assemble(library, "lstm")
    library.attachments("lstm").put("weights.zip", packed(b"other"))

    assert model.attachments[0].path.read_bytes() == packed()


def test_a_missing_model_is_not_found_with_a_suggestion(library: Library) -> None:
    with pytest.raises(AssetNotFound, match=r"Model 'lstn' not found\. Did you mean 'lstm'"):
        assemble(library, "lstn")


def test_a_missing_schema_is_not_found_with_a_suggestion(library: Library) -> None:
    library.models.put("lstm", SCRIPT.replace(b": double", b": duoble"))

    with pytest.raises(AssetNotFound, match=r"Schema 'duoble' not found\. Did you mean 'double'"):
        assemble(library, "lstm")


def test_a_script_that_does_not_parse_is_invalid(library: Library) -> None:
    library.models.put("lstm", b"def action(:")

    with pytest.raises(ScriptInvalid):
        assemble(library, "lstm")


def test_a_byte_order_mark_is_no_part_of_the_script(library: Library) -> None:
    library.models.put("lstm", b"\xef\xbb\xbf" + SCRIPT)

    assert assemble(library, "lstm").script.source == SCRIPT.decode()


def test_a_script_in_a_library_finds_its_schemas_and_attachments_there(library: Library) -> None:
    model = from_path(library.root / "model_scripts" / "lstm.py")

    assert model == assemble(library, "lstm")


def test_a_library_is_known_by_its_folders(tmp_path: Path, library: Library) -> None:
    found = library_of(library.root / "model_scripts" / "lstm.py")
    (tmp_path / "model_scripts").mkdir()

    assert found
    assert found.root == library.root
    assert library_of(tmp_path / "lstm.py") is None
    assert library_of(tmp_path / "model_scripts" / "lstm.py") is None


def test_a_script_from_anywhere_takes_schemas_and_attachments_as_given(tmp_path: Path) -> None:
    (tmp_path / "my score.py3").write_bytes(SCRIPT)
    (tmp_path / "data.zip").write_bytes(packed())
    schemas = {name: parse_schema('"double"', name) for name in ("double", "score", "unused")}

    model = from_path(tmp_path / "my score.py3", attachments=[tmp_path / "data.zip"], schemas=schemas)

    assert model.script.name == "my score"
    assert sorted(model.schemas) == ["double", "score"]
    assert [(attachment.name, attachment.path) for attachment in model.attachments] == [
        ("data.zip", tmp_path / "data.zip")
    ]


def test_given_attachments_replace_the_stored_ones_and_given_schemas_come_first(
    tmp_path: Path, library: Library
) -> None:
    (tmp_path / "data.zip").write_bytes(packed())
    script = library.root / "model_scripts" / "lstm.py"

    model = from_path(script, attachments=[tmp_path / "data.zip"], schemas={"score": parse_schema('"int"', "score")})

    assert [attachment.name for attachment in model.attachments] == ["data.zip"]
    assert (model.schemas["score"].source, model.schemas["double"].source) == ("int", "double")


@pytest.mark.parametrize(
    ("script", "error", "sentence"),
    [
        ("scroe.py", AssetNotFound, r"not found\. Did you mean 'score.py'"),
        ("nowhere/score.py", AssetNotFound, "not found"),
        ("score.R", AssetInvalid, r"\.py or \.py3"),
        ("latin.py", AssetInvalid, "UTF-8"),
        ("score.py", AssetNotFound, "Schema 'score' not found"),
    ],
)
def test_a_script_that_cannot_be_used_is_told_why(
    tmp_path: Path, script: str, error: type[Exception], sentence: str
) -> None:
    (tmp_path / "score.py").write_bytes(SCRIPT)
    (tmp_path / "latin.py").write_bytes(b"# \xe9")

    with pytest.raises(error, match=sentence):
        from_path(tmp_path / script)


@pytest.mark.parametrize(("attachment", "error"), [("dta.zip", AssetNotFound), ("data.rar", AssetInvalid)])
def test_an_attachment_that_cannot_be_used_is_named(tmp_path: Path, attachment: str, error: type[Exception]) -> None:
    (tmp_path / "score.py").write_bytes(SCRIPT)
    (tmp_path / "data.rar").write_bytes(b"")
    (tmp_path / "data.zip").write_bytes(packed())

    with pytest.raises(error, match=attachment):
        from_path(tmp_path / "score.py", attachments=[tmp_path / attachment])


def test_a_script_alone_may_name_avros_own_types(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_bytes(SCRIPT.replace(b": score", b": string"))
    assert from_path(tmp_path / "alone.py").schemas == {
        "double": parse_schema('"double"'),
        "string": parse_schema('"string"'),
    }
    (tmp_path / "alone.py").write_bytes(SCRIPT)
    with pytest.raises(AssetNotFound, match="'score' not found"):
        from_path(tmp_path / "alone.py")


def test_a_schema_may_be_named_by_its_file(library: Library) -> None:
    library.models.put("lstm", SCRIPT.replace(b": score", b": score.avsc"))
    assert assemble(library, "lstm").schemas["score.avsc"] == parse_schema('["null", "double"]')
