import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import AssetInvalid, AttachmentUnsafe
from engine.registry import archive as archive_module
from engine.registry import unpack
from engine.registry.archive import check_archive


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for info, data in members:
            packed.addfile(info, io.BytesIO(data))
    return file.getvalue()


def short(value: object) -> str:
    """Name a case without its bytes, which hold the time at which they were packed."""
    return value if isinstance(value, str) else ""


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for info, data in members:
            packed.writestr(info, data)
    return file.getvalue()


def zip_of_mode(name: str, mode: int, data: bytes = b"x") -> bytes:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return zipped((info, data))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "inside" / "target"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def unpacked(tmp_path: Path, target: Path) -> Callable[[str, bytes], dict[str, bytes]]:
    def unpack_it(name: str, content: bytes) -> dict[str, bytes]:
        check_archive(name, content)
        (tmp_path / name).write_bytes(content)
        unpack(tmp_path / name, target)
        return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}

    return unpack_it


FILES = {"weights.bin": os.urandom(300_000), "pkg/__init__.py": b"", "pkg/é 株.txt": b"text", "run.sh": b"#!/bin/sh\n"}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.zip"])
def test_files_and_folders_come_out_as_they_were(unpacked: Callable[[str, bytes], dict[str, bytes]], name: str) -> None:
    if name.endswith(".zip"):
        content = zipped(("pkg/", b""), *FILES.items())
    else:
        content = tar(
            member(".", kind=tarfile.DIRTYPE),
            member("./pkg", kind=tarfile.DIRTYPE),
            *(member(f"./{file}", data) for file, data in FILES.items()),
        )

    assert unpacked(name, content) == FILES


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_with_names_too_long_for_a_plain_header_comes_out(
    tmp_path: Path, unpacked: Callable[[str, bytes], dict[str, bytes]], form: int
) -> None:
    name = "/".join(["folder" * 10] * 4) + "/file"
    (tmp_path / "from" / name).parent.mkdir(parents=True)
    (tmp_path / "from" / name).write_bytes(b"1")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=form) as packed:
        packed.add(tmp_path / "from", "to")

    assert unpacked("a.tgz", file.getvalue()) == {f"to/{name}": b"1"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tgz", tar(member("run", b"1", mode=0o4755))), ("a.zip", zip_of_mode("run", stat.S_IFREG | 0o4755))],
    ids=short,
)
def test_what_was_executable_is_so_and_no_more(
    unpacked: Callable[[str, bytes], dict[str, bytes]], target: Path, name: str, content: bytes
) -> None:
    unpacked(name, content)

    assert (target / "run").stat().st_mode & 0o7100 == 0o100


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tgz", tar(member("/etc/evil", b"x")), "absolute"),
        ("a.tgz", tar(member("../evil", b"x")), "climbs"),
        ("a.tgz", tar(member("a/../../evil", b"x")), "climbs"),
        ("a.tgz", tar(member("a/..", kind=tarfile.DIRTYPE)), "climbs"),
        ("a.tgz", tar(member("link", kind=tarfile.SYMTYPE, link="/etc")), "link"),
        ("a.tgz", tar(member("link", kind=tarfile.SYMTYPE, link="file")), "link"),
        ("a.tgz", tar(member("f", b"x"), member("link", kind=tarfile.LNKTYPE, link="f")), "link"),
        ("a.tgz", tar(member("null", kind=tarfile.CHRTYPE)), "device"),
        ("a.tgz", tar(member("disk", kind=tarfile.BLKTYPE)), "device"),
        ("a.tgz", tar(member("pipe", kind=tarfile.FIFOTYPE)), "device"),
        ("a.tgz", tar(member("odd", kind=b"Z")), "device"),
        ("a.tgz", tar(member("a\\b", b"x")), "backslash"),
        ("a.tgz", tar(member("a/" * 65 + "b", b"x")), "64 folders"),
        ("a.tgz", tar(member("f", b"x"), member("f", b"y")), "twice|there already"),
        ("a.zip", zipped(("/etc/evil", b"x")), "absolute"),
        ("a.zip", zipped(("../evil", b"x")), "climbs"),
        ("a.zip", zipped(("a/../../evil", b"x")), "climbs"),
        ("a.zip", zipped(("..\\evil", b"x")), "backslash"),
        ("a.zip", zip_of_mode("link", stat.S_IFLNK | 0o777, b"/etc"), "link"),
        ("a.zip", zip_of_mode("pipe", stat.S_IFIFO | 0o644), "device"),
        ("a.zip", zipped(("f", b"x"), ("./f", b"y")), "twice|there already"),
    ],
    ids=short,
)
def test_what_would_leave_the_folder_or_is_no_plain_file_is_refused(
    tmp_path: Path, target: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(AttachmentUnsafe, match=reason):
        check_archive(name, content)
    with pytest.raises(AttachmentUnsafe, match=reason):
        unpack(tmp_path / name, target)
    assert {path.name for path in tmp_path.rglob("*")} <= {name, "inside", "target", "a", "f"}


def test_two_attachments_may_share_folders_but_no_file(tmp_path: Path, target: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(("pkg/a", b"a")))
    (tmp_path / "b.tgz").write_bytes(tar(member("pkg/b", b"b")))
    (tmp_path / "c.zip").write_bytes(zipped(("pkg/b", b"c")))
    (tmp_path / "d.zip").write_bytes(zipped(("pkg/b/below", b"d")))
    unpack(tmp_path / "a.zip", target)
    unpack(tmp_path / "b.tgz", target)

    for other in ("c.zip", "d.zip"):
        with pytest.raises(AttachmentUnsafe, match="is there already"):
            unpack(tmp_path / other, target)
    assert (target / "pkg" / "b").read_bytes() == b"b"


def test_a_folder_that_is_a_link_already_is_not_followed_to_an_existing_file(tmp_path: Path, target: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (target / "f").symlink_to(tmp_path / "outside")
    (tmp_path / "a.zip").write_bytes(zipped(("f", b"x")))

    with pytest.raises(AttachmentUnsafe):
        unpack(tmp_path / "a.zip", target)
    assert (tmp_path / "outside").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_more_than_the_limit_is_refused_before_it_is_written(tmp_path: Path, target: Path, name: str) -> None:
    data = os.urandom(100_000)
    (tmp_path / name).write_bytes(zipped(("f", data)) if name == "a.zip" else tar(member("f", data)))

    with pytest.raises(AttachmentUnsafe, match="more than 50000 bytes"):
        unpack(tmp_path / name, target, max_bytes=50_000)
    assert sum(path.stat().st_size for path in target.iterdir()) <= 50_000
    unpack(tmp_path / name, target / "..", max_bytes=150_000)


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_a_bomb_is_told_by_its_ratio(name: str) -> None:
    zeros = bytes(archive_module.RATIO_FREE_BYTES + 2**20)
    content = zipped(("f", zeros)) if name == "a.zip" else tar(member("f", zeros))

    with pytest.raises(AttachmentUnsafe, match="looks like a bomb"):
        check_archive(name, content)


def test_a_bomb_in_the_headers_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "RATIO_FREE_BYTES", 2**16)
    info = member("f", b"x")[0]
    info.pax_headers = {"comment": "0" * 2**20}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as packed:
        packed.addfile(info, io.BytesIO(b"x"))

    with pytest.raises(AttachmentUnsafe, match="looks like a bomb"):
        check_archive("a.tgz", file.getvalue())


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 3)
    names = ["a", "b", "c", "d"]
    content = zipped(*((n, b"") for n in names)) if name == "a.zip" else tar(*(member(n) for n in names))

    with pytest.raises(AttachmentUnsafe, match="'d' is one too many"):
        check_archive(name, content)


