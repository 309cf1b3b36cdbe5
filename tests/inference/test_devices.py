from __future__ import annotations

from pathlib import Path

import pytest

from engine import inference
from engine.errors import ConfigError, DeviceMissing
from engine.inference import onnx_file
from engine.inference.devices import Threads, read_devices, read_threads


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
        ("gpu:1, gpu:0,cpu", ["gpu:1", "gpu:0", "cpu"]),
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
