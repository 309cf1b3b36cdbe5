"""``python fastapi_server.py TASK``: one window a request, by FastAPI on uvicorn.

A plain ``def``, as its documentation tells for code that cannot be awaited: FastAPI calls it in a thread of its pool.
With ``"is_async"`` it is an ``async def``, which holds the event loop and saves the hop.
"""

import json
import sys

import uvicorn
from fastapi import FastAPI
from graph import open_scorer
from pydantic import BaseModel

TASK = json.loads(sys.argv[1])
app = FastAPI()
score = open_scorer(TASK["model"], TASK["n_threads"], TASK["counts"])


class Window(BaseModel):
    """What is posted."""

    prices: list[float]


class Score(BaseModel):
    """What is answered."""

    score: float


if TASK["is_async"]:

    @app.post("/predict")
    async def predict(window: Window) -> Score:
        """Score a window in the event loop."""
        return Score(score=float(score([window.prices])[0]))

else:

    @app.post("/predict")
    def predict(window: Window) -> Score:
        """Score a window in a thread."""
        return Score(score=float(score([window.prices])[0]))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=TASK["port"], log_level="warning", access_log=False)
