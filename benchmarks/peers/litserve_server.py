"""``python litserve_server.py TASK``: one window a request, by LitServe; with batching if the task says so."""

import json
import sys

import litserve
from graph import open_scorer

TASK = json.loads(sys.argv[1])


class WindowAPI(litserve.LitAPI):
    """One window in, one score out."""

    def setup(self, device):  # noqa: ARG002 - the name is theirs
        """Open the graph in the worker."""
        self.score = open_scorer(TASK["model"], TASK["n_threads"], TASK["counts"])

    def decode_request(self, request):
        """Take the window."""
        return request["prices"]

    def predict(self, given):
        """Score a window, or with batching the list of those that are there."""
        if TASK["max_batch"] > 1:
            return [float(score) for score in self.score(given)]
        return float(self.score([given])[0])

    def batch(self, inputs):
        """Keep the list."""
        return inputs

    def unbatch(self, output):
        """Keep the list."""
        return output

    def encode_response(self, output):
        """Give the score."""
        return {"score": output}


if TASK["max_batch"] == 1:  # LitServe takes those two for the wish to batch
    del WindowAPI.batch, WindowAPI.unbatch

if __name__ == "__main__":
    batching = {"max_batch_size": TASK["max_batch"], "batch_timeout": TASK["wait_s"]} if TASK["max_batch"] > 1 else {}
    server = litserve.LitServer(WindowAPI(**batching), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=TASK["port"], generate_client_file=False, log_level="warning", access_log=False)
