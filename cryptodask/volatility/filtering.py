"""What parameters say of returns: variances, forecasts, likelihoods; and returns made of them."""

from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import FloatArray, IntArray
from cryptodask.volatility.parameters import Parameters
from cryptodask.volatility.returns import Returns


@dataclass(frozen=True, eq=False)
class Filtered:
    """Conditional variances; part ``i`` is of row ``i`` of the parameters.

    Attributes
    ----------
    variance : ndarray of float64, ``(n_kept,)``
        Of each row's return, given the returns before it.
    indptr : ndarray of int64, ``(n + 1,)``
        Offsets of the parts.
    after : ndarray of float64, ``(n,)``
        Of the return after the last row.
    """

    variance: FloatArray
    indptr: IntArray
    after: FloatArray


@dataclass(frozen=True, eq=False)
class VarianceForecast:
    """Variances of the returns after the last row.

    Attributes
    ----------
    steps, cumulated : ndarray of float64, ``(n, horizon)``
        Of each step's return, and of the sum of the returns up to it.
    """

    steps: FloatArray
    cumulated: FloatArray


def filter_variance(
    parameters: Parameters, returns: Returns, ends: IntArray | None = None
) -> Filtered:
    """Return the variance at each row, given the rows before it.

    The variance up to a row has the same bits whatever rows follow, and whatever coins are beside
    it. A missing return is left out: the variance after it is the one before it.

    Parameters
    ----------
    parameters : Parameters
        With a backcast, as of ``Fits.parameters`` or `backcasts`.
    returns : Returns
        Of ``n_coins``.
    ends : ndarray of int64, ``(n,)``, optional
        How many rows of each row's coin are read; by default all.

    Returns
    -------
    Filtered

    Raises
    ------
    OptionError
        If a backcast is missing, or coins or ends are not among the returns.
    """
    starts, stops = _slices(parameters, returns, ends)
    indptr = np.concatenate([[0], np.cumsum(stops - starts)])
    variance = np.empty(indptr[-1])
    after, _ = _run(parameters, returns, starts, stops, indptr[:-1], variance, 0)
    return Filtered(variance, indptr, after)


def forecast_variance(
    parameters: Parameters, returns: Returns, horizon: int, ends: IntArray | None = None
) -> VarianceForecast:
    """Return the expected variance of each step after the last row, and of steps together.

    Squares that are not known yet are replaced by their expectation, which is exact: of the GARCH
    family the variance ``k`` steps ahead is ``long_run + persistence**(k - 1) * (h - long_run)``.

    Parameters
    ----------
    parameters : Parameters
        With a backcast.
    returns : Returns
        Of ``n_coins``.
    horizon : int
        Steps, at least 1.
    ends : ndarray of int64, ``(n,)``, optional
        How many rows are read before the first step; by default all.

    Returns
    -------
    VarianceForecast

    Raises
    ------
    OptionError
        If a backcast or a step is missing, or coins or ends are not among the returns.
    """
    if horizon < 1:
        raise OptionError(f"horizon={horizon}: at least 1 step")
    starts, stops = _slices(parameters, returns, ends)
    none = np.empty(0, dtype=np.int64)
    _, steps = _run(parameters, returns, starts, stops, none, np.empty(0), horizon)
    return VarianceForecast(steps, np.cumsum(steps, axis=1))


def standardised(
    parameters: Parameters, returns: Returns, ends: IntArray | None = None
) -> FloatArray:
    """Return residuals: returns less their mean, divided by their conditional deviation.

    Parameters
    ----------
    parameters : Parameters
        With a backcast.
    returns : Returns
        Of ``n_coins``.
    ends : ndarray of int64, ``(n,)``, optional

    Returns
    -------
    ndarray of float64, ``(n_kept,)``
        Row by row as `Filtered.variance`; NaN where a return is missing.
    """
    starts, stops = _slices(parameters, returns, ends)
    filtered = filter_variance(parameters, returns, ends)
    lengths = stops - starts
    rows = np.arange(filtered.indptr[-1]) + np.repeat(starts - filtered.indptr[:-1], lengths)
    mean = np.repeat(parameters.natural[:, 0], lengths)
    residuals: FloatArray = (returns.values[rows] - mean) / np.sqrt(filtered.variance)
    return residuals


def loglikelihood(
    parameters: Parameters, returns: Returns, ends: IntArray | None = None
) -> FloatArray:
    """Return the log likelihood of the returns that are there.

    Without a backcast, it is what `backcasts` says, so that likelihoods are those of `arch`; its
    bounds, which keep variances within a factor of 1e6 of an average, are not applied.

    Parameters
    ----------
    parameters : Parameters
    returns : Returns
        Of ``n_coins``.
    ends : ndarray of int64, ``(n,)``, optional

    Returns
    -------
    ndarray of float64, ``(n,)``
        NaN without parameters or returns, or where a variance is beyond floats.
    """
    return _likelihoods(parameters, returns, ends)[0]


