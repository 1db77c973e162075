"""Which candidate was best at which origins, decided from errors that were known by then.

Each candidate, coin and origin gives one number, the sum of its absolute errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DateArray, FloatArray

LEAST_SHARE = 0.9
"""Share of the forecasts of the most complete candidate that a candidate must have to be chosen."""

PlaceArray = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """Origins at which candidates are compared, and later ones at which the best is judged.

    Attributes
    ----------
    train : ndarray of int, ``(n_train,)``
        Places among all origins; their last dates are not after the first origin of ``test``.
    test : ndarray of int, ``(n_test,)``
        Places among all origins.
    """

    train: PlaceArray
    test: PlaceArray


def time_splits(origins: DateArray, span: np.timedelta64, splits: int) -> list[Split]:
    """Divide origins into the past and what follows it, several times.

    scikit-learn's ``TimeSeriesSplit``, with a gap: origins with dates that are still to come when
    the next part begins are left out.

    Parameters
    ----------
    origins : ndarray of datetime64, ``(n_origins,)``
        Rising.
    span : timedelta64
        Time from an origin to the last date forecast.
    splits : int
        Number of splits, at least 2.

    Raises
    ------
    OptionError
        There are too few origins for this number of splits.
    """
    from sklearn.model_selection import TimeSeriesSplit

    n = len(origins)
    if splits < 2:
        raise OptionError(f"splits: must be at least 2, got {splits}")
    come = np.searchsorted(origins, origins - span, side="right")
    gap = int((np.arange(n) - come).max(initial=0))
    size = n // (splits + 1)
    if n - splits * size - gap < 1 or not size:
        raise OptionError(
            f"splits: {splits} splits of {n} origins, with {gap} left out before each "
            "since they overlap it, leave none to choose by; ask for more origins, farther "
            "apart, or fewer splits"
        )
    parts = TimeSeriesSplit(splits, gap=gap).split(np.arange(n))
    return [Split(train, test) for train, test in parts]


def error_sums(table: pd.DataFrame, models: Sequence[str], origins: DateArray) -> FloatArray:
    """Add up absolute errors over the steps that have an actual.

    Parameters
    ----------
    table : DataFrame
        A backtest, of whole coins.
    models : sequence of str
        All models of the table, in the order wanted.
    origins : ndarray of datetime64, ``(n_origins,)``
        All origins of the table, rising.

    Returns
    -------
    ndarray of float64, ``(n_models, n_coins, n_origins)``
        In the quote currency, by coin; NaN without a forecast or without an actual.
    """
    rows = table[table["forecast"].notna() & table["actual"].notna()]
    coins, coin = np.unique(rows["coin"].to_numpy(dtype=object), return_inverse=True)
    model = pd.Index(models).get_indexer(pd.Index(rows["model"]))
    origin = np.searchsorted(origins, rows["cutoff"].to_numpy().astype("datetime64[s]"))
    shape = len(models), len(coins), len(origins)
    place = np.ravel_multi_index((model, coin, origin), shape) if len(rows) else origin
    errors = (rows["forecast"] - rows["actual"]).abs().to_numpy()
    sums = np.bincount(place, weights=errors, minlength=np.prod(shape)).astype(np.float64)
    sums[np.bincount(place, minlength=np.prod(shape)) == 0] = np.nan
    by_place: FloatArray = sums.reshape(shape)
    return by_place


@dataclass(frozen=True)
class Comparison:
    """Candidates compared at some origins.

    Attributes
    ----------
    scores : ndarray of float64, ``(n_candidates,)``
        Mean absolute error over that of naive, a ratio, as the geometric mean over coins; NaN for
        a candidate that forecast too little to be chosen.
    forecasts : ndarray of int64, ``(n_candidates,)``
        Number of pairs of coin and origin that each forecast.
    shared : int
        Number of pairs that all other candidates forecast, on which they are compared.
    coins : int
        Number of coins in these pairs.
    """

    scores: FloatArray
    forecasts: NDArray[np.int64]
    shared: int
    coins: int

    @property
    def best(self) -> int:
        """Place of the best candidate: the first of equals, and the first if none has a score."""
        known = np.isfinite(self.scores)
        return int(np.nanargmin(self.scores)) if known.any() else 0


def compare(naive: FloatArray, sums: FloatArray, origins: PlaceArray) -> Comparison:
    """Compare candidates at some origins, on the coins and origins that they all forecast.

    Candidates that forecast much less than the others would leave little to compare on, and are
    left out: see `LEAST_SHARE`.

    Parameters
    ----------
    naive : ndarray of float64, ``(n_coins, n_origins)``
        Sums of errors of naive, from `error_sums`.
    sums : ndarray of float64, ``(n_candidates, n_coins, n_origins)``
        Those of the candidates.
    origins : ndarray of int, ``(n_chosen,)``
        Places of the origins that count; others are not looked at.
    """
    of_naive, errors = naive[:, origins], sums[:, :, origins]
    there = np.isfinite(errors) & np.isfinite(of_naive)
    forecasts = there.sum(axis=(1, 2))
    running = (forecasts > 0) & (forecasts >= LEAST_SHARE * forecasts.max(initial=0))
    shared = there[running].all(axis=0) & running.any()
    scores = np.full(len(sums), np.nan)
    base = np.where(shared, of_naive, 0.0).sum(axis=1)
    for i in np.flatnonzero(running):
        error = np.where(shared, errors[i], 0.0).sum(axis=1)
        sound = (base > 0) & (error > 0)
        if sound.any():
            scores[i] = np.exp(np.mean(np.log(error[sound] / base[sound])))
    return Comparison(scores, forecasts, int(shared.sum()), int(shared.any(axis=1).sum()))


def held_out(
    table: pd.DataFrame, chosen: Sequence[tuple[DateArray, str]], given: str, names: Sequence[str]
) -> pd.DataFrame:
    """Return the rows of a backtest that judge the search, with models named by their role.

    Parameters
    ----------
    table : DataFrame
        A backtest, of whole coins, with ``naive``.
    chosen : sequence of (ndarray of datetime64, ``(n_origins,)``, str)
        Origins, and the candidate that was chosen before them.
    given : str
        The candidate with the options given, without a search.
    names : sequence of str
        Two names, of the chosen candidates and of the given one.
    """
    parts: list[pd.DataFrame] = [table.iloc[:0]]
    for origins, best in chosen:
        then = table[table["cutoff"].isin(pd.to_datetime(origins))]
        for role, model in {"naive": "naive", names[0]: best, names[1]: given}.items():
            parts.append(then[then["model"] == model].assign(model=role))
    joined: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return joined
