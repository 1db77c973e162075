"""Which candidate was best at which origins: decided from errors, by nothing that came later.

Here is no model and no price any more: of each candidate, coin and origin there is one number, the
sum of its absolute errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DateArray, FloatArray

ENOUGH = 0.9
"""A candidate may be chosen that forecasts so large a share of what another one does."""

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """Origins at which candidates are compared, and later ones at which the best is judged.

    Attributes
    ----------
    train, test : ndarray of int, ``(n,)``
        Places among all origins; all of ``train`` had come in full at the first of ``test``.
    """

    train: Places
    test: Places


def time_splits(origins: DateArray, span: np.timedelta64, splits: int) -> list[Split]:
    """Divide origins into the past and what follows it, so many times.

    scikit-learn's ``TimeSeriesSplit``, with a gap of as many origins as have not come in full when
    the next part begins.

    Parameters
    ----------
    origins : ndarray of datetime64, ``(n_origins,)``
        In order.
    span : timedelta64
        From an origin to the last date that is forecast from it.
    splits : int
        At least 2.

    Raises
    ------
    OptionError
        There are too few origins for so many.
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
            f"splits: {splits} splits of {n} origins, of which {gap} are left out before each "
            "since they overlap it, leave none to choose by; ask for more origins, farther "
            "apart, or fewer splits"
        )
    parts = TimeSeriesSplit(splits, gap=gap).split(np.arange(n))
    return [Split(train, test) for train, test in parts]


def error_sums(table: pd.DataFrame, models: Sequence[str], origins: DateArray) -> FloatArray:
    """Add up absolute errors over the steps that came.

    Parameters
    ----------
    table : DataFrame
        Of a backtest, of whole coins.
    models : sequence of str
    origins : ndarray of datetime64, ``(n_origins,)``
        In order.

    Returns
    -------
    ndarray of float64, ``(n_models, n_coins, n_origins)``
        By coin; in the quote currency; NaN where there is no forecast, or nothing that came.
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
        Mean absolute error over that of naive, as the geometric mean over coins; NaN of a
        candidate that forecast too little to be chosen.
    forecasts : ndarray of int64, ``(n_candidates,)``
        Coins and origins that each forecast.
    shared : int
        Coins and origins that all of the others forecast, on which they are compared.
    coins : int
        The coins of those.
    """

    scores: FloatArray
    forecasts: NDArray[np.int64]
    shared: int
    coins: int

    @property
    def best(self) -> int:
        """The place of the best, of equals the first; the first, too, where nothing is known."""
        known = np.isfinite(self.scores)
        return int(np.nanargmin(self.scores)) if known.any() else 0


def compare(naive: FloatArray, sums: FloatArray, origins: Places) -> Comparison:
    """Compare candidates at some origins, on the coins and origins that they all forecast.

    Those that forecast much less than the others would leave little to compare on, and are left
    out: see `ENOUGH`.

    Parameters
    ----------
    naive : ndarray, ``(n_coins, n_origins)``
        See `error_sums`.
    sums : ndarray, ``(n_candidates, n_coins, n_origins)``
    origins : ndarray of int
        The places of those that count; others are not looked at.
    """
    of_naive, own = naive[:, origins], sums[:, :, origins]
    there = np.isfinite(own) & np.isfinite(of_naive)
    forecasts = there.sum(axis=(1, 2))
    running = (forecasts > 0) & (forecasts >= ENOUGH * forecasts.max(initial=0))
    shared = there[running].all(axis=0) & running.any()
    scores = np.full(len(sums), np.nan)
    base = np.where(shared, of_naive, 0.0).sum(axis=1)
    for i in np.flatnonzero(running):
        error = np.where(shared, own[i], 0.0).sum(axis=1)
        sound = (base > 0) & (error > 0)
        if sound.any():
            scores[i] = np.exp(np.mean(np.log(error[sound] / base[sound])))
    return Comparison(scores, forecasts, int(shared.sum()), int(shared.any(axis=1).sum()))


def held_out(
    table: pd.DataFrame, chosen: Sequence[tuple[DateArray, str]], given: str, names: Sequence[str]
) -> pd.DataFrame:
    """Return the rows of a backtest by which choosing is judged, each under the name of its role.

    Parameters
    ----------
    table : DataFrame
        Of a backtest, of whole coins, with ``naive``.
    chosen : sequence of (ndarray of datetime64, str)
        Origins, and the candidate that was chosen before them.
    given : str
        The candidate that nothing was searched in.
    names : sequence of str
        What to call the chosen, and that one.
    """
    parts: list[pd.DataFrame] = [table.iloc[:0]]
    for origins, best in chosen:
        then = table[table["cutoff"].isin(pd.to_datetime(origins))]
        for role, model in {"naive": "naive", names[0]: best, names[1]: given}.items():
            parts.append(then[then["model"] == model].assign(model=role))
    joined: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return joined
