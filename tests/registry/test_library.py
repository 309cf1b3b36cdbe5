import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import AssetInvalid, AssetNotFound, AttachmentUnsafe, SchemaInvalid
from engine.registry import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)


def packed(name: str = "weights.bin") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"0123456789")
    return file.getvalue()


def test_a_model_that_is_not_utf8_is_refused_with_the_place(library: Library) -> None:
    with pytest.raises(AssetInvalid, match="'score' is not UTF-8 text: byte 2 is 0xe9"):
        library.models.put("score", b"# \xe9")


@pytest.mark.parametrize("source", [b'"double"', b'{"type": "record", "name": "r", "fields": []}', b'["null", "int"]'])
def test_an_avro_schema_is_stored_as_it_was_written(library: Library, source: bytes) -> None:
    library.schemas.put("x", source)

    assert (library.root / "schemas" / "x.avsc").read_bytes() == source


def test_a_schema_is_read_under_its_name(library: Library) -> None:
    library.schemas.put("price", b'{"type": "array", "items": "double"}')

    schema = library.schema("price")
    assert (schema.name, schema.source) == ("price", {"type": "array", "items": "double"})
    with pytest.raises(AssetNotFound, match="Did you mean 'price'"):
        library.schema("prices")


@pytest.mark.parametrize("source", [b'{"type": "doubel"}', b'{"type": ', b"", b"\xff", b"[" * 5000])
def test_what_is_not_an_avro_schema_is_refused(library: Library, source: bytes) -> None:
    with pytest.raises(SchemaInvalid):
        library.schemas.put("x", source)
    assert library.schemas.list() == []


@pytest.mark.parametrize("source", [b'{"Transport": "REST"}', b"{}"])
def test_a_descriptor_is_stored_as_it_is(library: Library, source: bytes) -> None:
    library.streams.put("rest", source)

    assert (library.root / "streams" / "rest.json").read_bytes() == source


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"[]", "JSON object is expected"),
        (b"1", "JSON object is expected"),
        (b'{"a": 1\n"b": 2}', "line 2"),
        (b"", "line 1"),
        (b"\xff{}", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_a_descriptor_is_refused_with_the_reason(library: Library, source: bytes, reason: str) -> None:
    with pytest.raises(AssetInvalid, match=reason):
        library.streams.put("rest", source)


def test_attachments_lie_in_the_folder_of_their_model(library: Library) -> None:
    library.models.put("score", b"")
    attachments = library.attachments("score")

    asset = attachments.put("weights.zip", packed()).asset

    assert asset.kind == "attachment"
    assert (library.root / "attachments" / "score" / "weights.zip").read_bytes() == packed()
    assert attachments.list() == [asset]


def test_an_attachment_of_an_unknown_model_is_refused_with_a_suggestion(library: Library) -> None:
    library.models.put("score", b"")

    with pytest.raises(AssetNotFound, match=r"Model 'scor' not found\. Did you mean 'score'"):
        library.attachments("scor").put("weights.zip", packed())
    with pytest.raises(AssetInvalid, match=r"Model '\.\./x'"):
        library.attachments("../x")


@pytest.mark.parametrize("name", ["weights.bin", "weights.tar", "weights.7z", "zip"])
def test_another_kind_of_file_is_no_attachment(library: Library, name: str) -> None:
    library.models.put("score", b"")

    with pytest.raises(AssetInvalid, match=r"\.zip, \.tar\.gz, \.tgz can be unpacked"):
        library.attachments("score").put(name, packed())


def test_an_unsafe_archive_is_not_even_stored(library: Library) -> None:
    library.models.put("score", b"")

    with pytest.raises(AttachmentUnsafe, match="climbs out"):
        library.attachments("score").put("weights.zip", packed("../evil"))
    assert library.attachments("score").list() == []


def test_a_removed_model_takes_its_attachments_with_it_and_both_can_be_read_again(library: Library) -> None:
    library.models.put("score", b"1")
    library.attachments("score").put("weights.zip", packed())
    library.models.remove("score")

    library.models.put("score", b"2")
    assert library.attachments("score").list() == []
    (version,) = library.attachments("score").history("weights.zip")
    assert library.attachments("score").read("weights.zip", version.sha256) == packed()


def test_of_two_who_remove_a_model_at_once_one_is_told_that_it_is_not_there(library: Library) -> None:
    library.models.put("score", b"")
    for number in range(20):
        library.attachments("score").put(f"{number}.zip", packed())
    barrier = threading.Barrier(2)

    def remove(_: int) -> str | None:
        barrier.wait()
        try:
            library.models.remove("score")
        except AssetNotFound as exc:
            return exc.kind
        return None

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(remove, range(2)), key=str) == [None, "model"]
    assert library.attachments("score").list() == []


def test_removing_a_model_that_is_not_there_leaves_attachments_alone(library: Library) -> None:
    (library.root / "attachments" / "score").mkdir(parents=True)
    (library.root / "attachments" / "score" / "weights.zip").write_bytes(packed())

    with pytest.raises(AssetNotFound):
        library.models.remove("score")
    assert len(library.attachments("score").list()) == 1
