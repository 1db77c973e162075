"""Rules of what a model says of itself: it is so."""

import math
from dataclasses import replace

import numpy as np

from cryptodask.errors import ForecastError
from cryptodask.features.own import OwnColumn
from cryptodask.prices.schema import NUMBER_COLUMNS
from cryptodask.records import Panel
from cryptodask.testing.trial import Trial, join, require, require_same, until


def _declares(trial: Trial) -> None:
    """Check that its attributes have the types and values that `Model` names."""
    model, columns = trial.model, NUMBER_COLUMNS[:3] + NUMBER_COLUMNS[4:]
    name = model.name
    require(isinstance(name, str) and name and not name[-1:].isspace(), f"name is {name!r}")
    require(_is_number(model.cost) and 0 < model.cost < math.inf, f"cost is {model.cost!r}")
    require(model.gaps in ("leave", "split"), f"gaps is {model.gaps!r}, not 'leave' or 'split'")
    for flag in ("needs_variation", "batches_dates", "learns", "learns_horizon"):
        value = getattr(model, flag)
        require(isinstance(value, bool), f"{flag} is {value!r}, not True or False")
    require(
        isinstance(model.columns, tuple)
        and all(name in columns or OwnColumn.parse(name) is not None for name in model.columns),
        f"columns is {model.columns!r}, not a tuple of some of {', '.join(columns)}, or of your "
        "own, as column:NAME",
    )
    libraries = model.libraries
    require(
        isinstance(libraries, tuple) and all(isinstance(name, str) for name in libraries),
        f"libraries is {libraries!r}, not a tuple of names of packages",
    )
    fewest = [model.min_length(horizon) for horizon in trial.horizons]
    require(
        all(isinstance(rows, int) for rows in fewest) and [1, *fewest] == sorted([1, *fewest]),
        f"min_length is {fewest} for horizons of {trial.horizons}, not integers from 1 up that "
        "grow with the horizon",
    )


def _sees_its_rows_only(trial: Trial) -> None:
    """Check that rows beyond `lookback` and `rows_at_ends` make no difference, to the bit."""
    model, fewest = trial.model, trial.model.min_length(trial.short)
    last, ends = model.lookback(trial.short), model.rows_at_ends(trial.short)
    require(
        last is None or (ends is not None and sum(ends) >= last >= fewest),
        f"lookback is {last}, rows_at_ends {ends} and min_length {fewest}: they contradict",
    )
    require(
        ends is None or (min(ends) >= 0 and sum(ends) >= fewest),
        f"rows_at_ends is {ends}, fewer than the {fewest} of min_length",
    )
    if ends is None:
        return
    for panel in trial.drawn():
        expected = trial.forecast(panel).values
        advice = f"lookback is {last} and rows_at_ends {ends}; say that it looks at more"
        if last is not None:
            values = trial.forecast(panel.tail(last)).values
            require_same(expected, values, panel.coins, f"from the last {last} rows", advice)
        values = trial.forecast(_ends_of(panel, *ends)).values
        require_same(expected, values, panel.coins, f"from {ends} rows at its ends", advice)


def _sees_its_columns_only(trial: Trial) -> None:
    """Check that columns that `columns` doesn't name make no difference."""
    panel = trial.panel(60, 80)
    expected = trial.forecast(panel).values
    others = {n: np.ones(len(panel.values)) for n in NUMBER_COLUMNS if n not in panel.extra}
    more = trial.forecast(replace(panel, extra={**others, **panel.extra})).values
    advice = "name in `columns` what the model reads beside closes"
    require_same(expected, more, panel.coins, "where the panel has all columns", advice)


def _batches_dates(trial: Trial) -> None:
    """Check that a coin may be there as of several dates, if the model says so."""
    model = trial.model
    if not model.batches_dates:
        return
    rows = trial.fewest(trial.short)
    panel = trial.panel(rows + 20, 60)
    dates = [until(panel, length) for length in (rows, rows + 7, rows + 20)]
    together = model.forecast(join(dates), trial.short, trial.seed)
    alone = [model.forecast(date, trial.short, trial.seed) for date in dates]
    advice = "look no coin up by its name, or say batches_dates = False"
    coins = panel.coins * len(dates)
    require_same(np.concatenate(alone), together, coins, "beside its other dates", advice)


def _explains(trial: Trial) -> None:
    """Check that `explain` returns an error or None."""
    reason = trial.model.explain(trial.panel(60))
    require(
        reason is None or isinstance(reason, ForecastError),
        f"explain returned {reason!r}, not a ForecastError or None",
    )


def _ends_of(panel: Panel, first: int, last: int) -> Panel:
    """Return the panel of some first and last rows of each coin."""
    places = np.arange(len(panel.values)) - np.repeat(panel.indptr[:-1], panel.lengths)
    kept = (places < first) | (places >= np.repeat(panel.lengths - last, panel.lengths))
    counts = np.add.reduceat(kept.astype(np.int64), panel.indptr[:-1])
    return Panel(
        panel.coins,
        panel.values[kept],
        panel.dates[kept],
        np.concatenate([[0], np.cumsum(counts)]),
        panel.step,
        extra={name: column[kept] for name, column in panel.extra.items()},
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RULES = (
    _declares,
    _sees_its_rows_only,
    _sees_its_columns_only,
    _batches_dates,
    _explains,
)
