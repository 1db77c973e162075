"""Scores of the forecasts of a backtest: sums of errors, part by part, and scores from the sums.

Rows with a forecast and an actual count; ``n`` is their number.

=================  =============================================================================
score              meaning
=================  =============================================================================
mae, rmse          mean absolute error, root of the mean squared error; in the quote currency
mase, rmsse        the same, with each error divided by the coin's mean absolute change from row
                   to row up to the cutoff, or its square by the mean squared one: lag 1, as in
                   M5, and, as far as its published figures show, for M4's daily series (Hyndman
                   and Koehler, Another look at measures of forecast accuracy, 2006)
smape              200 |error| / (|actual| + |forecast|), in percent, 0 to 200, as in M4;
                   utilsforecast divides it by 200, and tables in "percent" often by 2
relative_mae       mean absolute error over that of naive, on the rows that both have; below 1
                   is better than naive
direction          share of rows with the right sign of change since the close at the cutoff,
                   among those where the price moved and the model forecast a move
pinball            mean quantile loss over the 2.5, 10, 50, 90 and 97.5% quantiles: the bounds,
                   and the forecast as the median; in the quote currency
wql                weighted quantile loss: 2 pinball over the mean absolute actual
crps               continuous ranked probability score, from the same five quantiles, see
                   `cryptodask.evaluate.crps`; in the quote currency
scaled_crps        the same with each row divided by the scale that mase divides by; what
                   utilsforecast calls so is wql here
coverage_80, _95   share of actuals inside the interval, its bounds included
width_80, _95      mean of upper - lower, in the quote currency
relative_width_*   mean of (upper - lower) / |forecast|
winkler_80, _95    interval score (Winkler 1972; Gneiting and Raftery 2007), in the quote currency
msis_80, _95       Winkler score with each row divided by the scale that mase divides by: M4's
=================  =============================================================================

Over many coins, a score is the mean of the scores of each coin, so that a coin counts once however
many rows it has; for ``relative_mae`` it is the geometric mean (Fleming and Wallace, How not to lie
with statistics, 1986). Scores in the quote currency are then left out: their mean would be that of
the most expensive coin. In part the same holds for ``mase``, whose mean is led by the coins whose
price has grown most since their first rows; against naive, ``relative_mae`` says more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import InputError, OptionError
from cryptodask.evaluate.crps import crps
from cryptodask.evaluate.rows import BOUNDS, LEVELS, QUANTILES, ROUNDING, bounded, scored_rows
from cryptodask.records import FloatArray

_KEYS = ("coin", "model", "step")
_COUNTS = ("n", "n_scaled", "n_shared", "n_moved", "n_interval")
IN_CURRENCY = (
    "mae", "rmse", "pinball", "crps", "width_80", "width_95", "winkler_80", "winkler_95"
)  # fmt: skip


def sums(table: pd.DataFrame, naive: str = "naive") -> pd.DataFrame:
    """Add up the errors of a backtest, by coin, model and step.

    Sums of parts, each of whole coins, are joined by `pandas.concat` in any order; `scores` of
    them are bit for bit those of the whole.

    Parameters
    ----------
    table : DataFrame
        With `cryptodask.evaluate.rows.SCORED_COLUMNS`, of any number of coins, models and
        cutoffs, in any order.
    naive : str
        The model whose errors stand beside those of the others. If the table lacks it,
        ``relative_mae`` is NaN.

    Returns
    -------
    DataFrame
        ``coin, model, step``, five counts of rows and the sums over them. Besides ``n``:
        ``n_scaled`` rows whose scale is above 0 (closes had moved before), ``n_shared`` that naive
        has, too, ``n_moved`` with a direction, ``n_interval`` with all four bounds.

    Raises
    ------
    InputError
        See `cryptodask.evaluate.rows.scored_rows`.
    """
    from utilsforecast import losses

    rows = scored_rows(table, naive)
    adder = _Adder(rows)
    known = rows[rows["forecast"].notna() & rows["actual"].notna()]
    adder.count("n", known)
    adder.mean("error", losses.mae, known)
    adder.mean("square", losses.mse, known)
    adder.mean("smape", losses.smape, known)

    scaled = known[(known["scale"] > 0) & (known["scale_sq"] > 0)]
    adder.count("n_scaled", scaled)
    by_scale = _divided(scaled, scaled["scale"])
    adder.mean("scaled_error", losses.mae, by_scale)
    adder.mean("scaled_square", losses.mse, _divided(scaled, np.sqrt(scaled["scale_sq"])))

    shared = known[known["naive"].notna()]
    adder.count("n_shared", shared)
    adder.mean("shared_error", losses.mae, shared)
    adder.mean("naive_error", losses.mae, shared, model="naive")

    came, said = _direction(known, "actual"), _direction(known, "forecast")
    moved = np.abs(came * said) == 1
    adder.count("n_moved", known[moved])
    adder.count("right", known[moved & (came == said)])

    both = bounded(known)
    adder.count("n_interval", both)
    _add_intervals(adder, both, by_scale.loc[by_scale.index.intersection(both.index)])
    return adder.sums


def _add_intervals(adder: "_Adder", rows: pd.DataFrame, by_scale: pd.DataFrame) -> None:
    """Add the losses of intervals: of rows that have them, and of those with a scale, too."""
    from utilsforecast import losses

    quantiles, levels = list(QUANTILES), np.array(list(QUANTILES.values()))

    def pinball(df: pd.DataFrame, models: Sequence[str], **names: str) -> Any:
        return losses.mqloss(df, {models[0]: quantiles}, levels, **names)

    adder.mean("pinball", pinball, rows)
    adder.plain("size", rows, rows["actual"].abs())
    of_each = pd.Series(crps(rows["actual"].to_numpy(), rows[quantiles].to_numpy()), rows.index)
    adder.plain("crps", rows, of_each)
    adder.count("n_scaled_interval", by_scale)
    adder.plain("scaled_crps", by_scale, of_each.loc[by_scale.index] / by_scale["scale"])
    for level in LEVELS:
        width = rows[f"upper_{level}"] - rows[f"lower_{level}"]
        inside = rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"])
        adder.count(f"inside_{level}", rows[inside])
        adder.plain(f"width_{level}", rows, width)
        adder.plain(f"relative_width_{level}", rows, width / rows["forecast"].abs())
        adder.mean(f"winkler_{level}", losses.winkler_score, _named(rows), level=level)
        adder.mean(f"msis_{level}", losses.winkler_score, _named(by_scale), level=level)


class _Adder:
    """Sums by group, one column after the other."""

    def __init__(self, rows: pd.DataFrame) -> None:
        first = ~rows["group"].duplicated()
        self.sums = rows.loc[first, list(_KEYS)].reset_index(drop=True)

    def count(self, name: str, rows: pd.DataFrame) -> None:
        """Count rows."""
        self.sums[name] = self._counts(rows)

    def plain(self, name: str, rows: pd.DataFrame, values: pd.Series) -> None:
        """Add up values of rows."""
        self.sums[name] = np.bincount(rows["group"], weights=values, minlength=len(self.sums))

    def mean(
        self,
        name: str,
        loss: Callable[..., Any],
        rows: pd.DataFrame,
        model: str = "forecast",
        **options: int,
    ) -> None:
        """Add up a loss whose mean utilsforecast returns; it takes a group for a series."""
        added = np.zeros(len(self.sums))
        if len(rows):
            # Without a name of the cutoff it groups by a column "cutoff", too.
            columns = {"id_col": "group", "target_col": "actual", "cutoff_col": "none"}
            means = loss(rows, models=[model], **columns, **options)
            added[means["group"]] = means[model]
        self.sums[name] = added * self._counts(rows)

    def _counts(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        return np.bincount(rows["group"], minlength=len(self.sums))


def _direction(rows: pd.DataFrame, name: str) -> FloatArray:
    """Return the sign of the change since the cutoff, ``(n_rows,)``; 0 for rounding."""
    change = (rows[name] / rows["last"] - 1).to_numpy()
    sign: FloatArray = np.sign(np.where(np.abs(change) > ROUNDING, change, 0.0))
    return sign


def _divided(rows: pd.DataFrame, scale: pd.Series) -> pd.DataFrame:
    """Return rows with all prices divided by a scale."""
    return rows.assign(**{k: rows[k] / scale for k in ("forecast", "actual", *BOUNDS)})


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with bounds named as utilsforecast names them."""
    ends = (("lower", "lo"), ("upper", "hi"))
    names = {f"{end}_{at}": f"forecast-{short}-{at}" for end, short in ends for at in LEVELS}
    return rows.rename(columns=names)


