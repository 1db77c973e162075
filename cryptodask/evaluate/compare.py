"""Whether a model beats naive, or only did by chance: Diebold-Mariano tests and verdicts.

Each origin of a coin gives one number, the model's loss less that of naive: below 0, the model
was better. A loss is the mean over the steps of the absolute or squared error as a share of the
close at the cutoff. In the quote currency, a price that grew a hundredfold would leave the test to
its last months, and the test needs differences that do not grow (Diebold, Comparing predictive
accuracy, twenty years later, 2015).

The test of one coin is that of Diebold and Mariano (Comparing predictive accuracy, 1995) as
corrected by Harvey, Leybourne and Newbold (Testing the equality of prediction mean squared
errors, 1997). Origins nearer to each other than the horizon share days, so their differences go
together; the variance of the mean counts every such pair with weight 1, which for origins a bar
apart are the ``horizon - 1`` lags of the papers. With ``W`` the sum of all weights, the
correction is ``1 - W / n**2``, which for equally spaced origins is Harvey's
``(n + 1 - 2 h + h (h - 1) / n) / n``. ``n**2 / W`` is how many origins without overlap are worth
as much. Student's t has that less 1 degrees of freedom: the ``n - 1`` of Harvey where nothing
overlaps, and fewer where it does. With ``n - 1`` the test rejects a true null hypothesis in 8 to
11 of 100 cases instead of 5 (70 to 150 origins, with ten that overlap). Fewer than `LEAST_ORIGINS`
give no verdict. That estimate of the variance may be 0 or below; then pairs are weighted by how
much of the horizon they share (Newey and West, 1987), which is never negative.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError
from cryptodask.evaluate.overlap import Ragged, total
from cryptodask.evaluate.rows import ROUNDING, scored_rows
from cryptodask.records import FloatArray

Loss = Literal["absolute", "squared"]
Correction = Literal["bh", "holm"]

LEAST_ORIGINS = 4
"""Fewest origins without overlap, or worth as many, that give a verdict."""

BETTER, SAME, WORSE, NO_VERDICT = "better", "no difference", "worse", "no verdict"

_ORIGIN = ["coin", "model", "cutoff"]
_SUM_ROUNDING = 1e-12
"""Share of a sum that may be rounding only."""


def differences(table: pd.DataFrame, naive: str = "naive", loss: Loss = "absolute") -> pd.DataFrame:
    """Compare losses with those of naive, origin by origin.

    Parameters
    ----------
    table : DataFrame
        A backtest, or whole coins of one; see `cryptodask.evaluate.rows.SCORED_COLUMNS`.
    naive : str
        The model to compare with.
    loss : {"absolute", "squared"}
        Power of an error, which is a share of the close at the cutoff.

    Returns
    -------
    DataFrame
        ``coin, model, cutoff, end, steps, loss, naive_loss, difference`` by coin, model and
        cutoff: means over the ``steps`` that both forecast and that have an actual; ``end`` is
        the last date forecast. Forecasts that differ from naive's by rounding count as equal.
        Tables of parts are joined by `pandas.concat`.

    Raises
    ------
    OptionError
        The loss is unknown.
    InputError
        See `cryptodask.evaluate.rows.scored_rows`.
    """
    _choose("loss", loss, get_args(Loss))
    rows = scored_rows(table, naive)
    rows = rows[rows["model"] != naive]
    same = (rows["forecast"] - rows["naive"]).abs() <= ROUNDING * rows["last"]
    rows["forecast"] = rows["forecast"].mask(same, rows["naive"])
    power = 1 if loss == "absolute" else 2
    for name, column in (("loss", "forecast"), ("naive_loss", "naive")):
        rows[name] = ((rows["actual"] - rows[column]) / rows["last"]).abs() ** power
    ends = rows.groupby(_ORIGIN)["date"].max().rename("end")
    both = rows[rows["loss"].notna() & rows["naive_loss"].notna()]
    means = both.groupby(_ORIGIN).agg(
        steps=("step", "size"), loss=("loss", "mean"), naive_loss=("naive_loss", "mean")
    )
    means.insert(0, "end", ends.reindex(means.index))
    means["difference"] = means["loss"] - means["naive_loss"]
    return means.reset_index()


def relative_errors(differences: pd.DataFrame) -> pd.DataFrame:
    """Return the error of each model at each origin, over naive's of the same rows.

    Parameters
    ----------
    differences : DataFrame
        See `differences`; of all coins.

    Returns
    -------
    DataFrame
        ``model, cutoff, relative_error, coins``: the mean loss over coins, divided by naive's.
    """
    rows = differences.sort_values(["model", "cutoff", "coin"])
    groups = rows.groupby(["model", "cutoff"])[["loss", "naive_loss"]]
    means = groups.mean()
    relative = means["loss"] / means["naive_loss"].where(means["naive_loss"] > 0)
    return pd.DataFrame({"relative_error": relative, "coins": groups.size()}).reset_index()


def compare_coins(differences: pd.DataFrame) -> pd.DataFrame:
    """Test each coin and model against naive; `judge_coins` gives the verdicts.

    Tests of parts are joined by `pandas.concat`, and are bit for bit those of the whole.

    Parameters
    ----------
    differences : DataFrame
        See `differences`.

    Returns
    -------
    DataFrame
        ``coin, model, origins, worth, difference, skill, statistic, p_value``: ``worth`` is the
        number of origins without overlap that are worth as much; ``difference`` the mean;
        ``skill`` the share of naive's loss that the model saves. ``p_value`` is two-sided; it is
        1 where all differences are 0, and NaN where there are too few origins or all differences
        are the same other number.

    Raises
    ------
    InputError
        An origin of a coin and model is there twice.
    """
    tests, rows = _test(differences, ["coin", "model"])
    sums = rows.groupby(["coin", "model"], sort=True)[["loss", "naive_loss"]].sum()
    ratio = (sums["loss"] / sums["naive_loss"].where(sums["naive_loss"] > 0)).to_numpy()
    tests.insert(list(tests.columns).index("statistic"), "skill", 1 - ratio)
    return tests


def judge_coins(
    tests: pd.DataFrame, alpha: float = 0.05, correction: Correction = "bh"
) -> pd.DataFrame:
    """Give a verdict on each coin that allows for their number.

    If a model equals naive on a thousand coins, some fifty still pass a test at 5%. ``bh``
    (Benjamini and Hochberg, Controlling the false discovery rate, 1995) keeps the share of false
    verdicts among those given to ``alpha``, on average, also if coins rise and fall together
    (Benjamini and Yekutieli, 2001, for positive dependence); it still finds something among ten
    thousand coins. ``holm`` (Holm 1979) keeps the chance of a single false one to ``alpha``,
    whatever the dependence, but finds little. Either is over the coins of one model.

    Parameters
    ----------
    tests : DataFrame
        From `compare_coins`, of all coins.
    alpha : float
        Share of false verdicts, or chance of one, between 0 and 1.
    correction : {"bh", "holm"}

    Returns
    -------
    DataFrame
        `tests`, by coin and model, with ``p_adjusted`` and ``verdict``: better, no difference,
        worse, or no verdict.

    Raises
    ------
    OptionError
        An option is out of its range.
    """
    _choose("correction", correction, get_args(Correction))
    tests = tests.sort_values(["coin", "model"], ignore_index=True)
    adjusted = tests.groupby("model")["p_value"].transform(_adjust, correction=correction)
    return _judge(tests, adjusted, alpha)


def compare_models(differences: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Give one verdict on each model over all coins, which may rise and fall together.

    Each origin's differences of all coins become one number, their mean, whose variance over
    origins holds whatever coins have in common: the test is that of one coin on those means
    (Driscoll and Kraay, Consistent covariance matrix estimation with spatially dependent panel
    data, 1998; of forecasts, Timmermann and Zhu, Comparing forecasting performance with panel
    data, 2019). A hundred coins that move as one are thus no more evidence than one.

    So that wild coins do not outweigh calm ones, a difference is first divided by the root mean
    square of the coin's differences at origins that don't overlap with this one. To include the
    difference itself would be wrong: a lopsided difference is shrunk most where it is largest,
    and over a thousand coins that alone makes a model "better".

    Parameters
    ----------
    differences : DataFrame
        From `differences`, of all coins. Coins with too few origins for a verdict are left out.
    alpha : float
        Between 0 and 1; the chance of a single false verdict among all models (Holm 1979).

    Returns
    -------
    DataFrame
        ``model, coins, origins, worth, difference, statistic, p_value, p_adjusted, verdict``;
        ``difference`` is in units of a coin's spread. A model without a coin of enough origins
        is left out.

    Raises
    ------
    OptionError
        `alpha` is out of its range.
    InputError
        An origin of a coin and model is there twice.
    """
    rows, coins = _standardised(differences)
    means = rows.groupby(["model", "cutoff"], as_index=False).agg(
        end=("end", "max"), difference=("difference", "mean")
    )
    tests, _ = _test(means, ["model"])
    tests.insert(1, "coins", coins.reindex(tests["model"]).to_numpy())
    return _judge(tests, _adjust(tests["p_value"], "holm"), alpha)


