"""Models, schemas, streams and attachments are put, read, listed and removed in the same way."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest

from tests.server.conftest import Ask


def archive(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr("weights.txt", text)
    return file.getvalue()


FAMILIES = [
    ("/models/m", b"def action(x):\n    return x\n", b"def action(x):\n    return 2 * x\n"),
    ("/schemas/s", b'"int"', b'"long"'),
    ("/streams/t", b'{"Transport": "REST"}', b'{"Transport": "discard"}'),
    ("/attachments/twice/weights.zip", archive("1"), archive("2")),
]


@pytest.mark.parametrize(("path", "first", "second"), FAMILIES)
def test_an_asset_is_put_updated_read_and_removed(ask: Ask, path: str, first: bytes, second: bytes) -> None:
    family, _, name = path.rpartition("/")
    created, unchanged, updated = (ask("PUT", path, content=body) for body in (first, first, second))
    assert [response.status_code for response in (created, unchanged, updated)] == [201, 200, 200]
    assert [response.json()["outcome"] for response in (created, unchanged, updated)] == [
        "created",
        "unchanged",
        "updated",
    ]
    sha256 = hashlib.sha256(first).hexdigest()
    assert created.json()["sha256"] == sha256

    read = ask("GET", path)
    assert (read.content, read.headers["ETag"]) == (second, f'"{hashlib.sha256(second).hexdigest()}"')
    earlier = ask("GET", path, params={"version": sha256[:12]})
    assert (earlier.content, earlier.headers["ETag"]) == (first, f'"{sha256}"')

    listed = {asset["name"]: asset for asset in ask("GET", family).json()}
    assert listed[name]["size_bytes"] == len(second)
    history = ask("GET", f"{path}/history").json()
    assert [asset["sha256"] for asset in history] == [hashlib.sha256(body).hexdigest() for body in (second, first)]

    assert ask("DELETE", path).status_code == 204
    assert ask("GET", path).status_code == 404
    assert ask("GET", path, params={"version": sha256}).content == first


@pytest.mark.parametrize(("path", "first", "second"), FAMILIES)
def test_what_is_not_there_is_404_with_the_nearest(ask: Ask, path: str, first: bytes, second: bytes) -> None:
    ask("PUT", path, content=first)
    wrong = path + "x"
    for method in ("GET", "DELETE"):
        response = ask(method, wrong)
        assert response.status_code == 404
        assert response.json()["near"] == path.rpartition("/")[2]
    assert ask("GET", f"{wrong}/history").status_code == 404


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/models/a b", b"pass"),
        ("/models/m", b"\xff"),
        ("/schemas/s", b"{"),
        ("/streams/t", b"{"),
        ("/attachments/twice/weights.zip", b"not a zip"),
    ],
)
def test_what_cannot_be_stored_is_400(ask: Ask, path: str, content: bytes) -> None:
    assert ask("PUT", path, content=content).status_code == 400


def test_an_attachment_of_no_model_is_404(ask: Ask) -> None:
    assert ask("PUT", "/attachments/nobody/weights.zip", content=archive("1")).status_code == 404
