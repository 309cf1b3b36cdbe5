from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine import inference
from engine.errors import AssetInvalid, AssetNotFound, ConfigError, FrameworkMissing, NotBuilt


def forget(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Have an import say that there is no such package."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(
    ("name", "extra", "line"),
    [
        ("model.keras", "scoring-engine[tensorflow]", "tensorflow"),
        ("model.H5", "scoring-engine[tensorflow]", "tensorflow"),
        ("folder/saved_model.pb", "scoring-engine[tensorflow]", "tensorflow"),
        ("model.pt2", "scoring-engine[torch]", "torch"),
        ("model.pt", "scoring-engine[torch]", "torch"),
    ],
)
def test_a_framework_that_is_not_installed_is_named_with_two_ways_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str, line: str
) -> None:
    forget(monkeypatch, "tensorflow", "torch")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/models/model.json", "{}")
    with pytest.raises(FrameworkMissing) as caught:
        inference.load(path.parent if "/" in name else path)
    assert f"pip install '{extra}'" in str(caught.value)
    assert f"add the line {line} to" in str(caught.value)


@pytest.mark.parametrize("content", [pickle.dumps({"weights": [1.0]}), None], ids=["pickle", "archive"])
@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pt2"])
def test_a_checkpoint_is_refused_by_name_and_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None
) -> None:
    forget(monkeypatch, "torch")  # not even PyTorch is asked
    path = tmp_path / name
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", pickle.dumps({"weights": [1.0]}))
    else:
        path.write_bytes(content)
    with pytest.raises(AssetInvalid, match=r"is a checkpoint .* export it"):
        inference.load(path)


@pytest.mark.parametrize(
    ("member", "feature"),
    [
        ("data/aotinductor/model.so", "AOTInductor"),
        ("data/constants/custom_obj_0", "Python objects"),
        ("data/constants/OPAQUE_obj_0", "Python objects"),
    ],
)
def test_programs_that_hold_more_than_a_program_are_refused(tmp_path: Path, member: str, feature: str) -> None:
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/models/model.json", "{}")
        archive.writestr(f"model/{member}", "")
    with pytest.raises(NotBuilt, match=feature):
        inference.load(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"text"], ids=["empty", "truncated", "text"])
def test_a_file_that_is_no_archive_of_pytorch_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "modèle.pt2"
    path.write_bytes(content)
    with pytest.raises(AssetInvalid, match=r"modèle\.pt2.*no archive"):
        inference.load(path)


def test_a_folder_or_a_file_of_it_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetInvalid, match="without a saved_model"):
        inference.load(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(AssetInvalid, match="load the folder"):
        inference.load(tmp_path / "saved_model.pb")


def test_no_threads_at_all_are_refused(doubling: Path) -> None:
    with pytest.raises(ConfigError, match="at least one"):
        inference.load(doubling, threads=0)


def test_a_file_that_is_not_there_is_named_with_its_nearest_neighbour(doubling: Path) -> None:
    with pytest.raises(AssetNotFound, match=r"mean 'doubling\.onnx'"):
        inference.load(doubling.with_name("dubling.onnx"))
    with pytest.raises(AssetNotFound):
        inference.load(doubling.parent / "no folder" / "doubling.onnx")


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x08"], ids=["empty", "text", "header only"])
def test_a_file_that_is_no_onnx_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(AssetInvalid, match=r"model\.onnx"):
        inference.load(path)


def test_a_file_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(AssetInvalid, match="no known format"):
        inference.load(tmp_path / "model.bin")


def test_onnxruntime_that_is_not_installed_is_said(doubling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, "onnxruntime")
    with pytest.raises(FrameworkMissing, match="pip install 'onnxruntime'"):
        inference.load(doubling)


def test_neither_onnx_nor_onnxruntime_is_imported_before_a_file_is_loaded() -> None:
    code = (
        "import sys, engine.inference; print(sorted({'onnx', 'onnxruntime', 'tensorflow', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_loading_needs_no_onnx_package(doubling: Path) -> None:
    code = "import sys; sys.modules['onnx'] = None; from engine import inference; print(inference.load(sys.argv[1]))"
    shown = subprocess.check_output([sys.executable, "-c", code, str(doubling)], text=True)
    assert shown.startswith("Predictor(x: ")
