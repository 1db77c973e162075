"""Rules of coins that can not be forecast: they fail alone and by name."""

import numpy as np

from cryptodask.models.fitting import run_model
from cryptodask.models.walks import random_walk
from cryptodask.records import DAY, Panel
from cryptodask.testing.trial import ALONE, Trial, join, one_coin, require, require_same


def _treats_gaps(trial: Trial) -> None:
    """Check that the model does what it says by `gaps`.

    If it splits, how long a gap is makes no difference, and a coin with too few rows after its
    last gap fails by name; if it leaves them, it forecasts such a coin.
    """
    rows = max(80, 3 * trial.fewest(trial.short))
    closes, dates = random_walk(rows, trial.seed)
    columns = trial.model.columns
    if trial.model.gaps == "split":
        near, far = (dates.copy() for _ in range(2))
        for shifted, days in ((near, 1), (far, 500)):
            shifted[rows // 4 :] += days * DAY
            shifted[rows // 2 :] += days * DAY
        a_day, long = (trial.forecast(one_coin("gap", closes, d, columns)) for d in (near, far))
        advice = "let windows and returns end at a gap, whatever it lasts; or say gaps = 'leave'"
        require_same(a_day.values, long.values, a_day.coins, "where gaps are longer", advice)
    late = dates.copy()
    late[-2:] += 3 * DAY
    panel = join(
        [one_coin("late", closes, late, columns), one_coin("sound", closes, dates, columns)]
    )
    if trial.model.gaps == "leave" or trial.model.min_length(trial.short) <= 2:
        trial.forecast(panel)
    else:
        _refuses(trial, panel, "late", "TooShortError", "2 rows after its last gap, from ")


def _refuses_short_coins(trial: Trial) -> None:
    """Check that a coin of fewer rows than `min_length` fails alone and by name."""
    for horizon in trial.horizons:
        rows = trial.model.min_length(horizon)
        good = trial.panel(rows, 60, horizon=horizon)
        panel = trial.with_coin(good, random_walk(rows - 1, trial.seed)[0], "young")
        needs = f"{rows - 1} rows, {trial.model.name} needs {rows}"
        _refuses(trial, panel, "young", "TooShortError", needs, horizon)


def _refuses_constant_coins(trial: Trial) -> None:
    """Check that a coin that never moves fails alone, where the model `needs_variation`."""
    good = trial.panel(60)
    rows = max(60, trial.fewest(trial.short))
    panel = trial.with_coin(good, np.full(rows, 0.25), "flat")
    if trial.model.needs_variation:
        _refuses(trial, panel, "flat", "ConstantSeriesError", f"all {rows} closes are 0.25")
    else:
        values = trial.forecast(panel).values[1:]
        require_same(trial.forecast(good).values, values, good.coins, "beside a flat coin", ALONE)


def _refuses_broken_coins(trial: Trial) -> None:
    """Check that a coin with a close or date that is none fails alone and by name."""
    good, rows = trial.panel(60), max(60, trial.fewest(trial.short))
    closes, dates = random_walk(rows, trial.seed)
    for bad in (np.nan, np.inf, 0.0, -3.0):
        values = closes.copy()
        values[30] = bad
        panel = trial.with_coin(good, values, "bad")
        day = dates[30].astype("datetime64[D]")
        _refuses(trial, panel, "bad", "BrokenSeriesError", f"close {bad} on {day}: ")
    for date in (dates[28], dates[29], np.datetime64("NaT", "s")):
        other = dates.copy()
        other[30] = date
        panel = join([one_coin("bad", closes, other, trial.model.columns), good])
        reason = "a date is missing" if np.isnat(date) else "dates must rise"
        _refuses(trial, panel, "bad", "BrokenSeriesError", reason)


def _refuses(
    trial: Trial, panel: Panel, coin: str, error: str, message: str, horizon: int | None = None
) -> None:
    """Require that one coin of a panel fails, and that the others are as without it.

    Parameters
    ----------
    trial : Trial
    panel : Panel
    coin : str
        Its name.
    error, message : str
        Name of the exception's class, and how the message begins after the name.
    horizon : int, optional
        Bars; by default the usual ones.
    """
    horizon = horizon or trial.short
    others = panel.take([i for i, name in enumerate(panel.coins) if name != coin])
    result = run_model(trial.model, panel, horizon, trial.seed)
    expected = trial.forecast(others, horizon)
    failures = {failure.coin: failure for failure in result.failures}
    require(
        set(failures) == {coin},
        f"of {coin} and sound coins there failed {', '.join(failures) or 'none'}, not {coin} alone",
    )
    require_same(expected.values, result.values, others.coins, f"beside {coin}", ALONE)
    failure = failures[coin]
    require(
        failure.exception == error and failure.message.startswith(f"{coin}: {message}"),
        f"{coin} failed by {failure.exception}: {failure.message}; expected {error}: {message}",
    )


RULES = (
    _treats_gaps,
    _refuses_short_coins,
    _refuses_constant_coins,
    _refuses_broken_coins,
)
