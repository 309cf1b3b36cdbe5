"""PyTorch modules that are exported, and some that are refused: prints what became of each as JSON."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.inference import export_torch, load

WINDOWS = torch.ones(3, 7, 3)
ROWS = torch.ones(1, 3)


class Recurrent(nn.Module):
    """A recurrent layer, and a function of what it gives."""

    def __init__(self, layer: nn.RNNBase, use: Callable[..., Any]) -> None:
        super().__init__()
        self.layer, self.use = layer, use

    def forward(self, windows: Tensor) -> Any:
        return self.use(windows, *self.layer(windows))


class Applied(nn.Module):
    """A linear layer, and a function of what it gives."""

    def __init__(self, use: Callable[..., Any]) -> None:
        super().__init__()
        self.linear, self.use = nn.Linear(3, 3), use

    def forward(self, first: Tensor, second: Tensor) -> Any:
        return self.use(self.linear(first), second)


class Begun(nn.Module):
    """An LSTM that begins with a state that the module makes."""

    def __init__(self, begin: Callable[..., Tensor]) -> None:
        super().__init__()
        self.lstm, self.begin = nn.LSTM(3, 4, batch_first=True), begin

    def forward(self, windows: Tensor) -> Tensor:
        state = self.begin(1, windows.size(0), 4)
        return self.lstm(windows, (state, state))[0]


class Embedded(nn.Module):
    """Words, as their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.gru = nn.Embedding(5, 4), nn.GRU(4, 3, batch_first=True)

    def forward(self, words: Tensor) -> Tensor:
        return self.gru(self.embedding(words))[0]


def reshape(windows: Tensor, every: Tensor, _: Any) -> Tensor:
    n_rows, n_steps, n_units = every.shape
    return torch.relu(every.reshape(n_rows * n_steps, n_units)).view(n_rows, n_steps, n_units)


def networks() -> dict[str, tuple[nn.Module, Any]]:
    functions = (nn.ELU(0.5), nn.SELU(), nn.GELU(), nn.SiLU(), nn.LeakyReLU(0.1), nn.Softplus(), nn.LogSoftmax(-1))
    rows = (ROWS, ROWS)
    both = {"batch_first": True, "bidirectional": True}
    return {
        "lstm": (Recurrent(nn.LSTM(3, 4, 2, batch_first=True, dropout=0.3), lambda x, y, h: y[:, -1]), WINDOWS),
        "last state": (Recurrent(nn.LSTM(3, 4, 3, batch_first=True, bias=False), lambda x, y, h: h[0][-1]), WINDOWS),
        "both directions": (Recurrent(nn.LSTM(3, 4, 2, **both), lambda x, y, h: (y.mean(1), y[:, 1:3])), WINDOWS),
        "zeros to begin with": (Begun(torch.zeros), WINDOWS),
        "gru": (Recurrent(nn.GRU(3, 4, 2, **both), reshape), WINDOWS[:1]),
        "rnn": (Recurrent(nn.RNN(3, 4, 2, nonlinearity="relu", **both), lambda x, y, h: torch.tanh(y)), WINDOWS),
        "norms": (nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.LayerNorm(3), nn.Softmax(-1)), ROWS),
        "convolutions": (nn.Sequential(nn.Conv1d(7, 4, 2, padding=1), nn.ReLU(), nn.Flatten()), WINDOWS),
        "words": (Embedded(), torch.tensor([[0, 4, 1], [2, 2, 3]])),
        "functions": (nn.Sequential(*(part for use in functions for part in (nn.Linear(3, 3), use))), ROWS),
        "two inputs": (Applied(lambda a, b: torch.cat([a * 2 + b, b / 3 - a, 1 - b], -1)), rows),
        "shapes": (Applied(lambda a, b: (a + b).unsqueeze(1).transpose(1, 2).permute(0, 2, 1).squeeze(1)), rows),
        "batch_first=True": (Recurrent(nn.LSTM(3, 4), lambda x, y, h: y), WINDOWS),
        "calls aten.ones": (Begun(torch.ones), WINDOWS),
        "has a proj_size": (Recurrent(nn.LSTM(3, 4, proj_size=2, batch_first=True), lambda x, y, h: y), WINDOWS),
        "conv3d": (nn.Sequential(nn.Conv3d(1, 1, 2)), torch.ones(1, 1, 3, 3, 3)),
        "batches of any size": (Applied(lambda a, b: a.view(2, 3)), rows),
        "data-dependent": (Applied(lambda a, b: a if a.sum() > 0 else b), rows),
        "another in a batch": (Applied(lambda a, b: a - b.mean(0)), rows),
        "has no rows": (nn.Linear(3, 2), ROWS[:0]),
        "torch.float64": (nn.Linear(3, 2).double(), ROWS.double()),
        "else than tensors": (Applied(lambda a, b: 3), rows),
    }


def main(folder: Path) -> None:
    torch.manual_seed(7)
    told: dict[str, Any] = {}
    path = folder / "model.onnx"
    for name, (module, example) in networks().items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                told[name] = export_torch(module, path, example)
                assert load(path).is_batchable
                assert module.training
                path.unlink()
            except Exception as exc:
                told[name] = f"{type(exc).__name__}: {exc}"
    told["files left"] = [path.name for path in folder.iterdir()]
    print(json.dumps(told))


main(Path(sys.argv[1]))
