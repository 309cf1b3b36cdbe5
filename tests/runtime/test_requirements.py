from pathlib import Path

import pytest

from engine.errors import EnvironmentFailed
from engine.runtime.requirements import local_files

FILES = ("requirements.txt", "a b.txt", "tiny-1-py3-none-any.whl", "sub/more.txt", "sub/tiny.zip", "pkg/setup.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a jet, and one beside it."""
    for file in ("other/setup.py", "other/base.txt", *(f"jet/{name}" for name in FILES)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path / "jet"


def names(folder: Path, *lines: str) -> set[str]:
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join(lines))
    files = {str(file.relative_to(folder.resolve())) for file in local_files("lstm", requirements)}
    return files - {"requirements.txt"}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("-r sub/more.txt", {"sub/more.txt"}),
        ("--requirement=sub/more.txt", {"sub/more.txt"}),
        ("-c 'a b.txt'  # for the pins", {"a b.txt"}),
        ("--constraint a b.txt", {"a b.txt"}),
        ("-f sub", {"sub/more.txt", "sub/tiny.zip"}),
        ("--no-index --find-links ./sub", {"sub/more.txt", "sub/tiny.zip"}),
        ("tiny-1-py3-none-any.whl", {"tiny-1-py3-none-any.whl"}),
        ("tiny @ ./tiny-1-py3-none-any.whl ; python_version > '3'", {"tiny-1-py3-none-any.whl"}),
        ("tiny[x]@tiny-1-py3-none-any.whl[extra]", {"tiny-1-py3-none-any.whl"}),
        ("sub/tiny.zip", {"sub/tiny.zip"}),
        ("./pkg", {"pkg/setup.py"}),
    ],
)
def test_files_that_a_line_names_are_found(folder: Path, line: str, named: set[str]) -> None:
    assert names(folder, line) == named


@pytest.mark.parametrize(
    "line",
    [
        "# arrays and / or frames, see .. and ./pkg",
        "numpy>=1.24  # not sub/tiny.zip",
        "pkg",
        "sub==1.0 --hash=sha256:00",
        "-f https://example.org/../../wheels",
        "-r https://example.org/../../base.txt",
        "tiny @ https://me@example.org/../tiny-1-py3-none-any.whl",
        "--index-url https://example.org/simple/",
        "./not-there.whl",
    ],
)
def test_comments_names_and_addresses_are_no_files(folder: Path, line: str) -> None:
    assert names(folder, line) == set()


def test_files_are_found_through_others_as_uv_finds_them(folder: Path) -> None:
    (folder / "sub" / "more.txt").write_text("-r ../a b.txt\n-r more.txt\n./tiny-1-py3-none-any.whl\ntiny.zip\n")
    assert names(folder, "-r sub/more.txt") == {"sub/more.txt", "a b.txt", "tiny-1-py3-none-any.whl"}


@pytest.mark.parametrize(
    "line",
    [
        "..",
        "/",
        "../other",
        "-r ../other/base.txt",
        "-f ..",
        "tiny @ file:///opt/tiny.whl",
        "/opt/tiny.whl",
        "pkg/../..",
    ],
)
def test_what_leads_out_of_the_folder_is_refused_with_the_line(folder: Path, line: str) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        names(folder, "numpy", line)
    assert repr(line) in caught.value.reason


@pytest.mark.parametrize("line", ["-e .", "--editable=./pkg", "  -e ./pkg"])
def test_an_editable_installation_is_refused_wherever_it_stands(folder: Path, line: str) -> None:
    (folder / "sub" / "more.txt").write_text(line)
    with pytest.raises(EnvironmentFailed, match=r"more\.txt.*editable"):
        names(folder, "-r sub/more.txt")
