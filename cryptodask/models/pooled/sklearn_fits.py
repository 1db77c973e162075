"""Regressors of scikit-learn for models over all coins: fits, and what is kept of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import OptionError, VersionError
from cryptodask.models.blas import one_blas_thread
from cryptodask.models.external.sklearn_family import (
    OURS,
    check_regressor,
    find_regressor,
    one_openmp_thread,
    regressor_options,
)
from cryptodask.models.options import class_docs
from cryptodask.models.packed import Bytes
from cryptodask.models.pooled.fits import PREFIX, Fit, Library, Predictor
from cryptodask.models.regression.estimators import keep, restore
from cryptodask.records import FloatArray, FloatArray32

TOGETHER = 64
"""Rows of a call of a regressor's ``predict``, filled up by the last one: products of matrices of
another shape would add up in another order, and a forecast would depend on the coins beside."""

TEMPLATE_ROWS = 128


@dataclass(frozen=True)
class SklearnFits(Library):
    """A regressor of scikit-learn as `cryptodask.models.pooled.learner` fits it.

    Attributes
    ----------
    estimator : str
        As ``sklearn.linear_model.Ridge``.
    params : mapping of str to value
    """

    estimator: str
    params: Mapping[str, Any]

    bit_equal: ClassVar[bool] = True
    library: ClassVar[str] = "scikit-learn"

    @property
    def name(self) -> str:
        """The model's name."""
        return f"{PREFIX}:{self.estimator}"

    def options(self) -> dict[str, tuple[Any, Any]]:
        return regressor_options(self.estimator, PREFIX)

    def documented(self) -> list[str]:
        return class_docs(find_regressor(self.estimator, PREFIX))

    def check(self) -> None:
        """Check parameters; see `cryptodask.models.external.sklearn_family.check_regressor`."""
        check_regressor(self.name, self.estimator, self.params)

    def check_distributed(self) -> None:
        if not hasattr(find_regressor(self.estimator, PREFIX), "partial_fit"):
            raise OptionError(
                f"{self.name} distributed: the class has no partial_fit, by which alone it could "
                "be fitted to rows that lie on several workers; leave it out, for a sample on one"
            )

    def make(self, seed: int) -> Any:
        """Return a regressor that was not fitted yet.

        Parameters
        ----------
        seed : int
        """
        kind = find_regressor(self.estimator, PREFIX)
        takes = kind(**self.params).get_params(deep=False)
        ours = {"random_state": seed % 2**31, "n_jobs": 1}
        return kind(**self.params, **{name: ours[name] for name in OURS if name in takes})

    def fit(self, x: FloatArray32, y: FloatArray32, seed: int) -> Fit:
        regressor = self.make(seed)
        wide, wanted = x.astype(np.float64), y.astype(np.float64)
        with one_blas_thread(), one_openmp_thread():
            regressor.fit(wide, wanted)
        return self.kept(regressor, wide, wanted, seed)

    def fit_blocks(self, blocks: Sequence[tuple[FloatArray32, FloatArray32]], seed: int) -> Fit:
        """Fit a regressor to one block after the other, by its ``partial_fit``.

        Parameters
        ----------
        blocks : sequence of (ndarray, ndarray)
            Features and targets, as `fit` takes them.
        seed : int
        """
        regressor = self.make(seed)
        with one_blas_thread(), one_openmp_thread():
            for x, y in blocks:
                regressor.partial_fit(x.astype(np.float64), y.astype(np.float64))
        wide, wanted = (values.astype(np.float64) for values in blocks[0])
        fit = self.kept(regressor, wide, wanted, seed)
        every = np.concatenate([y for _, y in blocks])
        return Fit.of(every, fit.kept, fit.regressor, fit.why)

    def kept(self, regressor: Any, x: FloatArray, y: FloatArray, seed: int) -> Fit:
        """Return a fitted regressor as bytes if it predicts the same from them, or as it is.

        Parameters
        ----------
        regressor : estimator
        x : ndarray of float64, ``(n, n_columns)``
        y : ndarray of float64, ``(n,)``
            What it was fitted to, or the last of it.
        seed : int
        """
        with one_blas_thread(), one_openmp_thread():
            packed, others = keep(regressor, x, y)
            some = x[:TOGETHER].copy()
            expected = np.ravel(regressor.predict(some))
            try:
                again = self._restored(packed, x.shape[1], seed, self.name).predict(some)
                same = np.array_equal(expected, np.ravel(again))
            except (AttributeError, ValueError, TypeError, VersionError):  # "not fitted", too
                same = False
        if same:
            return Fit.of(y, kept=packed)
        parts = ", ".join(others) or "some that it computes"
        return Fit.of(y, regressor=regressor, why=f"it has parts that are not numbers ({parts})")

    def predictor(self, fit: Fit, columns: int, seed: int) -> Predictor:
        if fit.kept is None:
            return InBlocks(fit.regressor)
        return InBlocks(self._restored(fit.kept, columns, seed, self.name))

    def _restored(self, packed: Bytes, columns: int, seed: int, what: str) -> Any:
        """Return a regressor as it was kept, which has to look like one fitted to anything."""
        rows = np.random.default_rng(0).normal(size=(TEMPLATE_ROWS, columns + 1))
        template = self.make(seed)
        with one_blas_thread(), one_openmp_thread():
            template.fit(rows[:, :-1], rows[:, -1])
        return restore(self.make(seed), packed, template, what)


@dataclass(frozen=True)
class InBlocks(Predictor):
    """A fitted regressor that predicts rows in blocks of one size.

    Attributes
    ----------
    regressor : estimator
    """

    regressor: Any

    def predict(self, x: FloatArray32) -> FloatArray:
        short = -len(x) % TOGETHER
        filled = np.concatenate([x, np.repeat(x[-1:], short, axis=0)]).astype(np.float64)
        with one_blas_thread(), one_openmp_thread():
            blocks = [
                np.ravel(self.regressor.predict(filled[start : start + TOGETHER]))
                for start in range(0, len(filled), TOGETHER)
            ]
        return np.concatenate([np.empty(0), *blocks])[: len(x)]