def scores(sums: pd.DataFrame, by: Sequence[str] = ("model",)) -> pd.DataFrame:
    """Score a backtest from its sums.

    Parameters
    ----------
    sums : DataFrame
        From `sums`, of parts joined in any order.
    by : sequence of str
        ``model``, and ``coin`` or ``step`` or both: one row for each.

    Returns
    -------
    DataFrame
        The columns of `by`, counts of rows, and the scores of the module's table; NaN where no
        row counts, and ``relative_mae`` where naive made no error at all. With ``coin``, the
        scores of that coin. Without, ``coins`` that have a row, and means over the coins that
        have the score, except scores in the quote currency; the geometric mean in
        ``relative_mae`` is over ``coins_relative`` coins, those with errors of the model and of
        naive. A model that gave up on some coins or dates is scored on the others;
        `cryptodask.evaluate.rows.common_rows` keeps those of all models.

    Raises
    ------
    OptionError
        `by` lacks ``model``, or has something other than those three.
    InputError
        Sums of a coin, model and step are there twice.
    """
    wanted = [by] if isinstance(by, str) else list(by)
    if "model" not in wanted or not set(wanted) <= set(_KEYS) or len(set(wanted)) < len(wanted):
        raise OptionError(f"by: must be model, with or without coin and step, got {wanted}")
    if sums.duplicated(list(_KEYS)).any():
        twice = sums.loc[sums.duplicated(list(_KEYS)), list(_KEYS)].iloc[0].to_dict()
        raise InputError(f"sums: {twice} is there twice; parts must be of whole coins")
    keys = [key for key in _KEYS if key in ("coin", *wanted)]
    # In one order, lest joining parts in another change the last bits of a sum.
    ordered = sums.sort_values(list(_KEYS), kind="stable")
    added = ordered.groupby(keys, as_index=False).sum()
    table = pd.concat([added[[*keys, *_COUNTS]], _ratios(added)], axis="columns")
    if "coin" not in wanted:
        return _over_coins(table, wanted)
    return table.sort_values(wanted, ignore_index=True)[[*wanted, *table.columns.drop(wanted)]]


