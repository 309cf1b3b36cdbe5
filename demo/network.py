"""The tutorial's network in Keras, and its training."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from demo.data import N_STEPS, cut_windows
from engine.inference import DenseWeights, LSTMWeights

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

N_LAYERS = 3
N_UNITS = 100
BATCH_SIZE = 100
LEARNING_RATE = 0.001
SEED = 2017


def build_network() -> keras.Model:
    """Return the network with fresh weights: windows in, for each step the price of the next day out.

    The recurrent weights begin like the others (Glorot, uniform), which is what the tutorial's `BasicLSTMCell` does;
    Keras would begin with an orthogonal matrix.
    """
    keras.utils.set_random_seed(SEED)
    layers = [
        keras.layers.LSTM(N_UNITS, recurrent_initializer="glorot_uniform", return_sequences=True)
        for _ in range(N_LAYERS)
    ]
    return keras.Sequential([keras.Input((N_STEPS, 1)), *layers, keras.layers.Dense(1)])


def train(network: keras.Model, series: pd.Series, n_steps: int) -> Iterator[float]:
    """Train on `n_steps` batches of random windows of the series; yield the loss of each."""
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(network.trainable_variables)

    @tf.function(jit_compile=True)
    def step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network(inputs, training=True) - targets))
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return loss

    windows = cut_windows(series, N_STEPS + 1)
    for number in range(n_steps):
        starts = random.Random(SEED + number).sample(range(len(windows)), BATCH_SIZE)
        batch = windows[starts]
        yield float(step(batch[:, :-1], batch[:, 1:]))


def take_weights(network: keras.Model) -> tuple[list[LSTMWeights], DenseWeights]:
    """Return the weights as the exporter wants them."""
    *lstms, dense = (layer.get_weights() for layer in network.layers)
    return [LSTMWeights.from_keras(*weights) for weights in lstms], DenseWeights(*dense)
