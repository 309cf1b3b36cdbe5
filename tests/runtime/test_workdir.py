import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine.errors import AssetInvalid, AssetNotFound, AttachmentUnsafe
from engine.registry import Model, from_path
from engine.runtime.workdir import Workdir, remove_abandoned

SCRIPT = "def action(x):\n    yield x\n"

HOLDER = """
import sys, time
from pathlib import Path
from engine.registry import from_path
from engine.runtime.workdir import Workdir

workdir = Workdir(from_path(Path(sys.argv[1])), 1, Path(sys.argv[2]))
print(workdir.path, flush=True)
sys.stdin.read()
"""


def packed(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def model_of(folder: Path, name: str = "lstm", **attachments: bytes) -> Model:
    (folder / f"{name}.py").write_text(SCRIPT)
    paths = [folder / f"{stem}.zip" for stem in attachments]
    for path in paths:
        path.write_bytes(attachments[path.stem])
    return from_path(folder / f"{name}.py", attachments=paths)


def test_a_jet_finds_its_attachments_in_a_folder_that_names_it_and_goes_away(tmp_path: Path) -> None:
    model = model_of(tmp_path, a=packed("weights/a.bin", b"a"), b=packed("b.bin", b"b"))

    with Workdir(model, 3, tmp_path / "jets") as workdir:
        assert workdir.path.parent == tmp_path / "jets"
        assert workdir.path.name.startswith("jet-lstm-3-")
        assert (workdir.path / "weights" / "a.bin").read_bytes() == b"a"
        assert (workdir.path / "b.bin").read_bytes() == b"b"
        assert workdir.requirements is None
        (workdir.path / "left by the script").write_bytes(b"")

    assert not workdir.path.exists()
    workdir.close()


def test_two_jets_have_two_folders(tmp_path: Path) -> None:
    model = model_of(tmp_path)

    with Workdir(model, 1, tmp_path) as one, Workdir(model, 1, tmp_path) as other:
        assert one.path != other.path


def test_requirements_at_the_root_of_an_attachment_are_found(tmp_path: Path) -> None:
    model = model_of(tmp_path, a=packed("requirements.txt", b"numpy"))

    with Workdir(model, 1, tmp_path) as workdir:
        assert workdir.requirements == workdir.path / "requirements.txt"


@pytest.mark.parametrize("name", ["two words", "x" * 200, "株価"])
def test_any_name_of_a_model_gives_a_folder(tmp_path: Path, name: str) -> None:
    with Workdir(model_of(tmp_path, name), 1, tmp_path) as workdir:
        assert workdir.path.is_dir()


def test_without_a_parent_the_folder_is_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with Workdir(model_of(tmp_path), 1) as workdir:
        assert workdir.path.parent == tmp_path


def test_an_attachment_that_changed_after_the_load_is_refused(tmp_path: Path) -> None:
    model = model_of(tmp_path, a=packed("a", b"a"))
    (tmp_path / "a.zip").write_bytes(packed("a", b"b"))

    with pytest.raises(AssetInvalid, match=r"'a\.zip' has changed since the model was loaded.*load the model again"):
        Workdir(model, 1, tmp_path / "jets")
    (tmp_path / "a.zip").unlink()
    with pytest.raises(AssetNotFound, match=r"'a\.zip'"):
        Workdir(model, 1, tmp_path / "jets")
    assert list((tmp_path / "jets").iterdir()) == []


def test_a_file_in_two_attachments_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    model = model_of(tmp_path, a=packed("same", b"a"), b=packed("same", b"b"))

    with pytest.raises(AttachmentUnsafe, match=r"'b\.zip' was not unpacked: 'same' is there already"):
        Workdir(model, 1, tmp_path / "jets")
    assert list((tmp_path / "jets").iterdir()) == []


@pytest.mark.integration
def test_only_folders_of_killed_engines_are_abandoned(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    jets = tmp_path / "jets"
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lstm.py"), str(jets)]
    holders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = [Path(holder.stdout.readline().strip()) for holder in holders if holder.stdout]
    (jets / "notes").mkdir()
    (jets / "jet-file").write_bytes(b"")

    with Workdir(model, 1, jets) as mine:
        os.kill(holders[0].pid, signal.SIGKILL)
        holders[0].communicate()

        assert remove_abandoned(jets) == 1
        assert set(jets.iterdir()) == {folders[1], mine.path, jets / "notes", jets / "jet-file"}
    holders[1].communicate()
    assert remove_abandoned(tmp_path / "nowhere") == 0
