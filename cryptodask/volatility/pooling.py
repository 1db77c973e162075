"""What coins have in common: a prior of their free parameters, from fits of many of them."""

from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import IntArray
from cryptodask.volatility.fitting import Fits
from cryptodask.volatility.prior import Prior

UNIT = 2.0**-30
"""Sums are of whole multiples of it, so that no order of adding changes them."""
USUAL_DEVIATION = 0.5
"""Between coins, of logs and logits: it bounds the weight of a coin that is known precisely."""
LEAST_DEVIATION = 0.05
"""Between coins: however alike they are, a fit may differ from the mean by about that."""
LEAST_INFORMATION = 0.01
"""About each parameter; at a bound the returns say nothing."""


@dataclass(frozen=True, eq=False)
class PoolSums:
    """Sums over converged fits; those of parts add up to those of all, in any order, to the bit.

    Attributes
    ----------
    fits : int
        How many.
    sums : ndarray of int64, ``(4, n_free, n_free)``
        In multiples of `UNIT`, for each pair of parameters: weights; weights by the first
        parameter; by the product of both; by the covariance of their errors.
    """

    fits: int
    sums: IntArray

    @classmethod
    def of(cls, fits: Fits) -> "PoolSums":
        """Add up fits; those that did not converge are left out.

        Parameters
        ----------
        fits : Fits
            Without a prior, or the pool is drawn towards it.
        """
        free, information = fits.free[fits.converged], fits.information[fits.converged]
        errors = np.linalg.inv(information + LEAST_INFORMATION * np.eye(free.shape[1]))
        variances = np.diagonal(errors, axis1=1, axis2=2)
        root = np.sqrt(1.0 / (variances + USUAL_DEVIATION**2))
        weights = root[:, :, None] * root[:, None, :]
        first = weights * free[:, :, None]
        terms = np.stack([weights, first, first * free[:, None, :], weights * errors])
        return cls(len(free), np.rint(terms / UNIT).astype(np.int64).sum(axis=1))

    def __add__(self, other: "PoolSums") -> "PoolSums":
        if self.sums.shape != other.sums.shape:
            raise OptionError(
                f"pool: sums of one model; they are of {self.sums.shape[1]} and "
                f"{other.sums.shape[1]} parameters"
            )
        return PoolSums(self.fits + other.fits, self.sums + other.sums)

    def prior(self) -> Prior:
        """Return mean and precision of the distribution that coins are drawn from.

        It is the method of moments of meta-analysis: what parameters vary by, less what their
        errors explain (DerSimonian and Laird, Meta-Analysis in Clinical Trials, 1986; in several
        dimensions Jackson, White and Thompson, Extending DerSimonian and Laird's Methodology to
        Perform Multivariate Random Effects Meta-Analyses, 2010). Weights are
        ``1 / (variance of the error + 0.25)``.

        Returns
        -------
        Prior

        Raises
        ------
        OptionError
            If fewer fits converged than there are parameters, and two more.
        """
        n_free = self.sums.shape[1]
        if self.fits < n_free + 2:
            raise OptionError(
                f"pool: at least {n_free + 2} converged fits, for {n_free} parameters; there are "
                f"{self.fits}"
            )
        weights, first, product, errors = self.sums * UNIT
        mean = np.diagonal(first) / np.diagonal(weights)
        moved = mean[:, None] * first.T + mean[None, :] * first
        scatter = product - moved + mean[:, None] * mean[None, :] * weights
        between = (scatter * (self.fits / (self.fits - 1)) - errors) / weights
        values, vectors = np.linalg.eigh(between)
        precision = (vectors / np.maximum(values, LEAST_DEVIATION**2)) @ vectors.T
        return Prior(mean, 0.5 * (precision + precision.T))


def pool(*fits: Fits) -> Prior:
    """Return the prior that fits of many coins suggest; see `PoolSums`.

    Parameters
    ----------
    *fits : Fits
        Of one model.

    Returns
    -------
    Prior

    Raises
    ------
    OptionError
        If they are of several models, or too few converged.
    """
    if len({part.model for part in fits}) != 1:
        raise OptionError(f"pool: fits of one model; they are of {len({p.model for p in fits})}")
    sums = PoolSums.of(fits[0])
    for part in fits[1:]:
        sums = sums + PoolSums.of(part)
    return sums.prior()
