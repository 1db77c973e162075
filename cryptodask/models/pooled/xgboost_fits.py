"""Boosted trees of XGBoost for models over all coins: options, fits, and what is kept of them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import MissingExtraError, OptionError, VersionError
from cryptodask.models.packed import Bytes
from cryptodask.models.pooled.fits import PREFIX, Fit
from cryptodask.models.things import class_docs
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

MOST_BYTES = 2**30
"""Of one step's trees: more are refused, lest a few bytes that were put there fill the memory."""

OBJECTIVES = ("reg:squarederror", "reg:pseudohubererror", "reg:absoluteerror")
"""Those whose predictions are of either sign and in the unit of the target."""


def import_xgboost(model: str) -> Any:
    """Return the package.

    Parameters
    ----------
    model : str
        The model's name, for the message.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import xgboost
    except ImportError as error:
        raise MissingExtraError(
            f"{model} needs XGBoost: pip install 'cryptodask[xgboost]'"
        ) from error
    return xgboost


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
class XGBoostFits:
    """XGBoost as `cryptodask.models.pooled.learner` fits it.

    Attributes
    ----------
    params : mapping of str to value
        Some of `OPTIONS`.
    """

    params: Mapping[str, Any]

    bit_equal: ClassVar[bool] = False
    library: ClassVar[str] = "xgboost"
    name: ClassVar[str] = f"{PREFIX}:xgboost"

    def options(self) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option."""
        return {name: (type(default), default) for name, default in OPTIONS.items()}

    def documented(self) -> list[str]:
        """Return XGBoost's docstrings, if it is installed; they say what options mean."""
        try:
            return class_docs(import_xgboost(self.name).XGBRegressor)
        except MissingExtraError:
            return []

    def check(self) -> None:
        """Check options by training on a few rows.

        Raises
        ------
        MissingExtraError
            XGBoost is not installed.
        OptionError
            An option is out of its range.
        """
        xgboost = import_xgboost(self.name)
        values = {**OPTIONS, **self.params}
        for option in ("n_estimators", "n_jobs"):
            value = values[option]
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise OptionError(
                    f"{self.name} {option}: must be an integer of at least 1, got {value!r}"
                )
        for option, value in values.items():
            numeric = isinstance(OPTIONS[option], int | float)
            if numeric and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise OptionError(f"{self.name} {option}: must be a number, got {value!r}")
        if values["objective"] not in OBJECTIVES:
            raise OptionError(
                f"{self.name} objective: must be one of {', '.join(OBJECTIVES)}, got "
                f"{values['objective']!r}"
            )
        x = np.arange(16, dtype=np.float32).reshape(8, 2)
        try:
            XGBoostFits({**self.params, "n_estimators": 1}).fit(x, x[:, 0], 0)
        except (xgboost.core.XGBoostError, TypeError, ValueError) as error:
            said = " ".join(str(error).partition("Stack trace")[0].split())
            raise OptionError(f"{self.name}: XGBoost refuses its options: {said}") from error

    def check_distributed(self) -> None:
        """Do nothing: XGBoost has an interface of Dask's."""

    def fit(self, x: FloatArray32, y: FloatArray32, seed: int) -> Fit:
        """Fit boosted trees.

        Parameters
        ----------
        x : ndarray of float32, ``(n, n_columns)``
        y : ndarray of float32, ``(n,)``
            No unit.
        seed : int
        """
        import xgboost

        given, rounds = parameters(self.params, seed)
        table = xgboost.QuantileDMatrix(x, y, max_bin=given["max_bin"], nthread=given["nthread"])
        return Fit.of(y, kept=to_bytes(xgboost.train(given, table, num_boost_round=rounds)))

    def fit_blocks(self, blocks: Sequence[tuple[FloatArray32, FloatArray32]], seed: int) -> Fit:
        """Fit boosted trees to several blocks as to one.

        Parameters
        ----------
        blocks : sequence of (ndarray, ndarray)
            Features and targets, as `fit` takes them.
        seed : int
        """
        x, y = zip(*blocks, strict=True)
        return self.fit(np.concatenate(x), np.concatenate(y), seed)

    def predictor(self, fit: Fit, columns: int, seed: int) -> "Booster":
        """Return what predicts from a fit.

        Parameters
        ----------
        fit : Fit
        columns : int
            Features.
        seed : int
        """
        assert fit.kept is not None
        return Booster(fit.kept, columns, self.name)


def to_bytes(booster: Any) -> Bytes:
    """Return a booster as bytes: UBJSON, compressed to a sixth.

    Parameters
    ----------
    booster : xgboost.Booster

    Returns
    -------
    ndarray of uint8, ``(n_bytes,)``
    """
    return np.frombuffer(zlib.compress(booster.save_raw("ubj"), 9), dtype=np.uint8)


class Booster:
    """A boosted forest that predicts.

    Parameters
    ----------
    kept : ndarray of uint8, ``(n_bytes,)``
        Of `fit`.
    columns : int
        Features.
    what : str
        What it is of, for messages.

    Raises
    ------
    VersionError
        The bytes are not those of a booster of this number of features.
    """

    def __init__(self, kept: Bytes, columns: int, what: str) -> None:
        xgboost = import_xgboost(what)
        self._booster = xgboost.Booster({"nthread": 1})
        try:
            self._booster.load_model(bytearray(_decompressed(kept)))
            features = self._booster.num_features()
        except (xgboost.core.XGBoostError, zlib.error, ValueError, TypeError) as error:
            raise VersionError(
                f"{what}: what was kept can't be read by XGBoost; train it again"
            ) from error
        if features != columns:
            raise VersionError(
                f"{what}: what was kept is of {features} features, and {columns} are declared; "
                "train it again"
            )
        self._booster.set_param({"nthread": 1})

    def predict(self, x: FloatArray32) -> FloatArray32:
        """Predict targets.

        Parameters
        ----------
        x : ndarray of float32, ``(n, n_columns)``

        Returns
        -------
        ndarray of float32, ``(n,)``
        """
        predicted: FloatArray32 = self._booster.inplace_predict(np.ascontiguousarray(x))
        return predicted


def _decompressed(kept: Bytes) -> bytes:
    """Return the UBJSON of `to_bytes`."""
    stream = zlib.decompressobj()
    content = stream.decompress(kept.tobytes(), MOST_BYTES)
    if not stream.eof:
        raise ValueError("cut off, or too large")
    return content