def _test(differences: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the test of each series, and the rows in the order that they were taken in."""
    from scipy.special import stdtr

    rows = _in_order(differences, [*keys, "cutoff"])
    tests = rows[keys].drop_duplicates(ignore_index=True)
    columns = ["origins", "worth", "difference", "statistic", "p_value"]
    if rows.empty:
        return tests.assign(**dict.fromkeys(columns, np.empty(0))), rows
    ragged = Ragged.of(rows, keys)
    n, worth = ragged.counts, ragged.worth
    mean = total(ragged.values) / n
    variance, correction = _variance(ragged, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = mean * np.sqrt(correction / variance)
    statistic[~ragged.values.any(axis=0)] = 0.0
    statistic[worth < LEAST_ORIGINS] = np.nan
    p_value = 2 * stdtr(worth - 1, -np.abs(statistic))
    results = [n.astype(np.int64), worth, mean, statistic, p_value]
    return tests.assign(**dict(zip(columns, results, strict=True))), rows


def _in_order(differences: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    rows = differences.sort_values(keys, ignore_index=True)
    twice = rows.duplicated(keys)
    if twice.any():
        first = rows.loc[twice, keys].iloc[0].to_dict()
        raise InputError(f"differences: {first} is there twice; parts must be of whole coins")
    return rows


def _variance(ragged: Ragged, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the variance of each mean, and the correction of the statistic.

    Parameters
    ----------
    ragged : Ragged
    mean : ndarray of float64, ``(n_series,)``

    Returns
    -------
    variance, correction : ndarray of float64, ``(n_series,)``
        The variance is NaN of a series that never varies.
    """
    n = ragged.counts
    off = np.where(ragged.there, ragged.values - mean, 0.0)
    squares = total(off * off)
    # Sums of products and of weights: each pair in full, or by how much of the horizon it shares.
    full, shares = [squares, n], [squares, n]
    for lag, shared in ragged.overlaps():
        product = off[lag:] * off[:-lag]
        for sums, weight in ((full, (shared > 0).astype(np.float64)), (shares, shared)):
            sums[0] = sums[0] + 2 * total(weight * product)
            sums[1] = sums[1] + 2 * total(weight)
    # By rounding, a sum that is 0 may be a little above it, and what never varies, vary a little.
    sound = full[0] > _SUM_ROUNDING * shares[0]
    products, weights = (np.where(sound, a, b) for a, b in zip(full, shares, strict=True))
    varies = products > _SUM_ROUNDING**2 * total(ragged.values**2)
    return np.where(varies, products / n**2, np.nan), 1 - weights / n**2


def _standardised(differences: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return differences over the spread of each coin's others, and the coins of each model."""
    rows = _in_order(differences, _ORIGIN)
    if rows.empty:
        return rows, pd.Series(dtype=np.int64)
    ragged = Ragged.of(rows, ["coin", "model"])
    squares = ragged.values**2
    every = total(squares)
    near, n_near = squares.copy(), ragged.there.astype(np.float64)
    for lag, shared in ragged.overlaps():
        pair = shared > 0
        near[lag:] += pair * squares[:-lag]
        near[:-lag] += pair * squares[lag:]
        n_near[lag:] += pair
        n_near[:-lag] += pair
    far = every - near
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = ragged.values / np.sqrt(far / (ragged.counts - n_near))
    # Beside others that are all 0, only 0 has a size.
    scaled[~(far > _SUM_ROUNDING * every)] = np.nan
    scaled[ragged.values == 0] = 0.0
    enough = (ragged.worth >= LEAST_ORIGINS)[ragged.series]
    rows = rows.assign(difference=scaled[ragged.row, ragged.series])[enough].dropna(
        subset="difference"
    )
    return rows, rows.groupby("model")["coin"].nunique()


def _adjust(p_values: pd.Series, correction: Correction) -> pd.Series:
    """Return p-values that allow for their number; NaN does not count."""
    from scipy.stats import false_discovery_control

    known = p_values.dropna()
    if correction == "bh":
        adjusted = pd.Series(false_discovery_control(known), index=known.index)
    else:
        ordered = known.sort_values()
        left = np.arange(len(ordered), 0, -1)
        adjusted = (ordered * left).cummax().clip(upper=1.0)
    return adjusted.reindex(p_values.index)


def _judge(tests: pd.DataFrame, adjusted: pd.Series, alpha: float) -> pd.DataFrame:
    """Add the verdicts."""
    if not 0 < alpha < 1:
        raise OptionError(f"alpha: must be between 0 and 1, got {alpha}")
    signs = np.where(tests["difference"] < 0, BETTER, WORSE)
    verdicts = np.where(adjusted <= alpha, signs, np.where(adjusted.isna(), NO_VERDICT, SAME))
    return tests.assign(p_adjusted=adjusted, verdict=verdicts)


def _choose(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise OptionError(f"{option}: must be one of {', '.join(known)}, got {value!r}")
