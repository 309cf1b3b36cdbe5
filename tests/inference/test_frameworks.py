"""What needs TensorFlow and PyTorch: their programs run where ``make test`` puts both."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine import inference

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("ENGINE_TEST_TENSORFLOW", ROOT / ".venv-train/bin/python"))
TIMEOUT_S = 400  # 30 s on a quiet core, most of it imports and compilation

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TIMEOUT_S)]


def run_program(name: str, folder: Path) -> Any:
    if not (PYTHON.exists() and (PYTHON.parents[1] / "torch").exists()):
        pytest.skip("TensorFlow and PyTorch are not installed: make .venv-train/torch")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ENGINE_")}
    ran = subprocess.run(
        [PYTHON, ROOT / "tests/inference/frameworks" / name, folder],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=folder,
        env=environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_every_format_gives_the_same_scores_and_what_is_no_model_is_refused(tmp_path: Path) -> None:
    told = run_program("formats.py", tmp_path)
    refused, fallback = told.pop("refused"), told.pop("fallback")
    warned, other_threads = told.pop("warnings"), told.pop("other threads")
    assert {name: file["backend"] for name, file in told.items()} == {
        "lstm.keras": "keras",
        "lstm.h5": "keras",
        "lstm_folder": "tensorflow",
        "from_keras.onnx": "onnxruntime",
        "from_torch.onnx": "onnxruntime",
        "lstm.pt2": "torch.export",
        "lstm.pt": "torchscript",
    }
    for name, file in told.items():
        assert max(file["distance"], file["alone"]) < 1e-5, name
        assert (file["dtype"], file["device"], file["n_rows"]) == ("float32", "cpu", 6), name
        assert file["is_batchable"] is (name != "lstm.pt"), name
        assert file["shape"] == ("anything" if name == "lstm.pt" else "float32 [any, 9, 2]"), name
        assert file["n_threads"] in (None, 1), name
        assert file["on a gpu"].startswith("DeviceMissing: "), name
        assert "has no gpu:0 here, only cpu." in file["on a gpu"], name

    assert fallback == ["cpu", "cpu"]
    assert warned.pop(0).startswith("TensorFlow works in this process with 1, not with 2, which lstm.h5 shall run on")
    assert [text.split(" here.")[0] for text in warned] == [
        "lstm.h5 runs on cpu: TensorFlow has no gpu:0",
        "lstm.pt runs on cpu: PyTorch has no gpu:0",
    ]
    assert other_threads.startswith("ConfigError: TensorFlow works in this process with 1, not with 2")
    wanted = {
        "trap.pt2": "holds pickled Python objects",
        "only.weights.h5": "holds weights without a network",
        "stateful.keras": "keeps state of its own",
        "damaged.keras": "was not taken by Keras",
        "damaged.pt": "no archive of PyTorch",
        "damaged_folder": "was not taken by TensorFlow",
        "lambda.keras": "layers that Keras does not know",
    }
    assert [name for name, reason in wanted.items() if reason not in refused[name]] == [], refused
    assert not (tmp_path / "trace").exists()
    # The exported files, in this environment, where neither framework is.
    for name in ("from_keras.onnx", "from_torch.onnx"):
        assert inference.load(tmp_path / name).is_batchable


@pytest.mark.parametrize(("name", "n_exported"), [("keras_networks.py", 11), ("torch_networks.py", 12)])
def test_usual_networks_are_exported_and_others_refused_by_what_they_have(
    tmp_path: Path, name: str, n_exported: int
) -> None:
    told = run_program(name, tmp_path)
    assert told.pop("files left") == []
    exported = dict(list(told.items())[:n_exported])
    assert {network: distance for network, distance in exported.items() if not isinstance(distance, float)} == {}
    assert max(exported.values()) < 1e-5
    refused = {reason: sentence for reason, sentence in told.items() if reason not in exported}
    assert [
        (reason, sentence)
        for reason, sentence in refused.items()
        if not str(sentence).startswith("AssetInvalid: ") or reason not in sentence
    ] == []
