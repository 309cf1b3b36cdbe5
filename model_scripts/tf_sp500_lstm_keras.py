# The model of tf_sp500_lstm.py run by TensorFlow itself, in the environment of its attachment's requirements.txt.

# engine.schema.0: double
# engine.schema.1: double

import keras
import numpy as np
import tensorflow as tf

N_STEPS = 30


def begin():
    global past_days, lstm
    past_days = []
    layers = [keras.layers.LSTM(100, return_sequences=True) for _ in range(3)]
    network = keras.Sequential([keras.Input((N_STEPS, 1)), *layers, keras.layers.Dense(1)])
    network.load_weights("lstm.weights.h5")
    # Compiled: uncompiled, a call takes a hundred times as long.
    lstm = tf.function(network, jit_compile=True)
    lstm(np.zeros((1, N_STEPS, 1), np.float32))  # now, not in the first record


def action(price):
    past_days.append(price)
    del past_days[:-N_STEPS]
    if len(past_days) == N_STEPS:
        windows = np.reshape(past_days, (1, N_STEPS, 1)).astype(np.float32)
        yield float(lstm(windows)[0, -1, 0])
