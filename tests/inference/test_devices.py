from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from engine import inference
from engine.errors import ConfigError, DeviceMissing
from engine.inference import onnx_file, tensorflow_model, torch_model
from engine.inference.devices import Device, Threads, read_devices, read_threads


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_DEVICE", raising=False)
    monkeypatch.delenv("ENGINE_THREADS", raising=False)


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("cpu", ["cpu"]),
        ("gpu", ["gpu:0"]),
        ("cuda:1", ["gpu:1"]),
        ("GPU:1, gpu:0,cpu", ["gpu:1", "gpu:0", "cpu"]),
        ("auto", ["cpu"]),
    ],
)
def test_devices_are_read_in_their_order(text: str, devices: list[str]) -> None:
    assert [str(device) for device in read_devices(text)] == devices


@pytest.mark.parametrize("text", ["tpu", "gpu:x", "gpu:", "gpu:-1", "gpu:²", "cpu:0", "", "cpu,", "auto,cpu"])
def test_an_unknown_device_is_refused(doubling: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="auto, cpu or gpu:0"):
        inference.load(doubling, device=text)


@pytest.mark.parametrize(("text", "device"), [("gpu:2", "gpu:2"), ("auto", "cpu"), ("", "cpu")])
def test_auto_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, text: str, device: str) -> None:
    monkeypatch.setenv("ENGINE_DEVICE", text)
    assert [str(found) for found in read_devices("auto")] == [device]
    assert [str(found) for found in read_devices("cpu")] == ["cpu"]


def test_a_variable_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_DEVICE", "tpu")
    with pytest.raises(ConfigError, match="ENGINE_DEVICE: Device 'tpu'"):
        read_devices("auto")
    monkeypatch.setenv("ENGINE_THREADS", "many")
    with pytest.raises(ConfigError, match="ENGINE_THREADS: 'many'"):
        read_threads(None)


def test_threads_are_those_asked_for_or_those_of_the_variable_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_threads(None) == Threads(1)
    monkeypatch.setenv("ENGINE_THREADS", "3")
    assert (read_threads(None), read_threads(2)) == (Threads(3), Threads(2, is_asked=True))
    monkeypatch.setenv("ENGINE_THREADS", "0")
    with pytest.raises(ConfigError, match="at least one"):
        read_threads(None)


@pytest.mark.parametrize("device", ["gpu", "gpu:0", "cuda:1"])
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_is(doubling: Path, device: str) -> None:
    with pytest.raises(DeviceMissing, match=r"has no gpu:\d here, only cpu\..*onnxruntime-gpu.*ask for gpu:\d,cpu"):
        inference.load(doubling, device=device)


def test_the_cpu_takes_its_place_where_that_is_allowed_and_says_so(doubling: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"doubling\.onnx runs on cpu: onnxruntime has no gpu:0 here"):
        predictor = inference.load(doubling, device="gpu:0,cpu")
    assert predictor.device == "cpu"
    assert predictor([[1.0, 2.0]]).tolist() == [[2, 4]]


def test_the_variable_allows_it_as_well(doubling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_DEVICE", "gpu:0,cpu")
    with pytest.warns(RuntimeWarning, match="runs on cpu"):
        assert inference.load(doubling).device == "cpu"
    monkeypatch.setenv("ENGINE_DEVICE", "gpu:0")
    with pytest.raises(DeviceMissing):
        inference.load(doubling)


def test_two_builds_of_onnxruntime_side_by_side_are_told_apart(
    doubling: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: onnxruntime-gpu\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeviceMissing, match=r"both installed.*pip uninstall -y onnxruntime, then"):
        inference.load(doubling, device="gpu:0")


def test_a_provider_that_was_not_set_up_is_not_taken_for_the_gpu(
    doubling: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a build for CUDA does on a machine without a driver: it takes the next provider, and says nothing.
    monkeypatch.setattr(onnx_file, "_cuda", lambda *_: ["CPUExecutionProvider"])
    with pytest.raises(DeviceMissing, match="CUDA provider could not be set up"):
        inference.load(doubling, device="gpu:0")


def test_cuda_is_asked_for_without_tf32_and_with_the_cpu_for_what_it_cannot_do() -> None:
    onnxruntime = MagicMock()
    onnxruntime.get_available_providers.return_value = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert onnx_file._cuda(onnxruntime, Device(1)) == [
        ("CUDAExecutionProvider", {"device_id": 1, "use_tf32": 0}),
        "CPUExecutionProvider",
    ]
    onnxruntime.preload_dlls.assert_called_once_with(directory="")


def fake_tensorflow(monkeypatch: pytest.MonkeyPatch, n_gpus: int) -> Any:
    tensorflow = MagicMock()
    tensorflow.config.list_physical_devices.return_value = [f"gpu {n}" for n in range(n_gpus)]
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    return tensorflow


def test_tensorflow_takes_memory_as_it_needs_it_and_computes_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    config = fake_tensorflow(monkeypatch, 2).config
    _, place = tensorflow_model._begin(Path("lstm.keras"), Device(1), Threads(2))
    assert place == "/GPU:1"
    assert [call.args for call in config.experimental.set_memory_growth.call_args_list] == [
        ("gpu 0", True),
        ("gpu 1", True),
    ]
    config.experimental.enable_tensor_float_32_execution.assert_called_once_with(False)
    config.threading.set_intra_op_parallelism_threads.assert_called_once_with(2)


def test_tensorflow_runs_on_the_cpu_where_that_is_asked_for_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tensorflow(monkeypatch, 1)
    assert tensorflow_model._begin(Path("lstm.keras"), Device(), Threads())[1] == "/CPU:0"


def fake_torch(monkeypatch: pytest.MonkeyPatch, n_gpus: int) -> Any:
    flags = {"matmul": SimpleNamespace(allow_tf32=True)}
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: n_gpus > 0, device_count=lambda: n_gpus),
        backends=SimpleNamespace(cuda=SimpleNamespace(**flags), cudnn=SimpleNamespace(allow_tf32=True)),
        version=SimpleNamespace(cuda="13.2"),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


def test_pytorch_computes_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = fake_torch(monkeypatch, 2)
    assert torch_model._begin(Path("lstm.pt2"), Device(1))[1] == "cuda:1"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_a_gpu_of_a_number_that_there_is_not_is_an_error_that_names_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_tensorflow(monkeypatch, 1)
    fake_torch(monkeypatch, 2)
    with pytest.raises(DeviceMissing, match="TensorFlow has no gpu:1 here, only cpu and gpu:0"):
        tensorflow_model._begin(Path("lstm.keras"), Device(1), Threads())
    with pytest.raises(DeviceMissing, match="PyTorch has no gpu:2 here, only cpu and gpu:0 and gpu:1"):
        torch_model._begin(Path("lstm.pt2"), Device(2))
