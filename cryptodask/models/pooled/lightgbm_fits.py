"""Boosted trees of LightGBM for models over all coins: options, fits, and what is kept of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.models.options import class_docs
from cryptodask.models.pooled.boosted_fits import BoostedFits, compressed
from cryptodask.models.pooled.fits import Fit, Predictor
from cryptodask.records import FloatArray, FloatArray32

OPTIONS: Mapping[str, Any] = {
    "n_estimators": 200,
    "num_leaves": 8,
    "max_depth": -1,
    "learning_rate": 0.05,
    "min_child_samples": 50,
    "min_child_weight": 0.001,
    "subsample": 1.0,
    "subsample_freq": 1,
    "subsample_for_bin": 200_000,
    "colsample_bytree": 1.0,
    "reg_alpha": 0.0,
    "reg_lambda": 1.0,
    "min_split_gain": 0.0,
    "objective": "regression",
}
"""The parameters of ``lightgbm.LGBMRegressor`` that may be given, with our defaults.

LightGBM takes any other name with a warning at most. Its own first defaults, 31 leaves of 20 rows
with a rate of 0.1, fit the noise of daily returns; ours have as many leaves, rows a leaf, trees and
rate as ``pooled:xgboost``. With its own ``subsample_freq`` of 0, ``subsample`` does nothing."""

FIXED: Mapping[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""By which the same rows give the same bits, and fits of several steps lie side by side."""


@dataclass(frozen=True)
class LightGBMFits(BoostedFits):
    """LightGBM as `cryptodask.models.pooled.learner` fits it.

    Attributes
    ----------
    params : mapping of str to value
        Some of `OPTIONS`.
    """

    bit_equal: ClassVar[bool] = True
    library: ClassVar[str] = "lightgbm"
    title: ClassVar[str] = "LightGBM"
    defaults: ClassVar[Mapping[str, Any]] = OPTIONS
    counts: ClassVar[tuple[str, ...]] = ("n_estimators", "subsample_freq")
    objectives: ClassVar[tuple[str, ...]] = ("regression", "huber", "regression_l1")

    def docs(self, module: Any) -> list[str]:
        return [*class_docs(module.LGBMRegressor), module.LGBMModel.__init__.__doc__ or ""]

    def check_distributed(self) -> None:
        raise OptionError(
            f"{self.name} distributed: LightGBM is trained on one worker, where rows meet, of "
            "more than max_rows a sample; leave it out and raise max_rows as that worker's memory "
            "allows, or use pooled:xgboost, whose rows may stay on several workers"
        )

    def fit(self, x: FloatArray32, y: FloatArray32, seed: int) -> Fit:
        import lightgbm

        given = {**OPTIONS, **self.params, **FIXED, "seed": seed % 2**31}
        rounds = given.pop("n_estimators")
        try:
            table = lightgbm.Dataset(x, np.ascontiguousarray(y), params=given)
            booster = lightgbm.train(given, table, num_boost_round=rounds)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        return Fit.of(y, kept=compressed(booster.model_to_string().encode()))

    def load(self, content: bytes) -> tuple["Booster", int]:
        import lightgbm

        text = content.decode()
        if "\nend of trees\n" not in text:  # LightGBM would take the first trees for all
            raise ValueError("not a whole text of trees")
        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        return Booster(booster), booster.num_feature()


@dataclass(frozen=True)
class Booster(Predictor):
    """Trees of LightGBM that predict.

    Attributes
    ----------
    booster : lightgbm.Booster
    """

    booster: Any

    def predict(self, x: FloatArray32) -> FloatArray:
        predicted: FloatArray = self.booster.predict(np.ascontiguousarray(x), num_threads=1)
        return predicted
