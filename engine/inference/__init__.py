"""Predictors: a model file in, a function on numpy arrays out, whatever framework wrote the file."""

from engine.inference.formats import load
from engine.inference.keras_export import export_keras
from engine.inference.predictor import Predictor, Statistics, Tensor
from engine.inference.recurrent import DenseWeights, LSTMWeights, export_lstm
from engine.inference.torch_export import export_torch

__all__ = [
    "DenseWeights",
    "LSTMWeights",
    "Predictor",
    "Statistics",
    "Tensor",
    "export_keras",
    "export_lstm",
    "export_torch",
    "load",
]