def backcasts(parameters: Parameters, returns: Returns, ends: IntArray | None = None) -> FloatArray:
    """Return the variance before each first return: a weighted mean of the first 75 squares.

    Weights fall by 0.94 a row, as in `arch`; squares are about the mean of all returns, if the
    model has a mean. It reads rows up to ``ends``: a filter that has it should not be judged
    on rows before.

    Parameters
    ----------
    parameters : Parameters
    returns : Returns
        Of ``n_coins``.
    ends : ndarray of int64, ``(n,)``, optional

    Returns
    -------
    ndarray of float64, ``(n,)``
    """
    bare = Parameters(parameters.model, parameters.values, None, parameters.coins)
    return _likelihoods(bare, returns, ends)[1]


def simulate_returns(parameters: Parameters, n_rows: int, seed: int) -> Returns:
    """Return simulated log returns, which begin at the long-run variance.

    Each coin's path depends on its parameters, the seed and its position alone.

    Parameters
    ----------
    parameters : Parameters
        Without a long-run variance, as of an EWMA, a path begins at the backcast.
    n_rows : int
        Of each coin.
    seed : int

    Returns
    -------
    cryptodask.volatility.Returns
        Of ``n`` coins.

    Raises
    ------
    OptionError
        If there is neither a long-run variance nor a backcast.
    """
    from cryptodask.volatility.recursions import simulate_all

    begin = parameters.long_run
    if parameters.backcast is not None:
        begin = np.where(np.isinf(begin), parameters.backcast, begin)
    if np.isinf(begin).any():
        row = int(np.flatnonzero(np.isinf(begin))[0])
        raise OptionError(
            f"values[{row}]: its variance has no long-run mean, so that a path needs a backcast to "
            "begin with"
        )
    # Odd multiples keep streams of neighbouring seeds and coins apart.
    mixed = seed * 0xD1342543DE82EF95 % 2**64
    places = parameters.positions.astype(np.uint64)
    seeds = (np.uint64(mixed) + places * np.uint64(0xDA942042E4DD58B5)).astype(np.uint64)
    paths = np.empty((len(parameters), n_rows))
    natural = np.ascontiguousarray(parameters.natural)
    simulate_all(seeds, natural, parameters.model.code[0], begin, paths)
    return Returns(paths.ravel(), np.arange(len(parameters) + 1) * n_rows)


def _run(
    parameters: Parameters, returns: Returns, starts: IntArray, stops: IntArray, offsets: IntArray,
    variance: FloatArray, horizon: int,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Filter and look ahead; return variances after the last rows, and of steps."""
    from cryptodask.volatility.recursions import filter_all

    if parameters.backcast is None:
        raise OptionError(
            "parameters: a filter needs the variance before the first return; take "
            "Fits.parameters, or give backcast=backcasts(parameters, returns)"
        )
    n = len(parameters)
    after, ahead = np.empty(n), np.empty((n, horizon))
    filter_all(
        returns.values, starts, stops, np.ascontiguousarray(parameters.natural),
        parameters.model.code[0], np.array(parameters.backcast, dtype=np.float64), offsets,
        variance, after, horizon, ahead,
    )  # fmt: skip
    return after, ahead


def _likelihoods(
    parameters: Parameters, returns: Returns, ends: IntArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return log likelihoods, and the backcasts that they begin with."""
    from cryptodask.volatility.recursions import loglikelihood_all

    starts, stops = _slices(parameters, returns, ends)
    n = len(parameters)
    given = parameters.backcast
    backcast = np.full(n, np.nan) if given is None else np.array(given, dtype=np.float64)
    result = np.empty(n)
    kind, constant, student, _ = parameters.model.code
    loglikelihood_all(
        returns.values, starts, stops, np.ascontiguousarray(parameters.natural), kind, constant,
        student, backcast, result,
    )  # fmt: skip
    return result, backcast


def _slices(
    parameters: Parameters, returns: Returns, ends: IntArray | None
) -> tuple[IntArray, IntArray]:
    """Return the rows of the returns that each row of the parameters is about."""
    coins = parameters.positions
    if len(coins) and not (coins.min() >= 0 and coins.max() < len(returns)):
        raise OptionError(
            f"coins: positions among the {len(returns)} coins of the returns; they go from "
            f"{coins.min()} to {coins.max()}"
        )
    lengths = returns.lengths[coins]
    rows = lengths if ends is None else np.asarray(ends, dtype=np.int64)
    if rows.shape != lengths.shape or (rows < 0).any() or (rows > lengths).any():
        raise OptionError(
            f"ends: ({len(coins)},), each from 0 to the rows of its coin; the shape is {rows.shape}"
        )
    starts = returns.indptr[coins]
    return starts, starts + rows