def test_a_sparse_file_is_refused_however_large_it_says_it_is() -> None:
    header = bytearray(member("f")[0].tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"77777777777\0"  # the real size in a sparse header, 8 GiB
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    with pytest.raises(AttachmentUnsafe, match="sparse"):
        check_archive("a.tgz", gzip.compress(bytes(header) + bytes(1024)))


def test_a_header_with_a_negative_size_ends(tmp_path: Path) -> None:
    header = bytearray(member("f")[0].tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.XHDTYPE
    header[124:136] = b"\xff" * 4 + struct.pack(">q", -1024)  # base 256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    with pytest.raises(AssetInvalid, match="not a complete archive"):
        check_archive("a.tgz", gzip.compress(bytes(header) * 3))


WHOLE_TAR, WHOLE_ZIP = tar(member("f", FILES["weights.bin"])), zipped(("f", FILES["weights.bin"]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("a.tgz", WHOLE_TAR[:length]) for length in (0, 1, 9, 20, 150_000, len(WHOLE_TAR) - 1)),
        *(("a.zip", WHOLE_ZIP[:length]) for length in (0, 1, 9, 20, 150_000, len(WHOLE_ZIP) - 1)),
        ("a.tgz", WHOLE_TAR[:-8] + b"0000" + WHOLE_TAR[-4:]),
        ("a.zip", WHOLE_ZIP[:200_000] + b"\0\0\0\0" + WHOLE_ZIP[200_004:]),
        ("a.tgz", gzip.compress(b"not a tar" * 1000)),
        ("a.tgz", gzip.compress(gzip.decompress(WHOLE_TAR)[:100_000])),
        ("a.tgz", WHOLE_ZIP),
        ("a.zip", WHOLE_TAR),
    ],
    ids=short,
)
def test_a_damaged_archive_is_told_at_once(tmp_path: Path, target: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(AssetInvalid, match=f"'{name}' is not a complete archive"):
        check_archive(name, content)
    with pytest.raises(AssetInvalid, match=f"'{name}' is not a complete archive"):
        unpack(tmp_path / name, target)


def test_an_encrypted_zip_is_refused() -> None:
    content = bytearray(zipped(("f", b"x")))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1

    with pytest.raises(AssetInvalid, match="encrypted"):
        check_archive("a.zip", bytes(content))


@pytest.mark.parametrize("name", ["a.zip", "a.tgz"])
def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path, target: Path, name: str) -> None:
    (tmp_path / name).write_bytes(zipped(("x" * 300, b"x")) if name == "a.zip" else tar(member("x" * 300, b"x")))

    with pytest.raises(AttachmentUnsafe, match=r"cannot be written: .*name too long"):
        unpack(tmp_path / name, target)
