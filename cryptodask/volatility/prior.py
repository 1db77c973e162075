"""A normal distribution of parameters, towards which fits are drawn."""

from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import FloatArray


@dataclass(frozen=True, eq=False)
class Prior:
    """A normal distribution of the free parameters, towards which fits are drawn.

    Attributes
    ----------
    mean : ndarray of float64, ``(n_free,)``
        In the order of `VolatilityModel.free_names`; of returns that are scaled to a mean square
        of 1.
    precision : ndarray of float64, ``(n_free, n_free)``
        Inverse of the covariance; or ``(n_free,)``, its diagonal, the rest 0.

    Raises
    ------
    OptionError
        If the precision is not symmetric, or has a negative eigenvalue.
    """

    mean: FloatArray
    precision: FloatArray

    def __post_init__(self) -> None:
        mean = np.array(self.mean, dtype=np.float64, order="C")
        precision = np.array(self.precision, dtype=np.float64, order="C")
        if precision.ndim == 1:
            precision = np.diag(precision).copy()
        if mean.ndim != 1 or precision.shape != (len(mean), len(mean)):
            raise OptionError(
                f"prior: a mean (n_free,) and a precision (n_free, n_free) or (n_free,); the "
                f"shapes are {np.shape(self.mean)} and {np.shape(self.precision)}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(precision).all()):
            raise OptionError("prior: its mean and precision must be finite")
        least = np.linalg.eigvalsh(precision).min(initial=0.0)
        if not np.allclose(precision, precision.T) or least < -1e-8 * np.abs(precision).max():
            raise OptionError(
                f"prior: its precision must be symmetric without a negative eigenvalue; the least "
                f"is {least:g}"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "precision", precision)
