import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import AssetError
from engine.registry.archive import check_archive


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as packed:
        for name in ("a", "folder/é" * 30, "b"):
            info = tarfile.TarInfo(name)
            info.size = 700
            packed.addfile(info, io.BytesIO(bytes(range(7)) * 100))
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name in ("a", "folder/é", "b"):
            packed.writestr(name, bytes(range(7)) * 100, zipfile.ZIP_DEFLATED if name == "b" else zipfile.ZIP_STORED)
    return file.getvalue()


ARCHIVES = {"a.tgz": _tar(), "a.zip": _zip()}
changes = st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)


def _changed(content: bytes, places: list[tuple[int, bytes]]) -> bytes:
    damaged = bytearray(content)
    for place, data in places:
        start = place % len(damaged)
        damaged[start : start + len(data)] = data
    return bytes(damaged)


@pytest.mark.parametrize("name", ARCHIVES)
@given(places=changes)
def test_a_damaged_archive_opens_or_is_an_error_of_the_library(name: str, places: list[tuple[int, bytes]]) -> None:
    try:
        check_archive(name, _changed(ARCHIVES[name], places))
    except AssetError as error:
        assert name in str(error)  # noqa: PT017  # an archive may also survive the damage


@given(places=changes)
def test_a_damaged_tar_in_sound_compression_opens_or_is_an_error_of_the_library(
    places: list[tuple[int, bytes]],
) -> None:
    content = gzip.compress(_changed(gzip.decompress(ARCHIVES["a.tgz"]), places), compresslevel=1)
    try:
        check_archive("a.tgz", content)
    except AssetError as error:
        assert "a.tgz" in str(error)  # noqa: PT017  # an archive may also survive the damage


@given(content=st.binary(max_size=300))
@pytest.mark.parametrize("name", ARCHIVES)
def test_arbitrary_bytes_are_an_error_of_the_library(name: str, content: bytes) -> None:
    with pytest.raises(AssetError):
        check_archive(name, content)
