"""Fits of a volatility model to all coins, as of now or of many past dates."""

from dataclasses import dataclass, fields

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import BoolArray, FloatArray, IntArray
from cryptodask.volatility.model import VolatilityModel
from cryptodask.volatility.parameters import Parameters
from cryptodask.volatility.prior import Prior
from cryptodask.volatility.returns import Returns

LEAST_RETURNS, LEAST_POSSIBLE = 50, 5
MOST_STEPS = 100
REASONS = (
    "",
    "the fit did not converge",
    "fewer returns than a fit needs",
    "all returns are the same",
    "more than half of the returns are 0",
    "a return is infinite",
)
"""Why a fit has no parameters, or ones that are not to be relied on, by its state."""


@dataclass(frozen=True, eq=False)
class Fits:
    """Fitted parameters; row ``i`` is of one coin and one end.

    Attributes
    ----------
    model : VolatilityModel
    coins, ends : ndarray of int64, ``(n_fits,)``
        Position of the coin; how many of its rows were seen.
    params : ndarray of float64, ``(n_fits, n_params)``
        In the order of ``model.names``, of log returns; NaN where there is none.
    free : ndarray of float64, ``(n_fits, n_free)``
        In the order of ``model.free_names``, of scaled returns.
    information : ndarray of float64, ``(n_fits, n_free, n_free)``
        Expected, about the free ones, of the returns alone.
    loglikelihood : ndarray of float64, ``(n_fits,)``
        Of the returns, without the prior.
    backcast : ndarray of float64, ``(n_fits,)``
        The variance before the first return.
    scale : ndarray of float64, ``(n_fits,)``
        By which returns were divided while fitting.
    returns, steps, states : ndarray of int64, ``(n_fits,)``
        How many there were; of the optimiser; which of `REASONS` applies, 0: converged.
    """

    model: VolatilityModel
    coins: IntArray
    ends: IntArray
    params: FloatArray
    free: FloatArray
    information: FloatArray
    loglikelihood: FloatArray
    backcast: FloatArray
    scale: FloatArray
    returns: IntArray
    steps: IntArray
    states: IntArray

    def __len__(self) -> int:
        return len(self.states)

    def take(self, rows: IntArray | BoolArray | slice) -> "Fits":
        """Return some of the fits.

        Parameters
        ----------
        rows : ndarray of int64 or bool, or slice
            Which of the ``n_fits``.
        """
        arrays = (getattr(self, field.name)[rows] for field in fields(self)[1:])
        return Fits(self.model, *arrays)

    @property
    def converged(self) -> BoolArray:
        """Whether each fit did, ``(n_fits,)``."""
        converged: BoolArray = self.states == 0
        return converged

    @property
    def parameters(self) -> Parameters:
        """What filters and forecasts need of the fits."""
        return Parameters(self.model, self.params, self.backcast, self.coins)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each fit did not converge or has no parameters; empty where it did."""
        return tuple(REASONS[state] for state in self.states)


def fit(
    model: VolatilityModel,
    returns: Returns,
    ends: IntArray | None = None,
    prior: Prior | None = None,
    least: int = LEAST_RETURNS,
) -> Fits:
    """Fit a model to each coin by maximum likelihood, or its posterior's mode with a prior.

    A missing return is left out: the fit is that of the returns that are there. Each fit starts
    from the same few points, and from no other fit, so that neither the coins beside it nor the
    other ends change a bit of it.

    Parameters
    ----------
    model : VolatilityModel
    returns : Returns
        Of ``n_coins``.
    ends : ndarray of int64, ``(n_coins, n_ends)``, optional
        How many rows of each coin each fit sees; by default one fit of all rows.
    prior : Prior, optional
    least : int
        Returns that a fit needs, 5 or more; coins with fewer get NaN and a reason.

    Returns
    -------
    Fits
        Of ``n_coins * n_ends``, coin by coin.

    Raises
    ------
    OptionError
        If ends are not rows of their coins, the prior is of another model, or ``least`` too small.
    """
    from cryptodask.volatility.batch import fit_all

    if least < LEAST_POSSIBLE:
        raise OptionError(f"least={least}: at least {LEAST_POSSIBLE} returns")
    coins, stops = _slices(returns, ends)
    n_fits, n_free = len(coins), len(model.free_names)
    mean, precision, grid = _prior_arrays(model, prior)
    free, information = np.full((n_fits, n_free), np.nan), np.full((n_fits, n_free, n_free), np.nan)
    natural, numbers = np.full((n_fits, 6), np.nan), np.full((n_fits, 4), np.nan)
    states = np.zeros((n_fits, 2), dtype=np.int64)
    starts = returns.indptr[coins]
    fit_all(
        returns.values, starts, starts + stops, *model.code, mean, precision, grid, least,
        MOST_STEPS, free, natural, information, numbers, states,
    )  # fmt: skip
    scale, steps = numbers[:, 1], np.nan_to_num(numbers[:, 3]).astype(np.int64)
    return Fits(
        model, coins, stops, model.params_of(natural, scale), free, information, numbers[:, 0],
        numbers[:, 2] * scale**2, scale, states[:, 0], steps, states[:, 1],
    )  # fmt: skip


def _slices(returns: Returns, ends: IntArray | None) -> tuple[IntArray, IntArray]:
    """Return the coin and the number of rows of each fit, ``(n_fits,)``."""
    n = len(returns)
    if ends is None:
        return np.arange(n), returns.lengths
    rows = np.asarray(ends)
    if rows.ndim != 2 or len(rows) != n or not np.issubdtype(rows.dtype, np.integer):
        raise OptionError(
            f"ends: whole numbers of rows, ({n}, n_ends); they are {rows.dtype} {rows.shape}"
        )
    wrong = (rows < 0) | (rows > returns.lengths[:, None])
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise OptionError(
            f"ends[{i}, {j}]={rows[i, j]}: from 0 to the {returns.lengths[i]} rows of coin {i}"
        )
    return np.repeat(np.arange(n), rows.shape[1]), rows.astype(np.int64).ravel()


def _prior_arrays(
    model: VolatilityModel, prior: Prior | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean and precision of a prior, zeros if there is none, and where fits begin."""
    n, grid = len(model.free_names), model.starts()
    if prior is None:
        return np.zeros(n), np.zeros((n, n)), grid
    if len(prior.mean) != n:
        raise OptionError(
            f"prior: of the {n} parameters {', '.join(model.free_names)}; it has {len(prior.mean)}"
        )
    return prior.mean, prior.precision, np.vstack([prior.mean, grid])
