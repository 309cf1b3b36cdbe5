from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import inference
from engine.errors import AssetInvalid, AssetNotFound, ConfigError, NotBuilt


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("model.keras", "a Keras model"),
        ("model.H5", "a Keras model"),
        ("model.pt2", "a torch.export model"),
        ("model.pt", "a TorchScript model"),
    ],
)
def test_a_format_that_is_not_built_yet_is_refused_by_name(tmp_path: Path, name: str, feature: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(NotBuilt, match=feature):
        inference.load(tmp_path / name)


def test_a_saved_model_is_known_by_what_is_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(NotBuilt, match="SavedModel"):
        inference.load(tmp_path)


@pytest.mark.parametrize("device", ["gpu", "gpu:0", "cuda:1"])
def test_a_gpu_is_refused_by_name(doubling: Path, device: str) -> None:
    with pytest.raises(NotBuilt, match=device):
        inference.load(doubling, device=device)


@pytest.mark.parametrize("device", ["tpu", "gpu:x", "cpu:0", ""])
def test_an_unknown_device_is_refused(doubling: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="auto, cpu or gpu:0"):
        inference.load(doubling, device=device)


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


def test_neither_onnx_nor_onnxruntime_is_imported_before_a_file_is_loaded() -> None:
    code = "import sys, engine.inference; print(sorted({'onnx', 'onnxruntime', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_loading_needs_no_onnx_package(doubling: Path) -> None:
    code = "import sys; sys.modules['onnx'] = None; from engine import inference; print(inference.load(sys.argv[1]))"
    shown = subprocess.check_output([sys.executable, "-c", code, str(doubling)], text=True)
    assert shown.startswith("Predictor(x: ")
