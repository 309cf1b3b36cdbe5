"""A runtime of MLServer, started by ``mlserver start FOLDER``: one window a request, batched if its settings say so."""

from graph import open_scorer
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class WindowModel(MLModel):
    """Windows in, scores out."""

    async def load(self):
        """Open the graph."""
        told = self.settings.parameters
        self.score = open_scorer(told.uri, told.extra["n_threads"], told.extra["counts"])
        return True

    async def predict(self, payload):
        """Score the windows of one request, or of several that MLServer has put together."""
        windows = NumpyCodec.decode_input(payload.inputs[0])
        outputs = [NumpyCodec.encode_output("scores", self.score(windows))]
        return InferenceResponse(model_name=self.name, outputs=outputs)
