"""The models, one file each, and the catalog that names them."""

from cryptodask.models.base import Model, PanelForecast
from cryptodask.models.catalog import (
    create_model,
    describe_model,
    list_families,
    list_models,
    model_gaps,
    model_options,
)
from cryptodask.models.fitting import run_model
from cryptodask.models.learned import Learned
from cryptodask.models.single import deep_predict, linear_predict, predict_one

__all__ = [
    "Learned",
    "Model",
    "PanelForecast",
    "create_model",
    "deep_predict",
    "describe_model",
    "linear_predict",
    "list_families",
    "list_models",
    "model_gaps",
    "model_options",
    "predict_one",
    "run_model",
]
