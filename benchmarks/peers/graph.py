"""The LSTM's file on onnxruntime, with the same options for everybody."""

import numpy as np
import onnxruntime


def open_scorer(model, n_threads, counts=None):
    """Return a function from windows [n, 30] to scores [n].

    It adds its calls and their windows to the file `counts`, two int64: how many were scored at once is asked from
    outside, whichever process does it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    (name,) = (node.name for node in session.get_inputs())

    counted = np.zeros(2, np.int64) if counts is None else np.memmap(counts, np.int64, "r+", shape=(2,))

    def score(windows):
        counted[:] += 1, len(windows)
        return session.run(None, {name: np.asarray(windows, np.float32)[:, :, None]})[0][:, -1, 0]

    return score
