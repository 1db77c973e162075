"""What is fitted to the rows of all coins, for one step ahead, whatever the library."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.models.learned import Learned, ragged
from cryptodask.models.packed import Bytes
from cryptodask.records import FloatArray, FloatArray32

PREFIX = "pooled"
"""What names of models over all coins begin with, before the library's name."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What was fitted for one step ahead.

    Attributes
    ----------
    kept : ndarray of uint8, ``(n_bytes,)``, or None
        What is kept of it.
    low, high : float
        The least and the greatest target that it was fitted to.
    rows : int
        That it was fitted to.
    regressor : object
        What was fitted, if it can't be kept.
    why : str
        Why that is so.
    """

    kept: Bytes | None
    low: float
    high: float
    rows: int
    regressor: Any = None
    why: str = ""

    @classmethod
    def of(cls, y: Any, kept: Bytes | None = None, regressor: Any = None, why: str = "") -> "Fit":
        """Return a fit to targets.

        Parameters
        ----------
        y : ndarray of float, ``(n,)``
        kept, regressor, why
            See the attributes.
        """
        return cls(kept, float(y.min()), float(y.max()), len(y), regressor, why)


class Predictor(ABC):
    """What predicts the targets of rows, each by itself."""

    @abstractmethod
    def predict(self, x: FloatArray32) -> FloatArray | FloatArray32:
        """Predict targets.

        Parameters
        ----------
        x : ndarray of float32, ``(n, n_columns)``

        Returns
        -------
        ndarray of float64 or float32, ``(n,)``
            No unit.
        """


class Library(ABC):
    """How regressors of a library are made, fitted and kept."""

    bit_equal: ClassVar[bool]
    """Whether a distributed training gives the same bits for any partitions."""

    library: ClassVar[str]
    """The package whose release decides whether what was kept can be read."""

    @abstractmethod
    def options(self) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option."""

    @abstractmethod
    def documented(self) -> list[str]:
        """Return the library's docstrings on its options; none if it is not installed."""

    @abstractmethod
    def check(self) -> None:
        """Check the parameters, before any coin is read."""

    @abstractmethod
    def check_distributed(self) -> None:
        """Check that rows may lie on several workers.

        Raises
        ------
        OptionError
            The library, or the regressor, is trained on one.
        """

    @abstractmethod
    def fit(self, x: FloatArray32, y: FloatArray32, seed: int) -> Fit:
        """Fit a regressor.

        Parameters
        ----------
        x : ndarray of float32, ``(n, n_columns)``
        y : ndarray of float32, ``(n,)``
            No unit.
        seed : int

        Raises
        ------
        TypeError, ValueError
            The library refuses.
        """

    @abstractmethod
    def fit_blocks(self, blocks: Sequence[tuple[FloatArray32, FloatArray32]], seed: int) -> Fit:
        """Fit a regressor as a distributed training does, here.

        Parameters
        ----------
        blocks : sequence of (ndarray, ndarray)
            Features and targets, as `fit` takes them.
        seed : int
        """

    @abstractmethod
    def predictor(self, fit: Fit, columns: int, seed: int) -> Predictor:
        """Return what predicts from a fit.

        Parameters
        ----------
        fit : Fit
        columns : int
            Features.
        seed : int

        Raises
        ------
        VersionError
            What was kept is not of such a regressor, or of another number of features.
        """


def as_arrays(fits: Sequence[Fit]) -> Mapping[str, Any]:
    """Return fits that can be kept as arrays.

    Parameters
    ----------
    fits : sequence of Fit
        At least one.

    Returns
    -------
    mapping of str to ndarray
        ``low``, ``high`` and ``rows``, ``(n_fits,)`` each, and ``fit``, ragged bytes.
    """
    low, high = np.array([(fit.low, fit.high) for fit in fits]).T.copy()
    rows = np.array([fit.rows for fit in fits], dtype=np.int64)
    kept = [fit.kept for fit in fits if fit.kept is not None]
    return {"low": low, "high": high, "rows": rows, **ragged("fit", kept)}


def from_arrays(known: Learned) -> list[Fit]:
    """Return the fits of `as_arrays`.

    Parameters
    ----------
    known : Learned
    """
    low, high, rows = (known.arrays[name].tolist() for name in ("low", "high", "rows"))
    return [Fit(known.of("fit", i), low[i], high[i], rows[i]) for i in range(len(low))]
