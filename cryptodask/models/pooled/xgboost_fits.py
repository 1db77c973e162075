"""Boosted trees of XGBoost for models over all coins: options, fits, and what is kept of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.models.options import class_docs
from cryptodask.models.packed import Bytes
from cryptodask.models.pooled.boosted_fits import BoostedFits, compressed
from cryptodask.models.pooled.fits import Fit, Predictor
from cryptodask.records import FloatArray32

OPTIONS: Mapping[str, Any] = {
    "n_estimators": 200,
    "max_depth": 3,
    "learning_rate": 0.05,
    "min_child_weight": 50.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "colsample_bylevel": 1.0,
    "colsample_bynode": 1.0,
    "reg_alpha": 0.0,
    "reg_lambda": 1.0,
    "gamma": 0.0,
    "max_delta_step": 0.0,
    "max_bin": 256,
    "max_leaves": 0,
    "grow_policy": "depthwise",
    "num_parallel_tree": 1,
    "objective": "reg:squarederror",
    "base_score": None,
    "n_jobs": 1,
}
"""The parameters of ``xgboost.XGBRegressor`` that may be given, with our defaults.

XGBoost takes any other name without a word. Its own first defaults, 100 trees of depth 6 with
a rate of 0.3, fit the noise of daily returns. ``n_jobs`` is one of them, since sums over other
numbers of threads differ in their last bits."""

FIXED: Mapping[str, Any] = {"tree_method": "hist", "booster": "gbtree", "verbosity": 0}


def parameters(params: Mapping[str, Any], seed: int) -> tuple[dict[str, Any], int]:
    """Return parameters as ``xgboost.train`` takes them, and the number of rounds.

    Parameters
    ----------
    params : mapping of str to value
        Some of `OPTIONS`.
    seed : int
    """
    values = {**OPTIONS, **params}
    rounds = values.pop("n_estimators")
    values["nthread"] = values.pop("n_jobs")
    values["seed"] = seed % 2**31
    return {**{k: v for k, v in values.items() if v is not None}, **FIXED}, rounds


@dataclass(frozen=True)
class XGBoostFits(BoostedFits):
    """XGBoost as `cryptodask.models.pooled.learner` fits it.

    Attributes
    ----------
    params : mapping of str to value
        Some of `OPTIONS`.
    """

    bit_equal: ClassVar[bool] = False
    library: ClassVar[str] = "xgboost"
    title: ClassVar[str] = "XGBoost"
    defaults: ClassVar[Mapping[str, Any]] = OPTIONS
    counts: ClassVar[tuple[str, ...]] = ("n_estimators", "n_jobs")
    objectives: ClassVar[tuple[str, ...]] = (
        "reg:squarederror",
        "reg:pseudohubererror",
        "reg:absoluteerror",
    )

    def docs(self, module: Any) -> list[str]:
        return class_docs(module.XGBRegressor)

    def check_distributed(self) -> None:
        """Do nothing: XGBoost has an interface of Dask's."""

    def fit(self, x: FloatArray32, y: FloatArray32, seed: int) -> Fit:
        import xgboost

        given, rounds = parameters(self.params, seed)
        table = xgboost.QuantileDMatrix(x, y, max_bin=given["max_bin"], nthread=given["nthread"])
        return Fit.of(y, kept=to_bytes(xgboost.train(given, table, num_boost_round=rounds)))

    def load(self, content: bytes) -> tuple["Booster", int]:
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
        booster.set_param({"nthread": 1})
        return Booster(booster), booster.num_features()


def to_bytes(booster: Any) -> Bytes:
    """Return a booster as bytes: UBJSON, compressed.

    Parameters
    ----------
    booster : xgboost.Booster

    Returns
    -------
    ndarray of uint8, ``(n_bytes,)``
    """
    return compressed(booster.save_raw("ubj"))


@dataclass(frozen=True)
class Booster(Predictor):
    """Trees of XGBoost that predict.

    Attributes
    ----------
    booster : xgboost.Booster
    """

    booster: Any

    def predict(self, x: FloatArray32) -> FloatArray32:
        predicted: FloatArray32 = self.booster.inplace_predict(np.ascontiguousarray(x))
        return predicted
