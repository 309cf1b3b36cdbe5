"""Keras models that are exported, and some that are refused: prints what became of each as JSON."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers

from engine.inference import export_keras


def chain(*parts: Any, shape: tuple[int | None, ...] = (7, 3), dtype: str = "float32") -> keras.Model:
    return keras.Sequential([layers.Input(shape, dtype=dtype), *parts])


def graph(build: Callable[..., Any], *shapes: tuple[int, ...]) -> keras.Model:
    inputs = [layers.Input(shape) for shape in shapes]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], build(*inputs))


def exported() -> dict[str, keras.Model]:
    shared = layers.Dense(3)
    return {
        "lstm": chain(
            layers.LSTM(5, return_sequences=True),
            layers.Dropout(0.5),
            layers.LSTM(4),
            layers.Dense(2, activation="relu"),
        ),
        "lstm of other functions": chain(
            layers.LSTM(5, use_bias=False, activation="relu", recurrent_activation="tanh")
        ),
        "gru reset after": chain(layers.GRU(5, return_sequences=True), layers.GRU(4, use_bias=False)),
        "gru reset before": chain(
            layers.GRU(5, return_sequences=True, reset_after=False), layers.GRU(4, reset_after=False)
        ),
        "simple rnn": chain(layers.SimpleRNN(5, return_sequences=True), layers.SimpleRNN(4, activation="relu")),
        "both directions": chain(
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3)),
            layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True)),
            layers.Bidirectional(layers.GRU(4)),
        ),
        "shapes and norms": chain(
            *(
                layers.BatchNormalization(),
                layers.LayerNormalization(),
                layers.Flatten(),
                layers.Dense(6, activation="gelu"),
            ),
            *(layers.BatchNormalization(scale=False), layers.LayerNormalization(center=False)),
            *(layers.Reshape((2, 3)), layers.Permute((2, 1)), layers.Reshape((-1,))),
        ),
        "functions": chain(
            *(
                layers.Dense(3, activation=name)
                for name in ("elu", "silu", "softplus", "softsign", "hard_sigmoid", "selu")
            ),
            *(layers.Dense(3, activation=name) for name in ("leaky_relu", "exponential", "sigmoid", "softmax")),
            *(layers.Activation("tanh"), layers.LeakyReLU(0.3), layers.ELU(0.5), layers.Softmax(), layers.ReLU()),
        ),
        "convolutions": chain(
            *(
                layers.Conv1D(4, 3, padding="same", activation="relu"),
                layers.MaxPooling1D(2),
                layers.AveragePooling1D(2, strides=1),
            ),
            *(layers.Conv1D(4, 2, padding="causal", dilation_rate=2), layers.Conv1D(2, 2, strides=2), layers.LSTM(3)),
            shape=(20, 3),
        ),
        "several inputs and outputs": graph(
            lambda a, b: [
                layers.Concatenate()([layers.LSTM(3)(a), b]),
                layers.Dense(1)(layers.Add()([b, layers.Multiply()([b, b])])),
            ],
            *((7, 2), (4,)),
        ),
        "any number of steps": chain(
            layers.GRU(4, return_sequences=True), layers.GlobalAveragePooling1D(), shape=(None, 3)
        ),
        "Conv2D": chain(layers.Conv2D(2, 2), shape=(7, 7, 1)),
        "used several times": graph(lambda a: shared(shared(a)), (3,)),
        "of type Sequential": chain(chain(layers.Dense(2))),
        "return_state=True": graph(lambda a: layers.LSTM(3, return_state=True)(a)[0], (7, 3)),
        "go_backwards=True": chain(layers.LSTM(3, go_backwards=True)),
        "stateful=True": keras.Sequential([layers.Input((4, 2), batch_size=1), layers.LSTM(3, stateful=True)]),
        "Masking": chain(layers.Masking(), layers.LSTM(3)),
        "sigmoid, selu, selu": chain(layers.LSTM(3, activation="selu")),
        "an operation on tensors": graph(lambda a: a * 2, (3,)),
        "merge_mode='sum'": chain(layers.Bidirectional(layers.LSTM(3), merge_mode="sum")),
        "is of int32": chain(layers.Embedding(4, 2), shape=(3,), dtype="int32"),
        "is not built": keras.Sequential([layers.Dense(3)]),
        "from its source": chain(layers.Dense(3, dtype="mixed_float16")),
    }


def draw_weights(model: keras.Model) -> None:
    """Give biases and statistics values that show where they are used."""
    numbers = np.random.default_rng(0)
    drawn = [array + 0.3 * numbers.normal(size=array.shape) for array in model.get_weights()]
    is_variance = ["variance" in variable.name for variable in model.weights]
    model.set_weights([np.abs(array) if is_one else array for array, is_one in zip(drawn, is_variance, strict=True)])


def main(folder: Path) -> None:
    keras.utils.set_random_seed(7)
    warnings.simplefilter("error")
    told: dict[str, Any] = {}
    for name, model in exported().items():
        if model.built:
            draw_weights(model)
        try:
            told[name] = export_keras(model, folder / "model.onnx")
            (folder / "model.onnx").unlink()
        except Exception as exc:
            told[name] = f"{type(exc).__name__}: {exc}"
    told["files left"] = [path.name for path in folder.iterdir()]
    print(json.dumps(told))


main(Path(sys.argv[1]))