def _ratios(sums: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each row of sums."""

    def mean(name: str, count: str) -> FloatArray:
        value: FloatArray = np.divide(sums[name].to_numpy(float), sums[count].to_numpy(float))
        return value

    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {
            "mae": mean("error", "n"),
            "rmse": np.sqrt(mean("square", "n")),
            "mase": mean("scaled_error", "n_scaled"),
            "rmsse": np.sqrt(mean("scaled_square", "n_scaled")),
            "smape": 200 * mean("smape", "n"),
            "relative_mae": np.where(
                sums["naive_error"] > 0, mean("shared_error", "naive_error"), np.nan
            ),
            "direction": mean("right", "n_moved"),
            "pinball": mean("pinball", "n_interval"),
            "wql": 2 * mean("pinball", "size"),
            "crps": mean("crps", "n_interval"),
            "scaled_crps": mean("scaled_crps", "n_scaled_interval"),
        }
        for level in LEVELS:
            ratios |= {
                f"coverage_{level}": mean(f"inside_{level}", "n_interval"),
                f"width_{level}": mean(f"width_{level}", "n_interval"),
                f"relative_width_{level}": mean(f"relative_width_{level}", "n_interval"),
                f"winkler_{level}": mean(f"winkler_{level}", "n_interval"),
                f"msis_{level}": mean(f"msis_{level}", "n_scaled_interval"),
            }
    return pd.DataFrame(ratios, index=sums.index)


def _over_coins(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return means over coins of the scores of each."""
    relative = table["relative_mae"].where(table["relative_mae"] > 0)
    table = table.assign(relative_mae=np.log(relative), coins=table["n"] > 0)
    groups = table.drop(columns=["coin", *IN_CURRENCY]).groupby(by)
    means = groups.mean()
    means["relative_mae"] = np.exp(means["relative_mae"])
    for count in ("coins", *_COUNTS):
        means[count] = groups[count].sum()
    means["coins_relative"] = groups["relative_mae"].count()
    first = ["coins", "coins_relative", *_COUNTS]
    return means[[*first, *means.columns.drop(first)]].reset_index()
